"""Output files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to ``path`` when the block ends without an error.

    The temporary file lies hidden beside ``path`` and keeps its suffix, since writers choose their format by it.
    Missing parent folders are made. On any error, Ctrl-C too, the temporary file goes and an older ``path`` stays.

    Args:
        path: the file to appear.

    Yields:
        The temporary path; the block must write it.

    Raises:
        OSError: the folder cannot be made or the file cannot be renamed. One that says that the disk is full names
            ``path`` and what to do.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "new" / "depth.txt"
        >>> with atomic_path(target) as temporary:
        ...     _ = temporary.write_text("1.5")
        >>> [file.name for file in target.parent.iterdir()]
        ['depth.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid4().hex[:12]}.partial{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in DISK_FULL and error.filename in (None, str(temporary)):
            error.filename = str(path)
            error.strerror = f"{error.strerror}; free some there, then run the same command again"
        raise


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden path beside ``folder`` to make a folder at; it takes the place of ``folder`` when the block ends.

    On any error, Ctrl-C too, the hidden folder goes, and what stood at ``folder`` stays as it was.

    Args:
        folder: the folder to appear; one that is there is replaced, with everything in it.

    Yields:
        The hidden path; the block must make a folder there.

    Raises:
        OSError: the folder cannot be renamed.
    """
    token = uuid4().hex[:12]
    partial, former = (folder.with_name(f".{folder.name}.{token}.{state}") for state in ("partial", "former"))
    try:
        yield partial
        if folder.exists():
            os.replace(folder, former)
        try:
            os.replace(partial, folder)
        except BaseException:
            if former.exists():
                os.replace(former, folder)
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)
