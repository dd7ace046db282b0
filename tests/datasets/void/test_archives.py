"""VOID's archives: all their layouts give the published folders, whatever is damaged, missing or interrupted."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest

from kbnet.datasets import disk_space
from kbnet.datasets.void import archives as unpacking
from kbnet.datasets.void.archives import density_folder, find_density, unpack_density


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewrite(source: Path, target: Path, change: Callable[[str, bytes], dict[str, bytes]]) -> Path:
    """Copy an archive, with each member replaced by what ``change`` makes of it."""
    with ZipFile(source) as old, ZipFile(target, "w") as new:
        for name in old.namelist():
            for changed, content in change(name, old.read(name)).items():
                new.writestr(changed, content)
    return target


@pytest.fixture(scope="module")
def released(void_archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What other programs make of ``void_release.zip``; read only."""
    folder = tmp_path_factory.mktemp("released")
    with ZipFile(void_archives / "void_release.zip") as archive:
        archive.filelist.pop()  # the entry that overlaps
        archive.extractall(folder)
    return folder / "void_release"


@pytest.mark.parametrize("density", [1500, 500, 150])
@pytest.mark.parametrize("release", [False, True], ids=["nested", "release"])
def test_unpack_density_gives_the_published_folder(
    void_archives: Path, released: Path, tmp_path: Path, density: int, release: bool
) -> None:
    archive = void_archives / ("void_release.zip" if release else f"void_{density}.zip")
    before = archive.stat().st_mtime_ns
    unpack_density(density, tmp_path, by_hand=(archive,))
    assert tree(tmp_path / "void_release") == {
        f"void_{density}/{name}": content for name, content in tree(released / f"void_{density}").items()
    }
    assert list(tmp_path.iterdir()) == [tmp_path / "void_release"]
    assert archive.stat().st_mtime_ns == before


def test_unpack_density_leaves_out_what_is_not_void(void_archives: Path, released: Path, tmp_path: Path) -> None:
    def litter(name: str, content: bytes) -> dict[str, bytes]:
        with ZipFile(io.BytesIO(content)) as inner:
            members = {member: inner.read(member) for member in inner.namelist()}
        if name != "void_500-0.zip":
            members |= {"__MACOSX/corridor0/image/._1.png": b"", "corridor0/image/.DS_Store": b"", "notes.txt": b""}
        buffer = io.BytesIO()
        with ZipFile(buffer, "w") as inner:
            for member, data in members.items():
                inner.writestr(member, data)
        return {f"void_500/{name}": buffer.getvalue(), f"__MACOSX/{name}.txt": b""}

    archive = rewrite(void_archives / "void_500.zip", tmp_path / "void_500.zip", litter)
    unpack_density(500, tmp_path, by_hand=(archive,))
    assert tree(density_folder(500, tmp_path)) == tree(released / "void_500")


