"""Points drawn for a sample: only where depth is known, as many as asked for, in every pattern."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from kbnet.frame import FloatArray, ImageArray
from kbnet.points import drawn_points
from kbnet.points.drawn_points import PATTERNS, PointDrawing

HEIGHT, WIDTH = 64, 96
K = np.array([[80, 0, 47.5], [0, 80, 31.5], [0, 0, 1]], np.float32)
EXACT: dict[str, Any] = {"probability": 1.0, "range_noise": (0.0, 0.0), "outlier_share": (0.0, 0.0)}


@pytest.fixture(name="image")
def image_fixture() -> ImageArray:
    texture = gaussian_filter(np.random.default_rng(1).standard_normal((HEIGHT, WIDTH, 3)), (1.5, 1.5, 0))
    return (128 + 60 * texture / texture.std()).clip(0, 255).astype(np.uint8)


@pytest.fixture(name="depth")
def depth_fixture() -> FloatArray:
    """A slope from 1 to 4 m, unmeasured in a band."""
    depth = np.tile(np.linspace(1, 4, WIDTH, dtype=np.float32), (HEIGHT, 1))
    depth[20:30] = 0
    return depth


def only(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_points, "PATTERNS", {pattern: 1.0})


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("count", [20, 300])
def test_every_pattern_draws_true_depth_where_there_is_some(
    pattern: str, count: int, image: ImageArray, depth: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(pattern, monkeypatch)
    for seed in range(4):
        points = PointDrawing(count=(count, count), **EXACT).draw(image, depth, K, np.random.default_rng(seed))
        assert points.dtype == np.float32
        np.testing.assert_array_equal(points[points > 0], depth[points > 0])
        found = np.count_nonzero(points)
        if pattern in ("corners", "uniform"):
            assert found == count
        elif pattern in ("grid", "lines"):
            assert 0.4 * count <= found <= 1.5 * count
        else:
            assert 3 <= found <= count


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("measured", [0, 1, 2])
def test_few_measured_pixels_give_at_most_those(
    pattern: str, measured: int, image: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(pattern, monkeypatch)
    depth = np.zeros((HEIGHT, WIDTH), np.float32)
    depth[30, 40 : 40 + measured] = 2.0
    drawing = PointDrawing(probability=1.0, count=(50, 50), outlier_share=(0.0, 0.0), range_noise=(0.0, 0.0))
    points = drawing.draw(image, depth, K, np.random.default_rng(0))
    assert not points[depth == 0].any()
    if pattern in ("corners", "uniform", "clusters", "side"):
        assert np.count_nonzero(points) == measured


def test_numbers_lie_in_their_ranges_and_differ(image: ImageArray, depth: FloatArray) -> None:
    drawing = PointDrawing(probability=1.0, count=(20, 400))
    counts = [np.count_nonzero(drawing.draw(image, depth, K, np.random.default_rng(seed))) for seed in range(20)]
    assert min(counts) < 60 < 150 < max(counts) <= 600


def test_noise_and_outliers_are_as_asked_for(image: ImageArray, depth: FloatArray, monkeypatch: Any) -> None:
    only("uniform", monkeypatch)
    noisy = PointDrawing(probability=1.0, count=(2000, 2000), range_noise=(0.02, 0.02), outlier_share=(0.1, 0.1))
    points = noisy.draw(image, depth, K, np.random.default_rng(0))
    relative = np.abs(points[points > 0] / depth[points > 0] - 1)
    assert np.median(relative) == pytest.approx(0.02 * 0.674, rel=0.3)
    assert 0.04 < (relative > 0.08).mean() < 0.1


def test_the_same_generator_draws_the_same_points(image: ImageArray, depth: FloatArray) -> None:
    draws = [PointDrawing(probability=1.0).draw(image, depth, K, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probability": 1.5}, r"points\.probability in 0\.\.1, got 1\.5"),
        ({"count": (0, 10)}, r"ascending range of points\.count, got 0 to 10"),
        ({"count": (1,)}, r"points\.count as two numbers, smallest and largest, got \(1,\)"),
        ({"count": (20, 10)}, r"points\.count, got 20 to 10"),
        ({"range_noise": (-0.1, 0.1)}, r"points\.range_noise"),
        ({"outlier_share": (0.1, 1.1)}, r"points\.outlier_share"),
        ({"thinning": -0.5}, r"points\.thinning in 0\.\.1, got -0\.5"),
    ],
)
def test_impossible_drawings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointDrawing(**changes)


def lidar_scan() -> FloatArray:
    """Sixty-four lines as a camera with a focal length of 720 px sees them; depth tells the line."""
    depth = np.zeros((380, 400), np.float32)
    columns = np.arange(0, 400, 3)
    for line in range(64):
        elevation_rad = np.radians((line - 30) * drawn_points.LINE_SPACING_DEG + 0.2)
        rows = 190 + 720 * np.tan(elevation_rad) * np.hypot((columns - 200) / 720, 1)
        depth[np.rint(rows).astype(int), columns] = 1 + line
    return depth


LIDAR_K = np.array([[720, 0, 200], [0, 720, 190], [0, 0, 1]], np.float32)


@pytest.mark.parametrize(("step", "lines"), [(1, 64), (2, 32), (4, 16)])
def test_every_nth_line_keeps_whole_lines_of_a_lidar(step: int, lines: int) -> None:
    scan = lidar_scan()
    kept = drawn_points.every_nth_line(scan, LIDAR_K, step)
    per_line = [np.count_nonzero(kept == 1 + line) for line in range(64)]
    whole = [np.count_nonzero(scan == 1 + line) for line in range(64)]
    assert sum(number > 0.9 * all_ for number, all_ in zip(per_line, whole, strict=True)) == lines
    assert sum(per_line) == pytest.approx(sum(whole) / step, rel=0.05)


def test_thinning_leaves_lines_or_numbers_of_the_points_of_the_sequence() -> None:
    scan, drawing = lidar_scan(), PointDrawing(thinning=1.0, count=(100, 100))
    numbers = set()
    for seed in range(20):
        thinned = drawing.thinned(scan, LIDAR_K, np.random.default_rng(seed))
        assert np.array_equal(thinned[thinned > 0], scan[thinned > 0])
        numbers.add(round(np.count_nonzero(scan) / np.count_nonzero(thinned)))
    assert numbers == {2, 4, round(np.count_nonzero(scan) / 100)}
    assert PointDrawing().thinned(scan, LIDAR_K, np.random.default_rng(0)) is scan
