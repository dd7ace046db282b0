"""Unpacking is safe, whole files only, goes on where it stopped, and reads what other programs take for a bomb."""

from __future__ import annotations

import errno
import io
import shutil
import stat
import struct
import zipfile
import zlib
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbnet.datasets import archive as archive_module
from kbnet.datasets.archive import names, unpack

CONTENTS = {"data/a.txt": b"depth " * 1000, "data/b.bin": np.random.default_rng(0).bytes(200_000), "data/empty": b""}

DIRECTORY_NAME = 46
"""Bytes before the name in an entry of an archive's directory."""

Entry = tuple[str, int, int, int, bytes]
"""Name, offset of its header, compressed size, uncompressed size, uncompressed bytes; always stored."""


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    path = tmp_path / "scenes.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/", b"")
        for name, data in CONTENTS.items():
            archive.writestr(name, data)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def local_header(name: str, data: bytes) -> bytes:
    numbers = (20, 0, 0, 0, 0, zlib.crc32(data), len(data), len(data), len(name), 0)
    return b"PK\x03\x04" + struct.pack("<5H3I2H", *numbers) + name.encode()


def by_hand(path: Path, body: bytes, entries: list[Entry]) -> Path:
    """Write an archive whose directory says what it is told to, true or not."""
    directory = b""
    for name, offset, compressed, size, data in entries:
        numbers = (20, 20, 0, 0, 0, 0, zlib.crc32(data), compressed, size, len(name), 0, 0, 0, 0, 0, offset)
        directory += b"PK\x01\x02" + struct.pack("<6H3I5H2I", *numbers) + name.encode()
    end = struct.pack("<4H2IH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    path.write_bytes(body + directory + b"PK\x05\x06" + end)
    return path


def test_names_lists_files_without_folders(scenes: Path) -> None:
    assert names(scenes) == list(CONTENTS)


def test_unpack_writes_every_file_and_a_second_time_none(
    tmp_path: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int, int]] = []
    assert unpack(scenes, tmp_path / "out", on_progress=lambda *call: calls.append(call)) == len(CONTENTS)
    assert tree(tmp_path / "out") == CONTENTS
    total = sum(map(len, CONTENTS.values()))
    assert calls[-1] == ("unpacking scenes.zip", total, total)
    monkeypatch.delattr(archive_module, "atomic_path")
    assert unpack(scenes, tmp_path / "out") == 0


def test_unpack_replaces_a_file_of_another_size(tmp_path: Path, scenes: Path) -> None:
    unpack(scenes, tmp_path / "out")
    (tmp_path / "out" / "data" / "a.txt").write_bytes(b"half")
    assert unpack(scenes, tmp_path / "out") == 1
    assert tree(tmp_path / "out") == CONTENTS


def test_unpack_renames_and_leaves_out(tmp_path: Path, scenes: Path) -> None:
    moved = {"data/a.txt": "x/y/a.txt", "data/empty": None}
    assert unpack(scenes, tmp_path / "out", rename=moved.get) == 1
    assert tree(tmp_path / "out") == {"x/y/a.txt": CONTENTS["data/a.txt"]}


def test_unpack_reads_an_archive_within_an_archive(tmp_path: Path, scenes: Path) -> None:
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(scenes, "inner/scenes.zip")
    unpack(outer, tmp_path / "archives")
    unpack(tmp_path / "archives" / "inner" / "scenes.zip", tmp_path / "out")
    assert tree(tmp_path / "out") == CONTENTS


def test_unpack_reads_entries_that_share_one_header(tmp_path: Path) -> None:
    data = b"depth"
    body = local_header("a", data) + data
    path = by_hand(tmp_path / "shared.zip", body, [("a", 0, 5, 5, data), ("b", 0, 5, 5, data)])
    assert unpack(path, tmp_path / "out") == 2
    assert tree(tmp_path / "out") == {"a": data, "b": data}


def test_unpack_reads_entries_whose_sizes_overlap(tmp_path: Path) -> None:
    inner = b"inner data"
    outer = b"before " + local_header("b", inner) + inner + b" behind"
    body = local_header("a", outer) + outer
    offset = len(local_header("a", outer)) + len(b"before ")
    entries = [("a", 0, len(outer), len(outer), outer), ("b", offset, len(inner), len(inner), inner)]
    path = by_hand(tmp_path / "quoted.zip", body, entries)
    assert unpack(path, tmp_path / "out") == 2
    assert tree(tmp_path / "out") == {"a": outer, "b": inner}


def test_unpack_reads_a_deflated_entry_said_to_reach_into_the_next(tmp_path: Path, scenes: Path) -> None:
    data = bytearray(scenes.read_bytes())
    entry = data.rindex(b"data/a.txt") - DIRECTORY_NAME
    size = struct.unpack_from("<I", data, entry + 20)[0]
    struct.pack_into("<I", data, entry + 20, size + 1000)
    scenes.write_bytes(data)
    assert unpack(scenes, tmp_path / "out") == len(CONTENTS)
    assert tree(tmp_path / "out") == CONTENTS


