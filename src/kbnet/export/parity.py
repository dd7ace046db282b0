"""Parity check of an export: its depth compared with the network's, on frames at two sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kbnet.datasets.motorcycle import load_motorcycle
from kbnet.errors import KBNetError
from kbnet.export.sizes import FACTOR, Sizes, largest_fitting
from kbnet.frame import MINIMUM_SIZE, Frame
from kbnet.frames.open import open_prepared
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.inputs import NetworkInputs, frame_inputs

Run = Callable[[NetworkInputs], Tensor]
"""Exported network: function from inputs to depth, (B, 1, H, W), metres."""

CHECKED_FRAMES = 3
"""Number of compared frames of a sequence, evenly spread."""

TOLERANCE = 1e-4
"""Largest relative difference in depth of float32 exports; only the order of summation differs."""

INT8_TOLERANCE = 0.1
"""Mean relative difference above which an int8 export is rejected.

Measured: 0.0002 (indoor) to 0.04 (random weights).
"""


class Parity(NamedTuple):
    """Difference between the depth of an export and of the network, over all compared pixels."""

    largest: float
    """Largest |exported / network - 1|."""
    mean: float
    """Mean of |exported / network - 1|."""
    sizes: tuple[str, ...]
    """Compared sizes, width x height."""


def frames_to_check(source: Path | None, *, sparse_depth: str | None = None) -> list[Frame]:
    """Frames for the check: of a sequence or list (:func:`spread_frames`), or the motorcycle scene without one."""
    return (
        [load_motorcycle()]
        if source is None
        else list(spread_frames(source, CHECKED_FRAMES, sparse_depth=sparse_depth))
    )


def spread_frames(source: Path, count: int, *, sparse_depth: str | None = None) -> Iterator[Frame]:
    """Yield at most ``count`` frames of a sequence folder or list, evenly spread."""
    frames = open_prepared(source, sparse_depth=sparse_depth or "sparse_depth")
    for index in np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int)):
        yield frames.frame(int(index))


def measure_parity(run: Run, network: DepthNetwork, frames: Iterable[Frame], *, sizes: Sizes = "any") -> Parity:
    """Compare an export with its network.

    Args:
        network: network in evaluation mode, on the CPU.
        frames: frames for the comparison, each at the largest size that fits, and as a batch of two smaller crops.
        sizes: image sizes for which the export is exact; with ``any``, the crops have an odd size.

    Raises:
        KBNetError: the export gives NaN or infinity.
    """
    largest, total, count, compared = 0.0, 0.0, 0, []
    for frame in frames:
        for inputs in _compared_inputs(frame_inputs(frame, network.config), sizes):
            with torch.no_grad():
                difference = (run(inputs).float() / network(*inputs) - 1).abs()
            if not torch.isfinite(difference).all():
                raise KBNetError(f"the export gives depth that is not finite on frame '{frame.name}'; nothing written")
            largest = max(largest, float(difference.max()))
            total, count = total + float(difference.double().sum()), count + difference.numel()
            compared.append(f"{inputs.image.shape[-1]}x{inputs.image.shape[-2]}")
    return Parity(largest, total / max(count, 1), tuple(dict.fromkeys(compared)))


def check_parity(parity: Parity, *, int8: bool = False) -> None:
    """Check that an export is within the tolerance.

    Raises:
        KBNetError: the difference is beyond the tolerance.
    """
    value, tolerance = (parity.mean, INT8_TOLERANCE) if int8 else (parity.largest, TOLERANCE)
    if not value <= tolerance:
        raise KBNetError(
            f"expected the export to differ from the network by at most {tolerance:g} of the depth, got {value:.2g} "
            f"at {', '.join(parity.sizes)}; nothing was written"
        )


def _compared_inputs(inputs: NetworkInputs, sizes: Sizes) -> Iterator[NetworkInputs]:
    """Compared inputs of a frame: its lower right at the largest size, and two smaller crops as a batch."""
    height, width = inputs.image.shape[-2:]
    rows, columns = (largest_fitting(length, sizes) for length in (height, width))
    yield _cropped(inputs, height - rows, width - columns, rows, columns)
    rows, columns = (_smaller(length, sizes) for length in (height, width))
    pair = (_cropped(inputs, top, left, rows, columns) for top, left in ((0, 0), (height - rows, width - columns)))
    yield NetworkInputs(*(torch.cat(two) for two in zip(*(each.given() for each in pair), strict=True)))


def _smaller(length: int, sizes: Sizes) -> int:
    """Two thirds of a length, odd or a multiple of 32, with two pixels at the lowest level if possible."""
    if sizes == "any":
        return max(length * 2 // 3 | 1, min(length, MINIMUM_SIZE + 1))
    return max(largest_fitting(length * 2 // 3, sizes), largest_fitting(min(length, 2 * FACTOR), sizes))


def _cropped(inputs: NetworkInputs, top: int, left: int, rows: int, columns: int) -> NetworkInputs:
    """Crop every map; cx and cy of K move by the offset."""
    moved = inputs.intrinsics.clone()
    moved[:, :2, 2] -= moved.new_tensor([left, top])
    window = (
        x if x is inputs.intrinsics else x[..., top : top + rows, left : left + columns].contiguous()
        for x in inputs.given()
    )
    return NetworkInputs(*window)._replace(intrinsics=moved)
