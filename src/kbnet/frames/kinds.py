"""Kinds of recordings: how each is recognised, which options it has, and how it is opened."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kbnet.frames.recording import Recording

FOLDER_OF_KINDS = "kbnet.sources.kinds"
_REGISTERED: dict[str, Kind] = {}


@dataclass(frozen=True)
class Kind:
    """A kind of recording.

    Attributes:
        name: ``kbnet prepare <name>``.
        what: for messages, with its article and what the path must be.
        recognise: whether a file or folder is of this kind, by its name and the names in it; nothing is read.
        options: frozen dataclass; its fields are the flags and the keyword arguments.
        open: makes the recording of a path and options.
    """

    name: str
    what: str
    recognise: Callable[[Path], bool]
    options: type
    open: Callable[[Path, Any], Recording[Any]]

    def option_names(self) -> list[str]:
        """Names of the options, as keyword arguments."""
        return [one.name for one in fields(self.options)]


def register(kind: Kind) -> None:
    """Add a kind; each module in ``kbnet.sources.kinds`` does."""
    _REGISTERED[kind.name] = kind


def kinds() -> list[Kind]:
    """All kinds: every module in ``kbnet.sources.kinds`` is one."""
    package = importlib.import_module(FOLDER_OF_KINDS)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{FOLDER_OF_KINDS}.{module.name}")
    return [_REGISTERED[name] for name in sorted(_REGISTERED)]


def kind_of(path: str | Path) -> Kind | None:
    """The kind of a recording; None = it is none of them."""
    return next((kind for kind in kinds() if kind.recognise(Path(path))), None)


def open_kind(name: str, path: str | Path, options: Any) -> Recording[Any]:
    """Open a recording of a known kind.

    Raises:
        FileNotFoundError, ValueError: as the kind says.
        ModuleNotFoundError: a package that reads this kind is not installed.
    """
    kind = next(kind for kind in kinds() if kind.name == name)
    recording = kind.open(Path(path), options)
    recording.reopen = open_kind, (name, Path(path).absolute(), options)
    return recording
