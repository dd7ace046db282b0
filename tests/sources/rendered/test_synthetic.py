"""The synthetic room: what is written warps onto itself, the motion is small, the same config gives the same files."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from kbnet.frames.sequence import Sequence
from kbnet.sources.rendered.ray_casting import Textures, camera_rays, cast
from kbnet.sources.rendered.synthetic import (
    SyntheticConfig,
    camera_pose,
    furnished_room,
    load_photographs,
    synthetic_frames,
    write_synthetic_sequence,
)

pytest.importorskip("skimage")

SMALL = SyntheticConfig(frames=4, width=160, height=120, points=75)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Sequence:
    folder = tmp_path_factory.mktemp("synthetic") / "room"
    write_synthetic_sequence(folder, SMALL)
    return Sequence(folder)


def colour_difference(room: Sequence, first: int, second: int, T_second_first: np.ndarray) -> tuple[np.ndarray, float]:
    """Differences, 0..255, between a frame and another warped onto it, where visible; and the share that is visible."""
    frame, other = room.frame(first), room.frame(second)
    assert frame.ground_truth is not None
    assert other.ground_truth is not None
    height, width = frame.size
    y, x = np.mgrid[:height, :width]
    K = room.intrinsics.astype(np.float64)
    pixels = np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    points = np.linalg.inv(K) @ pixels * frame.ground_truth.reshape(-1)
    moved = T_second_first[:3, :3] @ points + T_second_first[:3, 3:]
    u, v = (K @ moved)[:2] / moved[2]
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    u, v, z = u[inside], v[inside], moved[2, inside]
    seen = other.ground_truth[np.rint(v).astype(int), np.rint(u).astype(int)]
    visible = np.abs(seen - z) < 0.02 * z
    warped = np.stack([map_coordinates(other.image[..., c].astype(float), [v, u], order=1) for c in range(3)], axis=-1)
    differences = np.abs(warped - frame.image.reshape(-1, 3)[inside])[visible]
    return differences, float(visible.mean())


@pytest.mark.parametrize(("first", "second"), [(0, 1), (2, 1), (0, 3)])
def test_a_frame_warped_by_depth_and_pose_shows_the_same_colours(room: Sequence, first: int, second: int) -> None:
    T_second_first = np.linalg.inv(room.pose(second)) @ room.pose(first)
    differences, visible = colour_difference(room, first, second, T_second_first)
    unmoved, _ = colour_difference(room, first, second, np.eye(4))
    assert visible > 0.97
    assert np.median(differences) < 2
    assert differences.mean() < 4
    assert differences.mean() < unmoved.mean() / 4


def test_depth_agrees_between_frames(room: Sequence) -> None:
    """Points of one frame are met again at their own depth by rays of the next through where they appear."""
    config, boxes = SMALL, furnished_room(SMALL.seed)
    rays = camera_rays(config.intrinsics, (config.height, config.width))
    T_0, T_1 = camera_pose(0, 0), camera_pose(0, 1)
    hits = cast(boxes, T_0[:3, :3] @ rays, T_0[:3, 3])
    moved = T_1[:3, :3].T @ (T_0[:3, :3] @ (rays * hits.depth) + (T_0[:3, 3] - T_1[:3, 3])[:, None])
    again = cast(boxes, T_1[:3, :3] @ (moved / moved[2]), T_1[:3, 3])
    hidden = again.depth < moved[2] - 1e-6
    assert hidden.mean() < 0.03
    np.testing.assert_allclose(again.depth[~hidden], moved[2][~hidden], rtol=1e-9)
    truth = room.frame(0).ground_truth
    assert truth is not None
    np.testing.assert_allclose(truth.reshape(-1), hits.depth, atol=0.5 / 256 + 1e-6)


def test_the_sequence_is_complete(room: Sequence) -> None:
    assert len(room) == 4
    assert room.has_poses
    triplet = room.triplet(1, 1)
    assert triplet.T_next_current is not None
    frame = triplet.frame
    assert frame.size == (120, 160)
    assert np.count_nonzero(frame.sparse_depth) == 75
    assert frame.ground_truth is not None
    assert (frame.ground_truth > 0).all()
    measured = frame.sparse_depth > 0
    ratio = frame.sparse_depth[measured] / frame.ground_truth[measured]
    assert 0.003 < np.abs(ratio - 1).mean() < 0.02


@pytest.mark.parametrize("seed", range(6))
def test_depth_stays_within_its_range(seed: int) -> None:
    boxes = furnished_room(seed)
    rays = camera_rays(SyntheticConfig(width=64, height=48).intrinsics, (48, 64))
    for index in range(0, 600, 12):
        pose = camera_pose(seed, index)
        depth = cast(boxes, pose[:3, :3] @ rays, pose[:3, 3]).depth
        assert depth.min() > 0.3
        assert depth.max() < 6


@pytest.mark.parametrize("seed", [0, 1])
def test_the_camera_moves_smoothly(seed: int) -> None:
    poses = np.stack([camera_pose(seed, index) for index in range(400)])
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    assert steps.min() > 0.02
    assert steps.max() < 0.04
    turns = poses[:-1, :3, :3].transpose(0, 2, 1) @ poses[1:, :3, :3]
    angles_deg = np.degrees(np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert angles_deg.max() < 1.5
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1)


def test_the_camera_stands_upright_in_the_room() -> None:
    """y down: the floor is below the image, so a world vector down points down in the camera too."""
    for index in range(0, 400, 40):
        down = camera_pose(0, index)[:3, :3].T @ [0, 1, 0]
        assert down[1] > 0.9


def test_the_same_config_gives_the_same_frames_and_longer_begins_with_shorter(room: Sequence) -> None:
    longer = SyntheticConfig(frames=50, width=160, height=120, points=75)
    for index, (frame, T_world_camera, _) in enumerate(islice(synthetic_frames(longer), 2)):
        np.testing.assert_array_equal(frame.image, room.image(index))
        np.testing.assert_allclose(frame.sparse_depth, room.sparse_depth(index), atol=0.5 / 256)
        np.testing.assert_allclose(T_world_camera, room.pose(index), atol=1e-8)


def test_another_seed_is_another_room(room: Sequence) -> None:
    frame, *_ = next(synthetic_frames(SyntheticConfig(frames=1, width=160, height=120, seed=1)))
    assert np.abs(frame.image.astype(float) - room.image(0)).mean() > 10


def test_every_surface_has_texture() -> None:
    textures = Textures(load_photographs())
    position = np.random.default_rng(0).random((2, 500))
    for index in range(len(load_photographs())):
        colours = textures.sample(np.full(500, index), position, np.full(500, 0.01))
        assert colours.std(axis=0).max() > 10


@pytest.mark.parametrize("change", [{"frames": 0}, {"width": 16}, {"seed": -1}])
def test_a_config_out_of_range_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected at least 1 frame"):
        next(synthetic_frames(SyntheticConfig(**change)))


def test_missing_scikit_image_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kbnet\[demo\]'"):
        write_synthetic_sequence(tmp_path / "room", SMALL)
    assert not list(tmp_path.iterdir())
