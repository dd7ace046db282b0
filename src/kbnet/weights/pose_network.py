"""Weights files of pose networks: safetensors with the encoder's name, and the published ``.pth`` layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast, get_args

import torch

from kbnet.errors import KBNetError
from kbnet.network.pose_net import EncoderName, PoseNet
from kbnet.weights.names import find_weights
from kbnet.weights.published import fill_pose_network, read_published
from kbnet.weights.published_content import content_of
from kbnet.weights.safetensors_file import POSE_FORMAT, fill_from_file, read_header, write_tensors


def save_pose_network(network: PoseNet, path: Path, *, notes: dict[str, str] | None = None) -> None:
    """Write weights and encoder name of a pose network; the file appears complete or not at all.

    Args:
        path: a ``.safetensors`` file.
    """
    metadata = {**(notes or {}), "format": POSE_FORMAT, "encoder": network.encoder_name}
    if network.rotation != "axis-angle":
        metadata["rotation"] = network.rotation
    write_tensors(path, network.state_dict(), torch.float32, metadata)


def load_pose_network(source: str | Path) -> PoseNet:
    """Load a pose network from a weights file.

    Args:
        source: the name of local weights (``posenet-void1500``), a ``.safetensors`` file written by
            :func:`save_pose_network`, or a published ``.pth`` file of KBNet (encoder ``resnet18``) or of VOICED and
            FusionNet (``plain``).

    Returns:
        The network in float32, on the CPU, in evaluation mode.

    Raises:
        FileNotFoundError: there is no such file, nor weights of that name.
        KBNetError: the file is damaged, or of another architecture.
    """
    path = find_weights(source)
    encoder = read_encoder(path)
    metadata = {} if path.suffix == ".pth" else read_header(path, POSE_FORMAT).metadata
    try:
        network = PoseNet(encoder, rotation=cast(Any, metadata.get("rotation", "axis-angle")))
    except ValueError as error:
        raise KBNetError(f"the rotation of {path} is not known here ({error}); is it from a newer kbnet?") from error
    fill_pose_from_weights(network, path)
    return network.eval()


def read_encoder(source: str | Path) -> EncoderName:
    """Read the encoder's name of a pose network without its weights.

    Args:
        source: as in :func:`load_pose_network`.

    Raises:
        FileNotFoundError: there is no such file, nor weights of that name.
        KBNetError: the file is damaged, of another architecture, or of an unknown encoder.
    """
    path = find_weights(source)
    if path.suffix == ".pth":
        return "plain" if content_of(read_published(path)).system == "plain-pose" else "resnet18"
    encoder = read_header(path, POSE_FORMAT).metadata.get("encoder")
    if encoder not in get_args(EncoderName):
        raise KBNetError(
            f"the encoder of {path} is not known here (expected one of {', '.join(get_args(EncoderName))}, "
            f"got '{encoder}'); is it from a newer kbnet?"
        )
    return cast(EncoderName, encoder)


def fill_pose_from_weights(network: PoseNet, source: str | Path) -> None:
    """Load weights into a pose network, in place.

    Args:
        network: network to fill, with the encoder of :func:`read_encoder`.
        source: as in :func:`load_pose_network`.
    """
    path = find_weights(source)
    if path.suffix == ".pth":
        fill_pose_network(network, read_published(path), origin=str(path))
        return
    fill_from_file(network, path, POSE_FORMAT, "encoder")
