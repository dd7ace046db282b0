"""Colours and erased patches: one change at a time against its definition."""

from __future__ import annotations

import colorsys

import pytest
import torch
from torch import Tensor

from kbnet.training.augundo import change_colours, erase, turn_hue

IMAGE = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))


def changed(
    image: Tensor, *, brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0, hue: float = 0.0
) -> Tensor:
    """The first sample changed, the second left alone."""
    neutral = (1.0, 1.0, 1.0, 0.0)
    pairs = zip((brightness, contrast, saturation, hue), neutral, strict=True)
    result = change_colours(image, *(torch.tensor(pair) for pair in pairs))
    assert torch.equal(result[1], image[1])
    return result[0]


def test_brightness_multiplies_all_colours_up_to_white() -> None:
    torch.testing.assert_close(changed(IMAGE, brightness=1.5), (1.5 * IMAGE[0]).clamp_max(1))
    torch.testing.assert_close(changed(IMAGE, brightness=0.5), 0.5 * IMAGE[0])


def test_contrast_is_the_distance_to_the_mean_grey() -> None:
    grey = torch.einsum("chw,c->hw", IMAGE[0], torch.tensor([0.299, 0.587, 0.114]))
    torch.testing.assert_close(changed(IMAGE, contrast=0.0), grey.mean().expand(3, 12, 16))
    torch.testing.assert_close(changed(IMAGE, contrast=0.5), (grey.mean() + IMAGE[0]) / 2)


def test_without_saturation_nothing_but_grey_is_left() -> None:
    grey = torch.einsum("chw,c->hw", IMAGE[0], torch.tensor([0.299, 0.587, 0.114]))
    torch.testing.assert_close(changed(IMAGE, saturation=0.0), grey.expand(3, 12, 16))
    doubled = (grey + 2 * (IMAGE[0] - grey)).clamp(0, 1)
    torch.testing.assert_close(changed(IMAGE, saturation=2.0), doubled)


@pytest.mark.parametrize("turns", [0.1, -0.1, 1 / 3, 0.5])
def test_the_hue_turns_as_in_hsv(turns: float) -> None:
    grey = torch.full((1, 3, 1, 16), 0.5)
    image = torch.cat([IMAGE[:1], grey], dim=2)
    turned = turn_hue(image, torch.tensor(turns))
    for before, after in zip(image[0].flatten(1).T.tolist(), turned[0].flatten(1).T.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb((hue + turns) % 1, saturation, value), abs=1e-5)


def test_patches_are_erased_where_they_were_asked_for() -> None:
    centres = torch.tensor([[0, 2, 3], [0, 9, 15]])
    expected = IMAGE.clone()
    expected[0, :, 0:5, 1:6] = 0
    expected[0, :, 7:12, 13:16] = 0
    assert torch.equal(erase(IMAGE, centres, 5), expected)
    assert torch.equal(erase(IMAGE, torch.empty(0, 3, dtype=torch.int64), 5), IMAGE)
