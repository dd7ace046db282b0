"""Parity of VOICED, ScaffNet, FusionNet and their PoseNet with what is recorded in ``shared/golden/family``.

Convolutions are in float64, which is within the tolerance on every CPU, by at least a third. In float32 the orders of
summation differ between processors: with AVX2 up to 1.5e-5 of the largest depth. So float32 is held to 3e-5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_golden import Recording, error_of_largest, images, maps
from fixtures_siblings import recorded_checkpoint, recorded_network
from torch import Tensor

from kbnet.evaluation.metrics import depth_errors
from kbnet.network.pose_net import PoseNet
from kbnet.points.interpolation import linear_in_hull
from kbnet.points.outlier_rejection import unoccluded_points
from kbnet.weights.published import fill_pose_network

TOLERANCE = 1e-5
"""Of depth, latent, alpha, beta and scaled scaffold, as a part of the largest value."""


def assert_equal(value: Tensor, recording: Recording, name: str) -> None:
    assert error_of_largest(value[0].squeeze(0), recording[name]) < TOLERANCE, name


def assert_equal_metrics(depth: Tensor, recording: Recording, preset: str) -> None:
    name = next(name for name in recording if name.startswith("metrics"))
    limits = (0.001, 100.0) if "kitti" in preset else (0.2, 5.0)
    errors = depth_errors(depth[0, 0].numpy(), recording["ground_truth"], min_depth=limits[0], max_depth=limits[1])
    found = errors.as_array()[: len(recording[name])]
    np.testing.assert_allclose(found, recording[name], rtol=1e-4)


@pytest.mark.parametrize(
    ("file", "preset"),
    [("voiced_void", "voiced-void"), ("voiced_void_odd", "voiced-void"), ("voiced_kitti", "voiced-kitti")],
)
def test_voiced_equals_the_recording(family: Path, file: str, preset: str) -> None:
    recording = Recording(family / f"{file}.npz")
    network = recorded_network(family, preset, recording)
    image, sparse_depth, scaffold = images(recording["image"]), maps(recording["sparse_depth"]), recording["scaffold"]
    assert np.array_equal(linear_in_hull(recording["sparse_depth"]), scaffold)
    validity = (sparse_depth > 0).float()
    inputs = (image, sparse_depth, validity, torch.eye(3)[None], maps(scaffold))
    with torch.no_grad():
        assert error_of_largest(network(*inputs)[0, 0], recording["depth"]) < 3 * TOLERANCE
        network.double()
        latent, skips = network.encoder(image.double(), torch.cat([maps(scaffold), validity], dim=1).double())
        assert_equal(latent, recording, "latent")
        np.testing.assert_allclose([float(skip.mean()) for skip in skips], recording["skip_means"], rtol=1e-5)
        assert_equal(network.half_output(image, maps(scaffold), validity), recording, "half_output")
        depth = network(*inputs)
    assert_equal(depth, recording, "depth")
    assert_equal_metrics(depth, recording, preset)
    assert recording.unread == {"intrinsics"}


@pytest.mark.parametrize(
    ("file", "preset"),
    [
        ("scaffnet_void", "scaffnet-scenenet"),
        ("scaffnet_void_odd", "scaffnet-scenenet"),
        ("scaffnet_vkitti", "scaffnet-vkitti"),
    ],
)
def test_scaffnet_equals_the_recording(family: Path, file: str, preset: str) -> None:
    recording = Recording(family / f"{file}.npz")
    network = recorded_network(family, preset, recording)
    sparse_depth = maps(recording["sparse_depth"])
    with torch.no_grad():
        assert error_of_largest(network.complete(sparse_depth)[0, 0], recording["depth"]) < 3 * TOLERANCE
        network.double()
        features = network.pool(sparse_depth.clamp_max(network.config.max_depth).double())
        np.testing.assert_allclose(features.mean(dim=(0, 2, 3)), recording["pool_mean_per_channel"], rtol=1e-5)
        if "pool_features" in recording:
            assert_equal(features, recording, "pool_features")
        latent, skips = network.encoder(features)
        assert_equal(latent, recording, "latent")
        means = [float(skip.mean()) for skip in (features, *skips)]
        np.testing.assert_allclose(means, recording["skip_means"], rtol=1e-5)
        depth = network(sparse_depth.expand(-1, 3, -1, -1), sparse_depth)
        assert_equal(depth, recording, "depth")
        folded = network.fold().complete(sparse_depth)
    assert_equal(folded, recording, "depth")
    assert_equal_metrics(depth, recording, preset)
    assert not recording.unread


@pytest.mark.parametrize(
    ("file", "preset"),
    [
        ("fusionnet_void", "fusionnet-void"),
        ("fusionnet_void_odd", "fusionnet-void"),
        ("fusionnet_kitti", "fusionnet-kitti"),
    ],
)
def test_fusionnet_equals_the_recording(family: Path, file: str, preset: str) -> None:
    recording = Recording(family / f"{file}.npz")
    network = recorded_network(family, preset, recording)
    image, sparse_depth, scaffold = images(recording["image"]), maps(recording["sparse_depth"]), recording["scaffold"]
    points = sparse_depth * unoccluded_points(sparse_depth)
    assert np.array_equal(points[0, 0].numpy(), recording["filtered_sparse_depth"])
    capped = points.clamp_max(network.config.max_depth)
    with torch.no_grad():
        assert error_of_largest(network.refine(image, maps(scaffold), points)[0, 0], recording["depth"]) < 3 * TOLERANCE
        network.double()
        alpha, beta, scaled = network.correction(image, maps(scaffold), points)
        latent, skips = network.encoder(image.double(), torch.cat([scaled, capped], dim=1).double())
        for name, value in (("alpha", alpha), ("beta", beta), ("scaled_scaffold", scaled), ("latent", latent)):
            assert_equal(value, recording, name)
        np.testing.assert_allclose([float(skip.mean()) for skip in skips], recording["skip_means"], rtol=1e-5)
        depth = network.refine(image, maps(scaffold), points)
        assert_equal(depth, recording, "depth")
        if "seed_scaffnet" in recording:  # else the scaffold is made up
            inside = network.config.scaffnet
            assert recording["min_max_predict_depth_scaffnet"].tolist() == [inside.min_depth, inside.max_depth]
            assert_equal(network.scaffold(sparse_depth), recording, "scaffold")
            assert_equal(network(image, sparse_depth, (points > 0).float()), recording, "depth")
    assert_equal_metrics(depth, recording, preset)
    assert recording.unread == {"intrinsics"}


@pytest.mark.parametrize(("rotation", "name"), [("axis-angle", "axis"), ("exponential", "exponential")])
def test_the_seven_layer_pose_network_equals_the_recording(family: Path, rotation: Any, name: str) -> None:
    recording = Recording(family / "posenet.npz")
    network = PoseNet("plain", rotation=rotation)
    fill_pose_network(network, recorded_checkpoint(family, "posenet", {**recording, "output_factor": 1.0}))
    target, *sources = (images(recording[each]) for each in ("image", "image_prev", "image_next"))
    with torch.no_grad():
        network.eval()
        for source, pose in zip(sources, ("pose01", "pose02"), strict=True):
            found = network(target, source)[0].numpy()
            np.testing.assert_allclose(found, recording[f"{pose}_{name}_eval"], rtol=0, atol=1e-6)
        network.train()
        found = network(target.expand(2, -1, -1, -1), torch.cat(sources)).numpy()
        np.testing.assert_allclose(found, recording[f"pose_batch_{name}_train"], rtol=0, atol=1e-6)
    statistics = network.stem.normalisation.running_mean
    assert statistics is not None
    np.testing.assert_allclose(statistics, recording["running_mean_conv1_after"], rtol=0, atol=1e-6)
