from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from kbnet.network.guided_upsampling import guided_upsampling
from kbnet.network.reduced_resolution import enlarged


@pytest.mark.parametrize("factor", [1, 2, 3, 6])
def test_guided_upsampling_is_bilinear_where_the_image_says_nothing(factor: int) -> None:
    size = (7 * factor - factor // 2, 9 * factor - 1 if factor > 1 else 9)
    x = torch.rand(2, 1, 7, 9)
    grey = torch.full((2, 3, *size), 0.5)
    large = guided_upsampling(x, torch.full((2, 3, 7, 9), 0.5), grey, factor)
    torch.testing.assert_close(large, enlarged(x, factor, size))


def test_guided_upsampling_puts_an_edge_where_the_image_has_it() -> None:
    """Between two reduced pixels, the edge of the image decides on which side a pixel lies."""
    dark = (torch.arange(24) < 14).float()
    image = dark.expand(1, 3, 12, 24)
    reduced = F.avg_pool2d(image, 4)
    x = torch.where(reduced[:, :1] > 0.25, 0.0, 1.0)
    large = guided_upsampling(x, reduced, image, 4)
    assert (large[..., :14] < 0.1).all()
    assert (large[..., 18:] > 0.9).all()
    assert ((large >= 0) & (large <= 1)).all()


def test_guided_upsampling_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kbnet.network.guided_upsampling.BLOCK_PIXELS", 100)
    image = torch.randint(0, 256, (2, 3, 29, 41), dtype=torch.uint8)
    reduced = F.avg_pool2d(image / 255, 3, ceil_mode=True)
    x = torch.rand(2, 2, 10, 14)
    blocks = guided_upsampling(x, reduced, image, 3, in_blocks=True)
    assert blocks.shape == (2, 2, 29, 41)
    torch.testing.assert_close(blocks, guided_upsampling(x, reduced, image / 255, 3))


def test_guided_upsampling_has_gradients() -> None:
    x = torch.rand(1, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    image = torch.rand(1, 3, 8, 9, dtype=torch.float64)
    reduced = F.avg_pool2d(image, 2, ceil_mode=True)
    assert torch.autograd.gradcheck(lambda y: guided_upsampling(y, reduced, image, 2), x)
