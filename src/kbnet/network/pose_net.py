"""PoseNet: camera motion between two images; used in training only (published system, section 4)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.errors import KBNetError
from kbnet.geometry.pose import RotationForm, transform_from_vector

EncoderName = Literal["resnet18", "resnet34", "plain"]

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
"""Number of residual blocks of the four stages."""

PLAIN_CHANNELS = (16, 32, 64, 128, 256, 256, 256)
PLAIN_KERNEL_SIZES = (7, 5, 3, 3, 3, 3, 3)

POSE_SCALE = 0.01
"""Factor of the network's output. Initially the network predicts almost no motion."""


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


class ResNetBlock(nn.Module):
    """Residual block: two normalised convolutions and a shortcut, which is a 1x1 convolution if the shape changes."""

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
    """Pose network: a convolutional encoder of two images, and a head that predicts six numbers.

    Encoders have no biases. Each convolution except the projections is followed by BatchNorm and ReLU:

    - ``resnet18``: ResNet-18 with slim channels, as published; the encoder of the released weights.
    - ``resnet34``: the same with ResNet-34's numbers of blocks.
    - ``plain``: seven convolutions of stride 2 and a head of one 1x1, as in the training of VOICED and FusionNet.

    The published facts give only the filters of ``resnet34``. Slim channels are our interpretation; we know of no
    published weights to verify it.

    Attributes:
        rotation: form of the rotation.
        reduction: stride of the smallest features, input pixels.

    Raises:
        KBNetError: no encoder of that name.
    """

    def __init__(self, encoder: EncoderName = "resnet18", *, rotation: RotationForm = "axis-angle") -> None:
        super().__init__()
        if encoder not in get_args(EncoderName):
            raise KBNetError(f"expected one of the pose encoders {', '.join(get_args(EncoderName))}, got '{encoder}'")
        if rotation not in get_args(RotationForm):
            raise KBNetError(f"expected one of the rotations {', '.join(get_args(RotationForm))}, got '{rotation}'")
        self.encoder_name, self.rotation = encoder, rotation
        self.reduction = 128
        if encoder == "plain":
            self.stem, self.stages = _plain_encoder()
            self.stem_pool: nn.Module = nn.Identity()
            narrowing = []
        else:
            self.stem, self.stages = _residual_encoder(BLOCKS[encoder])
            self.stem_pool = nn.MaxPool2d(3, stride=2, padding=1)
            narrowing = [NormalisedConvolution(256, 256, stride=2) for _ in range(2)]
        self.head = nn.Sequential(*narrowing, nn.Conv2d(256, 6, 1, bias=False))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight)

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """Predict the motion from the target camera to the source camera.

        Args:
            target: RGB in 0..1, (B, 3, H, W).
            source: RGB in 0..1, (B, 3, H, W).

        Returns:
            T_source_target, (B, 4, 4), float32; translation in metres, up to the scale learned in training.
        """
        x = self.stem_pool(self.stem(torch.cat([target, source], dim=1)))
        vector = self.head(self.stages(x)).float().mean(dim=(2, 3))
        return transform_from_vector(POSE_SCALE * vector, self.rotation)


def _residual_encoder(blocks: tuple[int, ...]) -> tuple[NormalisedConvolution, nn.Sequential]:
    """Residual encoder: a stem and stages of 32, 64, 128 and 256 channels."""
    stages = []
    for stage, (wide_in, wide_out) in enumerate(pairwise((16, 32, 64, 128, 256))):
        first = ResNetBlock(wide_in, wide_out, stride=1 if stage == 0 else 2)
        others = [ResNetBlock(wide_out, wide_out, stride=1) for _ in range(1, blocks[stage])]
        stages.append(nn.Sequential(first, *others))
    return NormalisedConvolution(6, 16, kernel_size=7, stride=2), nn.Sequential(*stages)


def _plain_encoder() -> tuple[NormalisedConvolution, nn.Sequential]:
    layers = [
        NormalisedConvolution(wide_in, wide_out, kernel_size, stride=2)
        for (wide_in, wide_out), kernel_size in zip(pairwise((6, *PLAIN_CHANNELS)), PLAIN_KERNEL_SIZES, strict=True)
    ]
    return layers[0], nn.Sequential(*layers[1:])
