"""``kbnet weights list``: the weights that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kbnet.cli.known_errors import say
from kbnet.errors import KBNetError
from kbnet.files import parse_json

HEADER = ("name", "kind", "pools", "depth", "size", "where", "from")


@dataclass(frozen=True)
class Command:
    """List bundled and local weights, and what else is published.

    pools: windows of the sparse-to-dense pools, pixels; of a pose network its encoder. depth: what the network can
    express, metres. Local weights lie in $KBNET_HOME/weights (default: ~/.kbnet/weights), where a .safetensors file of
    yours can lie too; any command's --weights takes the name of a depth network.
    """

    def run(self) -> None:
        from kbnet.weights.names import (
            ASSETS,
            SIBLING_FILES,
            bundled_weights,
            local_path,
            local_weights,
            published_weights,
        )

        bundled, local = bundled_weights(), local_weights()
        rows = [_row(name, ASSETS / f"{name}.safetensors", "bundled") for name in bundled]
        rows += [_row(name, local_path(name), "local") for name in local]
        widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
        for row in [HEADER, *rows]:
            say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if missing := [name for name in published_weights() if name not in local]:
            say(
                "",
                f"published, and not here: {', '.join(missing)}",
                "  kbnet weights download                        fetches and imports them",
                "  kbnet weights import pretrained_models.zip    imports what you fetched by hand",
            )
        if siblings := [f"{each.name} ({file})" for file, each in SIBLING_FILES.items() if each.name not in local]:
            say(
                "",
                f"published with VOICED, ScaffNet and FusionNet, and not here: {', '.join(siblings)}",
                "  kbnet weights import FILE.pth                 imports what you fetched by hand",
            )


def _row(name: str, path: Path, where: str) -> tuple[str, ...]:
    from kbnet.weights.safetensors_file import NETWORKS, POSE_FORMAT, read_metadata

    size = f"{path.stat().st_size / 2**20:.1f} MiB"
    try:
        metadata = read_metadata(path)
        if metadata.get("format") not in NETWORKS:
            raise KBNetError(f"{path} was not written by kbnet")
        is_pose = metadata["format"] == POSE_FORMAT
        columns = (metadata["encoder"], "-") if is_pose else _columns(parse_json(metadata["config"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return (name, "?", "-", "-", size, where, "damaged, or not written by kbnet")
    trained = f"kbnet train, {metadata['steps']} steps" if "steps" in metadata else "unknown"
    origin = ", ".join(filter(None, (metadata.get("origin", trained), metadata.get("licence"))))
    return (name, "pose" if is_pose else "depth", *columns, size, where, origin)


def _columns(config: Mapping[str, Any]) -> tuple[str, str]:
    if "system" in config:
        stored = [config.get("scaffnet", config).get("pool_sizes", [])]
    else:
        stored = [config["min_pool_sizes"], config["max_pool_sizes"]]
    pools = " / ".join(",".join(map(str, sizes)) for sizes in stored)
    return pools or "-", f"{config['min_depth']:g}..{config['max_depth']:g} m"
