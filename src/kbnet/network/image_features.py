"""Image features of an EfficientNet-Lite0 pretrained on ImageNet (Tan & Le, ICML 2019; its Lite variant)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

CHANNELS = (16, 24, 40, 112)
"""Channels of the features at 1/2, 1/4, 1/8, 1/16 of the image."""

INPUT_MEAN, INPUT_SPREAD = 0.498, 0.502
"""Mean and spread that normalise the image, RGB in 0..1, as in the training on ImageNet."""

_NORMALISATION_EPSILON = 1e-3

BLOCKS = (
    (1, 3, 1, 32, 16),
    (6, 3, 2, 16, 24),
    (6, 3, 1, 24, 24),
    (6, 5, 2, 24, 40),
    (6, 5, 1, 40, 40),
    (6, 3, 2, 40, 80),
    (6, 3, 1, 80, 80),
    (6, 3, 1, 80, 80),
    (6, 5, 1, 80, 112),
    (6, 5, 1, 112, 112),
    (6, 5, 1, 112, 112),
)
"""Expansion, kernel size, stride, input and output channels of every block."""

_READ_AFTER = (0, 2, 4, 10)
"""Blocks after which features are read."""


class ImageFeatures(nn.Module):
    """EfficientNet-Lite0 up to its eleventh block, never trained, with the statistics of ImageNet."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _SameConvolution(3, 32, 3, stride=2)
        self.blocks = nn.ModuleList(_InvertedBottleneck(*block) for block in BLOCKS)
        self.train(False)
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> ImageFeatures:
        """Do nothing: the module stays in evaluation mode."""
        super().train(False)
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features at four resolutions.

        Args:
            image: RGB in 0..1, (B, 3, H, W); H and W are multiples of 16.

        Returns:
            (B, 16, H/2, W/2), (B, 24, H/4, W/4), (B, 40, H/8, W/8), (B, 112, H/16, W/16).
        """
        x = self.stem((image - INPUT_MEAN) / INPUT_SPREAD)
        features = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in _READ_AFTER:
                features.append(x)
        return features

    def fold(self) -> None:
        """Fold every BatchNorm into its convolution, in place; for inference only."""
        for module in self.modules():
            if isinstance(module, _SameConvolution):
                module.fold()


class _SameConvolution(nn.Module):
    """Convolution with "same" padding, BatchNorm, ReLU6. At stride 2 the larger part of the padding is at the end."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, activation: bool = True
    ) -> None:
        super().__init__()
        before = (kernel - stride) // 2
        after = kernel - stride - before
        self.padding = (before, after, before, after) if before != after else None
        padding = 0 if self.padding else before
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.normalisation: nn.BatchNorm2d | None = nn.BatchNorm2d(outputs, eps=_NORMALISATION_EPSILON)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        x = self.convolution(x if self.padding is None else F.pad(x, self.padding))
        if self.normalisation is not None:
            x = self.normalisation(x)
        return F.relu6(x) if self.activation else x

    def fold(self) -> None:
        """Fold the BatchNorm into the convolution."""
        if self.normalisation is not None:
            self.convolution = fuse_conv_bn_eval(self.convolution, self.normalisation)
            self.normalisation = None


class _InvertedBottleneck(nn.Module):
    """Inverted bottleneck of MobileNetV2: 1x1 expansion, depthwise convolution, 1x1 projection, shortcut."""

    def __init__(self, expansion: int, kernel: int, stride: int, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self.expand = _SameConvolution(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = _SameConvolution(inner, inner, kernel, stride=stride, groups=inner)
        self.project = _SameConvolution(inner, outputs, 1, activation=False)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        inner = x if self.expand is None else self.expand(x)
        projected: Tensor = self.project(self.depthwise(inner))
        return x + projected if self.shortcut else projected
