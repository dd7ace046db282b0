"""Disk space: check before a block of work, and a one-line error if the disk becomes full."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kbnet.files import writing


@contextmanager
def disk_space(folder: Path, needed: int, purpose: str) -> Iterator[None]:
    """Check the free disk space before a block of work, and name the folder if writing to it fails.

    Args:
        folder: where the block writes; it must exist.
        purpose: purpose for the message, such as "to unpack void_150.zip".

    Raises:
        OSError: less is free than needed, or it ran out.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"expected {size_text(needed)} of free disk space in {folder} {purpose}, got {size_text(free)}; "
            "free some, or choose another disk"
        )
    with writing(folder):
        yield


def size_text(size: float) -> str:
    """Number of bytes as readable text.

    Example:
        >>> size_text(100), size_text(2_345_678), size_text(190e9)
        ('100 bytes', '2.3 MB', '190.0 GB')
    """
    if size < 1000:
        return f"{size:.0f} bytes"
    unit, name = next(item for item in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if size >= item[0])
    return f"{size / unit:.1f} {name}"
