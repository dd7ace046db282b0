"""Recipes to compare: TOML files as ``kbnet train --config`` reads them, which may also be based on one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from kbnet.training.config import TrainingConfig, from_table
from kbnet.training.networks import settings_of_weights


def read_recipe(path: Path, changes: Mapping[str, Any]) -> TrainingConfig:
    """A recipe over its preset, with changes.

    Besides the keys of ``kbnet train``, a recipe may have ``base``: the recipe, relative to its own folder, of whose
    settings it names the differences. Initial weights bring the settings of their network: those of the recipes below
    the one that names them do not count.

    Args:
        path: the TOML file.
        changes: settings over those of the file, nested as TOML nests them.

    Raises:
        FileNotFoundError: the file, or one that it is based on, is missing.
        ValueError: it is no TOML, a key or value is not of a recipe, or recipes are based on each other in a circle.
    """
    layers = [*_layers(path, ()), ("--set", changes)]
    config = TrainingConfig.preset(_last(layers, "preset") or "void")
    weights = _last(layers, "initial_weights")
    if weights is not None:
        config = replace(config, network=settings_of_weights(weights, config.network))
    named = max((number for number, (_, table) in enumerate(layers) if "initial_weights" in table), default=0)
    for number, (origin, table) in enumerate(layers):
        left_out = {"base", "network"} if number < named else {"base"}
        try:
            config = from_table({key: value for key, value in table.items() if key not in left_out}, config)
        except ValueError as error:
            raise ValueError(f"in {origin}: {error}") from error
    return config


def read_changes(texts: Sequence[str]) -> dict[str, Any]:
    """Settings such as ``losses.smoothness=0.1`` as a nested table; a text needs no quotes.

    Raises:
        ValueError: one is not of that form, or names a key that another one has set.

    Example:
        >>> read_changes(["losses.smoothness=0.1", "poses=known", "gaps=[3, 1]"])
        {'losses': {'smoothness': 0.1}, 'poses': 'known', 'gaps': [3, 1]}
    """
    lines = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"expected --set KEY=VALUE, such as losses.smoothness=0.1, got '{text}'")
        try:
            tomlkit.parse(f"{key} = {value}")
            lines.append(f"{key} = {value}")
        except TOMLKitError:
            lines.append(f"{key} = {tomlkit.string(value).as_string()}")
    try:
        return tomlkit.parse("\n".join(lines)).unwrap()
    except TOMLKitError as error:
        raise ValueError(f"cannot read --set {' '.join(texts)}: {error}") from error


def _layers(path: Path, above: tuple[Path, ...]) -> list[tuple[str, Mapping[str, Any]]]:
    """The tables of a recipe and of all it is based on, the lowest first, each with its file."""
    if path.resolve() in above:
        raise ValueError(f"{path} is based on itself, by way of {', '.join(map(str, above))}; remove one base")
    try:
        table = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"expected a recipe {path}, but there is no such file; check the path") from error
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}; correct the line") from error
    below = _layers(path.parent / table["base"], (*above, path.resolve())) if "base" in table else []
    return [*below, (str(path), table)]


def _last(layers: Sequence[tuple[str, Mapping[str, Any]]], key: str) -> Any:
    return next((table[key] for _, table in reversed(layers) if key in table), None)
