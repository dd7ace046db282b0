"""Folder of results of one source: present files, missing files, and the origin of the depth.

Files are ``depth/<frame>.png`` (16 bits, metres x 256), one folder for each further kind, and ``made_with.json``, so
that depth of two networks is never mixed unnoticed.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kbnet.errors import KBNetError
from kbnet.files import atomic_path, read_json, write_json
from kbnet.frame import Completer, FloatArray, Frame
from kbnet.frames.frame_source import NamedFrames
from kbnet.inference.output_files import DEPTH, CompletedFrame, FileKind
from kbnet.inference.weights_files import Origin

if TYPE_CHECKING:
    from kbnet.inference.completer import DepthCompleter

RECORD = "made_with.json"
OF_THE_FRAME = ("frame", "sparse points", "prior")
"""Keys of the record that belong to one frame."""


class OutputFolder:
    """Results of one source.

    Args:
        kinds: files of every frame besides the depth map.

    Raises:
        KBNetError: the folder is the source itself, or a file.
    """

    def __init__(self, folder: Path, frames: NamedFrames, kinds: Iterable[FileKind] = ()) -> None:
        if (place := folder).is_file() or (place := folder.parent).is_file():
            raise KBNetError(f"expected a folder as --output, but {place} is a file; choose another name")
        if folder.resolve() == frames.folder.resolve():
            raise KBNetError(f"expected another folder than the source for the results, got {folder}; choose another")
        self.folder, self.frames = folder, frames
        self.kinds = (*kinds, DEPTH)  # depth is written last: where it is, the others are

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the frames. Some sources make them anew each time."""
        return self.frames.names

    def path(self, kind: FileKind, index: int) -> Path:
        """Where a file of one frame goes."""
        return self.folder / kind.folder / f"{self.names[index]}{kind.suffix}"

    def is_done(self, index: int) -> bool:
        """Whether all files of one frame are there."""
        return all(self.path(kind, index).is_file() for kind in self.kinds)

    def pending(self) -> list[int]:
        """Frames with a missing file. Folders are listed, since a million single look-ups take minutes."""
        folders = [(str(self.folder / kind.folder), kind.suffix) for kind in self.kinds]
        present = set().union(*(_files_below(folder) for folder, _ in folders))
        return [
            index
            for index, name in enumerate(self.names)
            if any(os.path.join(folder, f"{name}{suffix}") not in present for folder, suffix in folders)
        ]

    def origin(self, network: Origin) -> tuple[Origin, str]:
        """Origin of the depth of these frames, and its difference from the origin of existing depth.

        The sparse points and the prior of one frame represent those of all frames.

        Returns:
            The origin, and a description of the difference; empty without difference or without depth.
        """
        present = any((self.folder / DEPTH.folder).rglob("*.png"))
        recorded = self.recorded()
        name, frame = self._first_frame(recorded.get("frame"))
        origin = network | {"frame": name, "sparse points": _sha256(frame.sparse_depth)}
        if frame.prior is not None:
            origin |= {"prior": _sha256(frame.prior.values), "prior kind": frame.prior.kind}
        if recorded.get("frame", name) != name:  # a frame of another source cannot be compared
            origin |= {key: recorded[key] for key in OF_THE_FRAME if key in origin and key in recorded}
        different = [key for key in {**origin, **recorded} if recorded.get(key) != origin.get(key)]
        if not present or not different:
            return origin, ""
        if not recorded:
            return origin, f"of unknown origin, without {RECORD}"
        hint = " (--use-past: with, --no-past and --workers: without)" if "past frames" in different else ""
        return origin, f"made with other {' and '.join(different)}{hint}"

    def checked_origin(self, network: Origin, *, overwrite: bool = False) -> Origin:
        """Origin of the depth of these frames, where existing depth has the same.

        Args:
            overwrite: whether depth of these frames that something else made may be replaced.

        Raises:
            FileNotFoundError: no frame can be read.
            KBNetError: depth that something else made is in the folder, or a result would replace another file.
        """
        places = (kind for kind in self.kinds if (self.folder / kind.folder).is_dir())
        self._check_free(self.path(kind, index) for kind in places for index in range(len(self.names)))
        origin, misfit = self.origin(network)
        depth = self.folder / DEPTH.folder
        if misfit:
            others = set(depth.rglob("*.png")) - {self.path(DEPTH, index) for index in range(len(self.names))}
            if others or not overwrite:
                remedy = "" if others else ", or complete it again with --overwrite"
                raise KBNetError(f"{depth} holds depth {misfit}; choose another --output{remedy}")
        return origin

    def _check_free(self, paths: Iterable[Path]) -> None:
        """Refuse files where results go that are not results, since without a record nothing was completed here."""
        content, record = self._content_of_record(), self.folder / RECORD
        if content is not None and not (isinstance(content, dict) and "weights" in content):
            raise KBNetError(f"{record} would be replaced, but it is not of kbnet complete; choose another --output")
        if not record.is_file() and (taken := next((one for one in paths if one.exists()), None)):
            raise KBNetError(
                f"{taken} would be replaced, but is of unknown origin, without {RECORD}; choose another --output"
            )

    def begin(self, origin: Origin, pending: Iterable[int]) -> None:
        """Record the origin of the depth; depth of another origin is removed first."""
        if origin != self.recorded():
            self.remove_depth(pending)
            write_json(self.folder / RECORD, origin)

    def remove_depth(self, indices: Iterable[int]) -> None:
        """Remove the depth maps of these frames, so that they are to be completed again."""
        for index in indices:
            self.path(DEPTH, index).unlink(missing_ok=True)

    def complete(self, index: int, completer: Completer) -> Frame:
        """Complete one frame and write its files, the depth map last."""
        frame = self.frames.frame(index)
        if any(kind.needs_error for kind in self.kinds):
            from kbnet.inference.confidence import complete_with_confidence

            completed = CompletedFrame(frame, *complete_with_confidence(cast("DepthCompleter", completer), frame))
        else:
            completed = CompletedFrame(frame, completer(frame), None)
        for kind in self.kinds:
            kind.write(self.path(kind, index), completed)
        return frame

    def complete_missing(
        self,
        make_completer: Callable[[], Completer],
        origin: Origin,
        *,
        overwrite: bool = False,
        warm_up: int = 0,
        on_frame: Callable[[int], None] = lambda total: None,
    ) -> int:
        """Complete the frames with missing files, in this process; a frame that cannot be completed ends it.

        Args:
            make_completer: called once, if there is anything to complete.
            warm_up: for a completer with a state: how many frames to complete, without files, before one whose
                predecessor is there already.
            on_frame: called after each frame with the number of frames to complete.

        Returns:
            How many frames were completed.
        """
        pending = list(range(len(self.names))) if overwrite else self.pending()
        if not pending:
            return 0
        completer = make_completer()
        self.begin(origin, pending)
        empty = []
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "sparse_depth holds no measured point")  # said below, with a name
            for index, previous in zip(pending, [-1, *pending], strict=False):
                for earlier in range(max(previous + 1, index - warm_up), index if warm_up else 0):
                    completer(self.frames.frame(earlier))
                frame = self.complete(index, completer)
                if not frame.sparse_depth.any() and not warm_up:  # else depth comes from earlier frames
                    empty.append(frame.name)
                on_frame(len(pending))
        if empty:
            what = f"sparse_depth holds no measured point in {len(empty)} of {len(pending)} frames, first {empty[0]}"
            warnings.warn(f"{what}; their completed depth has no metric scale to go by", stacklevel=2)
        return len(pending)

    def check_zip(self) -> None:
        """Check that the archive can have the names of the frames, and replaces no other file.

        Raises:
            KBNetError: a name has slashes, or a file of unknown origin has the name of the archive.
        """
        self._check_free([self._zip])
        for name in self.names:
            if "/" in name or "\\" in name:
                raise KBNetError(
                    f"expected names without slashes for --zip, since its files lie at the root, got '{name}'; "
                    "leave out --zip, or rename the frames"
                )

    @property
    def _zip(self) -> Path:
        return self.folder / f"{self.frames.name}.zip"

    def write_zip(self) -> Path:
        """Write all depth maps to ``<source>.zip``, at its root, as the KITTI benchmark takes them; return its path."""
        from zipfile import ZipFile, ZipInfo

        path = self._zip
        with atomic_path(path) as temporary, ZipFile(temporary, "w") as archive:  # stored: a PNG is compressed already
            for index, name in enumerate(self.names):
                archive.writestr(ZipInfo(f"{name}.png"), self.path(DEPTH, index).read_bytes())  # without times
        return path

    def _first_frame(self, preferred: str | None) -> tuple[str, Frame]:
        """First readable frame and its name; errors of unreadable frames are reported later."""
        failure: OSError | KBNetError | None = None
        first = [self.names.index(preferred)] if preferred in self.names else []
        for index in [*first, *range(len(self.names))]:
            try:
                return self.names[index], self.frames.frame(index)
            except (OSError, KBNetError) as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def recorded(self) -> Origin:
        """Origin of the depth in the folder; empty without depth, or without a record that can be read."""
        if not any((self.folder / DEPTH.folder).rglob("*.png")):
            return {}
        recorded = self._content_of_record()
        return recorded if isinstance(recorded, dict) else {}

    def _content_of_record(self) -> object:
        try:
            return read_json(self.folder / RECORD)
        except (FileNotFoundError, ValueError):
            return None


def output_folders(output: Path, sources: Sequence[NamedFrames], kinds: Iterable[FileKind] = ()) -> list[OutputFolder]:
    """Folders of results: of one source the folder itself, of several one folder in it for each, with its name.

    Raises:
        KBNetError: two sources have one name, or as for `OutputFolder`.
    """
    kinds = tuple(kinds)
    if len(sources) == 1:
        return [OutputFolder(output, sources[0], kinds)]
    places: dict[str, Path] = {}
    for source in sources:
        if source.name in places:
            raise KBNetError(
                f"expected another name for each source, got '{source.name}' for {places[source.name]} and "
                f"{source.folder}; complete those of one name into different outputs"
            )
        places[source.name] = source.folder
    return [OutputFolder(output / source.name, source, kinds) for source in sources]


def _sha256(values: FloatArray) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()


def _files_below(folder: str) -> set[str]:
    return {os.path.join(parent, file) for parent, _, files in os.walk(folder) for file in files}
