"""The warp where the answer is known: no motion, sideways motion before a wall, and by its gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kbnet.geometry.pose import transform_from_vector
from kbnet.geometry.warp import warp

HEIGHT, WIDTH = 9, 12


def camera(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor([[[20.0, 0, 5.5], [0, 30, 4], [0, 0, 1]]], dtype=dtype)


def image(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(1, 3, HEIGHT, WIDTH, dtype=dtype, generator=torch.Generator().manual_seed(0))


def moved(*translation: float) -> Tensor:
    transform = torch.eye(4, dtype=torch.float64)
    transform[:3, 3] = torch.tensor(translation)
    return transform[None]


def test_warp_without_motion_gives_the_source() -> None:
    depth = 1 + image()[:, :1]
    torch.testing.assert_close(warp(image(), depth, camera(), moved(0, 0, 0)), image(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("translation", "shift"), [((0.4, 0.0, 0.0), (0, 2)), ((0.0, -0.4, 0.0), (-3, 0))])
def test_warp_before_a_wall_shifts_by_focal_length_times_motion_over_depth(
    translation: tuple[float, float, float], shift: tuple[int, int]
) -> None:
    """A point that is t to the right in the source camera appears f · t / z pixels to the right there."""
    depth = torch.full((1, 1, HEIGHT, WIDTH), 4.0, dtype=torch.float64)
    warped = warp(image(), depth, camera(), moved(*translation))
    rows = (torch.arange(HEIGHT) + shift[0]).clamp(0, HEIGHT - 1)
    columns = (torch.arange(WIDTH) + shift[1]).clamp(0, WIDTH - 1)
    torch.testing.assert_close(warped, image()[:, :, rows][..., columns], rtol=0, atol=1e-5)


def test_warp_outside_takes_the_border() -> None:
    depth = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.float64)
    warped = warp(image(), depth, camera(), moved(100, 0, 0))
    torch.testing.assert_close(warped, image()[..., -1:].expand_as(warped), rtol=0, atol=1e-5)


def test_warp_has_the_right_gradient_by_depth_and_pose() -> None:
    generator = torch.Generator().manual_seed(2)
    depth = (2 + torch.rand(1, 1, HEIGHT, WIDTH, dtype=torch.float64, generator=generator)).requires_grad_()
    vector = (0.02 * torch.randn(1, 6, dtype=torch.float64, generator=generator)).requires_grad_()

    def reconstruct(depth: Tensor, vector: Tensor) -> Tensor:
        return warp(image(), depth, camera(), transform_from_vector(vector))

    assert torch.autograd.gradcheck(reconstruct, (depth, vector))


def test_warp_of_a_point_behind_the_camera_is_finite() -> None:
    depth = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
    warped = warp(image(), depth, camera(), moved(0, 0, -1))
    warped.sum().backward()
    assert torch.isfinite(warped).all()
    assert depth.grad is not None
    assert torch.isfinite(depth.grad).all()
