"""The frames that a command reads: a sequence, a list, or a recording with the flags of its ``kbnet prepare``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_origin, get_type_hints

import tyro

from kbnet.cli.arguments import Source, SparseDepth, parse_arguments
from kbnet.cli.known_errors import say
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from kbnet.frames.frame_source import FrameSource

RecordingFlags = Annotated[tuple[str, ...], tyro.conf.Suppress]
"""Flags of a recording as they were typed; :func:`split_recording_flags` takes them out of the arguments."""

MANY = 1_000
"""Words after a flag that takes a list: up to the next flag."""


@dataclass(frozen=True, kw_only=True)
class SourceArguments:
    """The frames that a command reads."""

    sequence: Source
    """Sequence folder (K.txt, image/ and sparse depth), a .csv list of frames, or a recording in place: ROS bag, MCAP,
    COLMAP, TUM, video, KITTI drive, nuScenes, phone, ..., with the flags of its kbnet prepare command, such as
    --depth TOPIC."""
    sparse_depth: SparseDepth = None
    """Folder of sparse depth in the sequence, or column of the list (default: sparse_depth)."""
    recording_flags: RecordingFlags = ()

    def open_source(self) -> FrameSource:
        return open_source(self.sequence, self.recording_flags, self.sparse_depth)


def open_source(
    path: Path, flags: Sequence[str], sparse_depth: str | None = None, *, quiet: bool = False
) -> FrameSource:
    """Open frames with the flags that were typed; print what is assumed, unless ``quiet``.

    Raises:
        FileNotFoundError, KBNetError: as `kbnet.open_frames`, or a flag does not belong to what was named.
    """
    from kbnet.frames.kinds import open_kind
    from kbnet.frames.open import open_frames, recording_kind

    named = _named(flags)
    kind = recording_kind(path, sparse_depth)
    if kind is None:
        if named and (path.suffix.lower() == ".csv" or (path / "image").is_dir()):
            raise KBNetError(
                f"{path} is a sequence or list, which needs no {_flag(named[0])}: it has its own images, points and "
                "intrinsics; leave it out"
            )
        return open_frames(path, sparse_depth=sparse_depth or "sparse_depth")
    if not path.exists():
        raise FileNotFoundError(f"expected {kind.what} in {path}, but there is no such file or folder; check the path")
    kind.check_options([*named, *(["sparse_depth"] if sparse_depth else [])], spell=_flag)
    options: Any = parse_arguments(kind.options, flags, prog=f"kbnet prepare {kind.name}")
    recording = open_kind(kind.name, path, options)
    for line in () if quiet else recording.assumptions():
        say(line)
    return recording


def recording_options(paths: Iterable[Path], flags: Sequence[str]) -> dict[str, Any]:
    """The flags that were typed, as keyword options of `kbnet.open_frames`.

    Args:
        paths: sequences, lists and recordings; the first recording tells the kind.

    Raises:
        KBNetError: there is no recording, or a flag does not belong to it.
    """
    from kbnet.frames.open import recording_kind

    if not (named := _named(flags)):
        return {}
    kind = next(filter(None, map(recording_kind, paths)), None)
    if kind is None:
        raise KBNetError(f"{_flag(named[0])} belongs to a recording, but none is named; leave it out")
    kind.check_options(named, spell=_flag)
    options: Any = parse_arguments(kind.options, flags, prog=f"kbnet prepare {kind.name}")
    return {name: getattr(options, name) for name in named}


def split_recording_flags(
    command: type, arguments: Sequence[str], *, shared: Collection[str] = ()
) -> tuple[list[str], tuple[str, ...]]:
    """Take the flags of recordings, with their values, out of the arguments of a command.

    A flag that the command has itself stays: ``--every`` of ``kbnet check`` counts frames of the recording.

    Args:
        shared: words such as ``--poses=known`` that are the command's own, though a recording has a flag of that name.

    Returns:
        The arguments of the command, and the flags of a recording.
    """
    own_names = {one.name for one in fields(command)}
    values = {name: count for name, count in _values_of_flags().items() if name not in own_names}
    own: list[str] = []
    flags: list[str] = []
    target, left = own, 0
    for index, word in enumerate(arguments):
        if word == "--":
            own += arguments[index:]
            break
        if word.startswith("--"):
            name, has_value, value = word[2:].partition("=")
            value = value if has_value else "".join(arguments[index + 1 : index + 2])
            count = None if f"--{name}={value}" in shared else values.get(name.replace("-", "_"))
            target, left = (own, 0) if count is None else (flags, 0 if has_value else count)
            target.append(word)
        elif target is flags and left:
            flags.append(word)
            left -= 1
        else:
            target = own
            own.append(word)
    return own, tuple(flags)


def _values_of_flags() -> dict[str, int]:
    """How many words follow each flag of any kind of recording."""
    from kbnet.frames.kinds import kinds

    counts: dict[str, int] = {}
    for kind in kinds():
        for name, hint in get_type_hints(kind.options).items():
            counts[name] = 0 if hint is bool else MANY if get_origin(hint) is tuple else 1
    return counts


def _named(flags: Sequence[str]) -> list[str]:
    """Names of the flags that were typed, as keyword arguments."""
    return [flag.partition("=")[0][2:].replace("-", "_") for flag in flags if flag.startswith("--")]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
