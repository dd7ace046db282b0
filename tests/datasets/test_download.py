"""Downloads go on where they stopped, nothing half or wrong gets the archive's name, and dead links say what to do."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import socket
import subprocess
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from fixtures_archive_server import ArchiveServer

from kbnet.datasets import download
from kbnet.datasets.download import Archive, obtain
from kbnet.errors import KBNetError

SCENES = Archive("scenes.zip", "http://127.0.0.1:1/scenes.zip", page="https://example.org/scenes")


@pytest.fixture
def scenes(archive_server: ArchiveServer) -> bytes:
    """An archive on the server: 900 kB that do not compress, so that it takes several pieces."""
    path = archive_server.folder / SCENES.name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("noise.bin", np.random.default_rng(0).bytes(900_000))
    return path.read_bytes()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_obtain_downloads_once_and_records_the_checksum(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes
) -> None:
    calls: list[tuple[str, int, int]] = []
    for _ in range(2):
        path = obtain(SCENES, tmp_path / "archives", on_progress=lambda *call: calls.append(call))
        assert path.read_bytes() == scenes
    assert len(archive_server.requests) == 1
    assert files(path.parent) == ["SHA256SUMS", "scenes.zip"]
    assert (path.parent / "SHA256SUMS").read_text() == f"{hashlib.sha256(scenes).hexdigest()}  scenes.zip\n"
    assert ("downloading scenes.zip", len(scenes), len(scenes)) in calls
    assert calls[-1][0] == "checking scenes.zip"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_checksums_are_what_sha256sum_checks(tmp_path: Path, scenes: bytes) -> None:
    obtain(SCENES, tmp_path)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)


def test_checksums_of_other_archives_stay(tmp_path: Path, scenes: bytes) -> None:
    other = f"{'0' * 64}  other.zip\n"
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64} *other.zip\n")
    obtain(SCENES, tmp_path)
    assert (tmp_path / "SHA256SUMS").read_text().startswith(other)


def test_dropped_connections_go_on_without_fetching_bytes_again(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes
) -> None:
    archive_server.drop(SCENES.name, download.ATTEMPTS + 2)
    assert obtain(SCENES, tmp_path).read_bytes() == scenes
    asked = archive_server.asked(SCENES.name)
    assert len(asked) == download.ATTEMPTS + 3
    assert [first for first, _ in asked] == [sum(sent for _, sent in asked[:i]) for i in range(len(asked))]
    assert sum(sent for _, sent in asked) == len(scenes)


def test_a_server_without_ranges_starts_over(tmp_path: Path, archive_server: ArchiveServer, scenes: bytes) -> None:
    archive_server.ranges = False
    archive_server.drop(SCENES.name, 2)
    assert obtain(SCENES, tmp_path).read_bytes() == scenes
    assert [sent for _, sent in archive_server.asked(SCENES.name)] == [len(scenes) // 2] * 2 + [len(scenes)]


def test_a_server_that_always_drops_is_given_up_and_the_next_run_goes_on(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes
) -> None:
    archive_server.ranges = False
    archive_server.drop(SCENES.name, 10**6)
    with pytest.raises(ConnectionError, match="dropped 5 times in a row") as caught:
        obtain(SCENES, tmp_path)
    assert "https://example.org/scenes" in str(caught.value)
    assert "--from" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "scenes.zip" not in files(tmp_path)
    archive_server.ranges = True
    archive_server.drop(SCENES.name, 0)
    archive_server.requests.clear()
    assert obtain(SCENES, tmp_path).read_bytes() == scenes
    assert archive_server.asked(SCENES.name) == [(len(scenes) // 2, len(scenes) - len(scenes) // 2)]


def test_ctrl_c_leaves_a_partial_file_that_the_next_run_goes_on_from(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes
) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        assert "scenes.zip" not in files(tmp_path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obtain(SCENES, tmp_path, on_progress=interrupt)
    have = (tmp_path / "scenes.zip.partial").stat().st_size
    assert 0 < have < len(scenes)
    assert "scenes.zip" not in files(tmp_path)
    assert obtain(SCENES, tmp_path).read_bytes() == scenes
    assert archive_server.requests[-1].first == have
    assert files(tmp_path) == ["SHA256SUMS", "scenes.zip"]


def test_an_interruption_after_the_last_byte_fetches_none_again(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes
) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if what.startswith("checking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obtain(SCENES, tmp_path, on_progress=interrupt)
    assert obtain(SCENES, tmp_path).read_bytes() == scenes
    assert archive_server.asked(SCENES.name) == [(0, len(scenes)), (len(scenes), 0)]


@pytest.mark.parametrize("kept", [1000, 2_000_000], ids=["shorter", "longer than the file"])
def test_a_partial_file_of_another_version_is_not_mixed_in(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes, kept: int
) -> None:
    archive_server.tags[SCENES.name] = '"second"'
    (tmp_path / "scenes.zip.partial").write_bytes(b"\0" * kept)
    (tmp_path / "scenes.zip.partial.version").write_text('"first"')
    assert obtain(SCENES, tmp_path).read_bytes() == scenes


def test_what_links_with_the_names_of_partial_files_lead_to_stays(tmp_path: Path, scenes: bytes) -> None:
    (tmp_path / "thesis.txt").write_text("whole")
    for name in ("scenes.zip.partial", "scenes.zip.partial.version"):
        (tmp_path / name).symlink_to(tmp_path / "thesis.txt")
    assert obtain(SCENES, tmp_path).read_bytes() == scenes
    assert not (tmp_path / SCENES.name).is_symlink()
    assert (tmp_path / "thesis.txt").read_text() == "whole"


def test_a_partial_file_longer_than_what_a_server_without_tags_has_is_dropped(tmp_path: Path, scenes: bytes) -> None:
    (tmp_path / "scenes.zip.partial").write_bytes(b"\0" * (len(scenes) + 1))
    assert obtain(SCENES, tmp_path).read_bytes() == scenes


def test_a_resumed_download_asks_for_the_version_it_began_with(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes
) -> None:
    archive_server.tags[SCENES.name] = '"first"'
    archive_server.drop(SCENES.name)
    assert obtain(SCENES, tmp_path).read_bytes() == scenes
    assert [request.status for request in archive_server.requests] == [200, 206]


def test_another_part_than_was_asked_for_is_not_appended(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes
) -> None:
    archive_server.drop(SCENES.name)
    archive_server.headers["Content-Range"] = f"bytes 0-{len(scenes) - 1}/{len(scenes)}"
    assert obtain(SCENES, tmp_path).read_bytes() == scenes
    assert [status.status for status in archive_server.requests] == [200, 206, 200]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"Content-Length": "abc"}),
        (302, {"Location": "http://\xff"}),
        (302, {"Location": f"http://{'a' * 300}.org"}),
    ],
    ids=["length", "redirection", "long host"],
)
def test_answers_that_make_no_sense_are_one_line(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes, status: int, headers: dict[str, str]
) -> None:
    archive_server.statuses[SCENES.name], archive_server.headers = status, headers
    with pytest.raises(ConnectionError, match=r"cannot download scenes\.zip .*; run again to go on"):
        obtain(SCENES, tmp_path)


def test_two_downloads_of_one_file_are_not_mixed(tmp_path: Path, scenes: bytes) -> None:
    def again(*progress: object) -> None:
        with pytest.raises(KBNetError, match=r"process \d+ .* is writing .*scenes\.zip"):
            obtain(SCENES, tmp_path)

    assert obtain(SCENES, tmp_path, on_progress=again).read_bytes() == scenes
    assert files(tmp_path) == ["SHA256SUMS", "scenes.zip"]


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (500, download.ATTEMPTS)])
def test_a_dead_link_names_the_page_and_the_remedy(
    tmp_path: Path, archive_server: ArchiveServer, status: int, requests: int
) -> None:
    archive_server.statuses[SCENES.name] = status
    with pytest.raises(ConnectionError, match=rf"HTTP status {status}; .*https://example.org/scenes .*--from"):
        obtain(SCENES, tmp_path)
    assert len(archive_server.requests) == requests
    assert files(tmp_path) == []


def test_a_dead_server_is_one_line_that_says_why(
    tmp_path: Path, archive_server: ArchiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(download.MIRROR)
    link = r"^cannot download scenes\.zip from http://127\.0\.0\.1:1/scenes\.zip: no connection "
    with pytest.raises(ConnectionError, match=rf"{link}\(Connection refused\); run again to go on, or fetch"):
        obtain(SCENES, tmp_path)

    def no_internet(*arguments: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_internet)
    with pytest.raises(ConnectionError, match=rf"{link}\(Temporary failure in name resolution\); run again"):
        obtain(SCENES, tmp_path)


def test_a_dead_mirror_is_named(tmp_path: Path, archive_server: ArchiveServer) -> None:
    with pytest.raises(ConnectionError, match=r"HTTP status 404; correct or unset KBNET_MIRROR, fetch it by hand") as e:
        obtain(SCENES, tmp_path)
    assert "run again" not in str(e.value)


def test_a_web_page_is_not_taken_for_an_archive(tmp_path: Path, archive_server: ArchiveServer) -> None:
    archive_server.pages.add(SCENES.name)
    with pytest.raises(ConnectionError, match=r"got a web page .*https://example.org/scenes .*--from"):
        obtain(SCENES, tmp_path)
    assert files(tmp_path) == []


def test_something_else_than_a_zip_is_put_aside(tmp_path: Path, archive_server: ArchiveServer) -> None:
    archive_server.contents[SCENES.name] = b"not a zip"
    with pytest.raises(ValueError, match="expected a zip archive"):
        obtain(SCENES, tmp_path)
    assert "scenes.zip" not in files(tmp_path)
    assert not (tmp_path / "SHA256SUMS").exists()


def test_a_wrong_checksum_is_refused_and_put_aside(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes
) -> None:
    obtain(SCENES, tmp_path).unlink()
    archive_server.contents[SCENES.name] = scenes[::-1]
    with pytest.raises(ValueError, match=r"expected scenes\.zip with SHA-256") as caught:
        obtain(SCENES, tmp_path)
    for data in (scenes, scenes[::-1]):
        assert hashlib.sha256(data).hexdigest() in str(caught.value)
    assert (tmp_path / "scenes.zip.wrong").read_bytes() == scenes[::-1]
    assert "scenes.zip" not in files(tmp_path)
    archive_server.contents.clear()
    assert obtain(SCENES, tmp_path).read_bytes() == scenes


def test_a_disk_that_is_too_small_is_said_before_the_download(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6, 100))
    with pytest.raises(
        OSError, match=r"expected 900\.\d kB of free disk space in .* to download scenes.zip, got 100 bytes"
    ):
        obtain(SCENES, tmp_path)
    assert (tmp_path / "scenes.zip.partial").stat().st_size == 0


@pytest.mark.parametrize("given", ["scenes.zip", "."])
def test_a_file_fetched_by_hand_comes_first_and_stays(
    tmp_path: Path, archive_server: ArchiveServer, given: str
) -> None:
    folder = tmp_path / "Downloads"
    folder.mkdir()
    (folder / "scenes.zip").write_bytes(b"as it is")
    path = obtain(SCENES, tmp_path / "archives", by_hand=(folder / given,))
    assert path == folder / "scenes.zip"
    assert archive_server.requests == []
    assert not (tmp_path / "archives").exists()


def test_without_download_a_missing_archive_is_said_with_its_page(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"expected scenes.zip, .*https://example.org/scenes .*--from"
    ) as caught:
        obtain(SCENES, tmp_path / "archives", by_hand=(tmp_path,), download=False)
    assert str(caught.value).endswith(f", or put it into {tmp_path / 'archives'}")
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / SCENES.name).write_bytes(b"as it is")
    assert obtain(SCENES, tmp_path / "archives", download=False).read_bytes() == b"as it is"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("", r" \(no \.zip file in the folders after --from\)"),
        ("a.txt b.zip", r" \(--from has b\.zip; if that is it, rename it\)"),
        ("0.zip 1.zip 2.zip scenes(1).zip", r" \(--from has scenes\(1\)\.zip, \d\.zip, \d\.zip and 1 more; if .*\)"),
    ],
)
def test_a_missing_archive_is_said_with_what_is_there(tmp_path: Path, there: str, said: str) -> None:
    for name in there.split():
        (tmp_path / name).touch()
    with pytest.raises(FileNotFoundError, match=f"^expected scenes.zip, but it is not there{said}; fetch it by hand"):
        obtain(SCENES, tmp_path / "archives", by_hand=(tmp_path,), download=False)


def test_a_path_by_hand_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing is there"):
        obtain(SCENES, tmp_path, by_hand=(tmp_path / "gone.zip",))


def test_a_mirror_that_is_no_url_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(download.MIRROR, "mirror.example.org")
    with pytest.raises(ValueError, match="expected a URL that begins with http:// or https:// in KBNET_MIRROR"):
        obtain(SCENES, tmp_path)


def test_a_damaged_list_of_checksums_is_said(tmp_path: Path, scenes: bytes) -> None:
    (tmp_path / "SHA256SUMS").write_text("abc\n")
    with pytest.raises(ValueError, match="SHA256SUMS, got 'abc'; repair or remove it"):
        obtain(SCENES, tmp_path)


def test_a_body_without_end_or_packed_is_not_taken(
    tmp_path: Path, archive_server: ArchiveServer, scenes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_server.headers = {"Content-Encoding": "gzip"}
    archive_server.contents[SCENES.name] = gzip.compress(bytes(1 << 20))
    with pytest.raises(KBNetError, match="expected a zip archive"):
        obtain(SCENES, tmp_path)
    assert (tmp_path / "scenes.zip.wrong").read_bytes() == archive_server.contents[SCENES.name]
    monkeypatch.setattr(download, "MOST_UNANNOUNCED", 1 << 20)
    archive_server.headers, archive_server.contents[SCENES.name] = {"Content-Length": ""}, bytes(2 << 20)
    with pytest.raises(ConnectionError, match="does not say how many bytes follow"):
        obtain(SCENES, tmp_path)
    assert not list(tmp_path.glob("*.partial"))
