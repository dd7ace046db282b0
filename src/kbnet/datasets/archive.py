"""Safe unpacking of zip archives, also with overlapping entries, which other programs reject."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from kbnet.datasets.checksums import put_aside_if_wrong
from kbnet.datasets.disk_space import disk_space
from kbnet.datasets.download import Archive, Progress, obtain
from kbnet.errors import KBNetError
from kbnet.files import atomic_path, reading
from kbnet.limits import check_count

LEAST_ENTRY = 46
"""Bytes of an entry in the list at the end of an archive, without its name."""
END_BYTES = 22 + 0xFFFF + 76
"""In which an archive says how long its list of entries is: the end with its comment, and that of zip64."""
CHUNK = 1 << 16
"""Bytes read at once; deflate expands them to at most 64 MiB."""


def names(archive: Path) -> list[str]:
    """List the files in a zip archive, without its folders, in the archive's order."""
    return [member.filename for member in _members(archive)]


def unpack(
    archive: Path,
    target: Path,
    *,
    rename: Callable[[str], str | None] = lambda name: name,
    on_progress: Progress | None = None,
) -> int:
    """Unpack a zip archive; existing files with the right size are skipped.

    Each file is checked and appears complete, so an interrupted run can be continued. Nothing is written if a name
    points outside the target. Entries can overlap. The stated sizes are first compared with the disk space.

    Args:
        target: folder to write to; created if needed.
        rename: maps a file's name in the archive to its path under ``target``, with ``/``; None: skip the file.

    Returns:
        Number of files written.

    Raises:
        FileNotFoundError: there is no such archive.
        KBNetError: it is not a complete zip archive, a name is unsafe, a file in it is damaged, encrypted or a link.
        OSError: the disk is too small, or full; what is written stays, and the next run goes on.
    """
    # By path: where two entries have the same, the last one counts.
    wanted: dict[Path, zipfile.ZipInfo] = {}
    for member in _members(archive):
        name = rename(member.filename)
        if name is not None:
            _check_readable(member, archive)
            wanted[target / _safe(name, archive)] = member
    missing = {path: member for path, member in wanted.items() if not _is_there(path, member.file_size)}
    if not missing:
        return 0
    target.mkdir(parents=True, exist_ok=True)
    done, total = 0, sum(member.file_size for member in missing.values())
    with disk_space(target, total, f"to unpack {archive.name}"), archive.open("rb") as file:
        for path, member in missing.items():
            with atomic_path(path) as temporary, temporary.open("wb") as output:
                for data in _contents(file, member, archive):
                    output.write(data)
            done += member.file_size
            if on_progress:
                on_progress(f"unpacking {archive.name}", done, total)
    return len(missing)


def unpack_once(
    archive: Archive,
    folder: Path,
    target: Path,
    *,
    rename: Callable[[str], str | None],
    by_hand: tuple[Path, ...] = (),
    on_progress: Progress | None = None,
) -> int:
    """Unpack an archive, downloaded first if need be, unless what it gives is there as a whole (`is_whole`).

    A download with other content is put aside, so that the next run downloads it again; a file by hand stays.

    Args:
        archive: which; downloads go to ``archives`` in ``folder``.
        target: the file or folder in it that is wanted; nothing else is unpacked.
        by_hand: archives, or folders that hold some, which the user fetched; with any, nothing is downloaded.

    Returns:
        Number of files written.

    Raises:
        FileNotFoundError, ConnectionError, KBNetError, OSError: as `obtain` and `unpack` do.
        KBNetError: ``target`` is not in the archive.
    """
    if is_whole(target):
        return 0
    path = obtain(archive, folder / "archives", by_hand=by_hand, download=not by_hand, on_progress=on_progress)
    mark = _unfinished(target)
    with nullcontext() if by_hand else put_aside_if_wrong(path):
        members = _members_below(target.relative_to(folder).as_posix(), path, rename)
        if not members:
            held = ", ".join(names(path)[:3]) or "nothing"
            raise KBNetError(f"expected {archive.name} to hold {target.name}, but {path} has {held}; {archive.remedy}")
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        written = unpack(path, folder, rename=members.get, on_progress=on_progress)
    mark.unlink()
    return written


