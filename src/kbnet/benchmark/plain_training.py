"""Plain baseline of training: the published losses as specified, each term and source computed separately."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.benchmark.plain_kbnet import PlainKBNet, pixel_rays
from kbnet.losses.weights import LossWeights
from kbnet.network.pose_net import PoseNet
from kbnet.training.batch import TripletBatch


class PlainTrainingStep(nn.Module):
    """Plain training step: depth and pose network, two reconstructions, four losses, in eager float32."""

    def __init__(self, network: PlainKBNet, pose_network: PoseNet, weights: LossWeights) -> None:
        super().__init__()
        self.network, self.pose_network, self.weights = network, pose_network, weights

    def forward(self, batch: TripletBatch) -> Tensor:
        """Weighted sum of the four terms, scalar."""
        depth = self.network(batch.input_image, batch.input_depth, batch.input_validity, batch.intrinsics)
        total = self.weights.sparse_depth * sparse_depth_loss(depth, batch.sparse_depth, batch.validity)
        total = total + self.weights.smoothness * smoothness_loss(depth, batch.image)
        for source in (batch.previous_image, batch.next_image):
            pose = self.pose_network(batch.image, source)
            reconstruction = warp(source, depth, batch.intrinsics, pose)
            total = total + self.weights.colour * colour_loss(batch.image, reconstruction)
            total = total + self.weights.structure * structure_loss(batch.image, reconstruction)
        return total


def warp(source: Tensor, depth: Tensor, intrinsics: Tensor, pose: Tensor) -> Tensor:
    """Reconstruct the target from a source image: backproject, transform, project, sample; (B, 3, H, W)."""
    batch, _, height, width = source.shape
    points = (depth * pixel_rays(intrinsics, height, width)).reshape(batch, 3, -1)
    points = torch.cat([points, torch.ones_like(points[:, :1])], dim=1)
    projected = torch.matmul(intrinsics, torch.matmul(pose, points)[:, :3])
    pixels = (projected[:, :2] / (projected[:, 2:] + 1e-7)).reshape(batch, 2, height, width)
    x, y = 2 * pixels[:, 0] / (width - 1) - 1, 2 * pixels[:, 1] / (height - 1) - 1
    grid = torch.stack([x, y], dim=3)
    return F.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=True)


def colour_loss(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Absolute difference, summed over channels, mean over pixels and batch."""
    return (image - reconstruction).abs().sum(dim=1).mean()


def structure_loss(image: Tensor, reconstruction: Tensor) -> Tensor:
    """(1 - SSIM) / 2 of 3x3 windows, resized to the image, summed over channels, mean over pixels and batch."""
    mean = nn.AvgPool2d(3, 1)
    mean_x, mean_y = mean(image), mean(reconstruction)
    variance_x = mean(image**2) - mean_x**2
    variance_y = mean(reconstruction**2) - mean_y**2
    covariance = mean(image * reconstruction) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))
    dissimilarity = torch.clamp((1 - similarity) / 2, 0, 1)
    return F.interpolate(dissimilarity, size=image.shape[-2:], mode="nearest").sum(dim=1).mean()


def sparse_depth_loss(depth: Tensor, sparse_depth: Tensor, validity: Tensor) -> Tensor:
    """Mean absolute difference over a sample's valid points, mean over the batch."""
    difference = (validity * (depth - sparse_depth).abs()).sum(dim=(1, 2, 3))
    return (difference / validity.sum(dim=(1, 2, 3))).mean()


def smoothness_loss(depth: Tensor, image: Tensor) -> Tensor:
    """Mean of exp(-mean_c |change of the image|) |change of depth|, along x plus along y."""
    total = depth.new_zeros(())
    for dim in (2, 3):
        weight = torch.exp(-image.diff(dim=dim).abs().mean(dim=1, keepdim=True))
        total = total + (weight * depth.diff(dim=dim).abs()).mean()
    return total
