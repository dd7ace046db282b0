"""Ray casting: hits lie on the surfaces, the nearest wins, textures are filtered as their definition says."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.sources.rendered.ray_casting import (
    TEXTURE_SIZE,
    Box,
    Face,
    Textures,
    camera_rays,
    cast,
    render,
    rotation_about_y,
)

SIZE = (48, 64)
K = np.array([[50, 0, 31.5], [0, 55, 20], [0, 0, 1]], np.float32)
PLAIN = tuple(Face(index, 1.0, (0.0, 0.0), (1.0, 1.0, 1.0)) for index in (0, 0, 0, 0, 0, 0))
ROOM = Box((0.0, 0.0, 0.0), (3.0, 2.0, 4.0), PLAIN, hollow=True)
ORIGIN = np.zeros(3)


@pytest.fixture
def photographs() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (TEXTURE_SIZE, TEXTURE_SIZE, 3), dtype=np.uint8) for _ in range(2)]


def test_rays_point_back_to_their_pixels() -> None:
    rays = camera_rays(K, SIZE).reshape(3, *SIZE)
    np.testing.assert_allclose((K @ rays[:, 7, 13])[:2], [13, 7])
    assert (rays[2] == 1).all()


def test_a_wall_ahead_has_its_distance_along_z_everywhere() -> None:
    hits = cast([ROOM], camera_rays(K, SIZE), ORIGIN)
    assert (hits.face == 5).all()
    np.testing.assert_allclose(hits.depth, 4.0)


def test_each_face_of_a_room_is_known_by_its_direction() -> None:
    directions = np.concatenate([-np.eye(3), np.eye(3)], axis=1)
    hits = cast([ROOM], directions, ORIGIN)
    assert hits.face.tolist() == [0, 2, 4, 1, 3, 5]
    assert hits.depth.tolist() == [3, 2, 4, 3, 2, 4]


def test_the_nearest_box_hides_what_is_behind() -> None:
    near = Box((0.0, 0.0, 2.0), (0.3, 0.3, 0.5), PLAIN)
    far = Box((0.0, 0.0, 3.0), (0.7, 0.5, 0.5), PLAIN)
    behind_camera = Box((0.0, 0.0, -2.0), (0.5, 0.5, 0.5), PLAIN)
    ahead = np.array([[0.0, 0.22, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    hits = cast([ROOM, far, near, behind_camera], ahead, ORIGIN)
    np.testing.assert_allclose(hits.depth, [1.5, 2.5, 3.0])
    assert hits.face.tolist() == [6 * 2 + 4, 6 * 1 + 4, 1]


def test_hits_on_a_turned_box_lie_on_its_surface() -> None:
    box = Box((0.3, 0.1, 2.0), (0.4, 0.5, 0.6), PLAIN, yaw_rad=0.7)
    rays = camera_rays(K, SIZE)
    hits = cast([box], rays, ORIGIN)
    met = hits.face >= 0
    assert 100 < met.sum() < met.size
    assert np.isinf(hits.depth[~met]).all()
    points = hits.depth[met] * rays[:, met] - np.array(box.centre)[:, None]
    relative = np.abs(rotation_about_y(-0.7) @ points) / np.array(box.half_size)[:, None]
    np.testing.assert_allclose(relative.max(axis=0), 1)
    axis = hits.face[met] // 2
    np.testing.assert_allclose(relative[axis, np.arange(axis.size)], 1)


def test_texture_at_full_size_is_bilinear_and_mirrored(photographs: list[np.ndarray]) -> None:
    textures = Textures(photographs)
    position = np.array([[3.25, TEXTURE_SIZE + 0.5, 10.5], [5.5, 7.5, -0.5]]) / TEXTURE_SIZE
    colours = textures.sample(np.array([1, 1, 0]), position, np.full(3, 1 / TEXTURE_SIZE))
    first, second = (photo.astype(float) for photo in photographs)
    np.testing.assert_allclose(colours[0], 0.25 * second[5, 2] + 0.75 * second[5, 3], rtol=1e-4)
    np.testing.assert_allclose(colours[1], second[7, TEXTURE_SIZE - 1], rtol=1e-4)
    np.testing.assert_allclose(colours[2], first[0, 10], rtol=1e-4)


def test_texture_from_afar_is_the_mean_of_what_a_pixel_sees(photographs: list[np.ndarray]) -> None:
    centre_of_block = np.array([[16.0], [8.0]]) / TEXTURE_SIZE
    colour = Textures(photographs).sample(
        np.array([0]), centre_of_block - 4 / TEXTURE_SIZE, np.array([8 / TEXTURE_SIZE])
    )
    np.testing.assert_allclose(colour[0], photographs[0][0:8, 8:16].reshape(-1, 3).mean(axis=0), rtol=1e-4)
    whole = Textures(photographs).sample(np.array([0]), centre_of_block, np.array([100.0]))
    assert np.abs(whole[0] - 127.5).max() < 10


def test_render_tints_faces_and_gives_depth(photographs: list[np.ndarray]) -> None:
    grey = [np.full_like(photographs[0], 100)]
    faces = tuple(Face(0, 1.0, (0.0, 0.0), (1.0, 0.5, 3.0)) for _ in range(6))
    room = Box(ROOM.centre, ROOM.half_size, faces, hollow=True)
    image, depth = render([room], Textures(grey), K, np.eye(4), SIZE)
    assert image.dtype == np.uint8
    assert depth.dtype == np.float32
    assert depth.shape == SIZE
    assert (image == [100, 50, 255]).all()
