"""Weights of the depth network: safetensors with its config inside; and the published ``.pth`` layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.weights.fit import misfit
from kbnet.weights.names import bundled_weights, find_weights, local_weights
from kbnet.weights.published import fill_depth_network, read_published
from kbnet.weights.safetensors_file import DEPTH_FORMAT, read_tensors, write_tensors

__all__ = ["bundled_weights", "find_weights", "load_network", "local_weights", "save_network"]


def save_network(
    network: KBNet, path: Path, *, dtype: torch.dtype = torch.float32, notes: dict[str, str] | None = None
) -> None:
    """Write a network's weights and config; the file appears whole or not at all.

    Args:
        network: what to save.
        path: a ``.safetensors`` file.
        dtype: of the stored weights; float16 halves the file.
        notes: where the weights come from (recipe, steps, data), readable by any safetensors reader.
    """
    metadata = {**(notes or {}), "format": DEPTH_FORMAT, "config": json.dumps(network.config.to_dict())}
    write_tensors(path, network.state_dict(), dtype, metadata)


def load_network(source: str | Path, *, preset: str | None = None) -> KBNet:
    """Read a network.

    Args:
        source: the name of bundled or local weights, a ``.safetensors`` file written by :func:`save_network`, or a
            published ``.pth`` file.
        preset: ``void`` or ``kitti``; a published file does not say which it is, every other file does.

    Returns:
        The network in float32, on the CPU, in evaluation mode.

    Raises:
        FileNotFoundError: there is no such file, nor weights of that name.
        ValueError: the file is damaged, of another architecture, or the preset is missing or not wanted.
    """
    path = find_weights(source)
    if path.suffix == ".pth":
        if preset is None:
            raise ValueError(
                f"expected a preset with published weights, which do not carry one; "
                f"add preset='void' (--preset void on the command line) or 'kitti' for {path}"
            )
        network = KBNet(KBNetConfig.preset(preset, intrinsics_scaling="published"))
        fill_depth_network(network, read_published(path), origin=str(path))
        return network.eval()
    if preset is not None:
        raise ValueError(f"got preset '{preset}', but {path} carries its own config; leave the preset out")
    return _load_safetensors(path)


def _load_safetensors(path: Path) -> KBNet:
    tensors, metadata = read_tensors(path, DEPTH_FORMAT)
    try:
        network = KBNet(KBNetConfig.from_dict(json.loads(metadata["config"])))
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"the config inside {path} cannot be read ({error}); is it from a newer kbnet?") from error
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if described := misfit(expected, tensors):
        raise ValueError(f"{path} does not fit the network of its config: {described}; fetch it again")
    network.load_state_dict(tensors)  # converts to float32 on the way
    return network.eval()
