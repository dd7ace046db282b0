"""The pinhole camera against matrix inversion, hand arithmetic and its own inverse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kbnet.geometry.camera import backproject, project, scale_intrinsics, viewing_rays


def intrinsics(dtype: torch.dtype = torch.float64) -> Tensor:
    """Two cameras, one with skew."""
    return torch.tensor(
        [[[50.0, 0, 23.5], [0, 52, 19.5], [0, 0, 1]], [[210.0, 3.5, 20], [0, 190, -4], [0, 0, 1]]], dtype=dtype
    )


def test_viewing_rays_equal_the_inverse_of_the_matrix() -> None:
    K = intrinsics()
    y, x = torch.meshgrid(torch.arange(7.0), torch.arange(9.0), indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)]).double()
    expected = torch.einsum("bij,jhw->bihw", torch.linalg.inv(K), pixels)
    torch.testing.assert_close(viewing_rays(K, 7, 9), expected, rtol=1e-12, atol=1e-12)


def test_scale_intrinsics_leaves_the_last_row_alone() -> None:
    scaled = scale_intrinsics(intrinsics(), 0.5, 0.25)
    expected = torch.tensor([[105.0, 1.75, 10], [0, 47.5, -1], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(scaled[1], expected)


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_scaled_by_a_power_of_two_pixel_i_sees_along_the_ray_of_pixel_i_times_it(level: int) -> None:
    """The grid of a stride-2 convolution with kernel 3 and padding 1, at an odd size."""
    K, step = intrinsics(torch.float32), 2**level
    full = viewing_rays(K, 37, 51)[..., ::step, ::step]
    scaled = viewing_rays(scale_intrinsics(K, 1 / step, 1 / step), *full.shape[-2:])
    assert torch.equal(scaled, full)


def test_project_undoes_backproject() -> None:
    K = intrinsics()
    depth = 0.5 + 9 * torch.rand(2, 1, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pixels = project(backproject(depth, K), K)
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(8.0), indexing="ij")
    # The 1e-7 m that is added to z moves a pixel by that part of its coordinate.
    torch.testing.assert_close(pixels, torch.stack([x, y]).double().expand(2, -1, -1, -1), rtol=3e-7, atol=1e-5)


def test_backproject_puts_depth_along_z() -> None:
    points = backproject(torch.full((2, 1, 4, 5), 3.0, dtype=torch.float64), intrinsics())
    assert (points[:, 2] == 3).all()


def test_project_stays_finite_in_the_plane_of_the_camera() -> None:
    assert torch.isfinite(project(torch.zeros(2, 3, 1, 1, dtype=torch.float64), intrinsics())).all()