def is_whole(target: Path) -> bool:
    """Whether a file or folder exists and `unpack_once` was not interrupted in it."""
    return target.exists() and not _unfinished(target).exists()


def _members_below(target: str, archive: Path, rename: Callable[[str], str | None]) -> dict[str, str]:
    """Paths of the archive's files that are the target or inside it."""
    renamed = {name: rename(name) for name in names(archive)}
    return {name: path for name, path in renamed.items() if path and f"{path}/".startswith(f"{target}/")}


def _unfinished(target: Path) -> Path:
    return target.with_name(f".{target.name}.unfinished")


def _members(archive: Path) -> list[zipfile.ZipInfo]:
    if archive.is_file():
        check_count(_directory_bytes(archive) // LEAST_ENTRY, "entries", archive)
    try:
        with reading(archive), zipfile.ZipFile(archive) as directory:
            return [member for member in directory.infolist() if not member.filename.endswith("/")]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise KBNetError(
            f"expected a zip archive at {archive}, got a truncated or another file ({error}); remove it and download "
            "it again"
        ) from error


def _directory_bytes(archive: Path) -> int:
    """Size of the list of entries, which the end of an archive announces; 0 if nothing there does."""
    with reading(archive), archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - END_BYTES))
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 16:
        return 0
    (size,) = struct.unpack_from("<I", tail, end + 12)
    large = tail.rfind(b"PK\6\6", 0, end)  # zip64
    if size == 0xFFFFFFFF and 0 <= large <= len(tail) - 48:
        (size,) = struct.unpack_from("<Q", tail, large + 40)
    return int(size)


def _check_readable(member: zipfile.ZipInfo, archive: Path) -> None:
    where = f"{member.filename} in {archive}"
    if stat.S_ISLNK(member.external_attr >> 16):
        raise KBNetError(f"expected files and folders, but {where} is a link; fetch the archive from its publisher")
    if member.flag_bits & 0x1:
        raise KBNetError(f"{where} is encrypted; unpack it with its password and give the folder")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise KBNetError(
            f"expected stored or deflated files, but {where} has compression method {member.compress_type}; unpack "
            "it with another program and give the folder"
        )


def _safe(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.name or ".." in path.parts or "\\" in name or re.match("[A-Za-z]:", name):
        raise KBNetError(
            f"expected relative file names in {archive}, got '{name}', which could lie outside the folder to unpack "
            "to; fetch the archive from its publisher"
        )
    return path


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _contents(file: BinaryIO, member: zipfile.ZipInfo, archive: Path) -> Iterator[bytes]:
    """The uncompressed bytes of a member piece by piece; its size and checksum are right when they have ended."""
    size, checksum = 0, 0
    with reading(archive):
        for data in _uncompressed(file, member):
            size += len(data)
            checksum = zlib.crc32(data, checksum)
            if size > member.file_size:
                break
            yield data
    if size != member.file_size or checksum != member.CRC:
        raise KBNetError(
            f"{member.filename} in {archive} is damaged (size or checksum is not as stated); remove the archive and "
            "download it again"
        )


def _uncompressed(file: BinaryIO, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Readable data of a member; empty if none begins there.

    Sizes come from the archive's directory: those in front of the data may be zero, with the true ones behind it.
    """
    file.seek(max(member.header_offset, 0))
    header = file.read(30)
    if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
        return
    file.seek(sum(struct.unpack("<HH", header[26:])), 1)
    left = member.compress_size
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.compress_type == zipfile.ZIP_DEFLATED else None
    while left > 0 and (data := file.read(min(left, CHUNK))):
        left -= len(data)
        try:
            yield inflate.decompress(data) if inflate else data
        except zlib.error:
            return
        if inflate and inflate.eof:
            return
