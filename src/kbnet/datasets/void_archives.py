"""The archives of VOID: where they come from, and how the folders of the published layout come out of them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from kbnet.atomic import atomic_path
from kbnet.datasets.archive import names, unpack
from kbnet.datasets.download import Archive, Progress, disk_space, obtain

ARCHIVES = {
    150: Archive.on_google_drive("void_150.zip", "1GGov8MaBKCEcJEXxY8qrh8Ldt2mErtWs"),
    500: Archive.on_google_drive("void_500.zip", "1c3PxnOE0N8tgkvTgPbnUZXS6ekv7pd80"),
    1500: Archive.on_google_drive("void_1500.zip", "14PdJggr2PVJ6uArm9IWlhSHO2y3Q658v"),
}
"""By density. Each holds archives: ``void_<n>-0.zip`` the lists, the others one sequence each."""

RELEASE = Archive("void_release.zip", "")
"""All densities as finished folders; has no lasting link, so only a file fetched by hand is taken."""

UNFINISHED = "unfinished"
"""Folder that lies in ``void_<n>`` as long as it is being unpacked: the inner archive at work, and which are done."""

_LIST = re.compile(r"(train|test)_\w+\.txt")


def find_density(density: int, places: Iterable[Path]) -> Path | None:
    """Find the finished folder ``void_<density>``, with ``data/`` and the lists in it.

    Args:
        density: 1500, 500 or 150.
        places: in this order; each the folder itself, or a ``void_release`` that holds it, or what holds that.

    Returns:
        Its absolute path, or None.
    """
    name = f"void_{density}"
    for place in places:
        place = Path(os.path.abspath(place))
        for root in (place, place / name, place / "void_release" / name):
            if root.name == name and (root / "data").is_dir() and not (root / UNFINISHED).exists():
                return root
    return None


def density_folder(density: int, folder: Path) -> Path:
    """Where `unpack_density` puts a density: ``void_release/void_<density>``, as published."""
    return Path(os.path.abspath(folder)) / "void_release" / f"void_{density}"


def unpack_density(
    density: int, folder: Path, *, by_hand: tuple[Path, ...] = (), on_progress: Progress | None = None
) -> None:
    """Fill `density_folder` from archives, going on where an earlier run stopped.

    On the disk of ``folder`` it needs the size of the archive (twice, if it is downloaded) and of its largest sequence.
    A damaged inner archive does not keep the others from being unpacked.

    Args:
        density: 1500, 500 or 150.
        folder: of the data set; downloads go to ``archives`` in it.
        by_hand: archives, or folders that hold some, which the user fetched; if there are any, nothing is downloaded.
        on_progress: told of bytes.

    Raises:
        FileNotFoundError, ConnectionError: the archive is not there, or cannot be downloaded.
        ValueError: an archive is damaged, or another one than its name says.
        OSError: the disk is full.
    """
    archives = folder / "archives"
    try:
        archive = obtain(RELEASE, archives, by_hand=by_hand, download=False)
    except FileNotFoundError:
        archive = obtain(ARCHIVES[density], archives, by_hand=by_hand, download=not by_hand, on_progress=on_progress)
    root = density_folder(density, folder)
    inner = [name for name in names(archive) if re.fullmatch(rf"(.*/)?void_{density}-\d+\.zip", name)]
    if inner:
        _unpack_inner(archive, inner, density, root, on_progress)
    else:
        members = _members(density, archive)
        (root / UNFINISHED).mkdir(parents=True, exist_ok=True)
        unpack(archive, root, rename=members.get, on_progress=on_progress)
    shutil.rmtree(root / UNFINISHED)


def _unpack_inner(archive: Path, inner: list[str], density: int, root: Path, on_progress: Progress | None) -> None:
    """Unpack an archive of archives; of the inner ones, only one at a time lies on the disk."""
    record = root / UNFINISHED / "done.txt"
    done = record.read_text(encoding="utf-8").splitlines() if record.is_file() else []
    record.parent.mkdir(parents=True, exist_ok=True)
    damaged = []
    with disk_space(root, 0 if done else archive.stat().st_size, f"to unpack {archive.name}"):
        for name in (name for name in inner if name not in done):
            path = record.parent / PurePosixPath(name).name
            try:
                unpack(archive, path.parent, rename={name: path.name}.get)
                unpack(path, root, rename=_members(density, path).get, on_progress=on_progress)
            except ValueError as error:
                damaged.append(f"{name} in {archive}: {error}")
                continue
            finally:
                path.unlink(missing_ok=True)
            done.append(name)
            with atomic_path(record) as temporary:
                temporary.write_text("\n".join(done), encoding="utf-8")
    if damaged:
        more = f" ({len(damaged)} of {len(inner)} are so)" if len(damaged) > 1 else ""
        raise ValueError(f"{damaged[0]}{more}")


def _members(density: int, archive: Path) -> dict[str, str]:
    """Where the members of an archive belong under ``void_<density>``.

    A sequence is known by its K.txt or image/, however deep it lies: ``void_1500/data/<sequence>/K.txt``,
    ``data/<sequence>/K.txt`` and ``<sequence>/K.txt`` all become ``data/<sequence>/K.txt``. Lists go beside ``data``.

    Raises:
        ValueError: there are neither sequences nor lists of this density in it.
    """
    files = [name for name in names(archive) if _may_be_of(density, name)]
    sequences = {name.rpartition("/")[0] for name in files if name.endswith("/K.txt")}
    sequences |= {name.rsplit("/", 2)[0] for name in files if "/image/" in name}
    members = {}
    for name in files:
        folder, _, file = name.rpartition("/")
        sequence = folder if folder in sequences else folder.rpartition("/")[0]
        if sequence in sequences:
            members[name] = f"data/{sequence.rpartition('/')[2]}{name[len(sequence) :]}"
        elif _LIST.fullmatch(file):
            members[name] = file
    if not members:
        raise ValueError(
            f"expected sequences (<sequence>/image/...) or lists (train_image.txt) of void_{density} in {archive}, "
            f"got {', '.join(names(archive)[:3]) or 'nothing'}; {ARCHIVES[density].remedy}"
        )
    return members


def _may_be_of(density: int, name: str) -> bool:
    """Whether a member lies below ``void_<density>``, or below no density: the inner archives need not name theirs."""
    parts = name.split("/")
    densities = [part for part in parts if re.fullmatch(r"void_\d+", part)]
    return set(densities) <= {f"void_{density}"} and "__MACOSX" not in parts and not parts[-1].startswith(".")
