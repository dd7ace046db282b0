"""Networks of a run and their initial weights."""

from __future__ import annotations

import math
from dataclasses import replace

from kbnet.errors import KBNetError
from kbnet.network.build import network_of
from kbnet.network.config import KBNetConfig
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.network.siblings.config import FusionNetConfig, NetworkConfig, ScaffNetConfig, system_of
from kbnet.network.siblings.fusionnet import FusionNet
from kbnet.training.config import TrainingConfig
from kbnet.weights.depth_network import fill_from_weights, read_config, read_system
from kbnet.weights.image_features import fill_image_features
from kbnet.weights.names import find_weights
from kbnet.weights.pose_network import fill_pose_from_weights, read_encoder

DEPTH_REDUCTION = 32
"""Stride of the depth network's smallest features, input pixels."""

SCALE_FREE_SETTINGS = ("min_depth", "max_depth", "working_side")
"""Settings that a run can change for weights with a propagation head, which is independent of the scale of depth."""


def build_networks(
    config: TrainingConfig, *, all_poses_known: bool, read_weights: bool = True
) -> tuple[DepthNetwork, PoseNet | None]:
    """Build the depth network of a run, and the pose network if the run needs one.

    Args:
        all_poses_known: whether the camera's motion is known for every sample.
        read_weights: load the initial weights of the config; False for a resumed run.

    Raises:
        KBNetError: initial weights are damaged or of another network, or a batch is too small to normalise.
        FileNotFoundError: there are no such initial weights.
    """
    needs_pose_network = config.losses.needs_poses and not (config.poses == "known" and all_poses_known)
    if config.losses.pose_consistency > 0 and not needs_pose_network:
        raise KBNetError(
            "got a weight for pose_consistency, but this run trains no pose network, since the motion is known or no "
            "loss needs it; set losses.pose_consistency to 0, or poses to network"
        )
    if config.initial_pose_weights is not None and not needs_pose_network:
        raise KBNetError(
            f"got initial_pose_weights {config.initial_pose_weights}, but this run trains no pose network, since the "
            "motion is known or no loss needs it; leave them out, or set poses to network"
        )
    if isinstance(config.network, FusionNetConfig) and config.initial_weights is None:
        raise KBNetError(
            "expected initial weights for fusionnet, whose ScaffNet is not trained, got none; name those of a trained "
            "ScaffNet, such as --initial-weights scaffnet-scenenet, or of a FusionNet"
        )
    network = network_of(config.network)
    image_features = network.image_features if isinstance(network, KBNet) else None
    if config.initial_weights is not None and read_weights:
        _start_from(network, config.initial_weights)
    elif image_features is not None and read_weights:
        fill_image_features(image_features)
    pose_network = PoseNet(config.pose_encoder, rotation=config.pose_rotation) if needs_pose_network else None
    if pose_network is not None and config.initial_pose_weights is not None and read_weights:
        _start_pose_from(pose_network, config.initial_pose_weights)
    if config.network.normalisation == "batch" and config.normalisation_statistics == "batch":
        _check_batch(config, DEPTH_REDUCTION, "depth network")
    if pose_network is not None:
        _check_batch(config, pose_network.reduction, f"pose network ({config.pose_encoder})")
    return network, pose_network


def settings_of_weights(source: str, otherwise: NetworkConfig) -> NetworkConfig:
    """Network settings of initial weights, which a run must keep.

    Args:
        otherwise: settings for a published ``.pth``, which has none; the scaling of K is then the published one.
            For a FusionNet, the weights may be those of its ScaffNet.
    """
    path = find_weights(source)
    if path.suffix == ".pth":
        return replace(otherwise, intrinsics_scaling="published") if isinstance(otherwise, KBNetConfig) else otherwise
    theirs = read_config(path)
    if isinstance(otherwise, FusionNetConfig) and isinstance(theirs, ScaffNetConfig):
        return replace(otherwise, scaffnet=theirs)
    return theirs


def differing_settings(theirs: NetworkConfig, ours: NetworkConfig) -> str:
    """Differing settings, as 'network.max_depth 100.0 (not 8.0)', separated by commas; empty if there are none."""
    if type(theirs) is not type(ours):
        return f"network.system {system_of(theirs)} (not {system_of(ours)})"
    own = ours.to_dict()
    return ", ".join(
        f"network.{name} {value} (not {own[name]})" for name, value in theirs.to_dict().items() if value != own[name]
    )


def _start_from(network: DepthNetwork, source: str) -> None:
    path = find_weights(source)
    if isinstance(network, FusionNet) and read_system(path) == "scaffnet":
        network = network.scaffnet
    if path.suffix == ".pth":
        fill_from_weights(network, path)
        return
    theirs = read_config(path)
    if isinstance(theirs, KBNetConfig) and theirs.head == "propagation":
        theirs = replace(theirs, **{name: getattr(network.config, name) for name in SCALE_FREE_SETTINGS})
    if different := differing_settings(theirs, network.config):
        raise KBNetError(
            f"the initial weights {source} are of a network with {different}; "
            "leave these settings out on the command line and in the recipe, which keeps those of the weights"
        )
    fill_from_weights(network, path)


def _start_pose_from(network: PoseNet, source: str) -> None:
    encoder = read_encoder(source)
    if encoder != network.encoder_name:
        raise KBNetError(
            f"the initial pose weights {source} are of the pose encoder {encoder}, "
            f"not {network.encoder_name}; set pose_encoder to {encoder}"
        )
    fill_pose_from_weights(network, source)


def _check_batch(config: TrainingConfig, reduction: int, what: str) -> None:
    """Check that BatchNorm has at least two values per channel, from which it computes a deviation."""
    height, width = config.augmentation.crop
    values = config.batch_size * math.ceil(height / reduction) * math.ceil(width / reduction)
    if values < 2:
        raise KBNetError(
            f"expected at least 2 values in each channel of the smallest features of the {what}, to normalise them, "
            f"got 1 from a batch of 1 with a crop of {width}x{height}; set batch_size to 2 or more, "
            f"or make the crop wider or higher than {reduction} pixels"
        )
