"""KITTI's archives and the folders they are unpacked to; or where the user has them unpacked already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kbnet.datasets.archive import is_whole, unpack_once
from kbnet.datasets.download import Archive, Progress, found_instead
from kbnet.datasets.kitti.splits import CALIBRATION, CAMERAS, Selection, TrainFiles, train_drives

BUCKET = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
SELECTION = Archive("data_depth_selection.zip", f"{BUCKET}/data_depth_selection.zip")
SPARSE_DEPTH = Archive("data_depth_velodyne.zip", f"{BUCKET}/data_depth_velodyne.zip")
GROUND_TRUTH = Archive("data_depth_annotated.zip", f"{BUCKET}/data_depth_annotated.zip")

_RAW = "kitti_raw_data"
_DEPTH = "kitti_depth_completion"
_SELECTIONS = {
    "validation": ("depth_selection/val_selection_cropped", f"{_DEPTH}/validation"),
    "test": ("depth_selection/test_depth_completion_anonymous", f"{_DEPTH}/testing"),
}
"""Of a split: its folder in the archive, and here."""
_KINDS = {
    "image": "image",
    "velodyne_raw": "sparse_depth",
    "groundtruth_depth": "ground_truth",
    "intrinsics": "intrinsics",
}
_DEPTH_KINDS = {SPARSE_DEPTH.name: ("sparse_depth", "velodyne_raw"), GROUND_TRUTH.name: ("ground_truth", "groundtruth")}
"""Of a depth archive: its folder here, and what it calls it below each drive."""

Rename = Callable[[str], "str | None"]


def raw_drive(drive: str) -> Archive:
    """Archive of a raw drive ``<date>_drive_<number>_sync``."""
    return Archive(f"{drive}.zip", f"{BUCKET}/raw_data/{drive.removesuffix('_sync')}/{drive}.zip")


def calibration(date: str) -> Archive:
    """Archive of the calibration of a date such as ``2011_09_26``."""
    return Archive(f"{date}_calib.zip", f"{BUCKET}/raw_data/{date}_calib.zip")


class KittiFolder:
    """The folder that KITTI is unpacked to, and the places where the user has parts of it.

    ::

        kitti_raw_data/<date>/{calib_cam_to_cam.txt,<drive>_sync/{image_02,image_03,oxts}/data}
        kitti_depth_completion/train_val_split/{sparse_depth,ground_truth}/{train,val}/<drive>_sync/proj_depth
        kitti_depth_completion/{validation,testing}/{image,sparse_depth,ground_truth,intrinsics}
        archives/

    Attributes:
        missing: archives that `train` wanted, were not given and may not be downloaded.
    """

    def __init__(self, folder: Path, *, by_hand: tuple[Path, ...] = (), on_progress: Progress | None = None) -> None:
        """Name the places; nothing is read yet.

        Args:
            folder: where to unpack to, and to download to (its folder ``archives``).
            by_hand: archives, folders of archives, and folders with unpacked parts, in this layout or as the archives
                have them; what is unpacked is used where it lies. With any, nothing is downloaded.

        Raises:
            FileNotFoundError: a path of ``by_hand`` does not exist.
        """
        for place in by_hand:
            if not place.exists():
                raise FileNotFoundError(f"expected KITTI's files at {place}, but nothing is there; check --from")
        self.folder = Path(os.path.abspath(folder))
        self.written = 0
        self.missing: list[Archive] = []
        self._by_hand = tuple(Path(os.path.abspath(place)) for place in by_hand)
        self._on_progress = on_progress

    def selection(self, split: Selection) -> Path:
        """Find, or unpack, the validation or test frames.

        Returns:
            The folder with their images, for :func:`kbnet.datasets.kitti.splits.index_selection`.
        """
        published, ours = _SELECTIONS[split]
        for root in self._roots(_DEPTH, "data_depth_selection", "depth_selection"):
            for path in (published, ours, Path(published).name, Path(ours).name):
                if (root / path / "image").is_dir() and is_whole(root / path):
                    return root / path

        def rename(name: str) -> str | None:
            folder, _, file = name.rpartition("/")
            parent, _, kind = folder.rpartition("/")
            return f"{ours}/{_KINDS[kind]}/{file}" if parent == published and kind in _KINDS else None

        return self._unpack(SELECTION, self.folder / ours, rename)

    def train(self) -> TrainFiles:
        """Find, or unpack, everything that the training split needs; the annotations say which raw drives those are.

        Drives that were not given, or whose calibration was not, are left out and noted in `missing`.

        Raises:
            FileNotFoundError: a depth archive was not given, or not one whole drive.
            FileNotFoundError, ConnectionError, KBNetError, OSError: as `obtain` and `unpack` do.
        """
        ground_truth, sparse_depth = self._depth(GROUND_TRUTH), self._depth(SPARSE_DEPTH)
        if ground_truth is None:
            raise FileNotFoundError(
                f"{self.what_is_missing()} ({GROUND_TRUTH.name} says which raw drives are wanted too)"
            )
        names = train_drives(ground_truth)
        if not names:
            raise FileNotFoundError(
                f"expected annotated drives <date>_drive_<number>_sync in {ground_truth / 'train'}, got none; unpack "
                f"{GROUND_TRUTH.name} again"
            )
        dates = sorted({name[:10] for name in names})
        calibrations = self._all_raw({date: (calibration(date), f"{date}/{CALIBRATION}") for date in dates})
        drives = self._all_raw({name: (raw_drive(name), f"{name[:10]}/{name}") for name in names})
        drives = {name: drive for name, drive in drives.items() if name[:10] in calibrations}
        if sparse_depth is None or not drives:
            raise FileNotFoundError(self.what_is_missing())
        return TrainFiles(sparse_depth, ground_truth, drives, calibrations)

    def what_is_missing(self) -> str:
        """One line about `missing`, which must not be empty: the first, how many more, and the remedy."""
        first, more = self.missing[0], len(self.missing) - 1
        return (
            f"expected {first.name}{f' and {more} more' if more else ''}, but they are not there"
            f"{found_instead(first.name, self._by_hand)}; fetch {first.url}"
            f"{' and so on' if more else ''}, and name the folder that holds them with --from, or put them into "
            f"{self.folder / 'archives'}"
        )

    def _depth(self, archive: Archive) -> Path | None:
        ours, published = _DEPTH_KINDS[archive.name]
        split_folder = f"{_DEPTH}/train_val_split/{ours}"
        for root in self._roots(split_folder, f"train_val_split/{ours}", ours, archive.name.removesuffix(".zip")):
            if is_whole(root) and next(root.glob(f"train/*/proj_depth/{published}"), None):
                return root
        return self._unpack_or_miss(
            archive,
            self.folder / split_folder,
            lambda name: f"{split_folder}/{name}" if f"/proj_depth/{published}/" in name else None,
        )

    def _all_raw(self, wanted: Mapping[str, tuple[Archive, str]]) -> dict[str, Path]:
        """Find or unpack drives or calibrations, by their names; each at a path below the raw data."""
        found = {name: self._raw(archive, path) for name, (archive, path) in wanted.items()}
        return {name: path for name, path in found.items() if path}

    def _raw(self, archive: Archive, path: str) -> Path | None:
        for root in self._roots(_RAW):
            if is_whole(root / path):
                return root / path
        return self._unpack_or_miss(archive, self.folder / _RAW / path, _rename_raw)

    def _roots(self, *subfolders: str) -> Iterator[Path]:
        """Folders given by hand and these folders in them."""
        for place in self._by_hand:
            yield from (place, *(place / name for name in subfolders))

    def _unpack_or_miss(self, archive: Archive, target: Path, rename: Rename) -> Path | None:
        try:
            return self._unpack(archive, target, rename)
        except FileNotFoundError:
            self.missing.append(archive)
            return None

    def _unpack(self, archive: Archive, target: Path, rename: Rename) -> Path:
        self.written += unpack_once(
            archive, self.folder, target, rename=rename, by_hand=self._by_hand, on_progress=self._on_progress
        )
        return target


def _rename_raw(name: str) -> str | None:
    """Keep the calibration, the two colour cameras and the speed: a quarter of a drive."""
    parts = name.split("/")
    wanted = (len(parts) == 5 and parts[2] in (*CAMERAS, "oxts") and parts[3] == "data") or parts[-1] == CALIBRATION
    return f"{_RAW}/{name}" if wanted else None
