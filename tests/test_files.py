"""Output files appear whole or not at all; JSON and hashes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from kbnet.errors import KBNetError
from kbnet.files import atomic_folder, atomic_path, file_sha256, scratch_folder, write_json


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_atomic_path_makes_the_folders_and_the_file(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a" / "b" / "depth.png") as temporary:
        temporary.write_bytes(b"new")
    assert (tmp_path / "a" / "b" / "depth.png").read_bytes() == b"new"
    assert contents(tmp_path / "a" / "b") == ["depth.png"]


@pytest.mark.parametrize("path", ["a.txt/depth.png", "a.txt/b/depth.png"])
def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path, path: str) -> None:
    (tmp_path / "a.txt").write_text("mine")
    message = r"expected a folder to write to, but .*a\.txt is a file; choose another name"
    with pytest.raises(KBNetError, match=message), atomic_path(tmp_path / path):
        pass


def test_atomic_path_shows_nothing_before_the_end(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "depth.png") as temporary:
        temporary.write_bytes(b"half")
        assert not (tmp_path / "depth.png").exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(".")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_atomic_path_keeps_the_older_file_on_any_error(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "depth.png").write_bytes(b"old")

    def write_half() -> None:
        with atomic_path(tmp_path / "depth.png") as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert (tmp_path / "depth.png").read_bytes() == b"old"
    assert contents(tmp_path) == ["depth.png"]


def test_atomic_path_replaces_the_older_file(tmp_path: Path) -> None:
    (tmp_path / "depth.png").write_bytes(b"old")
    with atomic_path(tmp_path / "depth.png") as temporary:
        temporary.write_bytes(b"new")
    assert (tmp_path / "depth.png").read_bytes() == b"new"


def test_atomic_path_gives_two_writers_two_names(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "x.npy") as first, atomic_path(tmp_path / "x.npy") as second:
        assert first != second
        first.touch()
        second.touch()


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("make", [atomic_path, atomic_folder])
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.ENOSPC, "No space left on device; free some there, then run the same command again"),
        (errno.EFBIG, r"File too large; allow larger files \(ulimit -f\), or choose another disk"),
        (errno.EIO, "Input/output error"),
        (errno.ESTALE, "Stale file handle"),
    ],
)
def test_what_cannot_be_written_is_named(
    code: int, text: str, make: Callable[[Path], AbstractContextManager[Path]], named: bool, tmp_path: Path
) -> None:
    def fail() -> None:
        with make(tmp_path / "depth.png") as temporary:
            raise OSError(code, os.strerror(code), *([str(temporary)] if named else []))

    with pytest.raises(OSError, match=rf"{text}: '{tmp_path}/depth.png'$"):
        fail()
    assert not contents(tmp_path)


@pytest.mark.parametrize("make", [atomic_path, atomic_folder])
@pytest.mark.parametrize("name", ["a" * 255, "é" * 125 + ".json"])
def test_a_name_may_be_as_long_as_the_system_allows(
    name: str, make: Callable[[Path], AbstractContextManager[Path]], tmp_path: Path
) -> None:
    other = f"b{name[1:]}"
    for one in (name, other, name):
        with make(tmp_path / one) as temporary:
            (temporary / "a").touch() if temporary.is_dir() else temporary.touch()
    assert contents(tmp_path) == sorted([name, other])


def test_a_name_too_long_is_named(tmp_path: Path) -> None:
    name = tmp_path / ("a" * 256)
    with pytest.raises(OSError, match=rf"File name too long: '{name}'"), atomic_path(name):
        pass


def test_atomic_path_leaves_errors_alone_that_are_not_of_its_file(tmp_path: Path) -> None:
    def read_another() -> None:
        with atomic_path(tmp_path / "depth.png"):
            (tmp_path / "missing").read_bytes()

    with pytest.raises(FileNotFoundError) as caught:
        read_another()
    assert caught.value.filename == str(tmp_path / "missing")


def test_atomic_folder_replaces_the_folder_only_when_all_went_well(tmp_path: Path) -> None:
    folder = tmp_path / "points"
    for content in ("old", "new"):
        with atomic_folder(folder) as partial:
            (partial / content).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["points", "points/new"]
    with pytest.raises(FileExistsError), atomic_folder(folder) as partial:
        partial.mkdir()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["points", "points/new"]


def test_atomic_path_takes_over_what_a_killed_process_left(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from kbnet.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_bytes(b"much longer than what comes next")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "depth.png"
    assert subprocess.run([sys.executable, "-c", code, path]).returncode == -signal.SIGKILL
    assert contents(tmp_path) == [".depth.partial.png"]
    with atomic_path(path, durable=True) as temporary:
        assert temporary.read_bytes() == b""
        temporary.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    assert contents(tmp_path) == ["depth.png"]


def test_atomic_folder_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    (tmp_path / ".points.partial" / "image").mkdir(parents=True)
    (tmp_path / ".points.former").mkdir()
    (tmp_path / ".points.former" / "kept").touch()

    def fail() -> None:
        with atomic_folder(tmp_path / "points") as partial:
            assert contents(partial) == []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert contents(tmp_path) == ["points"]
    assert contents(tmp_path / "points") == ["kept"]


def test_atomic_folder_has_one_writer(tmp_path: Path) -> None:
    def write_twice() -> None:
        with atomic_folder(tmp_path / "points"):
            raise KBNetError("a second writer was let in")

    with atomic_folder(tmp_path / "points") as partial:
        (partial / "first").touch()
        with pytest.raises(KBNetError, match=r"process \d+ on this host .* is writing .*points; wait until it ends"):
            write_twice()
    assert contents(tmp_path / "points") == ["first"]


def test_remains_of_a_killed_process_in_a_scratch_folder_are_removed(tmp_path: Path) -> None:
    (tmp_path / "scratch" / "former").mkdir(parents=True)
    with scratch_folder(tmp_path / "scratch") as folder:
        assert not contents(folder)
        (folder / "a").touch()
    assert not contents(tmp_path)


def test_file_sha256_of_several_files_is_that_of_their_contents_joined(tmp_path: Path) -> None:
    first, second, joined = (tmp_path / name for name in ("first", "second", "joined"))
    first.write_bytes(b"ab")
    second.write_bytes(b"c")
    joined.write_bytes(b"abc")
    assert file_sha256(joined) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(first, second) == file_sha256(joined)


def test_json_is_strict_and_leaves_the_older_file_on_an_error(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_json(path, {"mae_mm": 1.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"mae_mm": float("nan")})
    assert path.read_text(encoding="utf-8") == '{\n  "mae_mm": 1.5\n}\n'
    assert contents(tmp_path) == ["summary.json"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_atomic_folder_replaces_a_file_or_a_link(kind: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name in ("points", ".points.former"):
        (tmp_path / name).write_text("a") if kind == "file" else (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        with atomic_folder(tmp_path / "points"):
            pass
        assert contents(tmp_path) == ["elsewhere", "points"]


def test_a_mount_point_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.ismount", lambda path: path == tmp_path / "points")
    with pytest.raises(KBNetError, match="points is a mount point"), atomic_folder(tmp_path / "points"):
        pass
    assert not contents(tmp_path)
