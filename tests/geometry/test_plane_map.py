"""Mapped images, points and intrinsics: exact where nothing lies between pixels, and one camera all the same."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.geometry.camera import viewing_rays
from kbnet.geometry.plane_map import look_up, mapped_intrinsics, mapped_pixels, move_points

HEIGHT, WIDTH = 24, 30
SKEWED = torch.tensor([[[31.0, 2.0, 14.0], [0.0, 27.0, 11.0], [0.0, 0.0, 1.0]]])


def similarity(scale: float, angle_rad: float, x: float, y: float, *, mirrored: bool = False) -> Tensor:
    cosine, sine = scale * math.cos(angle_rad), scale * math.sin(angle_rad)
    turned = torch.tensor([[[cosine, -sine, x], [sine, cosine, y], [0, 0, 1]]])
    return turned @ torch.diag(torch.tensor([-1.0, 1.0, 1.0])) if mirrored else turned


MAPS = [
    similarity(1.0, 0.0, 0.0, 0.0),
    similarity(0.7, 0.0, 3.2, 1.1),
    similarity(1.1, 0.4, 2.0, -3.0),
    similarity(0.9, -2.0, 20.0, 22.0, mirrored=True),
]


def test_looking_up_whole_pixels_gives_their_very_values_and_their_border_beyond() -> None:
    values = torch.rand(2, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    pixels = mapped_pixels(torch.eye(3)[None], HEIGHT, WIDTH)
    assert torch.equal(look_up(values, pixels), values)
    shifted = look_up(values, pixels + torch.tensor([4.0, -2.0])[:, None, None])
    assert torch.equal(shifted[:, :, 2:, :-4], values[:, :, :-2, 4:])
    assert torch.equal(shifted[:, :, 0, :-4], values[:, :, 0, 4:])
    assert torch.equal(shifted[:, :, 2:, -1], values[:, :, :-2, -1])


def test_looking_up_between_pixels_is_bilinear() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(2, 3, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
    pixels = torch.rand(2, 2, 7, 9, generator=generator, dtype=torch.float64)
    pixels = pixels * torch.tensor([WIDTH + 5, HEIGHT + 5]).view(2, 1, 1) - 3
    grid = pixels.permute(0, 2, 3, 1) * 2 / torch.tensor([WIDTH - 1, HEIGHT - 1]) - 1
    expected = F.grid_sample(values, grid, padding_mode="border", align_corners=True)
    torch.testing.assert_close(look_up(values, pixels), expected)


@pytest.mark.parametrize("matrix", MAPS)
@pytest.mark.parametrize("intrinsics", [SKEWED, torch.tensor([[[30.0, 0, 15], [0, 30, 12], [0, 0, 1]]])])
def test_the_mapped_camera_sees_the_same_rays(matrix: Tensor, intrinsics: Tensor) -> None:
    """Angles between rays and to the optical axis stay, for square and other pixels."""
    mapped = mapped_intrinsics(intrinsics, matrix)
    assert (mapped[:, [0, 1], [0, 1]] > 0).all()
    assert torch.equal(mapped[:, [1, 2, 2, 2], [0, 0, 1, 2]], torch.tensor([[0.0, 0, 0, 1]]))
    before = viewing_rays(intrinsics, HEIGHT, WIDTH).flatten(2)[0]
    pixels = mapped_pixels(matrix, HEIGHT, WIDTH).flatten(2)[0]
    after = torch.linalg.solve(mapped[0], torch.cat([pixels, torch.ones_like(pixels[:1])]))
    torch.testing.assert_close(after.T @ after, before.T @ before, rtol=0, atol=2e-5)
    torch.testing.assert_close(after[2], before[2])


def test_flipped_intrinsics_are_those_of_a_mirrored_world() -> None:
    """The same convention as ``kbnet.training.augmentation.flip``."""
    horizontal = torch.tensor([[[-1.0, 0, WIDTH - 1], [0, 1, 0], [0, 0, 1]]])
    vertical = torch.tensor([[[1.0, 0, 0], [0, -1, HEIGHT - 1], [0, 0, 1]]])
    expected = SKEWED.clone()
    expected[0, 0, 1], expected[0, 0, 2] = -2.0, WIDTH - 1 - 14.0
    torch.testing.assert_close(mapped_intrinsics(SKEWED, horizontal), expected)
    expected = SKEWED.clone()
    expected[0, 0, 1], expected[0, 1, 2] = -2.0, HEIGHT - 1 - 11.0
    torch.testing.assert_close(mapped_intrinsics(SKEWED, vertical), expected)


def moved_one_by_one(depth: Tensor, validity: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The slow way: farthest points first, so that nearer ones come to lie over them."""
    moved, moved_validity = torch.zeros_like(depth), torch.zeros_like(validity)
    points = ((depth > 0) | (validity > 0)).nonzero().tolist()
    points.sort(key=lambda place: float(depth[tuple(place)]) or math.inf, reverse=True)
    for row, column in points:
        x, y, _ = (matrix @ torch.tensor([float(column), float(row), 1.0])).round().int().tolist()
        if 0 <= x < depth.shape[1] and 0 <= y < depth.shape[0]:
            moved[y, x], moved_validity[y, x] = depth[row, column], validity[row, column]
    return moved, moved_validity


@pytest.mark.parametrize("matrix", MAPS)
def test_points_move_one_by_one_and_the_nearest_wins(matrix: Tensor) -> None:
    """Dense enough for many collisions; among the points outliers, and some that only validity knows."""
    generator = torch.Generator().manual_seed(1)
    depth = torch.rand(3, 1, HEIGHT, WIDTH, generator=generator) + 0.5
    depth = depth * (torch.rand(depth.shape, generator=generator) < 0.4)
    validity = (torch.rand(depth.shape, generator=generator) < 0.5).float()
    moved, moved_validity = move_points(depth, validity, matrix.expand(3, 3, 3))
    assert set(moved.unique().tolist()) <= set(depth.unique().tolist())
    for sample in range(3):
        expected = moved_one_by_one(depth[sample, 0], validity[sample, 0], matrix[0])
        assert torch.equal(moved[sample, 0], expected[0])
        assert torch.equal(moved_validity[sample, 0], expected[1])
