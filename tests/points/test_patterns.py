"""Depth made sparse on purpose: true where measured, as many points as asked for, rings of equal angle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kbnet.points.patterns import SparsePattern, ring_pixels

K = np.array([[60, 0, 39.5], [0, 50, 29.5], [0, 0, 1]], np.float32)
SIZE = (60, 80)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
DEPTH = np.random.default_rng(1).uniform(1, 5, SIZE).astype(np.float32)
HOLES = np.where(np.arange(80) < 40, DEPTH, np.float32(0))
"""Nothing is measured on the right."""


@pytest.mark.parametrize("pattern", ["corners", "uniform", "rings"])
def test_measured_depth_is_the_true_one_and_holes_stay(pattern: Any) -> None:
    sparse = SparsePattern(pattern, points=200, rings=10).measure(IMAGE, HOLES, K)
    chosen = sparse > 0
    np.testing.assert_array_equal(sparse[chosen], HOLES[chosen])
    assert not chosen[:, 40:].any()
    assert chosen.sum() == 200 if pattern != "rings" else 80 < chosen.sum() <= 100


@pytest.mark.parametrize("pattern", ["corners", "uniform"])
def test_asking_for_more_than_there_is_gives_all(pattern: Any) -> None:
    sparse = SparsePattern(pattern, points=10_000).measure(IMAGE, HOLES, K)
    np.testing.assert_array_equal(sparse, HOLES)


def test_the_same_values_give_the_same_points_and_frames_differ() -> None:
    def uniform(seed: int, index: int) -> np.ndarray:
        return SparsePattern("uniform", 50, seed=seed).measure(IMAGE, DEPTH, K, index)

    np.testing.assert_array_equal(uniform(0, 3), uniform(0, 3))
    assert (uniform(0, 3) != uniform(0, 4)).any()
    assert (uniform(0, 3) != uniform(1, 3)).any()


def test_rings_are_cones_of_equal_spacing_in_steps_of_equal_angle() -> None:
    rows, columns = ring_pixels(K, SIZE, rings=6, points=6 * 40)
    assert len(set(zip(rows, columns, strict=True))) == rows.size
    x, y = (columns - 39.5) / 60, (rows - 29.5) / 50
    elevation = np.degrees(np.arctan(y * np.cos(np.arctan(x))))
    edge = np.degrees(np.arctan(30 / 50))
    spacing = 2 * edge / 6
    ring = np.floor((elevation + edge) / spacing)
    assert set(ring) == set(range(6))
    # Within the rounding to pixels, every point is in the middle of its cone.
    assert np.abs(elevation - (-edge + (ring + 0.5) * spacing)).max() < 0.65
    middle = np.abs(y) < 0.1
    azimuth = np.degrees(np.arctan(np.sort(x[middle & (ring == 2)])))
    np.testing.assert_allclose(np.diff(azimuth), 2 * np.degrees(np.arctan(40 / 60)) / 40, atol=1.0)


def test_noise_and_outliers_are_as_asked_for() -> None:
    noisy = SparsePattern("uniform", 2000, range_noise=0.02).measure(IMAGE, DEPTH, K)
    ratio = np.log(noisy[noisy > 0] / DEPTH[noisy > 0])
    assert 0.018 < ratio.std() < 0.022
    wrong = SparsePattern("rings", 400, outlier_share=0.25).measure(IMAGE, DEPTH, K)
    assert 0.2 < np.mean(wrong[wrong > 0] != DEPTH[wrong > 0]) <= 0.25


@pytest.mark.parametrize(
    "values", [{"points": 0}, {"rings": 0}, {"seed": -1}, {"range_noise": -1}, {"outlier_share": 2}]
)
def test_values_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^expected .* got .*"):
        SparsePattern(**values).measure(IMAGE, DEPTH, K)
