"""Weights files of depth networks: safetensors with config, and the published ``.pth`` layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from kbnet.errors import KBNetError
from kbnet.files import parse_json
from kbnet.network.build import network_of
from kbnet.network.config import PRESETS, KBNetConfig
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.siblings.config import NetworkConfig, config_from_dict, preset_config, system_of
from kbnet.weights.names import find_weights
from kbnet.weights.published import fill_published, read_published
from kbnet.weights.published_content import content_of
from kbnet.weights.safetensors_file import (
    DEPTH_FORMAT,
    fill_from_file,
    misfit,
    read_header,
    read_tensors,
    write_tensors,
)


def save_network(
    network: DepthNetwork, path: Path, *, dtype: torch.dtype = torch.float32, notes: dict[str, str] | None = None
) -> None:
    """Write weights and config of a network; the file appears complete or not at all.

    Args:
        path: a ``.safetensors`` file.
        dtype: type of the stored weights; float16 halves the file.
        notes: origin of the weights (recipe, steps, data), readable by any safetensors reader.
    """
    metadata = {**(notes or {}), "format": DEPTH_FORMAT, "config": json.dumps(network.config.to_dict())}
    write_tensors(path, network.state_dict(), dtype, metadata)


def read_config(source: str | Path, *, preset: str | None = None) -> NetworkConfig:
    """Read the config of a network without its weights.

    Args:
        source, preset: as in :func:`load_network`.

    Raises:
        FileNotFoundError: there is no such file, nor weights of that name.
        KBNetError: the file is damaged, of another architecture, or the preset is missing or not wanted.
    """
    path = find_weights(source)
    if path.suffix == ".pth":
        if preset is None:
            content = content_of(read_published(path))
            first, *others = content.presets or PRESETS
            raise KBNetError(
                "expected a preset with published weights, which do not carry one; "
                f"add preset='{first}' (--preset {first} on the command line)"
                f"{''.join(f' or {other!r}' for other in others)} for {path}, which holds {content.words}"
            )
        return preset_config(preset)
    if preset is not None:
        raise KBNetError(f"got preset '{preset}', but {path} carries its own config; leave the preset out")
    metadata = read_header(path, DEPTH_FORMAT).metadata
    try:
        return config_from_dict(parse_json(metadata["config"]))
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise KBNetError(f"the config inside {path} cannot be read ({error}); is it from a newer kbnet?") from error


def read_system(source: str | Path) -> str:
    """Whose network weights are: kbnet, voiced, scaffnet or fusionnet; of a ``.pth`` also another word."""
    path = find_weights(source)
    return content_of(read_published(path)).system if path.suffix == ".pth" else system_of(read_config(path))


def read_kbnet_config(source: str | Path) -> KBNetConfig:
    """Read the config of a KBNet, the only system that can be adapted.

    Raises:
        FileNotFoundError: there is no such file, nor weights of that name.
        KBNetError: as in :func:`read_config`; or the weights are of a sibling system.
    """
    config = read_config(source)
    if not isinstance(config, KBNetConfig):
        raise KBNetError(
            f"expected weights of a KBNet to adapt, but {source} are those of {config.system}; choose other weights, "
            "or train them with 'kbnet train --initial-weights'"
        )
    return config


def load_network(source: str | Path, *, preset: str | None = None) -> DepthNetwork:
    """Load a network from a weights file.

    Args:
        source: the name of bundled or local weights, a ``.safetensors`` file written by :func:`save_network`, or a
            published ``.pth`` file.
        preset: one of :data:`kbnet.network.siblings.config.PresetName`; required for a
            published file only; other files contain their config.

    Returns:
        The network in float32, on the CPU, in evaluation mode.

    Raises:
        FileNotFoundError: there is no such file, nor weights of that name.
        KBNetError: the file is damaged, of another architecture, or the preset is missing or not wanted.
    """
    config = read_config(source, preset=preset)
    path = find_weights(source)
    if path.suffix == ".pth":
        network = network_of(config)
        fill_from_weights(network, path)
    else:
        _check_fit(path, config)
        network = network_of(config)
        network.load_state_dict(read_tensors(path))  # converts to float32 on the way
    return network.eval()


def fill_from_weights(network: DepthNetwork, source: str | Path) -> None:
    """Load weights into a network, in place. The configs may differ in settings without effect on tensors.

    Args:
        source: as in :func:`load_network`.

    Raises:
        FileNotFoundError: there is no such file, nor weights of that name.
        KBNetError: the file is damaged, or does not fit the network.
    """
    path = find_weights(source)
    if path.suffix == ".pth":
        fill_published(network, read_published(path), origin=str(path))
        return
    fill_from_file(network, path, DEPTH_FORMAT, "config")


def _check_fit(path: Path, config: NetworkConfig) -> None:
    """Check that a file holds the tensors of a config, before memory is allocated for them."""
    try:
        with torch.device("meta"):
            expected = {name: tuple(tensor.shape) for name, tensor in network_of(config).state_dict().items()}
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:  # torch refuses a value of the config
        reason = str(error).splitlines()[0]
        raise KBNetError(f"the config inside {path} gives no network ({reason}); fetch it again") from error
    if described := misfit(expected, read_header(path, DEPTH_FORMAT).shapes):
        raise KBNetError(f"{path} does not fit the network of its config: {described}; fetch it again")
