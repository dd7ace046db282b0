"""Checksums of downloads, recorded beside them; a wrong download is renamed and its checksum removed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kbnet.errors import KBNetError
from kbnet.files import atomic_path

CHECKSUMS = "SHA256SUMS"
"""File of checksums beside the archives, as ``sha256sum`` writes and checks it."""


def read_checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of the files that were downloaded to a folder, by name; none where nothing is recorded.

    Raises:
        KBNetError: the record is damaged.
    """
    path = folder / CHECKSUMS
    checksums = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        checksum, _, name = line.partition(" ")
        # sha256sum writes a second space, or a star, before the name.
        if len(checksum) != 64 or len(name) < 2:
            raise KBNetError(f"expected lines '<SHA-256>  <file name>' in {path}, got '{line}'; repair or remove it")
        checksums[name[1:]] = checksum
    return checksums


def write_checksums(folder: Path, checksums: Mapping[str, str]) -> None:
    """Record what was downloaded to a folder, in place of what is recorded."""
    with atomic_path(folder / CHECKSUMS) as temporary:
        temporary.write_text("".join(f"{checksum}  {name}\n" for name, checksum in sorted(checksums.items())))


def put_aside(path: Path, name: str) -> Path:
    """Rename a wrong file of a download to ``<name>.wrong`` in its folder, and return that path."""
    wrong = path.with_name(f"{name}.wrong")
    os.replace(path, wrong)
    return wrong


@contextmanager
def put_aside_if_wrong(archive: Path) -> Iterator[None]:
    """Rename a download and remove its checksum if the block raises KBNetError because of its content.

    The next run then downloads it again. A file without a recorded checksum was copied by hand and is kept.

    Raises:
        KBNetError: error of the block, with the new name of the file.
    """
    try:
        yield
    except KBNetError as error:
        checksums = read_checksums(archive.parent)
        if checksums.pop(archive.name, None) is None:
            raise
        wrong = put_aside(archive, archive.name)
        write_checksums(archive.parent, checksums)
        raise KBNetError(f"{error}; it is put aside as {wrong}, and the next run downloads it again") from error
