"""For exports: a small network of each kind, a frame to compare on, and a sequence on disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kbnet.export.onnx import onnx_model
from kbnet.frame import Frame
from kbnet.frames.sequence_writer import new_sequence
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet

SMALL: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
SMALL_POOLS: dict[str, Any] = {"min_pool_sizes": (3,), "max_pool_sizes": (5,)}
OURS: dict[str, Any] = {"scaffold": "linear", "residual": "spread", "outlier_rule": "support", "normalisation": "batch"}


@pytest.fixture(scope="module", params=["published", "ours"])
def network(request: pytest.FixtureRequest) -> KBNet:
    """As published, or with a scaffold, BatchNorm, our own outlier rule and fewer pools; read only."""
    torch.manual_seed(0)
    kind: dict[str, Any] = OURS | SMALL_POOLS if request.param == "ours" else {"intrinsics_scaling": "published"}
    made = KBNet(KBNetConfig(weight_init="kaiming", **SMALL, **kind)).eval()
    torch.nn.init.normal_(made.decoder.output.weight, std=0.1)
    return made


@pytest.fixture(scope="module")
def converted() -> Callable[..., bytes]:
    """`onnx_model`, which converts a network of the module once for each kind of sizes."""
    convert = cache(lambda network, sizes: onnx_model(network, sizes=sizes))
    return lambda network, *, sizes="any": convert(network, sizes)


@pytest.fixture
def frame() -> Frame:
    """44x70 pixels: odd at every level below; points between 0.5 and 5 m, a few of them outliers."""
    return _frame(0)


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """Four such frames on disk."""
    with new_sequence(tmp_path / "room", _frame(0).intrinsics) as writer:
        for index in range(4):
            writer.add(_frame(index), np.eye(4))
    return tmp_path / "room"


def _frame(seed: int) -> Frame:
    generator = np.random.default_rng(seed)
    depth = np.linspace(0.5, 5, 70, dtype=np.float32)[None].repeat(44, axis=0)
    points = np.where(generator.random(depth.shape) < 0.05, depth, np.float32(0))
    points[::11, ::13] = 8
    return Frame(
        image=generator.integers(0, 256, (44, 70, 3), dtype=np.uint8),
        sparse_depth=points,
        intrinsics=np.array([[60, 0.5, 33], [0, 61, 21], [0, 0, 1]], np.float32),
        ground_truth=depth,
        name=f"{seed:04}",
    )
