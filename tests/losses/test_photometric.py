"""Colour and structure by hand arithmetic and against a slow SSIM."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kbnet.losses.photometric import SSIM_C1, SSIM_C2, colour_loss, ssim, structure_loss


def images(seed: int, height: int = 6, width: int = 7) -> Tensor:
    return torch.rand(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_colour_loss_sums_channels_and_averages_pixels_and_batch() -> None:
    image, other = torch.zeros(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    other[0, :, 0, 0] = torch.tensor([0.1, -0.2, 0.3])
    other[1, 2, 1, 1] = 0.8
    assert float(colour_loss(image, (other,))) == pytest.approx((0.6 / 4 + 0.8 / 4) / 2)


def test_equal_images_have_no_loss() -> None:
    image = images(0)
    assert float(colour_loss(image, (image,))) == 0
    assert float(structure_loss(image, (image,))) == pytest.approx(0, abs=1e-12)


def test_ssim_equals_its_definition_in_every_window() -> None:
    x, y = images(1), images(2)
    for row in range(4):
        for column in range(5):
            first, second = (z[..., row : row + 3, column : column + 3].flatten(2) for z in (x, y))
            mean_1, mean_2 = first.mean(-1), second.mean(-1)
            covariance = ((first - mean_1[..., None]) * (second - mean_2[..., None])).mean(-1)
            variances = first.var(-1, unbiased=False) + second.var(-1, unbiased=False)
            expected = (2 * mean_1 * mean_2 + SSIM_C1) * (2 * covariance + SSIM_C2)
            expected = expected / ((mean_1**2 + mean_2**2 + SSIM_C1) * (variances + SSIM_C2))
            torch.testing.assert_close(ssim(x, y)[..., row, column], expected)


def test_structure_loss_of_black_and_white_by_hand() -> None:
    """Variances are 0, so SSIM is C1 / (1 + C1), the same in every window."""
    expected = 3 * (1 - SSIM_C1 / (1 + SSIM_C1)) / 2
    white = torch.ones(1, 3, 5, 5, dtype=torch.float64)
    assert float(structure_loss(white, (torch.zeros_like(white),))) == pytest.approx(expected)


def test_structure_loss_takes_the_nearest_window_at_the_size_of_the_image() -> None:
    """5 pixels read the 3 windows 0, 0, 1, 1, 2."""
    x, y = images(3, 5, 5), images(4, 5, 5)
    dissimilarity = ((1 - ssim(x, y)) / 2).clamp(0, 1)
    resized = dissimilarity[:, :, [0, 0, 1, 1, 2]][..., [0, 0, 1, 1, 2]]
    assert float(structure_loss(x, (y,))) == pytest.approx(float(resized.sum() / (2 * 25)))


def test_photometric_losses_have_finite_gradients_on_flat_images() -> None:
    image = torch.full((1, 3, 5, 5), 0.5)
    warped = image.clone().requires_grad_()
    (colour_loss(image, (warped,)) + structure_loss(image, (warped,))).backward()
    assert warped.grad is not None
    assert torch.isfinite(warped.grad).all()


def test_structure_loss_has_the_right_gradient() -> None:
    image, warped = images(5), images(6).requires_grad_()
    assert torch.autograd.gradcheck(lambda warped: structure_loss(image, (warped,)), (warped,))


def test_weighted_pixels_of_all_reconstructions_are_averaged_together() -> None:
    """So that minima over reconstructions, of which each pixel has one, weigh all pixels alike."""
    image = torch.zeros(1, 3, 3, 4)
    first, second = torch.full_like(image, 0.1), torch.full_like(image, 0.2)
    compared = torch.zeros(1, 2, 3, 4)
    compared[:, 0] = 1
    compared[:, 1, 0, 0] = 4
    assert float(colour_loss(image, (first, second), compared)) == pytest.approx(2 * (12 * 0.3 + 4 * 0.6) / 16)
    mask = torch.rand(1, 1, 3, 4)
    assert float(colour_loss(image, (first, second), mask)) == pytest.approx(0.9)
    assert float(structure_loss(image, (first, second), torch.zeros(1, 1, 3, 4))) == 0


def test_structure_with_a_reflected_border_is_that_of_the_padded_images() -> None:
    x, y = torch.rand(2, 1, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    padded = [torch.from_numpy(np.pad(one.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")) for one in (x, y)]
    expected = ((1 - ssim(*padded)) / 2).clamp(0, 1).sum(dim=1).mean()
    assert float(structure_loss(x, (y,), border="reflected")) == pytest.approx(float(expected))
    assert float(structure_loss(x, (y,))) != pytest.approx(float(expected))


def test_a_factor_of_zero_stays_in_the_divisor_and_a_weight_of_zero_does_not() -> None:
    image, warped = torch.zeros(1, 3, 1, 4), torch.full((1, 3, 1, 4), 0.1)
    half = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4)
    assert float(colour_loss(image, (warped,), factor=half)) == pytest.approx(0.15)
    assert float(colour_loss(image, (warped,), half)) == pytest.approx(0.3)
