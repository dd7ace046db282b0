"""Frames as a page shows them, made without a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from kbnet.evaluation.point_errors import JudgedPixels
from kbnet.frame import Frame
from kbnet.report.figures import ShownFrame

K = np.array([[60, 0, 31.5], [0, 60, 23.5], [0, 0, 1]], np.float32)
Judged = Literal["truth", "points", "nothing"]


@pytest.fixture
def shown_frame() -> Callable[..., ShownFrame]:
    """Make one: a slope of 1 to 3 m, 48x64 pixels; the network is 0.1 m off, linear interpolation 0.2 m."""

    def make(index: int = 0, *, judged: Judged = "truth", name: str = "", off: float = 0.1) -> ShownFrame:
        generator = np.random.default_rng(index)
        truth = np.tile(np.linspace(1, 3, 64, dtype=np.float32), (48, 1))
        sparse = np.zeros_like(truth)
        sparse[4::8, 4::8] = truth[4::8, 4::8]
        image = generator.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        image[:, : 4 * (index + 1)] = (255, 0, 0)
        frame = Frame(image, sparse, K, truth if judged == "truth" else None, name or f"{index:04}")
        depth, expected = truth + np.float32(off), np.tile(np.linspace(0.01, 0.3, 64, dtype=np.float32), (48, 1))
        pixels = None
        if judged != "nothing":
            at = np.ones(truth.shape, bool) if judged == "truth" else sparse > 0
            depths = {"kbnet": depth[at], "nearest": truth[at] + 0.3, "linear": truth[at] + np.float32(0.2)}
            pixels = JudgedPixels(truth[at], depths, np.array(np.nonzero(at)), expected[at])
        return ShownFrame(index, frame, depth, expected, pixels)

    return make
