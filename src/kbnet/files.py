"""Atomic writing of files and folders, JSON, and hashes."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from kbnet.errors import KBNetError
from kbnet.limits import check_count, regular_file
from kbnet.lock import lock_temporary, one_writer

_WRITING_FAILED = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "; free some there, then run the same command again"),
    errno.EFBIG: "; allow larger files (ulimit -f), or choose another disk",
    **dict.fromkeys((errno.EACCES, errno.EIO, errno.EROFS, errno.ENAMETOOLONG, errno.ESTALE), ""),
}
"""Errors that come without the path, or with that of a temporary file; with remedies."""
LONGEST_NAME = 200
"""Most bytes of a name, of 255 that are allowed, to which something is added for a temporary one."""
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""That of UTF-32 begins like that of UTF-16, so it comes first."""


@contextmanager
def atomic_path(path: str | Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to ``path`` when the block ends without an error.

    The temporary file is hidden, in the folder of ``path``, and has its suffix, because writers choose their format by
    the suffix. Missing parent folders are created. On any error or Ctrl-C, the temporary file is removed and an older
    ``path`` is kept. If a process was killed, the next writer of ``path`` reuses its temporary file.

    Args:
        durable: wait until the contents are on the disk, so that a power loss after the block keeps the new file.

    Yields:
        The temporary path; the block must write it.

    Raises:
        KBNetError: a parent of ``path`` is a file.
        OSError: the folder cannot be created, or the file not be written or renamed; the message has ``path``.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "new" / "depth.txt"
        >>> with atomic_path(target) as temporary:
        ...     _ = temporary.write_text("1.5")
        >>> [file.name for file in target.parent.iterdir()]
        ['depth.txt']
    """
    path = Path(path)
    _make_folder(path.parent)
    hidden, lock = f".{_shortened(path.stem)}", None
    temporary = path.with_name(f"{hidden}.partial{path.suffix}")
    with writing(path, temporary):
        try:
            try:  # inside the other one: a signal may come when the file has just been made
                lock = lock_temporary(remove_link(temporary))
            except BlockingIOError:  # two writers of one path: the last one wins
                temporary = path.with_name(f"{hidden}.{uuid4().hex[:12]}.partial{path.suffix}")
            if lock is not None:
                os.ftruncate(lock, 0)
            yield temporary
            if durable:
                _flush_to_disk(temporary)
            os.replace(temporary, path)
            if durable and os.name == "posix":
                _flush_to_disk(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        finally:
            if lock is not None:
                os.close(lock)


@contextmanager
def writing(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Name what could not be written in errors that do not, or that name a temporary file.

    Raises:
        OSError: that of the block, with ``path``, and a remedy where there is one.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _WRITING_FAILED and error.filename in (None, str(temporary)):
            error.filename, error.strerror = str(path), f"{error.strerror}{_WRITING_FAILED[error.errno]}"
        raise


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Name the file in errors of a failing disk or network, which have no name if reading fails after opening.

    Raises:
        OSError: that of the block, with ``path``.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EIO, errno.ESTALE) and error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden empty folder; it replaces ``folder`` when the block ends.

    On any error or Ctrl-C, the hidden folder is removed and ``folder`` is unchanged. Remains of a killed process are
    removed first. If it was killed between the two renames, the former ``folder`` is restored.

    Args:
        folder: folder to write; an existing one is replaced with its contents.

    Yields:
        The hidden folder, empty.

    Raises:
        KBNetError: another process is writing ``folder``.
        OSError: the folder cannot be renamed.
    """
    partial, former = (folder.with_name(f".{_shortened(folder.name)}.{state}") for state in ("partial", "former"))
    with scratch_folder(partial, folder):
        if os.path.ismount(folder):
            raise KBNetError(f"expected a folder that can be replaced, but {folder} is a mount point; name one in it")
        if os.path.lexists(former):
            _remove(former) if folder.exists() else os.replace(former, folder)
        yield partial
        if folder.exists():
            os.replace(folder, former)
        try:
            os.replace(partial, folder)
        except BaseException:
            if former.exists():
                os.replace(former, folder)
            raise
        with suppress(OSError):
            _remove(former)


@contextmanager
def scratch_folder(scratch: Path, place: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder, which is removed when the block ends; remains of a killed process are removed first.

    Args:
        place: what is written with its help; None: the folder itself.

    Raises:
        KBNetError: another process is writing ``place``.
    """
    place = place or scratch
    _make_folder(scratch.parent)
    with one_writer(place, place.with_name(f".{_shortened(place.name)}.lock")), writing(place, scratch):
        remove_link(scratch)
        try:
            scratch.mkdir(exist_ok=True)
            for remains in scratch.iterdir():
                _remove(remains)
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _shortened(name: str) -> str:
    """The name, or if a longer one might be too long for the file system, its hash."""
    encoded = os.fsencode(name)
    return name if len(encoded) <= LONGEST_NAME else hashlib.sha256(encoded).hexdigest()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        for parent in (folder, *folder.parents):
            if parent.is_file():
                raise KBNetError(
                    f"expected a folder to write to, but {parent} is a file; choose another name"
                ) from error
        raise


def remove_link(path: Path) -> Path:
    """Remove a link or pipe with the name of what will be written: nothing is written where it leads."""
    if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
        path.unlink()
    return path


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def resolved(path: Path) -> Path:
    """The absolute path without links.

    Raises:
        KBNetError: links go round in a circle.
    """
    try:
        return path.resolve()
    except (RuntimeError, OSError) as error:  # RuntimeError before Python 3.13
        raise KBNetError(f"{path} cannot be followed ({error}); correct the link") from None


def read_text(path: str | Path, errors: str = "strict", encoding: str = "") -> str:
    """Text of a file in UTF-8, or in UTF-16 or 32 where a byte-order mark says so; the mark is no part of the text.

    Args:
        errors: what to do about bytes that are no such text, as `bytes.decode` takes it.
        encoding: another one, whatever the file says.

    Raises:
        OSError: it cannot be read.
        KBNetError: it is no such text, or no file, or larger than allowed (`kbnet.limits`).
    """
    if regular_file(path).is_file():
        check_count(Path(path).stat().st_size, "bytes of text", path)
    with reading(path):
        content = Path(path).read_bytes()
    encoding = encoding or next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise KBNetError(f"expected text in {path}, got other bytes ({error}); check the file") from None


def read_json(path: Path, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Content of a JSON file.

    Args:
        object_hook: called with every object; what it returns takes its place.

    Raises:
        OSError: it cannot be read.
        KBNetError: it is no JSON, or its nesting is too deep.
    """
    try:
        return json.loads(read_text(path), object_hook=object_hook, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise KBNetError(f"expected JSON in {path} ({error}); export it again") from None


def parse_json(text: str | bytes) -> Any:
    """Content of JSON text.

    Raises:
        KBNetError: it is no JSON, or its nesting is too deep.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise KBNetError(f"expected JSON ({error})") from None


def _whole(digits: str) -> int | float:
    return int(digits) if abs(float(digits)) < math.inf else float(digits)  # what no float holds is infinite


def write_json(path: Path, content: object) -> None:
    """Write plain values as strict JSON; the file appears complete or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def file_sha256(*paths: Path) -> str:
    """SHA-256 of a file, or of several concatenated files, in hex."""
    digest = hashlib.sha256()
    for path in paths:
        with reading(path), path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
