"""Archives of published data sets: local files, or downloads that can be resumed."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote

from kbnet.datasets.checksums import CHECKSUMS, put_aside, read_checksums, write_checksums
from kbnet.datasets.disk_space import disk_space
from kbnet.errors import KBNetError
from kbnet.files import file_sha256, remove_link
from kbnet.lock import one_writer

Progress = Callable[[str, int, int], None]
"""Function called during work with (what, done, total), in bytes or files; a total of 0 is unknown."""

MIRROR = "KBNET_MIRROR"
"""Environment variable: a base URL under which all archives are looked for by their file name, such as a lab's own."""

ATTEMPTS = 5
"""Consecutive attempts without a further byte before a download fails."""

PAUSE_S = 2.0
"""Wait between two attempts, seconds."""

MOST_UNANNOUNCED = 8 << 30
"""Bytes of a download of which the server does not say the size: it may have no end."""

TIMEOUT_S = 60.0
"""Silence of a server that counts as a dropped connection, seconds."""


@dataclass(frozen=True)
class Archive:
    """A published file.

    Attributes:
        name: file name, by which it is found among files fetched by hand and on a mirror.
        page: where a person fetches it with a browser; empty = ``url``.
    """

    name: str
    url: str
    page: str = ""

    @classmethod
    def on_google_drive(cls, name: str, drive_id: str) -> Archive:
        """Name a file by its identifier on Google Drive.

        Example:
            >>> Archive.on_google_drive("void_150.zip", "1GGov8").page
            'https://drive.google.com/file/d/1GGov8'
        """
        return cls(
            name,
            f"https://drive.usercontent.google.com/download?id={drive_id}&export=download&confirm=t",
            f"https://drive.google.com/file/d/{drive_id}",
        )

    @property
    def remedy(self) -> str:
        """Instruction for a user without the archive."""
        return f"fetch it by hand from {self.page or self.url} and name it with --from"


def obtain(
    archive: Archive,
    folder: Path,
    *,
    by_hand: tuple[Path, ...] = (),
    download: bool = True,
    on_progress: Progress | None = None,
) -> Path:
    """Find an archive, or download it.

    A file of its name that was fetched by hand comes first, then one in ``folder``; these are taken as they are, since
    hashing 100 GB at every run would take minutes, and unpacking checks every file in them. What is downloaded lies in
    ``<name>.partial`` until it is complete, also between runs; its checksum is recorded in ``SHA256SUMS`` at the first
    success, and later downloads must match.

    Args:
        folder: where downloads go.
        by_hand: files, or folders that hold files, which the user fetched; left where they lie.

    Raises:
        FileNotFoundError: a path of ``by_hand`` does not exist, or the archive is not there and may not be downloaded.
        ConnectionError: the link is dead, or the connection failed too often; the next run goes on.
        KBNetError: the download is no zip archive, or not the file whose checksum is recorded;
            it is kept as ``<name>.wrong``. Or another process downloads it.
        OSError: the disk is full; the next run goes on.
    """
    for place in by_hand:
        if not place.exists():
            raise FileNotFoundError(f"expected archives at {place}, but nothing is there; check the path after --from")
        for candidate in (place, place / archive.name):
            if candidate.name == archive.name and candidate.is_file():
                return candidate
    path = folder / archive.name
    if path.is_file():
        return path
    if not download:
        found = found_instead(archive.name, by_hand)
        raise FileNotFoundError(
            f"expected {archive.name}, but it is not there{found}; {archive.remedy}, or put it into {folder}"
        )
    with one_writer(path, path.with_name(f".{path.name}.lock")):  # the pieces of two would be mixed in one file
        _download(archive, path, on_progress or (lambda what, done, total: None))
    return path


def found_instead(name: str, by_hand: tuple[Path, ...]) -> str:
    """What to add to the message that an archive is not there: the archives that are, the most alike first.

    Args:
        by_hand: files and folders, as for `obtain`; none give an empty text.
    """
    found = {path.name for place in by_hand for path in (place.glob("*.zip") if place.is_dir() else [place])}
    if not found:
        return " (no .zip file in the folders after --from)" if by_hand else ""
    nearest = get_close_matches(name, sorted(found), n=3, cutoff=0)
    more = f" and {len(found) - len(nearest)} more" if len(found) > len(nearest) else ""
    return f" (--from has {', '.join(nearest)}{more}; if that is it, rename it)"


def _remedy(archive: Archive, folder: Path) -> str:
    """Instruction for a failed download."""
    mirror = f"correct or unset {MIRROR}, " if os.environ.get(MIRROR) else ""
    return f"{mirror}{archive.remedy}, or put it into {folder}"


