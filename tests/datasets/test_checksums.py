"""A download with wrong content is put aside and forgotten; a file by hand is never touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbnet.datasets.checksums import put_aside_if_wrong, read_checksums, write_checksums
from kbnet.errors import KBNetError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "a.zip").write_bytes(b"wrong")
    return tmp_path / "a.zip"


def test_a_download_found_wrong_is_put_aside_and_forgotten(archive: Path) -> None:
    write_checksums(archive.parent, {"a.zip": "0" * 64, "b.zip": "1" * 64})
    said = r"^no scenes; it is put aside as .*a\.zip\.wrong, and the next run downloads it again$"
    with pytest.raises(ValueError, match=said), put_aside_if_wrong(archive):
        raise KBNetError("no scenes")
    assert not archive.exists()
    assert archive.with_name("a.zip.wrong").read_bytes() == b"wrong"
    assert read_checksums(archive.parent) == {"b.zip": "1" * 64}


def test_a_file_that_was_not_downloaded_stays(archive: Path) -> None:
    write_checksums(archive.parent, {"b.zip": "1" * 64})
    with pytest.raises(ValueError, match=r"^no scenes$"), put_aside_if_wrong(archive):
        raise KBNetError("no scenes")
    assert archive.exists()


def test_a_download_stays_where_something_else_fails(archive: Path) -> None:
    write_checksums(archive.parent, {"a.zip": "0" * 64})
    with pytest.raises(OSError, match="disk"), put_aside_if_wrong(archive):
        raise OSError("the disk is full")
    assert archive.exists()
    assert read_checksums(archive.parent) == {"a.zip": "0" * 64}
