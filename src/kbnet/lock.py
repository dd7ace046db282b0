"""Lock of an output: one process writes it at a time, and another one is told which."""

from __future__ import annotations

import errno
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kbnet.errors import KBNetError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Flag of opening: a link is an error; what it leads to would be overwritten."""
LOCKED_BYTE = 1 << 30
"""Of the file on Windows, where locked bytes cannot be read: beyond its text."""

_held: set[str] = set()
"""Locks of this process: the operating system would give it each a second time."""


@contextmanager
def one_writer(place: Path | None, lock: Path | None = None) -> Iterator[None]:
    """Keep other processes from writing an output while the block runs.

    The lock is a file with the process id and the host of its holder. The operating system releases it when the
    process ends, so that of a killed process is taken over. Whether a process of another host has ended is not known:
    its lock is refused until the file is removed.

    Args:
        place: what is written; a folder is created. None: nothing is locked.
        lock: the file; None: ``.lock`` in the folder ``place``.

    Raises:
        KBNetError: another process has the lock.
        OSError: the file cannot be written.
    """
    if place is None:
        yield
        return
    lock = place / ".lock" if lock is None else lock
    new_folders = [folder for folder in (lock.parent, *lock.parent.parents) if not folder.exists()]
    lock.parent.mkdir(parents=True, exist_ok=True)
    name = os.path.realpath(lock)
    if name in _held:
        raise _refusal(place, lock, platform.node(), os.getpid())
    try:
        descriptor = _take(place, lock)
        _held.add(name)
        try:
            yield
        finally:
            _held.discard(name)
            _release(lock, descriptor)
    finally:
        with suppress(OSError):  # one is not empty
            for folder in new_folders:
                folder.rmdir()


def lock_temporary(path: Path) -> int | None:
    """Lock a temporary file for one writer, until the returned descriptor is closed; None where locks do not exist.

    Raises:
        BlockingIOError: another writer, also of this process, has it.
    """
    if sys.platform == "win32":
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_same(path, descriptor):  # its former holder has renamed or removed it since
            raise BlockingIOError
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None  # a file system without locks
    return descriptor


def _take(place: Path, lock: Path) -> int:
    """Descriptor of the locked file, in which this process is written."""
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EROFS) and not lock.exists():
                error.filename = str(lock.parent)
            raise
        try:
            free = _try_lock(descriptor)
            os.lseek(descriptor, 0, os.SEEK_SET)
            host, process = _holder(os.read(descriptor, 1000))
            removed = free is not False and not _is_same(lock, descriptor)
            if not removed:
                if free is False or host not in ("", platform.node()) or (free is None and _is_alive(process)):
                    raise _refusal(place, lock, host, process)
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                try:
                    os.write(descriptor, f"{os.getpid()} {platform.node()}\n".encode())
                except OSError:  # a full disk
                    with suppress(OSError):  # Windows removes no open file
                        lock.unlink()
                    raise
                return descriptor
        except OSError as error:
            os.close(descriptor)
            error.filename = error.filename or str(lock)
            raise
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool | None:
    """Whether the file could be locked; None: its file system has no locks."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _release(lock: Path, descriptor: int) -> None:
    """Remove the file; Windows removes no open file, and so none that another process has locked since."""
    if sys.platform == "win32":
        os.close(descriptor)
        with suppress(PermissionError):
            lock.unlink(missing_ok=True)
    else:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _holder(content: bytes) -> tuple[str, int]:
    """Host and process id; an empty name and 0 if the file does not say."""
    process, _, host = content.decode("utf-8", "replace").strip().partition(" ")
    return (host, int(process)) if process.isdecimal() else ("", 0)


def _is_same(path: Path, descriptor: int) -> bool:
    """Whether the path still leads to the open file: its holder removes it at the end."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":  # there, os.kill with 0 is Ctrl-C; a file system without locks has none
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return process > 0


def _refusal(place: Path, lock: Path, host: str, process: int) -> KBNetError:
    if not host:
        return KBNetError(f"another process is writing {place}; wait until it ends, or choose another name")
    if host == platform.node():
        return KBNetError(
            f"process {process} on this host ({host}) is writing {place}; wait until it ends, or choose another name"
        )
    return KBNetError(
        f"process {process} on host {host} is writing {place}; wait until it ends, or, if it was killed there, remove "
        f"{lock}"
    )
