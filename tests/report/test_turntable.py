"""The swaying cloud: it begins as the frame, comes back to it, leaves out what hangs in the air, and says its scale."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.frame import FloatArray, Frame
from kbnet.report.turntable import Cloud, Turn, splat, turntable, write_fused_turntable, write_turntable

K = np.array([[60, 0, 31.5], [0, 60, 23.5], [0, 0, 1]], np.float32)
SIZE = (48, 64)


def _frame() -> Frame:
    """Left half red, right half blue, a wall 2 m off."""
    image = np.zeros((*SIZE, 3), np.uint8)
    image[:, :32, 0], image[:, 32:, 2] = 255, 255
    return Frame(image, np.zeros(SIZE, np.float32), K)


def _wall(depth: float = 2.0) -> FloatArray:
    return np.full(SIZE, depth, np.float32)


def test_turntable_begins_with_the_frame_and_has_its_proportions() -> None:
    first, *others = turntable(Cloud.of_frame(_frame(), _wall()), K, SIZE, Turn(pictures=4, width=128))
    assert {picture.shape for picture in (first, *others)} == {(96, 128, 3)}
    assert first[40, 32].tolist() == [255, 0, 0]
    assert first[40, 96].tolist() == [0, 0, 255]
    assert first[2, 2].tolist() == [255, 255, 255], "it stands a little behind the frame's camera"
    assert any((picture != first).any() for picture in others)


def test_turn_comes_back_to_its_beginning() -> None:
    for turn in (Turn(), Turn(yaw_deg=180.0)):
        np.testing.assert_allclose(
            np.mod(np.add(turn.angles(turn.pictures), 1e-9), 2 * math.pi), turn.angles(0), atol=1e-6
        )
    assert max(abs(Turn().angles(number)[0]) for number in range(60)) == pytest.approx(math.radians(30))


def test_turntable_all_round_shows_the_other_side() -> None:
    turn = Turn(pictures=2, yaw_deg=180.0, pitch_deg=0.0, width=128)
    front, back = turntable(Cloud.of_frame(_frame(), _wall()), K, SIZE, turn)
    assert front[40, 50].tolist() == back[40, 78].tolist() == [255, 0, 0]


def test_cloud_of_frame_leaves_out_what_hangs_between_two_surfaces() -> None:
    beside, above = _wall(3.0), _wall(3.0)
    beside[:, :32], beside[:, 32] = 1.0, 2.0
    above[24:], above[23] = 1.0, 2.0
    for depth, others in ((beside, SIZE[0] * (SIZE[1] - 1)), (above, (SIZE[0] - 1) * SIZE[1])):
        points = Cloud.of_frame(_frame(), depth).points
        assert len(points) == others
        assert not (points[:, 2] == 2).any()


def test_cloud_of_frame_keeps_a_road_to_the_horizon_but_no_wall_as_steep() -> None:
    from_horizon = np.arange(SIZE[0])[:, None] - K[1, 2]
    road = np.where(from_horizon > 3, 60 / np.maximum(from_horizon, 1), 0) * np.ones(SIZE)
    cloud = Cloud.of_frame(_frame(), road.astype(np.float32))
    assert len(cloud.points) == np.count_nonzero(road)
    assert np.min(cloud.spacing) > cloud.points[:, 2].min() / 60
    from_middle = np.arange(SIZE[1]) - K[0, 2]
    passage = np.where(from_middle > 3, 60 / np.maximum(from_middle, 1), 0) * np.ones(SIZE)
    assert len(Cloud.of_frame(_frame(), passage.astype(np.float32)).points) < 0.95 * np.count_nonzero(passage)


def test_cloud_of_frame_wants_depth() -> None:
    with pytest.raises(ValueError, match="got none"):
        Cloud.of_frame(_frame(), _wall(0.0))


def test_turntable_draws_a_bar_of_a_round_number_of_metres() -> None:
    picture = next(turntable(Cloud.of_frame(_frame(), _wall()), K, SIZE, Turn(pictures=1, width=480)))
    row = picture[round(picture.shape[0] - 480 / 20)]
    dark = np.flatnonzero((row < 60).all(axis=1))
    px_per_metre = 480 / 64 * 60 / (1.12 * 2.0)
    metres = (dark[-1] - dark[0]) / px_per_metre
    assert min(abs(metres / round_number - 1) for round_number in (0.1, 0.2, 0.5, 1, 2)) < 0.03


def test_write_turntable_writes_films(tmp_path: Path) -> None:
    turn = Turn(pictures=5, width=64)
    write_turntable(tmp_path / "a.gif", _frame(), _wall(), turn)
    with Image.open(tmp_path / "a.gif") as film:
        assert (film.n_frames, film.size) == (5, (64, 48))


def test_write_fused_turntable_takes_points_of_the_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kbnet.report.turntable.ALL_ROUND", Turn(pictures=2, yaw_deg=180.0, width=64))
    T_world_camera = np.eye(4)
    T_world_camera[:3, 3] = (100.0, 0, 0)
    cloud = Cloud.of_frame(_frame(), _wall())
    points = (cloud.points + T_world_camera[:3, 3]).astype(np.float32)
    write_fused_turntable(tmp_path / "a.gif", points, cloud.colours, 0.05, T_world_camera)
    with Image.open(tmp_path / "a.gif") as film:
        assert (np.asarray(film.convert("RGB"))[24] != 255).any(axis=1).mean() > 0.3


SPLAT_K = np.array([[40.0, 0, 23.5], [0, 40.0, 15.5], [0, 0, 1]])
SPLAT_SIZE = (32, 48)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def _draw(points: list[list[float]], colours: list[tuple[int, int, int]], spacing: float = 0.001) -> np.ndarray:
    return splat(np.array(points), np.array(colours, np.uint8), spacing, SPLAT_K, np.eye(4), SPLAT_SIZE)


def test_splat_draws_a_point_at_its_pixel() -> None:
    # Pixel (30, 10) has its centre at (30 - 23.5) / 40, (10 - 15.5) / 40.
    picture = _draw([[2 * 6.5 / 40, 2 * -5.5 / 40, 2.0]], [RED], spacing=2 / 40)
    rows, columns = np.nonzero((picture != 255).any(axis=2))
    assert (rows.tolist(), columns.tolist()) == ([10], [30])
    assert picture[10, 30].tolist() == [255, 0, 0]


def test_splat_shows_the_nearest_whatever_the_order() -> None:
    points, colours = [[0.0, 0, 1.0], [0.0, 0, 2.0]], [RED, BLUE]
    for order in ([0, 1], [1, 0]):
        picture = _draw([points[i] for i in order], [colours[i] for i in order], spacing=0.2)
        assert picture[15, 23].tolist() == [255, 0, 0]


def test_splat_leaves_out_what_lies_behind_or_beside() -> None:
    assert (_draw([[0.0, 0, -1.0], [0.0, 0, 0.0], [90.0, 0, 1.0], [0.0, -90.0, 1.0]], [RED] * 4) == 255).all()
    assert (splat(np.zeros((0, 3)), np.zeros((0, 3), np.uint8), 0.1, SPLAT_K, np.eye(4), SPLAT_SIZE) == 255).all()


def test_splat_closes_a_plane_whose_points_lie_a_spacing_apart() -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(-1, 1, 0.05), np.arange(-1, 1, 0.05)))
    points = np.stack([x, y, np.full_like(x, 1.9)], axis=1)
    picture = splat(points, np.zeros((len(x), 3), np.uint8), 0.05, SPLAT_K, np.eye(4), SPLAT_SIZE)
    assert not picture[4:-4, 8:-8].any()


def test_splat_moves_the_camera_not_the_points() -> None:
    T_camera_world = np.eye(4)
    T_camera_world[0, 3] = -0.5  # the camera stands half a metre to the right, so the point is left of it
    picture = splat(np.array([[0.0, 0, 2.0]]), np.array([RED], np.uint8), 0.05, SPLAT_K, T_camera_world, SPLAT_SIZE)
    columns = np.nonzero((picture != 255).any(axis=2))[1]
    assert columns.mean() < 15
