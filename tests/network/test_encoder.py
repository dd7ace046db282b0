"""Where each level believes its pixels to be."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from kbnet.geometry.camera import scale_intrinsics, viewing_rays
from kbnet.network.config import KBNetConfig
from kbnet.network.encoder import Encoder

INTRINSICS = torch.tensor([[[50.0, 0, 27], [0, 55, 22], [0, 0, 1]]])
EVEN, ODD = (64, 96), (45, 67)


def rays_of_levels(scaling: Literal["exact", "published"], size: tuple[int, int]) -> list[Tensor]:
    config = KBNetConfig(
        intrinsics_scaling=scaling,
        image_filters=(8, 8, 8, 8, 8, 8),
        depth_filters=(8, 8, 8, 8, 8, 8),
    )
    encoder, caught = Encoder(config), []
    for layer in encoder.backprojections:
        ray_terms = layer.ray_terms
        layer.ray_terms = lambda rays, ray_terms=ray_terms: caught.append(rays) or ray_terms(rays)
    with torch.no_grad():
        encoder(torch.zeros(1, 3, *size), torch.zeros(1, 8, *size), INTRINSICS)
    return caught


@pytest.mark.parametrize("size", [EVEN, ODD])
def test_exact_scaling_gives_pixel_i_the_ray_of_input_pixel_i_times_two_to_the_level(size: tuple[int, int]) -> None:
    full = viewing_rays(INTRINSICS, *size)
    for level, rays in enumerate(rays_of_levels("exact", size)):
        assert torch.equal(rays, full[..., :: 2**level, :: 2**level])


@pytest.mark.parametrize(("size", "ratio_x", "ratio_y"), [(EVEN, 0.5, 0.5), (ODD, 34 / 67, 23 / 45)])
def test_published_scaling_uses_the_first_ratio_at_every_lower_level(
    size: tuple[int, int], ratio_x: float, ratio_y: float
) -> None:
    """A deliberate difference to ``exact``: the released weights were trained so."""
    levels = rays_of_levels("published", size)
    assert torch.equal(levels[0], viewing_rays(INTRINSICS, *size))
    for rays in levels[1:]:
        expected = viewing_rays(scale_intrinsics(INTRINSICS, ratio_x, ratio_y), *rays.shape[-2:])
        torch.testing.assert_close(rays, expected)


def test_published_scaling_is_not_exact_from_the_second_level_on() -> None:
    pairs = list(zip(rays_of_levels("exact", EVEN), rays_of_levels("published", EVEN), strict=True))
    assert [torch.allclose(*pair) for pair in pairs] == [True, True, False, False]
