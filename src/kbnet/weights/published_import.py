"""Import of published ``.pth`` files as named local weights with their config."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kbnet.errors import KBNetError
from kbnet.files import file_sha256, parse_json
from kbnet.network.build import network_of
from kbnet.network.config import PRESETS
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.pose_net import PoseNet
from kbnet.network.siblings.config import NetworkConfig, config_from_dict
from kbnet.weights.depth_network import save_network
from kbnet.weights.names import (
    RECOGNISED_FILES,
    bundled_weights,
    local_folder,
    local_path,
    published_configs,
)
from kbnet.weights.pose_network import save_pose_network
from kbnet.weights.published import Checkpoint, fill_pose_network, fill_published, read_published
from kbnet.weights.published_content import content_of
from kbnet.weights.safetensors_file import read_metadata

LICENCE = "the published weights are for academic, non-commercial use; see the page they come from"


@dataclass(frozen=True)
class WeightsImport:
    """Import of one file under one name."""

    name: str
    file: Path
    config: NetworkConfig | None
    """Config of the depth network; None: a pose network."""


def plan_import(file: Path, *, name: str | None = None, preset: str | None = None) -> list[WeightsImport]:
    """Plan the import of a ``.pth`` file: one name, or two for VOID's depth network with its two sets of pools.

    Args:
        file: file with a published name (``kbnet-void1500.pth``), or with another name.
        name: name of the weights; required for a file with another name.
        preset: one of :data:`kbnet.network.siblings.config.PresetName`; required for a depth network in a file with
            another name.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: name or preset is missing or cannot be used, or the file is damaged.
    """
    if file.name in RECOGNISED_FILES:
        published = RECOGNISED_FILES[file.name]
        name, preset = name or published.name, preset or published.preset
    elif preset is None and not (content := content_of(read_published(file))).is_pose_network:
        raise KBNetError(
            f"{file.name} is none of the published names ({', '.join(RECOGNISED_FILES)}), so what it is must be said: "
            f"it holds {content.words}; add --preset ({' or '.join(content.presets or PRESETS)}) and --name"
        )
    if name is None:
        raise KBNetError(f"expected a name for the weights in {file.name}; add --name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) or name.endswith((".pth", ".safetensors")):
        raise KBNetError(f"expected a name of letters, digits, '-', '_' and '.', without a suffix, got '{name}'")
    if name in bundled_weights():
        raise KBNetError(f"'{name}' is the name of bundled weights, which would be found first; choose another --name")
    if preset is None:
        return [WeightsImport(name, file, None)]
    return [WeightsImport(each, file, config) for each, config in published_configs(name, preset).items()]


def import_weights(imports: Sequence[WeightsImport], *, overwrite: bool = False) -> list[str]:
    """Read published files and write them as named weights.

    Args:
        overwrite: replace weights with the same name and other content; False: an error.

    Returns:
        The written names; the others exist already with equal content.

    Raises:
        KBNetError: a file is damaged or does not fit, or a name is taken; in the latter case nothing is written.
    """
    digests = {file: file_sha256(file) for file in {each.file for each in imports}}
    missing = [each for each in imports if not _is_there(each, digests[each.file])]
    taken = [each.name for each in missing if local_path(each.name).exists()]
    if taken and not overwrite:
        raise KBNetError(
            f"weights named {', '.join(taken)} are in {local_folder()} already, with other content; "
            "'kbnet weights import' with --overwrite replaces them, and with --name puts one .pth beside them"
        )
    read = lru_cache(maxsize=1)(read_published)  # a file may become several weights
    for each in missing:
        _write(each, read(each.file), digests[each.file])
    return [each.name for each in missing]


def read_import(item: WeightsImport) -> DepthNetwork | PoseNet:
    """Read the network of an import.

    Raises:
        KBNetError: the file is damaged or does not fit.
    """
    return _network(item, read_published(item.file))


def _is_there(item: WeightsImport, digest: str) -> bool:
    try:
        metadata = read_metadata(local_path(item.name))
        config = config_from_dict(parse_json(metadata["config"])) if "config" in metadata else None
    except (FileNotFoundError, ValueError, TypeError):  # missing, damaged, or of a newer kbnet
        return False
    return metadata.get("sha256") == digest and config == item.config


def _write(item: WeightsImport, checkpoint: Checkpoint, digest: str) -> None:
    notes = {
        "origin": item.file.name,
        "sha256": digest,
        "train_step": str(checkpoint.get("train_step", "unknown")),
        "licence": LICENCE,
    }
    network, path = _network(item, checkpoint), local_path(item.name)
    if isinstance(network, PoseNet):
        save_pose_network(network, path, notes=notes)
    else:
        save_network(network, path, notes=notes)


def _network(item: WeightsImport, checkpoint: Checkpoint) -> DepthNetwork | PoseNet:
    if item.config is None:
        pose_network = PoseNet("plain" if content_of(checkpoint).system == "plain-pose" else "resnet18")
        fill_pose_network(pose_network, checkpoint, origin=item.file.name)
        return pose_network
    network = network_of(item.config)
    fill_published(network, checkpoint, origin=item.file.name)
    return network
