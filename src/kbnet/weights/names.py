"""Weights that have a name: those that ship with the package, and the user's own in ``$KBNET_HOME/weights``."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

from kbnet.network.config import KBNetConfig
from kbnet.network.siblings.config import NetworkConfig, preset_config

ASSETS = Path(__file__).parent.parent / "assets"


class PublishedFile(NamedTuple):
    """A published file, by what it is called here (published system, section 8)."""

    name: str
    preset: str | None
    """Of the depth network; None: a pose network."""


PUBLISHED_FILES = {
    "kbnet-kitti.pth": PublishedFile("kitti", "kitti"),
    "kbnet-void1500.pth": PublishedFile("void1500", "void"),
    "posenet-kitti.pth": PublishedFile("posenet-kitti", None),
    "posenet-void1500.pth": PublishedFile("posenet-void1500", None),
}
"""Files of KBNet's ``pretrained_models.zip`` by their published names, which is how they are recognised."""

SIBLING_FILES = {
    "voiced-void1500.pth": PublishedFile("voiced", "voiced-void"),
    "scaffnet-scenenet.pth": PublishedFile("scaffnet-scenenet", "scaffnet-scenenet"),
    "scaffnet-vkitti.pth": PublishedFile("scaffnet-vkitti", "scaffnet-vkitti"),
    "fusionnet-void1500.pth": PublishedFile("fusionnet-void", "fusionnet-void"),
}
"""Files that VOICED, ScaffNet and FusionNet were released as, likewise."""

RECOGNISED_FILES = PUBLISHED_FILES | SIBLING_FILES


def published_configs(name: str, preset: str) -> dict[str, NetworkConfig]:
    """Names and configs that one published depth file is imported under.

    The published scripts that run the VOID weights and the script that trained them name different pool sizes. Both
    fit the same file, so both are offered (published system, section 3, pool sizes).

    Raises:
        KBNetError: no preset of that name.
    """
    config = preset_config(preset)
    configs: dict[str, NetworkConfig] = {name: config}
    if preset == "void":
        assert isinstance(config, KBNetConfig)
        configs[f"{name}-training-pools"] = dataclasses.replace(
            config, min_pool_sizes=(15, 17, 19), max_pool_sizes=(23, 27)
        )
    return configs


def published_weights() -> list[str]:
    """Names that the files of ``pretrained_models.zip`` have here, whether they were imported or not."""
    return [
        name
        for file in PUBLISHED_FILES.values()
        for name in (published_configs(file.name, file.preset) if file.preset else [file.name])
    ]


def home() -> Path:
    """The folder for what this package keeps for its user: ``$KBNET_HOME``, else ``~/.kbnet``."""
    return Path(os.environ.get("KBNET_HOME") or "~/.kbnet").expanduser()


def local_folder() -> Path:
    """Where the user's own weights lie; it need not exist."""
    return home() / "weights"


def local_path(name: str) -> Path:
    """The file of local weights of that name; it need not exist."""
    return local_folder() / f"{name}.safetensors"


def bundled_weights() -> list[str]:
    """Names of the weights that ship with this package."""
    return _names(ASSETS)


def local_weights() -> list[str]:
    """Names of the weights in ``$KBNET_HOME/weights``: of depth and of pose networks."""
    return _names(local_folder())


def find_weights(source: str | Path) -> Path:
    """The file of some weights.

    Args:
        source: a ``.safetensors`` or ``.pth`` file, or a name: of bundled weights, else of local ones.

    Raises:
        FileNotFoundError: there is no such file, nor weights of that name.
    """
    path = Path(source)
    if path.suffix in (".safetensors", ".pth"):
        if not path.is_file():
            raise FileNotFoundError(f"no weights file {path}; check the path")
        return path
    name = str(source)
    if name in bundled_weights():
        return ASSETS / f"{name}.safetensors"
    if name in local_weights():
        return local_path(name)
    remedy = "'kbnet weights list' says more"
    if name in published_weights():
        remedy = (
            "these are published weights: get them with 'kbnet weights download', "
            "or fetch pretrained_models.zip by hand and run 'kbnet weights import pretrained_models.zip'"
        )
    for file, sibling in SIBLING_FILES.items():
        if name == sibling.name:
            remedy = f"these are published weights: fetch {file} by hand and run 'kbnet weights import {file}'"
    raise FileNotFoundError(
        f"expected a .safetensors or .pth file, bundled weights ({', '.join(bundled_weights()) or 'none here'}) "
        f"or local weights ({', '.join(local_weights()) or 'none yet'}), got '{name}'; {remedy}"
    )


def _names(folder: Path) -> list[str]:
    # A hidden file is one that is being written.
    return sorted(path.stem for path in folder.glob("*.safetensors") if not path.name.startswith("."))
