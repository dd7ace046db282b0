"""Recipes of a comparison: TOML files of ``kbnet train --config``, with changes from the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from kbnet.errors import KBNetError
from kbnet.training.config import TrainingConfig
from kbnet.training.networks import settings_of_weights
from kbnet.training.presets import training_preset
from kbnet.training.recipe import Layer, apply_layers, last_value, read_recipe_layers


def read_recipe(path: Path, changes: Mapping[str, Any]) -> TrainingConfig:
    """Read a recipe with its preset, and apply changes.

    See :func:`kbnet.training.recipe.read_recipe_layers` and :func:`kbnet.training.recipe.apply_layers`.

    Args:
        path: the TOML file.
        changes: settings that override those of the file, nested as in TOML.

    Raises:
        FileNotFoundError: the file or a base is missing.
        KBNetError: the file is not TOML, a key or value is invalid, or the bases form a cycle.
    """
    layers = [*read_recipe_layers(path), Layer("--set", changes)]
    config = training_preset(last_value(layers, "preset") or "void")
    weights = last_value(layers, "initial_weights")
    if weights is not None:
        config = replace(config, network=settings_of_weights(weights, config.network))
    return apply_layers(config, layers)


def read_changes(texts: Sequence[str]) -> dict[str, Any]:
    """Parse settings such as ``losses.smoothness=0.1`` into a nested table; text needs no quotes.

    Raises:
        KBNetError: a setting has another form, or a key is set twice.

    Example:
        >>> read_changes(["losses.smoothness=0.1", "poses=known", "gaps=[3, 1]"])
        {'losses': {'smoothness': 0.1}, 'poses': 'known', 'gaps': [3, 1]}
    """
    lines = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise KBNetError(f"expected --set KEY=VALUE, such as losses.smoothness=0.1, got '{text}'")
        try:
            tomlkit.parse(f"{key} = {value}")
            lines.append(f"{key} = {value}")
        except TOMLKitError:
            lines.append(f"{key} = {tomlkit.string(value).as_string()}")
    try:
        return tomlkit.parse("\n".join(lines)).unwrap()
    except TOMLKitError as error:
        raise KBNetError(f"cannot read --set {' '.join(texts)}: {error}") from error
