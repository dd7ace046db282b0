"""Propagation head: ln depth propagated along predicted offsets.

At an occlusion edge, an interpolation is a slanted surface between near and far. A residual would have to predict the
distance to the near or far surface. Propagation copies depth from the correct side instead.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.network.layers import Convolution
from kbnet.network.sparse_to_dense import local_range

RANGE_WINDOW = 9
"""Window of the local depth range that scales the residual, odd, pixels at half of the network's resolution."""

LEAST_RANGE = 0.05
"""Added to that range of ln depth, so that the residual has an effect on flat areas too."""

GRID_SPACING = 2.0
"""Initial distance between neighbouring taps, pixels at half of the network's resolution."""

LARGEST_SLOPE = 0.1
"""Largest slope of ln depth per pixel at half of the network's resolution."""

_UPSAMPLING_CHANNELS = 64


class PropagationHead(nn.Module):
    """Propagation of relative ln depth u at half of the network's resolution, then upsampling by two.

    From features, a 3x3 convolution predicts at every pixel x: offsets o_k of K taps, their weights w_k (softmax), a
    confidence c in the points of the pixel, a slope s (two components) and a residual r. u starts as the scaffold z,
    averaged over 2x2 pixels; p is the mean of the points in these. Repeated ``steps`` times::

        u(x) <- c p + (1 - c) u(x)
        u(x) <- sum_k w_k [u(x + o_k) - s . o_k]          bilinear, positions kept inside the frame

    Then u <- u + 0.1 r (0.05 + range of u in 9x9). The resolution is doubled by convex combinations of 3x3 neighbours
    with learnt weights (Teed & Deng, RAFT, ECCV 2020), which start as the bilinear ones. Offsets are
    reach · tanh(o / 3) + grid, the slope is 0.1 · tanh(0.3 s).

    Args:
        taps: K, the square of an odd number.
        reach: largest learnt offset, pixels at half of the network's resolution.
    """

    grid: Tensor
    bilinear: Tensor

    def __init__(self, channels: int, *, steps: int, taps: int, reach: float) -> None:
        super().__init__()
        self.steps, self.taps, self.reach = steps, taps, reach
        self.prediction = nn.Conv2d(channels, 3 * taps + 4, 3, padding=1)
        self.upsampling = nn.Sequential(
            Convolution(channels, _UPSAMPLING_CHANNELS, normalise=True), nn.Conv2d(_UPSAMPLING_CHANNELS, 36, 1)
        )
        device = torch.get_default_device()
        with torch.device("cpu"):  # on the meta device, torch would import its compiler to compute them
            grid, bilinear = _grid(math.isqrt(taps)), _bilinear_logits()
        self.register_buffer("grid", grid.to(device), persistent=False)
        self.register_buffer("bilinear", bilinear.to(device), persistent=False)

    def initialise(self) -> None:
        """Initialise with small weights: the head then smooths the scaffold slightly and keeps the points."""
        if self.prediction.weight.is_meta:  # no values to set
            return
        nn.init.normal_(self.prediction.weight, std=0.003)
        with torch.no_grad():
            bias = self.prediction.bias
            assert bias is not None
            bias.zero_()
            bias[2 * self.taps : 3 * self.taps] = -1.0
            bias[2 * self.taps + self.taps // 2] = 2.0
            bias[3 * self.taps] = 1.0
        last = self.upsampling[1]
        assert isinstance(last, nn.Conv2d)
        nn.init.normal_(last.weight, std=0.003)
        assert last.bias is not None
        nn.init.zeros_(last.bias)

    def forward(self, features: Tensor, log_scaffold: Tensor, log_points: Tensor, validity: Tensor) -> Tensor:
        """Complete relative ln depth; always in float32.

        Args:
            features: (B, channels, H/2, W/2).
            log_scaffold: relative ln depth of the scaffold, (B, 1, H, W), H and W even.
            log_points: relative ln depth of the kept points, (B, 1, H, W); 0 elsewhere.
            validity: 1 where there is a kept point, (B, 1, H, W).

        Returns:
            Relative ln depth, (B, 1, H, W).
        """
        predicted, logits = self.prediction(features).float(), self.upsampling(features).float()
        with torch.autocast(features.device.type, enabled=False):
            u = self._propagated(predicted, log_scaffold, log_points, validity)
            return _convex_doubling(u, logits, self.bilinear)

    def _propagated(self, predicted: Tensor, log_scaffold: Tensor, log_points: Tensor, validity: Tensor) -> Tensor:
        taps = self.taps
        offsets, weights, confidence, slope, residual = torch.split(predicted, [2 * taps, taps, 1, 2, 1], dim=1)
        share = F.avg_pool2d(validity, 2)
        points = F.avg_pool2d(log_points, 2) / share.clamp_min(0.25)
        confidence = torch.where(share > 0, torch.sigmoid(confidence), 0.0)
        batch, _, height, width = offsets.shape
        offsets = self.reach * torch.tanh(offsets.view(batch, taps, 2, height, width) / 3)
        offsets = offsets + self.grid[:, :, None, None]
        weights = torch.softmax(3 * weights, dim=1)
        slope = LARGEST_SLOPE * torch.tanh(0.3 * slope)
        rise = (weights[:, :, None] * offsets * slope[:, None]).sum(dim=(1, 2))[:, None]
        positions = _sampling_positions(offsets)
        u = F.avg_pool2d(log_scaffold, 2)
        for _ in range(self.steps):
            u = torch.lerp(u, points, confidence)
            sampled = F.grid_sample(u, positions, padding_mode="border", align_corners=True)
            u = (weights * sampled.view(batch, taps, height, width)).sum(dim=1, keepdim=True) - rise
        propagated: Tensor = u + 0.1 * residual * (LEAST_RANGE + local_range(u.detach(), RANGE_WINDOW))
        return propagated


def _sampling_positions(offsets: Tensor) -> Tensor:
    """Positions x + o_k of K taps, (B, K, 2, H, W), pixels, for `F.grid_sample`: (B, K H, W, 2), -1..1."""
    batch, taps, _, height, width = offsets.shape
    x = torch.arange(width, device=offsets.device, dtype=offsets.dtype)
    y = torch.arange(height, device=offsets.device, dtype=offsets.dtype)[:, None]
    along_x = (offsets[:, :, 0] + x) * (2 / (width - 1)) - 1
    along_y = (offsets[:, :, 1] + y) * (2 / (height - 1)) - 1
    return torch.stack([along_x, along_y], dim=-1).view(batch, taps * height, width, 2)


def _convex_doubling(u: Tensor, logits: Tensor, bilinear: Tensor) -> Tensor:
    """Upsample (B, 1, H, W) by two: every pixel is a convex combination of 3x3 low-resolution pixels.

    Logits of the weights, (B, 36, H, W), are nine for each of four output pixels; bilinear ones, (9, 4), are added.
    """
    batch, _, height, width = u.shape
    weights = torch.softmax(logits.view(batch, 9, 4, height, width) + bilinear[:, :, None, None], dim=1)
    padded = F.pad(u, (1, 1, 1, 1), mode="replicate")
    neighbours = torch.stack(
        [padded[:, 0, row : row + height, column : column + width] for row in range(3) for column in range(3)], dim=1
    )
    return F.pixel_shuffle((weights * neighbours[:, :, None]).sum(dim=1), 2)


def _grid(side: int) -> Tensor:
    """Offsets of the taps before any prediction: x and y of a square grid, (side², 2), pixels of the head."""
    steps_1d = (torch.arange(side) - side // 2) * GRID_SPACING
    y, x = torch.meshgrid(steps_1d, steps_1d, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def _bilinear_logits() -> Tensor:
    """Logarithms of the bilinear weights of 3x3 neighbours for the four output pixels, (9, 4)."""
    before, after = torch.tensor([0.25, 0.75, 0.0]), torch.tensor([0.0, 0.75, 0.25])
    weights = [torch.outer(rows, columns).flatten() for rows in (before, after) for columns in (before, after)]
    return torch.stack(weights, dim=1).clamp_min(0.002).log()
