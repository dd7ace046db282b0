"""The up-convolution as one transposed convolution, against a resize and a convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.network.decoder import UpConvolution, doubling_kernel


def resized_then_convolved(level: UpConvolution, x: Tensor, size: tuple[int, int], skip: Tensor | None) -> Tensor:
    up = level.up_convolution
    x = up(F.interpolate(x, size=size, mode="nearest"))
    result: Tensor = level.convolution(x if skip is None else torch.cat([x, skip], dim=1))
    return result


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("skip_channels", [0, 3])
@pytest.mark.parametrize("size", [(10, 14), (9, 14), (10, 13), (9, 13), (2, 2)])
def test_up_convolution_and_its_gradients_equal_a_resize_and_a_convolution(
    size: tuple[int, int], skip_channels: int, normalise: bool
) -> None:
    torch.manual_seed(0)
    level = UpConvolution(5, skip_channels, 4, normalise=normalise).double()
    x = torch.randn(2, 5, (size[0] + 1) // 2, (size[1] + 1) // 2).double().requires_grad_()
    skip = torch.randn(2, skip_channels, *size).double() if skip_channels else None
    found = level(x, size, skip)
    expected = resized_then_convolved(level, x, size, skip)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    inputs = [x, *level.parameters()]
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_doubling_kernel_equals_sums_by_hand() -> None:
    weight = torch.arange(1.0, 10).reshape(1, 1, 3, 3)
    x = torch.tensor([[[[1.0, 0], [0, 0]]]])
    doubled = F.conv_transpose2d(x, doubling_kernel(weight), stride=2, padding=1)[0, 0]
    # Rows 2i and 2i + 1 of the doubled image hold a 1 in columns 0 and 1; beyond the border is 0.
    expected = F.conv2d(torch.tensor([[[[1.0, 1, 0, 0], [1, 1, 0, 0], [0] * 4, [0] * 4]]]), weight, padding=1)[0, 0]
    assert torch.equal(doubled, expected)
    assert float(doubled[0, 0]) == 5 + 6 + 8 + 9


def test_folding_changes_neither_depth_nor_the_names_of_weights() -> None:
    torch.manual_seed(0)
    level = UpConvolution(5, 0, 4, normalise=False).eval()
    names, x = list(level.state_dict()), torch.randn(1, 5, 6, 7)
    before = level(x, (12, 14), None)
    level.fold()
    assert torch.equal(level(x, (12, 14), None), before)
    assert list(level.state_dict()) == names