def test_unpack_reads_zip64_and_sizes_that_stand_behind_the_data(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        """Cannot seek, so that sizes follow the data, as in archives that are made on the fly."""

        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name, data in CONTENTS.items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(data)
    (tmp_path / "streamed.zip").write_bytes(pipe.data)
    assert unpack(tmp_path / "streamed.zip", tmp_path / "out") == len(CONTENTS)
    assert tree(tmp_path / "out") == CONTENTS


def test_unpack_reads_zip64_offsets_of_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    with zipfile.ZipFile(tmp_path / "large.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in CONTENTS.items():
            archive.writestr(name, data)
    monkeypatch.undo()
    assert b"PK\x06\x06" in (tmp_path / "large.zip").read_bytes()
    assert unpack(tmp_path / "large.zip", tmp_path / "out") == len(CONTENTS)
    assert tree(tmp_path / "out") == CONTENTS


@pytest.mark.parametrize(
    "name", ["../evil", "data/../../evil", "/evil", "C:/evil", "c:evil", "..\\evil", "data\\evil", "//host/evil", ".."]
)
def test_a_name_that_could_leave_the_target_stops_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("good", b"good")
        archive.writestr(name, b"evil")
    with pytest.raises(ValueError, match="could lie outside") as caught:
        unpack(tmp_path / "evil.zip", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["evil.zip"]


def test_a_rename_out_of_the_target_is_refused(tmp_path: Path, scenes: Path) -> None:
    with pytest.raises(ValueError, match="could lie outside"):
        unpack(scenes, tmp_path / "out", rename=lambda name: f"../{name}")


def test_a_link_stops_before_anything_is_written(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("good", b"good")
        archive.writestr(link, b"/etc/passwd")
    with pytest.raises(ValueError, match="is a link"):
        unpack(tmp_path / "evil.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_encrypted_file_is_refused(tmp_path: Path, scenes: Path) -> None:
    data = bytearray(scenes.read_bytes())
    data[data.rindex(b"data/a.txt") - DIRECTORY_NAME + 8] |= 1
    scenes.write_bytes(data)
    with pytest.raises(ValueError, match="is encrypted"):
        unpack(scenes, tmp_path / "out")


def test_another_compression_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "lzma.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"depth")
    with pytest.raises(ValueError, match="compression method 14"):
        unpack(tmp_path / "lzma.zip", tmp_path / "out")


@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda data: b"no zip", lambda data: b""])
def test_a_truncated_archive_or_none_is_one_line(tmp_path: Path, scenes: Path, spoil: Callable[[bytes], bytes]) -> None:
    scenes.write_bytes(spoil(scenes.read_bytes()))
    with pytest.raises(
        ValueError, match=r"expected a zip archive at .*scenes\.zip, got .*download it again$"
    ) as caught:
        unpack(scenes, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_missing_archive_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        names(tmp_path / "gone.zip")


@pytest.mark.parametrize("at", [b"data/a.txt", b"data/b.bin"], ids=["deflated text", "noise"])
def test_a_damaged_file_never_gets_its_name_and_the_others_stay(tmp_path: Path, scenes: Path, at: bytes) -> None:
    data = bytearray(scenes.read_bytes())
    data[data.index(at) + len(at) + 20] ^= 0xFF
    scenes.write_bytes(data)
    with pytest.raises(ValueError, match=f"{at.decode()} in .* is damaged"):
        unpack(scenes, tmp_path / "out")
    written = tree(tmp_path / "out")
    assert at.decode() not in written
    assert written.items() <= CONTENTS.items()


def test_an_entry_that_begins_nowhere_is_damaged(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "a.zip", b"no header here at all, but long enough for one", [("a", 3, 5, 5, b"depth")])
    with pytest.raises(ValueError, match="is damaged"):
        unpack(path, tmp_path / "out")


def test_a_file_that_inflates_beyond_its_stated_size_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 10**6)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 10)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"zeros in .* is damaged"):
        unpack(path, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(
    tmp_path: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6, 100))
    with pytest.raises(OSError, match=r"of free disk space in .* to unpack scenes\.zip, got"):
        unpack(scenes, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_interruption_leaves_whole_files_only_and_the_next_run_goes_on(
    tmp_path: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    contents = archive_module._contents

    def stop_in_the_second(file: Any, member: zipfile.ZipInfo, archive: Path) -> Any:
        for data in contents(file, member, archive):
            yield data
            if member.filename == "data/b.bin":
                assert "data/b.bin" not in tree(tmp_path / "out")
                raise error

    monkeypatch.setattr(archive_module, "_contents", stop_in_the_second)
    with pytest.raises((OSError, KeyboardInterrupt)) as caught:
        unpack(scenes, tmp_path / "out")
    assert isinstance(error, KeyboardInterrupt) or "free some there" in str(caught.value)
    assert tree(tmp_path / "out") == {"data/a.txt": CONTENTS["data/a.txt"]}
    monkeypatch.undo()
    assert unpack(scenes, tmp_path / "out") == 2
    assert tree(tmp_path / "out") == CONTENTS
