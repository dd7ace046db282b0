"""Rotations against scipy, and gradients where the angle vanishes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from kbnet.geometry.pose import (
    rotation_by_exponential_map,
    rotation_from_axis_angle,
    transform_from_vector,
    transform_points,
)


def test_rotation_equals_scipy() -> None:
    vectors = np.random.default_rng(0).uniform(-3, 3, (50, 3))
    rotations = rotation_from_axis_angle(torch.from_numpy(vectors)).numpy()
    # The axis is v / (|v| + 1e-7), so the rotation is off by that part.
    np.testing.assert_allclose(rotations, Rotation.from_rotvec(vectors).as_matrix(), atol=1e-6)
    exponential = rotation_by_exponential_map(torch.from_numpy(vectors)).numpy()
    np.testing.assert_allclose(exponential, Rotation.from_rotvec(vectors).as_matrix(), atol=1e-14)


@pytest.mark.parametrize("rotate", [rotation_from_axis_angle, rotation_by_exponential_map])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-20, 1e-10, 1e-6])
def test_a_vanishing_rotation_is_the_identity_with_a_finite_gradient(
    rotate: Callable[[torch.Tensor], torch.Tensor], size: float
) -> None:
    vector = torch.tensor([[0.0, size, 0.0]], requires_grad=True)
    rotation = rotate(vector)
    torch.testing.assert_close(rotation[0], torch.eye(3), rtol=0, atol=2e-6)
    rotation.square().sum().backward()
    assert vector.grad is not None
    assert torch.isfinite(vector.grad).all()


def test_transform_rotates_then_translates() -> None:
    transform = transform_from_vector(torch.tensor([[0.0, 0.0, torch.pi / 2, 10.0, 20.0, 30.0]]))
    moved = transform_points(transform, torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(moved, torch.tensor([8.0, 21.0, 33.0]), rtol=1e-5, atol=1e-5)
    assert transform[0, 3].tolist() == [0, 0, 0, 1]


def test_transform_from_vector_has_the_right_gradient() -> None:
    generator = torch.Generator().manual_seed(1)
    vector = torch.randn(3, 6, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(transform_from_vector, (vector,))
