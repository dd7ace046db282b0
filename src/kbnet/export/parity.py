"""The check of every export: the depth it gives on frames, at two sizes, against that of the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kbnet.data.frame_source import open_frames
from kbnet.data.motorcycle import load_motorcycle
from kbnet.data.outliers import kept_points
from kbnet.data.scaffold import scaffold_from_points
from kbnet.frame import MINIMUM_SIZE, Frame
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet

Run = Callable[[tuple[Tensor, ...]], Tensor]
"""An exported network: from its inputs in order to depth, (B, 1, H, W), metres."""

CHECKED_FRAMES = 3
"""How many frames of a sequence are compared, evenly spread."""

TOLERANCE = 1e-4
"""Largest relative difference in depth that float32 exports may have: orders of summation differ, nothing else."""

INT8_TOLERANCE = 0.1
"""Mean relative difference beyond which an int8 export is broken, not just coarse.

Measured: 0.0002 (indoor) to 0.04 (random weights).
"""


class Parity(NamedTuple):
    """How far the depth of an export is from the network's, over all pixels compared."""

    largest: float
    """Largest |exported / network - 1|."""
    mean: float
    """Its mean."""
    sizes: tuple[str, ...]
    """Sizes compared, width x height."""


def frames_to_check(source: Path | None, *, sparse_depth: str | None = None) -> list[Frame]:
    """Frames evenly spread over a sequence or list, as of :func:`spread_frames`; without one, the motorcycle scene.

    Raises:
        ModuleNotFoundError: no source was given, and scikit-image, which brings the scene, is not installed.
        FileNotFoundError, ValueError: the source cannot be read.
    """
    return (
        [load_motorcycle()]
        if source is None
        else list(spread_frames(source, CHECKED_FRAMES, sparse_depth=sparse_depth))
    )


def spread_frames(source: Path, count: int, *, sparse_depth: str | None = None) -> Iterator[Frame]:
    """At most ``count`` frames of a sequence folder or list, evenly spread, read one by one.

    Args:
        source: the folder or list.
        count: how many.
        sparse_depth: the folder of sparse depth, or the column; None: ``sparse_depth``.
    """
    frames = open_frames(source, sparse_depth=sparse_depth or "sparse_depth")
    for index in np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int)):
        yield frames.frame(int(index))


def network_inputs(frame: Frame, config: KBNetConfig) -> tuple[Tensor, ...]:
    """A frame as the inputs of a network, in order, each with a batch of one."""
    image = torch.from_numpy(np.ascontiguousarray(frame.image.transpose(2, 0, 1)))[None].float() / 255
    sparse_depth = torch.from_numpy(np.array(frame.sparse_depth))[None, None]
    intrinsics = torch.from_numpy(np.array(frame.intrinsics))[None]
    validity = kept_points(sparse_depth, intrinsics, **config.outlier_removal)
    scaffold = scaffold_from_points(sparse_depth * validity, config.scaffold)
    known = (image, sparse_depth, validity, intrinsics)
    return known if scaffold is None else (*known, scaffold)


def measure_parity(run: Run, network: KBNet, frames: Iterable[Frame], *, any_size: bool = True) -> Parity:
    """Compare an export with the network it came from.

    Args:
        run: the export.
        network: in evaluation mode, on the CPU.
        frames: what to compare on.
        any_size: compare a batch of two crops of an odd size from every frame too, which divides by no power of two.

    Raises:
        ValueError: the export gives NaN or infinity.
    """
    largest, total, count, sizes = 0.0, 0.0, 0, []
    for frame in frames:
        whole = network_inputs(frame, network.config)
        for inputs in [whole, _two_crops(whole)] if any_size else [whole]:
            with torch.no_grad():
                difference = (run(inputs).float() / network(*inputs) - 1).abs()
            if not torch.isfinite(difference).all():
                raise ValueError(f"the export gives depth that is not finite on frame '{frame.name}'; nothing written")
            largest = max(largest, float(difference.max()))
            total, count = total + float(difference.double().sum()), count + difference.numel()
            sizes.append(f"{inputs[0].shape[-1]}x{inputs[0].shape[-2]}")
    return Parity(largest, total / max(count, 1), tuple(dict.fromkeys(sizes)))


def check_parity(parity: Parity, *, int8: bool = False) -> None:
    """Refuse an export that is not the network.

    Raises:
        ValueError: the difference is beyond the tolerance.
    """
    value, tolerance = (parity.mean, INT8_TOLERANCE) if int8 else (parity.largest, TOLERANCE)
    if not value <= tolerance:
        raise ValueError(
            f"expected the export to differ from the network by at most {tolerance:g} of the depth, got {value:.2g} "
            f"at {', '.join(parity.sizes)}; nothing was written"
        )


def _two_crops(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The upper left and the lower right of a frame as a batch of two, with the K of each."""
    height, width = inputs[0].shape[-2:]
    rows, columns = (max(size * 2 // 3 | 1, min(size, MINIMUM_SIZE + 1)) for size in (height, width))
    top, left = height - rows, width - columns
    moved = inputs[3].clone()
    moved[:, 0, 2] -= left
    moved[:, 1, 2] -= top
    return tuple(
        torch.cat([x, moved] if x is inputs[3] else [x[..., :rows, :columns], x[..., top:, left:]]) for x in inputs
    )
