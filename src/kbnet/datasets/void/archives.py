"""The archives of VOID: where they come from, and how the folders of the published layout come out of them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

from kbnet.datasets.archive import names, unpack
from kbnet.datasets.checksums import put_aside_if_wrong
from kbnet.datasets.disk_space import disk_space
from kbnet.datasets.download import Archive, Progress, obtain
from kbnet.errors import KBNetError
from kbnet.files import atomic_path

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
        folder: of the data set; downloads go to ``archives`` in it.
        by_hand: archives, or folders that hold some or the inner ones, which the user fetched; if there are any,
            nothing is downloaded.
    """
    archive = _find_archive(density, folder / "archives", by_hand, on_progress)
    root = density_folder(density, folder)
    with nullcontext() if by_hand else put_aside_if_wrong(archive):
        if inner := _inner_archives(density, archive):
            _unpack_inner(archive, inner, density, root, on_progress)
        else:
            members = _members(density, archive, finished=True)
            (root / UNFINISHED).mkdir(parents=True, exist_ok=True)
            unpack(archive, root, rename=members.get, on_progress=on_progress)
    shutil.rmtree(root / UNFINISHED)


def _find_archive(density: int, archives: Path, by_hand: tuple[Path, ...], on_progress: Progress | None) -> Path:
    """The archive of a density, or a folder that it was unpacked to by hand and that holds its inner archives."""
    try:
        return obtain(RELEASE, archives, by_hand=by_hand, download=False)
    except FileNotFoundError:
        pass
    try:
        return obtain(ARCHIVES[density], archives, by_hand=by_hand, download=not by_hand, on_progress=on_progress)
    except FileNotFoundError:
        for place in by_hand:
            for folder in (place, place / f"void_{density}"):
                if folder.is_dir() and _inner_archives(density, folder):
                    return folder
        raise


def _inner_archives(density: int, archive: Path) -> list[str]:
    """Names of the inner archives of a density in an archive, or in a folder."""
    found = sorted(path.name for path in archive.glob("*.zip")) if archive.is_dir() else names(archive)
    return [name for name in found if re.fullmatch(rf"(.*/)?void_{density}-\d+\.zip", name)]


def _unpack_inner(archive: Path, inner: list[str], density: int, root: Path, on_progress: Progress | None) -> None:
    """Unpack an archive, or a folder, of archives; of an archive's, only one at a time lies on the disk."""
    record = root / UNFINISHED / "done.txt"
    done = record.read_text(encoding="utf-8").splitlines() if record.is_file() else []
    record.parent.mkdir(parents=True, exist_ok=True)
    damaged = []
    size = archive.stat().st_size if archive.is_file() else sum((archive / name).stat().st_size for name in inner)
    with disk_space(root, 0 if done else size, f"to unpack {archive.name}"):
        for name in (name for name in inner if name not in done):
            taken_out = record.parent / PurePosixPath(name).name
            try:
                if archive.is_file():
                    unpack(archive, record.parent, rename={name: taken_out.name}.get)
                path = taken_out if archive.is_file() else archive / name
                unpack(path, root, rename=_members(density, path).get, on_progress=on_progress)
            except KBNetError as error:
                damaged.append(f"{name} in {archive}: {error}")
                continue
            finally:
                taken_out.unlink(missing_ok=True)
            done.append(name)
            with atomic_path(record) as temporary:
                temporary.write_text("\n".join(done), encoding="utf-8")
    if damaged:
        more = f" ({len(damaged)} of {len(inner)} are so)" if len(damaged) > 1 else ""
        raise KBNetError(f"{damaged[0]}{more}")


def _members(density: int, archive: Path, *, finished: bool = False) -> dict[str, str]:
    """Where the members of an archive belong under ``void_<density>``.

    A sequence is known by its K.txt or image/, however deep it lies: ``void_1500/data/<sequence>/K.txt``,
    ``data/<sequence>/K.txt`` and ``<sequence>/K.txt`` all become ``data/<sequence>/K.txt``. Lists go beside ``data``.
    An archive of the finished folder must have them: many a data set has folders ``<name>/image``.
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
    if not members or (finished and not any(map(_LIST.fullmatch, members.values()))):
        link = "and" if finished else "or"
        raise KBNetError(
            f"expected sequences (<sequence>/image/...) {link} lists (train_image.txt) of void_{density} in {archive}, "
            f"got {', '.join(names(archive)[:3]) or 'nothing'}; {ARCHIVES[density].remedy}"
        )
    return members


def _may_be_of(density: int, name: str) -> bool:
    """Whether a member lies below ``void_<density>``, or below no density: the inner archives need not name theirs."""
    parts = name.split("/")
    densities = [part for part in parts if re.fullmatch(r"void_\d+", part)]
    return set(densities) <= {f"void_{density}"} and "__MACOSX" not in parts and not parts[-1].startswith(".")
