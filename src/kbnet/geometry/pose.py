"""Rigid camera motion: 4x4 transforms from six numbers, and their application to points."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

RotationForm = Literal["axis-angle", "exponential"]

AXIS_EPSILON = 1e-7
"""Added to the rotation angle before dividing by it (published system, section 4)."""
SMALL_ANGLE_RAD = 1e-10
"""Below it the exponential map is I + [v]×."""


def rotation_from_axis_angle(axis_angle_rad: Tensor) -> Tensor:
    """Rotation matrices by Rodrigues' formula, R = I + sin θ [a]× + (1 - cos θ) [a]×².

    The axis is v / (|v| + 1e-7), so the zero vector gives the identity with finite gradients.

    Args:
        axis_angle_rad: axis times angle, (B, 3), radians.

    Returns:
        Rotations, (B, 3, 3).

    >>> rotation_from_axis_angle(torch.tensor([[0.0, 0.0, torch.pi / 2]])).round().abs()
    tensor([[[0., 1., 0.],
             [1., 0., 0.],
             [0., 0., 1.]]])
    """
    # The gradient of |v| at v = 0 is NaN: the root has no derivative at 0.
    squared = axis_angle_rad.square().sum(dim=1, keepdim=True)
    angle = torch.where(squared > 0, squared.clamp_min(torch.finfo(squared.dtype).tiny).sqrt(), squared)
    axis = axis_angle_rad / (angle + AXIS_EPSILON)
    cross = _cross(axis)
    sine, cosine = torch.sin(angle)[..., None], torch.cos(angle)[..., None]
    outer = axis[:, :, None] * axis[:, None, :]
    identity = torch.eye(3, dtype=cross.dtype, device=cross.device)
    rotation: Tensor = cosine * identity + sine * cross + (1 - cosine) * outer
    return rotation


def rotation_by_exponential_map(axis_angle_rad: Tensor) -> Tensor:
    """Rotation matrices by the exponential map of VOICED: Rodrigues' formula with the axis v / |v|.

    For |v| below 1e-10 the result is I + [v]×.

    Args:
        axis_angle_rad: axis times angle, (B, 3), radians.

    Returns:
        Rotations, (B, 3, 3); finite gradients everywhere.
    """
    squared = axis_angle_rad.square().sum(dim=1, keepdim=True)
    small = squared < SMALL_ANGLE_RAD**2
    angle = squared.masked_fill(small, 1.0).sqrt()
    sine, cosine = torch.sin(angle)[..., None], torch.cos(angle)[..., None]
    cross = _cross(axis_angle_rad / angle)
    identity = torch.eye(3, dtype=cross.dtype, device=cross.device)
    rotation = identity + sine * cross + (1 - cosine) * (cross @ cross)
    return torch.where(small[..., None], identity + _cross(axis_angle_rad), rotation)


def _cross(vector: Tensor) -> Tensor:
    """Cross-product matrix [v]×, (B, 3, 3)."""
    x, y, z = vector.unbind(dim=1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)


def transform_from_vector(vector: Tensor, rotation: RotationForm = "axis-angle") -> Tensor:
    """Rigid transforms from six numbers: rotation and translation.

    Args:
        vector: (B, 6): axis times angle in radians, then translation in metres.
        rotation: ``axis-angle`` by :func:`rotation_from_axis_angle`, ``exponential`` by
            :func:`rotation_by_exponential_map`.

    Returns:
        Transforms x' = R x + t, (B, 4, 4).
    """
    rotate = rotation_by_exponential_map if rotation == "exponential" else rotation_from_axis_angle
    top = torch.cat([rotate(vector[:, :3]), vector[:, 3:, None]], dim=2)
    bottom = vector.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(vector), 1, 4)
    return torch.cat([top, bottom], dim=1)


def transform_points(transform: Tensor, points: Tensor) -> Tensor:
    """Transform points by rigid transforms.

    Args:
        transform: (B, 4, 4), metres.
        points: (B, 3, H, W), metres.

    Returns:
        R x + t, (B, 3, H, W), metres.
    """
    return torch.einsum("bij,bjhw->bihw", transform[:, :3, :3], points) + transform[:, :3, 3, None, None]