def test_unpack_density_goes_on_where_it_was_interrupted(
    void_archives: Path, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def interrupted(archive: Path, target: Path, **options: Any) -> int:
        calls.append(archive.name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return unpack(archive, target, **options)

    unpack = unpacking.unpack
    monkeypatch.setattr(unpacking, "unpack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpack_density(500, tmp_path, by_hand=(void_archives / "void_500.zip",))
    assert find_density(500, [tmp_path]) is None
    assert not list(tmp_path.rglob("*.zip"))
    unpack_density(500, tmp_path, by_hand=(void_archives / "void_500.zip",))
    assert calls[2:4] == ["void_500.zip", "void_500-1.zip"]
    assert "void_500-0.zip" not in calls[4:]
    assert tree(density_folder(500, tmp_path)) == tree(released / "void_500")
    assert find_density(500, [tmp_path]) == density_folder(500, tmp_path)


def test_unpack_density_unpacks_the_others_beside_a_truncated_one(void_archives: Path, tmp_path: Path) -> None:
    def truncate(name: str, content: bytes) -> dict[str, bytes]:
        return {name: content[: len(content) // 2] if name == "void_150-1.zip" else content}

    archive = rewrite(void_archives / "void_150.zip", tmp_path / "void_150.zip", truncate)
    with pytest.raises(ValueError, match=r"^void_150-1\.zip in .*void_150\.zip: expected a zip archive") as caught:
        unpack_density(150, tmp_path, by_hand=(archive,))
    assert "\n" not in str(caught.value)
    assert [path.name for path in (density_folder(150, tmp_path) / "data").iterdir()] == ["lobby1"]
    unpack_density(150, tmp_path, by_hand=(void_archives,))
    assert find_density(150, [tmp_path])


def test_unpack_density_refuses_a_truncated_archive(void_archives: Path, tmp_path: Path) -> None:
    archive = tmp_path / "void_150.zip"
    archive.write_bytes((void_archives / "void_150.zip").read_bytes()[:-3000])
    with pytest.raises(ValueError, match=r"expected a zip archive at .*void_150\.zip, got a truncated"):
        unpack_density(150, tmp_path, by_hand=(archive,))
    assert not density_folder(150, tmp_path).exists()


@pytest.mark.parametrize("content", [{"cat.png": b"cat"}, {}, {"void_500/data/a/image/1.png": b""}])
def test_unpack_density_refuses_an_archive_of_something_else(tmp_path: Path, content: dict[str, bytes]) -> None:
    with ZipFile(tmp_path / "void_150.zip", "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match=r"of void_150 in .*, got .*; fetch it by hand from https://drive\.google"):
        unpack_density(150, tmp_path, by_hand=(tmp_path,))
    assert not density_folder(150, tmp_path).exists()


def test_unpack_density_refuses_folders_that_only_look_like_sequences(kitti_archives: Path, tmp_path: Path) -> None:
    archive = Path(shutil.copy(kitti_archives / "data_depth_selection.zip", tmp_path / "void_1500.zip"))
    with pytest.raises(ValueError, match=r"and lists .* of void_1500 in .*void_1500\.zip, got depth_selection/"):
        unpack_density(1500, tmp_path, by_hand=(archive,))
    assert list(tmp_path.iterdir()) == [archive]


def test_unpack_density_takes_a_folder_of_the_inner_archives(
    void_archives: Path, released: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    with ZipFile(void_archives / "void_150.zip") as archive:
        archive.extractall(given / "void_150")
    for name, place in (("a", given / "void_150"), ("b", given)):
        unpack_density(150, tmp_path / name, by_hand=(place,))
        assert tree(density_folder(150, tmp_path / name)) == tree(released / "void_150")
    assert len(list(given.rglob("*.zip"))) == 3
    with pytest.raises(FileNotFoundError, match=r"void_500\.zip, but it is not there \(--from has void_150-\d\.zip, "):
        unpack_density(500, tmp_path, by_hand=(given / "void_150",))


def test_unpack_density_downloads_a_wrong_archive_again(
    void_archives: Path, archive_server: Any, tmp_path: Path
) -> None:
    served = archive_server.folder / "void_150.zip"
    shutil.copy(void_archives / "void_500.zip", served)
    with pytest.raises(ValueError, match=r"of void_150 in .*, got void_500-.*void_150\.zip\.wrong, and the next run"):
        unpack_density(150, tmp_path)
    shutil.copy(void_archives / "void_150.zip", served)
    unpack_density(150, tmp_path)
    assert find_density(150, [tmp_path])


def test_unpack_density_downloads_only_without_files_by_hand(
    void_archives: Path, archive_server: Any, tmp_path: Path
) -> None:
    shutil.copy(void_archives / "void_150.zip", archive_server.folder)
    with pytest.raises(FileNotFoundError, match=r"void_150\.zip.*drive\.google.*--from"):
        unpack_density(150, tmp_path, by_hand=(void_archives / "void_500.zip",))
    assert not archive_server.requests
    archive_server.drop("void_150.zip")
    unpack_density(150, tmp_path)
    assert find_density(150, [tmp_path])
    assert [path.name for path in tmp_path.rglob("*.zip")] == ["void_150.zip"]


def test_unpack_density_looks_for_space_for_the_whole_archive_first(
    void_archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (void_archives / "void_150.zip").stat().st_size
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda folder: SimpleNamespace(free=size - 1))
    with pytest.raises(OSError, match=r"free disk space in .* to unpack void_150\.zip"):
        unpack_density(150, tmp_path, by_hand=(void_archives / "void_150.zip",))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_unpack_density_names_the_way_by_hand_when_the_link_is_dead(archive_server: Any, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"drive\.google\.com/file/d/1GGov8MaBKCEcJEXxY8qrh8Ldt2mErtWs.*--from"):
        unpack_density(150, tmp_path)


def test_unpack_density_refuses_a_download_of_another_checksum(
    void_archives: Path, archive_server: Any, tmp_path: Path
) -> None:
    shutil.copy(void_archives / "void_150.zip", archive_server.folder)
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "SHA256SUMS").write_text(f"{'0' * 64}  void_150.zip\n")
    with pytest.raises(ValueError, match=r"expected void_150\.zip with SHA-256 0000"):
        unpack_density(150, tmp_path)
    assert not density_folder(150, tmp_path).exists()


def test_find_density_takes_the_folder_its_parent_and_its_grandparent(released: Path, tmp_path: Path) -> None:
    for place in (released / "void_500", released, released.parent):
        assert find_density(500, [tmp_path, place]) == released / "void_500"
    assert find_density(150, [released / "void_500", tmp_path / "nowhere"]) is None
