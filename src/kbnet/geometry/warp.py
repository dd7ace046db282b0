"""Warp: reconstruction of an image from another view, depth and relative pose."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from kbnet.geometry.camera import backproject, project
from kbnet.geometry.pose import transform_points


def warp(source: Tensor, depth: Tensor, intrinsics: Tensor, T_source_target: Tensor) -> Tensor:
    """Reconstruct the target image from a source image, the target's depth and the relative pose.

    Every target pixel is backprojected, transformed to the source camera, projected and looked up bilinearly. Pixels
    outside the source image get the value of its border (published system, section 5).

    Args:
        source: image of the source camera, (B, C, H, W).
        depth: depth of the target camera along z, (B, 1, H, W), metres.
        intrinsics: K of both cameras, (B, 3, 3), pixels.
        T_source_target: rigid transform from target to source camera, (B, 4, 4), metres.

    Returns:
        Reconstructed target image, (B, C, H, W).
    """
    height, width = depth.shape[-2:]
    pixels = project(transform_points(T_source_target, backproject(depth, intrinsics)), intrinsics)
    extent = pixels.new_tensor([width - 1, height - 1])
    grid = pixels.permute(0, 2, 3, 1) * (2 / extent) - 1
    return F.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=True)