def _download(archive: Archive, path: Path, on_progress: Progress) -> None:
    partial = remove_link(path.with_name(f"{path.name}.partial"))
    remove_link(_tag(partial))
    url = _published_or_mirrored(archive)
    _receive_all(archive, url, partial, on_progress)
    on_progress(f"checking {archive.name}", 0, 0)
    checksum = file_sha256(partial)
    checksums = read_checksums(path.parent)  # late: other downloads may have ended meanwhile
    expected = checksums.get(archive.name, checksum)
    if checksum != expected:
        wrong = put_aside(partial, path.name)
        raise KBNetError(
            f"expected {archive.name} with SHA-256 {expected}, got {checksum} from {url}; it is kept as {wrong}; run "
            f"again, or, if the publishers changed it, remove its line from {path.with_name(CHECKSUMS)} first"
        )
    if path.suffix == ".zip" and not zipfile.is_zipfile(partial):
        wrong = put_aside(partial, path.name)
        raise KBNetError(
            f"expected a zip archive from {url}, got something else, kept as {wrong}; run again, or "
            f"{_remedy(archive, path.parent)}"
        )
    # Recorded before the file gets its name, because a file with its name is not checked again.
    write_checksums(path.parent, {**checksums, archive.name: checksum})
    os.replace(partial, path)
    _tag(partial).unlink(missing_ok=True)


def _published_or_mirrored(archive: Archive) -> str:
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return archive.url
    if not mirror.startswith(("http://", "https://")):
        raise KBNetError(f"expected a URL that begins with http:// or https:// in {MIRROR}, got '{mirror}'; correct it")
    return f"{mirror.rstrip('/')}/{quote(archive.name)}"


def _receive_all(archive: Archive, url: str, partial: Path, on_progress: Progress) -> None:
    """Try until the partial file is complete, or ``ATTEMPTS`` tries in a row brought no further byte."""
    import requests

    furthest, failures = _size(partial), 0
    while True:
        try:
            return _receive(archive, url, partial, on_progress)
        except (requests.RequestException, ValueError) as error:  # ValueError: a length or redirection that is none
            failures = 0 if _size(partial) > furthest else failures + 1
            furthest = max(furthest, _size(partial))
            status = getattr(getattr(error, "response", None), "status_code", None)
            # Those that pass; 416 is a range past the end, and the partial file is gone then.
            passing = status is None or status >= 500 or status in (408, 416, 425, 429)
            if not passing or failures == ATTEMPTS:
                reason = f"HTTP status {status}" if status else _why(error)
                go_on = "run again to go on, or " if passing else ""
                raise ConnectionError(
                    f"cannot download {archive.name} from {url}: {reason}; {go_on}{_remedy(archive, partial.parent)}"
                ) from error
            time.sleep(PAUSE_S)


def _why(error: BaseException) -> str:
    """The system's words for a failed connection, such as "Connection refused", which lie below the library's."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, OSError) and cause.strerror:
            return f"no connection ({cause.strerror})"
        cause = cause.__cause__ or cause.__context__
    return f"no connection, or it dropped {ATTEMPTS} times in a row"


def _receive(archive: Archive, url: str, partial: Path, on_progress: Progress) -> None:
    """Go on with the partial file; start over where the server cannot, or where its file has changed."""
    import requests

    size, tag = _size(partial), _tag(partial)
    headers = {"Accept-Encoding": "identity"}
    if size:
        headers["Range"] = f"bytes={size}-"
        if version := tag.read_text(encoding="latin-1") if tag.is_file() else "":
            headers["If-Range"] = version
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code == 416:
            if response.headers.get("Content-Range", "").endswith(f"/{size}"):
                return
            partial.unlink(missing_ok=True)
        response.raise_for_status()
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise ConnectionError(
                f"expected {archive.name} from {url}, got a web page (the link is dead, asks for a login, or is over "
                f"its quota); {_remedy(archive, partial.parent)}"
            )
        if response.status_code == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {size}-"):
                partial.unlink(missing_ok=True)
                raise requests.ConnectionError("the server sent another part of the file than was asked for")
        else:
            size = 0
            # Emptied before the new tag is written, so that the tag always belongs to the bytes.
            partial.write_bytes(b"")
            tag.write_text(_version(response.headers), encoding="latin-1")
        length = response.headers.get("Content-Length")
        total = size + int(length) if length else 0
        # The bytes before a lost connection are kept, so the end is detected here and not by the reader.
        response.raw.enforce_content_length = False
        response.raw.headers.pop("Content-Encoding", None)  # the bytes that were sent, not what they unpack to
        needed = max(total - size, 0)
        with disk_space(partial.parent, needed, f"to download {archive.name}"), partial.open("ab") as file:
            for chunk in response.iter_content(1 << 18):
                file.write(chunk)
                size += len(chunk)
                if not total and size > MOST_UNANNOUNCED:
                    partial.unlink()
                    raise ConnectionError(
                        f"expected at most {MOST_UNANNOUNCED >> 30} GB from {url}, which does not say how many bytes "
                        f"follow (Content-Length), got more; {_remedy(archive, partial.parent)}"
                    )
                on_progress(f"downloading {archive.name}", size, total)
        if size < total:
            raise requests.ConnectionError(f"the connection ended at byte {size} of {total}")


def _version(headers: Mapping[str, str]) -> str:
    """What If-Range compares: a strong ETag, else the date, else nothing."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _tag(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.version")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
