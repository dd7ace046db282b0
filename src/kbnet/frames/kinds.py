"""Kinds of recordings: how each is recognised, which options it has, and how it is opened."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from kbnet.errors import KBNetError
from kbnet.files import reading

if TYPE_CHECKING:
    from kbnet.frames.recording import Recording

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
DEPTH_SUFFIXES = (".png", ".npy", ".exr")
CLOUD_SUFFIXES = (".bin", ".ply", ".pcd", ".las", ".laz")
TEXT_SUFFIXES = (".csv", ".xyz", ".pts", ".asc")
"""Of scans that have to be written anew."""
FOLDER_OF_KINDS = "kbnet.sources.kinds"
_REGISTERED: dict[str, Kind] = {}
Opened: TypeAlias = "Recording[Any]"
"""What a kind opens; a name, since the modules of kinds are imported for ``--help``, without numpy."""
Opener = TypeVar("Opener", bound=Callable[[Path, Any], Opened])


@dataclass(frozen=True)
class Kind:
    """A kind of recording.

    Attributes:
        name: ``kbnet prepare <name>``.
        what: for messages, with its article and what the path must be.
        recognise: whether a file or folder is of this kind, by its name and the names in it; nothing is read.
        options: frozen dataclass; its fields are the flags and the keyword arguments, its docstring the help of
            ``kbnet prepare <name>``.
        open: makes the recording of a path and options.
        path: what that command calls the path.
        path_help: help of the path.
        last: ask this kind after all others, whose folders may look like one of it.
        describe: lines about the streams of a recording, which need not be usable; None = its frames say all.
    """

    name: str
    what: str
    recognise: Callable[[Path], bool]
    options: type
    open: Callable[[Path, Any], Recording[Any]]
    path: str = "RECORDING"
    path_help: str = ""
    last: bool = False
    describe: Callable[[Path], list[str]] | None = None

    def option_names(self) -> list[str]:
        """Names of the options, as keyword arguments."""
        return [one.name for one in fields(self.options)]

    def check_options(self, given: Iterable[str], *, spell: Callable[[str], str] = str) -> None:
        """Refuse options of other kinds, and ask for those that are missing.

        Args:
            spell: how to write a name in a message.

        Raises:
            KBNetError: an option does not belong to this kind, or a required one is missing.
        """
        given, names = set(given), self.option_names()
        if unknown := sorted(given - set(names)):
            raise KBNetError(
                f"expected options of {self.what}, got {', '.join(map(spell, unknown))}; its options are "
                f"{', '.join(map(spell, names))}"
            )
        required = [
            one.name for one in fields(self.options) if one.default is MISSING and one.default_factory is MISSING
        ]
        if missing := [name for name in required if name not in given]:
            raise KBNetError(f"{self.what} also needs {' and '.join(map(spell, missing))}")

    def make_options(self, given: Mapping[str, Any]) -> Any:
        """Options of keyword arguments; text is taken where a path is expected, and a list where a tuple is.

        Raises:
            KBNetError: as :meth:`check_options`.
        """
        self.check_options(given)
        hints = get_type_hints(self.options)
        values = dict(given)
        for name, value in given.items():
            parts = (hints[name], *get_args(hints[name]))
            choices = [one for part in parts if get_origin(part) is Literal for one in get_args(part)]
            if choices and value is not None and value not in choices:
                raise KBNetError(f"expected {name} among {', '.join(map(str, choices))}, got {value!r}")
            if isinstance(value, str) and Path in parts:
                values[name] = Path(value)
            elif isinstance(value, Sequence) and not isinstance(value, str):
                values[name] = tuple(value)
        return self.options(**values)


def register(
    name: str, what: str, recognise: Callable[[Path], bool], options: type, **more: Any
) -> Callable[[Opener], Opener]:
    """Add a kind, whose opening function is decorated; each module in ``kbnet.sources.kinds`` does.

    Args:
        name, what, recognise, options, more: attributes of :class:`Kind`.
    """

    def add(opener: Opener) -> Opener:
        _REGISTERED[name] = Kind(name, what, recognise, options, opener, **more)
        return opener

    return add


def kinds() -> list[Kind]:
    """All kinds: every module in ``kbnet.sources.kinds`` is one."""
    package = importlib.import_module(FOLDER_OF_KINDS)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{FOLDER_OF_KINDS}.{module.name}")
    return sorted(_REGISTERED.values(), key=lambda kind: (kind.last, kind.name))


def kind_of(path: str | Path) -> Kind | None:
    """The kind of a recording; None = it is none of them."""
    with reading(path):
        return next((kind for kind in kinds() if kind.recognise(Path(path))), None)


def open_kind(name: str, path: str | Path, options: Any) -> Recording[Any]:
    """Open a recording of a known kind.

    Raises:
        FileNotFoundError, KBNetError: as the kind says; a KBNetError has the path as ``recording``.
        ModuleNotFoundError: a package that reads this kind is not installed.
    """
    kind = next(kind for kind in kinds() if kind.name == name)
    try:
        with reading(path):
            recording = kind.open(Path(path), options)
    except KBNetError as error:
        error.recording = Path(path)
        raise
    recording.inputs += tuple(value for value in vars(options).values() if isinstance(value, Path))
    recording.reopen = open_kind, (name, Path(path).absolute(), options)
    return recording
