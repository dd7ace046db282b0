"""Convolution and residual block of the depth networks."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

NEGATIVE_SLOPE = 0.2


class Convolution(nn.Conv2d):
    """Bias-free convolution with padding k // 2, then LeakyReLU 0.2 (published system, section 3).

    Args:
        normalise: add a BatchNorm before the activation; the published network has none.
        activation: False: no LeakyReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        *,
        normalise: bool = False,
        activation: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
        self.normalisation = nn.BatchNorm2d(out_channels) if normalise else None
        self.activation = activation

    def forward(self, x: Tensor, rest: Tensor | None = None) -> Tensor:
        """(B, in, H, W) to (B, out, ⌈H / stride⌉, ⌈W / stride⌉).

        Args:
            x: features, either all input channels or the first ones.
            rest: result of :meth:`linear` for the other channels.
        """
        x = self._conv_forward(x, self.weight[:, : int(x.shape[1])], self.bias)
        return self.activate(x if rest is None else x.add_(rest))

    def linear(self, rest: Tensor) -> Tensor:
        """Contribution of the last input channels to the convolution, which is a sum over channels.

        Saves time if these channels are constant between calls.
        """
        share: Tensor = self._conv_forward(rest, self.weight[:, -int(rest.shape[1]) :], None)
        return share

    def activate(self, x: Tensor) -> Tensor:
        """Bias, BatchNorm and activation after the convolution; overwrites ``x``."""
        if self.normalisation is not None:
            x = self.normalisation(x)
        if not self.activation:
            return x
        return F.leaky_relu(x, NEGATIVE_SLOPE, inplace=True)

    def fold(self) -> None:
        """Fold the BatchNorm of evaluation mode into weights and a bias; equal output at less cost."""
        if self.normalisation is not None:
            norm = self.normalisation
            assert norm.running_mean is not None
            assert norm.running_var is not None
            self.weight, self.bias = fuse_conv_bn_weights(
                self.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            self.normalisation = None


class ResidualBlock(nn.Module):
    """Residual block: two 3x3 convolutions added to their input. Initially the output is nearly the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Convolution(channels, channels, normalise=True)
        self.second = Convolution(channels, channels, normalise=True, activation=False)
        assert self.second.normalisation is not None
        nn.init.constant_(self.second.normalisation.weight, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to the same."""
        return F.leaky_relu(x + self.second(self.first(x)), NEGATIVE_SLOPE, inplace=True)


def initialise_weights(module: nn.Module, distribution: Literal["xavier", "kaiming"]) -> None:
    """Initialise the weights of every convolution in ``module``; those on the meta device have no values."""
    for layer in module.modules():
        # torch imports its compiler, which takes seconds, to draw values that a meta tensor does not hold.
        if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:
            if distribution == "xavier":
                nn.init.xavier_normal_(layer.weight)
            else:
                nn.init.kaiming_normal_(layer.weight, a=NEGATIVE_SLOPE, nonlinearity="leaky_relu")
