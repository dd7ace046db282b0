"""Rigid camera motion: from six numbers to a 4x4 transform, and applying one."""

from __future__ import annotations

import torch
from torch import Tensor

AXIS_EPSILON = 1e-7
"""Added to the rotation angle before dividing by it (published system, section 4)."""


def rotation_from_axis_angle(axis_angle_rad: Tensor) -> Tensor:
    """Rotation matrices by the formula of Rodrigues, R = I + sin θ [a]× + (1 - cos θ) [a]×².

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
    # |v| has no gradient at v = 0; a zero under the root would make it NaN.
    squared = axis_angle_rad.square().sum(dim=1, keepdim=True)
    angle = torch.where(squared > 0, squared.clamp_min(torch.finfo(squared.dtype).tiny).sqrt(), squared)
    x, y, z = (axis_angle_rad / (angle + AXIS_EPSILON)).unbind(dim=1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    sine, cosine = torch.sin(angle)[..., None], torch.cos(angle)[..., None]
    outer = torch.stack([x, y, z], dim=1)
    outer = outer[:, :, None] * outer[:, None, :]
    identity = torch.eye(3, dtype=cross.dtype, device=cross.device)
    rotation: Tensor = cosine * identity + sine * cross + (1 - cosine) * outer
    return rotation


def transform_from_vector(vector: Tensor) -> Tensor:
    """Rigid transforms from rotation and translation in six numbers.

    Args:
        vector: (B, 6): axis-angle rotation in radians, then translation in metres.

    Returns:
        Transforms x' = R x + t, (B, 4, 4).
    """
    top = torch.cat([rotation_from_axis_angle(vector[:, :3]), vector[:, 3:, None]], dim=2)
    bottom = vector.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(vector), 1, 4)
    return torch.cat([top, bottom], dim=1)


def transform_points(transform: Tensor, points: Tensor) -> Tensor:
    """Move points by rigid transforms.

    Args:
        transform: (B, 4, 4), metres.
        points: (B, 3, H, W), metres.

    Returns:
        R x + t, (B, 3, H, W), metres.
    """
    return torch.einsum("bij,bjhw->bihw", transform[:, :3, :3], points) + transform[:, :3, 3, None, None]
