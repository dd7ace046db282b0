"""Better or not, at points that were held out: what chance or false ranges bring is no gain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from kbnet.evaluation.before_after import BeforeAfter, compare_before_after
from kbnet.frame import FloatArray, Frame
from kbnet.frames.depth_png import read_depth_png, write_depth_png
from kbnet.frames.sequence import Sequence
from kbnet.inference.completer import DepthCompleter
from kbnet.training.held_out import HeldOut, hold_out

WriteSequence = Callable[..., Path]


@pytest.fixture
def held_out(write_sequence: WriteSequence, tmp_path: Path) -> HeldOut:
    return hold_out({"sparse_depth": Sequence(write_sequence(frames=10))}, tmp_path / "run", gap=1)


class Network:
    """Stands in for a completer: the wall at 2 m, wrong by ``error`` and by noise, metres."""

    def __init__(self, error: float, spread: float = 0.0, seed: int = 0, max_depth: float = 8.0) -> None:
        self.error, self.spread, self.generator = error, spread, np.random.default_rng(seed)
        self.config = SimpleNamespace(max_depth=max_depth)

    def __call__(self, frame: Frame) -> FloatArray:
        noise = self.spread * self.generator.standard_normal(frame.size)
        return (2.0 + self.error + noise).astype(np.float32)


def compare(held_out: HeldOut, before: Network, after: Network, **options: Any) -> BeforeAfter:
    return compare_before_after(held_out.judged, cast(DepthCompleter, before), cast(DepthCompleter, after), **options)


def test_errors_are_those_at_the_held_out_points(held_out: HeldOut) -> None:
    judgement = compare(held_out, Network(0.2), Network(-0.1))
    before, after = judgement.errors["sparse_depth", "before"], judgement.errors["sparse_depth", "after"]
    assert (before.mae_mm, before.rmse_mm, before.robust_percent, before.median_percent) == pytest.approx(
        (200, 200, 10, 10), rel=1e-4
    )
    assert (after.mae_mm, after.rmse_mm, after.robust_percent, after.median_percent) == pytest.approx(
        (100, 100, 5, 5), rel=1e-4
    )
    assert judgement.errors["sparse_depth", "linear"].mae_mm == pytest.approx(0, abs=1e-3)
    assert (judgement.change, judgement.mae_change) == pytest.approx((-0.5, -0.5), abs=1e-4)
    assert judgement.frames == 10
    assert judgement.better


def test_worse_is_not_better(held_out: HeldOut) -> None:
    assert not compare(held_out, Network(0.1), Network(0.11)).better


def test_the_same_network_is_not_better_than_itself(held_out: HeldOut) -> None:
    judgement = compare(held_out, Network(0.1), Network(0.1))
    assert (judgement.change, judgement.standard_error) == (0, 0)
    assert not judgement.better


@pytest.mark.parametrize(
    ("change", "standard_error", "mae_change", "better"),
    [(-0.05, 0.02, -0.01, True), (-0.05, 0.03, -0.01, False), (-0.05, 0.02, 0.01, False), (0.05, 0.02, -0.01, False)],
)
def test_a_gain_is_beyond_chance_and_not_at_the_cost_of_what_is_far(
    change: float, standard_error: float, mae_change: float, better: bool
) -> None:
    assert BeforeAfter({}, 30, change, standard_error, mae_change).better == better


@pytest.mark.parametrize("seed", range(3))
def test_chance_is_no_gain(held_out: HeldOut, seed: int) -> None:
    judgement = compare(held_out, Network(0, 0.1, seed), Network(0, 0.1, seed + 10))
    assert judgement.standard_error > 0.01
    assert not judgement.better


def test_false_ranges_among_the_held_out_points_hide_no_gain(held_out: HeldOut, tmp_path: Path) -> None:
    """One in ten, metres off: they fill the mean errors, and the gain of a centimetre still counts."""
    generator = np.random.default_rng(0)
    for path in (tmp_path / "run" / "held_out").rglob("*.png"):
        depth = read_depth_png(path)
        wrong = (depth > 0) & (generator.random(depth.shape) < 0.1)
        write_depth_png(path, np.where(wrong, generator.uniform(0.5, 7, depth.shape), depth).astype(np.float32))
    judgement = compare(held_out, Network(0.05), Network(0.04))
    assert judgement.errors["sparse_depth", "before"].mae_mm > 100
    assert judgement.errors["sparse_depth", "before"].median_percent == pytest.approx(2.5, abs=0.1)
    assert judgement.better
    assert not compare(held_out, Network(0.04), Network(0.05)).better


def test_points_beyond_the_networks_reach_are_not_judged(held_out: HeldOut) -> None:
    far = Network(0.0, max_depth=1.5)
    with pytest.raises(ValueError, match=r"held-out points nearer than 1\.5 m in at least 2 frames, got them in 0"):
        compare(held_out, far, far)


def test_each_kind_of_sparse_depth_counts_the_same(write_sequence: WriteSequence, tmp_path: Path) -> None:
    kinds = ("sparse_depth", "sparse_depth_dense")
    folder = write_sequence(frames=6, sparse_depths=kinds)
    held = hold_out({kind: Sequence(folder, sparse_depth=kind) for kind in kinds}, tmp_path / "run", gap=1)
    seen = []
    judgement = compare(held, Network(0.2), Network(0.1), on_frame=lambda: seen.append(1))
    assert {kind for kind, _ in judgement.errors} == set(kinds)
    assert judgement.change == pytest.approx(-0.5, abs=1e-4)
    assert len(seen) == 12
