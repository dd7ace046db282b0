"""Named weights: those bundled with the package, and local ones in ``$KBNET_HOME/weights``."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

from kbnet.errors import KBNetError
from kbnet.network.config import KBNetConfig
from kbnet.network.siblings.config import NetworkConfig, preset_config

ASSETS = Path(__file__).parent.parent / "assets"


class PublishedFile(NamedTuple):
    """Published file with its local name (published system, section 8)."""

    name: str
    preset: str | None
    """Preset of the depth network; None: a pose network."""


PUBLISHED_FILES = {
    "kbnet-kitti.pth": PublishedFile("kitti", "kitti"),
    "kbnet-void1500.pth": PublishedFile("void1500", "void"),
    "posenet-kitti.pth": PublishedFile("posenet-kitti", None),
    "posenet-void1500.pth": PublishedFile("posenet-void1500", None),
}
"""Files of KBNet's ``pretrained_models.zip`` by their published names, by which they are recognised."""

SIBLING_FILES = {
    "voiced-void1500.pth": PublishedFile("voiced", "voiced-void"),
    "scaffnet-scenenet.pth": PublishedFile("scaffnet-scenenet", "scaffnet-scenenet"),
    "scaffnet-vkitti.pth": PublishedFile("scaffnet-vkitti", "scaffnet-vkitti"),
    "fusionnet-void1500.pth": PublishedFile("fusionnet-void", "fusionnet-void"),
}
"""Released files of VOICED, ScaffNet and FusionNet by their published names."""

RECOGNISED_FILES = PUBLISHED_FILES | SIBLING_FILES


def published_configs(name: str, preset: str) -> dict[str, NetworkConfig]:
    """Names and configs under which a published depth file is imported.

    For the VOID weights, the published run scripts and the training script have different pool sizes. Both fit the
    file, so both are imported (published system, section 3, pool sizes).
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
    """Local names of the files of ``pretrained_models.zip``, imported or not."""
    return [
        name
        for file in PUBLISHED_FILES.values()
        for name in (published_configs(file.name, file.preset) if file.preset else [file.name])
    ]


def home() -> Path:
    """Folder of the user's data: ``$KBNET_HOME``, else ``~/.kbnet``.

    Raises:
        KBNetError: the user has no home.
    """
    try:
        return Path(os.environ.get("KBNET_HOME") or "~/.kbnet").expanduser()
    except RuntimeError as error:
        raise KBNetError(f"expected a folder for weights, got none ({error}); set KBNET_HOME to one") from None


def local_folder() -> Path:
    """Folder of local weights; it need not exist."""
    return home() / "weights"


def local_path(name: str) -> Path:
    """File of local weights with a name; it need not exist."""
    return local_folder() / f"{name}.safetensors"


def bundled_weights() -> list[str]:
    """Names of the bundled weights."""
    return _names(ASSETS)


def local_weights() -> list[str]:
    """Names of the weights in ``$KBNET_HOME/weights``, of depth and pose networks."""
    return _names(local_folder())


def find_weights(source: str | Path) -> Path:
    """Find the file of weights.

    Args:
        source: a ``.safetensors`` or ``.pth`` file, or a name of bundled weights, else of local ones.

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
    # A hidden file is still being written.
    return sorted(path.stem for path in folder.glob("*.safetensors") if path.is_file() and path.name[0] != ".")
