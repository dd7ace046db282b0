"""Recipes: TOML files of training settings, which may name another recipe as their ``base``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError

from kbnet.errors import KBNetError
from kbnet.training.config import TrainingConfig, from_table


class Layer(NamedTuple):
    """Settings over those of the layers below.

    Attributes:
        origin: the file or flag they are from, for messages.
        table: settings, nested as TOML nests them.
    """

    origin: str
    table: Mapping[str, Any]


def read_recipe_layers(path: Path) -> list[Layer]:
    """A recipe and the recipes it is based on, the lowest first.

    Besides the keys of ``kbnet train``, a recipe may have ``base``: a recipe of whose settings it names the
    differences, relative to its own folder.

    Args:
        path: the TOML file.

    Raises:
        FileNotFoundError: the file, or one that it is based on, is missing.
        KBNetError: a file is no TOML, ``base`` is no path, or recipes are based on each other in a circle.
    """
    return _layers(path, ())


def last_value(layers: Sequence[Layer], key: str) -> Any:
    """The value of a key of the topmost layer that has it; None if there is none."""
    return next((layer.table[key] for layer in reversed(layers) if key in layer.table), None)


def apply_layers(config: TrainingConfig, layers: Sequence[Layer]) -> TrainingConfig:
    """``config`` with the settings of every layer.

    Initial weights bring the settings of their network: ``[network]`` of the layers below the one that names the
    weights does not count.

    Raises:
        KBNetError: a key is unknown, or a value is not of its kind; the message names the layer.
    """
    named = max((number for number, layer in enumerate(layers) if "initial_weights" in layer.table), default=0)
    for number, (origin, table) in enumerate(layers):
        left_out = {"base", "network"} if number < named else {"base"}
        try:
            config = from_table({key: value for key, value in table.items() if key not in left_out}, config)
        except KBNetError as error:
            raise KBNetError(f"in {origin}: {error}") from error
    return config


def _layers(path: Path, above: tuple[Path, ...]) -> list[Layer]:
    if path.resolve() in above:
        raise KBNetError(f"{path} is based on itself, by way of {', '.join(map(str, above))}; remove one base")
    try:
        table = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except FileNotFoundError as error:
        what = f"{path}, the base of {above[-1]}" if above else str(path)
        raise FileNotFoundError(f"expected a training config {what}, but there is none; check the path") from error
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise KBNetError(f"{path} is not TOML: {error}; correct the line") from error
    base = table.get("base")
    if base is None:
        return [Layer(str(path), table)]
    if not isinstance(base, str):
        raise KBNetError(f'in {path}: expected base as a path, got {base!r}; write base = "other.toml"')
    return [*_layers(path.parent / base, (*above, path.resolve())), Layer(str(path), table)]
