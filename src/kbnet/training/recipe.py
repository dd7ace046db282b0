"""Recipes: TOML files of training settings, optionally with another recipe as ``base``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tomlkit.exceptions import TOMLKitError
from tomlkit.parser import Parser

from kbnet.errors import KBNetError
from kbnet.files import read_text, resolved
from kbnet.network.siblings.config import SiblingConfig, config_class, system_of
from kbnet.training.config import TrainingConfig

MOST_BASES = 20
"""Of one recipe; with more, it is taken to be based on itself."""

MOST_MARKS = 10_000
"""Lines, commas, dots and quotes of one recipe; tomlkit takes up to 0.2 ms for each."""
_TEXT = re.compile(r'"[^"\\\n]*"')
"""A text such as the path of a sequence, which takes tomlkit 25 µs."""


class _Parser(Parser):
    MAX_NESTING_DEPTH = 3
    """Most parts of a dotted key: the time that tomlkit takes rises with their third power."""


class Layer(NamedTuple):
    """Settings that override those of lower layers.

    Attributes:
        origin: file or flag of the settings, for messages.
    """

    origin: str
    table: Mapping[str, Any]


def read_recipe_layers(path: Path) -> list[Layer]:
    """Read a recipe and its bases, the lowest first.

    Besides the keys of ``kbnet train``, a recipe can have the key ``base``: the path of another recipe, relative to its
    folder, whose settings it changes.

    Raises:
        FileNotFoundError: the file or a base is missing.
        KBNetError: a file is not TOML, ``base`` is not a path, or the bases form a cycle.
    """
    return _layers(path, ())


def last_value(layers: Sequence[Layer], key: str) -> Any:
    """Value of a key in the topmost layer that has it; None if no layer has it."""
    return next((layer.table[key] for layer in reversed(layers) if key in layer.table), None)


def apply_layers(config: TrainingConfig, layers: Sequence[Layer]) -> TrainingConfig:
    """Apply the settings of every layer to a config.

    Initial weights define the settings of their network, so ``[network]`` in layers below that of the weights is
    ignored.

    Raises:
        KBNetError: a key is unknown, or a value has the wrong type; the message has the layer.
    """
    named = max((number for number, layer in enumerate(layers) if "initial_weights" in layer.table), default=0)
    for number, (origin, table) in enumerate(layers):
        left_out = {"base", "network"} if number < named else {"base"}
        try:
            config = from_table({key: value for key, value in table.items() if key not in left_out}, config)
        except KBNetError as error:
            raise KBNetError(f"in {origin}: {error}") from error
    return config


def to_table(config: Any) -> dict[str, Any]:
    """Config as nested plain values for TOML; None is omitted, because TOML has no such value."""
    table: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value):
            table[item.name] = to_table(value)
        elif isinstance(value, tuple):
            table[item.name] = [str(x) if isinstance(x, Path) else x for x in value]
        elif value is not None:
            table[item.name] = str(value) if isinstance(value, Path) else value
    if isinstance(config, TrainingConfig) and isinstance(config.network, SiblingConfig):
        table["network"] = {"system": config.network.system, **table["network"]}
    return table


def from_table(table: Mapping[str, Any], base: TrainingConfig) -> TrainingConfig:
    """Replace values of ``base`` by those of a nested TOML table.

    The key ``preset`` is ignored; callers choose ``base`` by it. A ``network`` with another ``system`` than that of
    ``base`` replaces the whole network.

    Raises:
        KBNetError: a key is unknown, or a value has the wrong type.
    """
    import dacite

    below, above = to_table(base), {key: value for key, value in table.items() if key != "preset"}
    network, system = above.get("network", {}), system_of(base.network)
    if isinstance(network, Mapping) and network.get("system", system) != system:
        below["network"] = {"system": network["system"]}
    merged = _merge(below, above)
    rules = dacite.Config(strict=True, cast=[Path, tuple, float])
    try:
        if isinstance(merged["network"], Mapping):
            values = dict(merged["network"])
            merged["network"] = dacite.from_dict(config_class(values.pop("system", "kbnet")), values, rules)
        return dacite.from_dict(TrainingConfig, merged, rules)
    except (dacite.DaciteError, TypeError, ValueError) as error:
        raise KBNetError(f"{error}; see kbnet train --help for every key") from error


def _layers(path: Path, above: tuple[Path, ...]) -> list[Layer]:
    if resolved(path) in above or len(above) > MOST_BASES:
        raise KBNetError(f"{path} is based on itself, by way of {', '.join(map(str, above))}; remove one base")
    try:
        text = read_text(path)
        if (count := sum(map(_TEXT.sub("", text).count, "\n,.\"'"))) > MOST_MARKS:
            said = f"expected at most {MOST_MARKS:,} lines, commas, dots and quotes outside plain texts in {path}"
            raise KBNetError(f"{said}, got {count:,}; shorten it")
        table = _Parser(text).parse().unwrap()
    except FileNotFoundError as error:
        what = f"{path}, the base of {above[-1]}" if above else str(path)
        raise FileNotFoundError(f"expected a training config {what}, but there is none; check the path") from error
    except TOMLKitError as error:
        raise KBNetError(f"{path} is not TOML: {error}; correct the line") from error
    base = table.get("base")
    if base is None:
        return [Layer(str(path), table)]
    if not isinstance(base, str):
        raise KBNetError(f'in {path}: expected base as a path, got {base!r}; write base = "other.toml"')
    return [*_layers(path.parent / base, (*above, resolved(path))), Layer(str(path), table)]


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        if isinstance(base.get(key), list) and not isinstance(value, list):
            raise KBNetError(f"expected {key} as a list, got {value!r}; write [{value!r}]")
        if isinstance(base.get(key), float) and not isinstance(value, int | float):
            raise KBNetError(f"expected {key} as a number, got {value!r}; write it without quotes")
        if any(isinstance(one, bool) for one in (value if isinstance(value, list) else [value])):
            raise KBNetError(f"expected {key} as a number or a text, got {value!r}; no setting is true or false")
        nested = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = _merge(base[key], value) if nested else value
    return merged
