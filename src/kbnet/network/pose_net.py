"""PoseNet: the camera's motion between two images; used in training only (published system, section 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.geometry.pose import transform_from_vector

POSE_SCALE = 0.01
"""Factor of the network's output: a fresh network predicts almost no motion."""


class NormalisedConvolution(nn.Module):
    """Bias-free convolution, BatchNorm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False
        )
        self.normalisation = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return F.relu(self.normalisation(self.convolution(x)))


class ResidualBlock(nn.Module):
    """Two normalised convolutions and a shortcut; the shortcut is a 1x1 convolution where the shape changes."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.first = NormalisedConvolution(in_channels, out_channels, stride=stride)
        self.second = NormalisedConvolution(out_channels, out_channels)
        changes = stride != 1 or in_channels != out_channels
        self.projection = nn.Conv2d(in_channels, out_channels, 1, bias=False) if changes else None
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, ⌈H / stride⌉, ⌈W / stride⌉)."""
        shortcut = x if self.projection is None else self.projection(x[..., :: self.stride, :: self.stride])
        return F.relu(self.second(self.first(x)) + shortcut)


class PoseNet(nn.Module):
    """ResNet-18 with slim channels over a pair of images."""

    def __init__(self) -> None:
        super().__init__()
        channels, strides = (16, 32, 64, 128, 256), (1, 2, 2, 2)
        self.stem = NormalisedConvolution(6, channels[0], kernel_size=7, stride=2)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(ResidualBlock(wide_in, wide_out, stride), ResidualBlock(wide_out, wide_out, 1))
                for wide_in, wide_out, stride in zip(channels[:-1], channels[1:], strides, strict=True)
            )
        )
        self.head = nn.Sequential(
            NormalisedConvolution(channels[-1], 256, stride=2),
            NormalisedConvolution(256, 256, stride=2),
            nn.Conv2d(256, 6, 1, bias=False),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight)

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """Predict the motion from the target's camera to the source's.

        Args:
            target: RGB in 0..1, (B, 3, H, W).
            source: RGB in 0..1, (B, 3, H, W).

        Returns:
            T_source_target, (B, 4, 4), float32; translation in metres (up to the scale that training finds).
        """
        x = F.max_pool2d(self.stem(torch.cat([target, source], dim=1)), 3, stride=2, padding=1)
        vector = self.head(self.stages(x)).float().mean(dim=(2, 3))
        return transform_from_vector(POSE_SCALE * vector)
