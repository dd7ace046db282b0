"""KITTI's archives and the folders they are unpacked to; or where the user has them unpacked already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from kbnet.atomic import atomic_path
from kbnet.datasets.archive import unpack
from kbnet.datasets.download import Archive, Progress, obtain
from kbnet.datasets.kitti import CALIBRATION, CAMERAS, Selection, TrainFiles, train_drives

BUCKET = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
SELECTION = Archive("data_depth_selection.zip", f"{BUCKET}/data_depth_selection.zip")
SPARSE_DEPTH = Archive("data_depth_velodyne.zip", f"{BUCKET}/data_depth_velodyne.zip")
GROUND_TRUTH = Archive("data_depth_annotated.zip", f"{BUCKET}/data_depth_annotated.zip")

UNPACKED = "unpacked.txt"
"""Names of the archives that are wholly unpacked; they may be removed then."""

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


class MissingArchivesError(FileNotFoundError):
    """Archives are wanted that were not given and may not be downloaded.

    Attributes:
        archives: which; of the raw drives and calibrations only those that can be told.
    """

    def __init__(self, archives: list[Archive], what_else: str = "") -> None:
        self.archives = archives
        first, more = archives[0], len(archives) - 1
        super().__init__(
            f"expected {first.name}{f' and {more} more' if more else ''}{what_else}, but they are not there; fetch "
            f"{first.url}{' and so on' if more else ''} and name the folder that holds them with --from"
        )


class KittiFolder:
    """The folder that KITTI is unpacked to, and the places where the user has parts of it.

    ::

        kitti_raw_data/<date>/{calib_cam_to_cam.txt,<drive>_sync/{image_02,image_03,oxts}/data}
        kitti_depth_completion/train_val_split/{sparse_depth,ground_truth}/{train,val}/<drive>_sync/proj_depth
        kitti_depth_completion/{validation,testing}/{image,sparse_depth,ground_truth,intrinsics}
        archives/  unpacked.txt

    Attributes:
        folder: it, as an absolute path.
        written: files unpacked so far.
    """

    def __init__(self, folder: Path, *, by_hand: tuple[Path, ...] = (), on_progress: Progress | None = None) -> None:
        """Name the places; nothing is read yet.

        Args:
            folder: where to unpack to, and to download to (its folder ``archives``).
            by_hand: archives, folders of archives, and folders with unpacked parts, in this layout or as the archives
                have them; what is unpacked is used where it lies. With any, nothing is downloaded.
            on_progress: told of bytes.

        Raises:
            FileNotFoundError: a path of ``by_hand`` does not exist.
        """
        for place in by_hand:
            if not place.exists():
                raise FileNotFoundError(f"expected KITTI's files at {place}, but nothing is there; check --from")
        self.folder = Path(os.path.abspath(folder))
        self.written = 0
        self._by_hand = tuple(Path(os.path.abspath(place)) for place in by_hand)
        self._on_progress = on_progress

    def selection(self, split: Selection) -> Path:
        """Find, or unpack, the validation or test frames.

        Returns:
            The folder with their images, for :func:`kbnet.datasets.kitti.index_selection`.

        Raises:
            FileNotFoundError, ConnectionError, ValueError, OSError: as `obtain` and `unpack` do.
        """
        published, ours = _SELECTIONS[split]
        for root in self._roots(_DEPTH, "data_depth_selection", "depth_selection"):
            for path in (published, ours, Path(published).name, Path(ours).name):
                if (root / path / "image").is_dir():
                    return root / path
        self._unpack(SELECTION, _rename_selection, self.folder / ours)
        return self.folder / ours

    def train(self) -> TrainFiles:
        """Find, or unpack, everything that the training split needs; the annotations say which raw drives those are.

        Raises:
            MissingArchivesError: some archives are not there and may not be downloaded; the others are unpacked.
            FileNotFoundError, ConnectionError, ValueError, OSError: as `obtain` and `unpack` do.
        """
        missing: list[Archive] = []
        ground_truth = self._depth(GROUND_TRUTH, missing)
        sparse_depth = self._depth(SPARSE_DEPTH, missing)
        if GROUND_TRUTH in missing:
            raise MissingArchivesError(missing, " (the first says which raw drives are wanted too)")
        drives, calibrations = {}, {}
        for drive in train_drives(ground_truth):
            date = drive[:10]
            if date not in calibrations:
                calibrations[date] = self._raw(calibration(date), f"{date}/{CALIBRATION}", missing)
            drives[drive] = self._raw(raw_drive(drive), f"{date}/{drive}", missing)
        if not drives:
            raise FileNotFoundError(
                f"expected annotated drives <date>_drive_<number>_sync in {ground_truth / 'train'}, got none; unpack "
                f"{GROUND_TRUTH.name} again"
            )
        if missing:
            raise MissingArchivesError(missing)
        return TrainFiles(sparse_depth, ground_truth, drives, calibrations)

    def _depth(self, archive: Archive, missing: list[Archive]) -> Path:
        ours, published = _DEPTH_KINDS[archive.name]
        split_folder = f"{_DEPTH}/train_val_split/{ours}"
        for root in self._roots(split_folder, f"train_val_split/{ours}", ours, archive.name.removesuffix(".zip")):
            if next(root.glob(f"train/*/proj_depth/{published}"), None):
                return root
        target = self.folder / split_folder
        self._unpack(archive, lambda name: f"{split_folder}/{name}" if name.endswith(".png") else None, target, missing)
        return target

    def _raw(self, archive: Archive, path: str, missing: list[Archive]) -> Path:
        """Find or unpack a drive or a calibration, at ``path`` below the raw data."""
        for root in self._roots(_RAW):
            if (root / path).exists():
                return root / path
        target = self.folder / _RAW / path
        self._unpack(archive, _rename_raw, target, missing)
        return target

    def _roots(self, *subfolders: str) -> Iterator[Path]:
        """Folders given by hand and these folders in them."""
        for place in self._by_hand:
            yield from (place, *(place / name for name in subfolders))

    def _unpack(self, archive: Archive, rename: Rename, target: Path, missing: list[Archive] | None = None) -> None:
        """Unpack an archive unless that is done; where it is not to be had and ``missing`` is given, note it there."""
        record = self.folder / UNPACKED
        done = record.read_text(encoding="utf-8").split() if record.is_file() else []
        if archive.name in done and target.exists():
            return
        try:
            path = obtain(
                archive,
                self.folder / "archives",
                by_hand=self._by_hand,
                download=not self._by_hand,
                on_progress=self._on_progress,
            )
        except FileNotFoundError:
            if missing is None:
                raise
            missing.append(archive)
            return
        self.written += unpack(path, self.folder, rename=rename, on_progress=self._on_progress)
        if not target.exists():
            raise ValueError(f"expected {archive.name} to hold {target.name}, but {path} does not; download it again")
        with atomic_path(record) as temporary:
            temporary.write_text("\n".join([*dict.fromkeys([*done, archive.name]), ""]), encoding="utf-8")


def _rename_selection(name: str) -> str | None:
    """Such as ``<folder of a split in the archive>/velodyne_raw/x`` to ``<its folder here>/sparse_depth/x``."""
    folder, _, file = name.rpartition("/")
    parent, _, kind = folder.rpartition("/")
    for published, ours in _SELECTIONS.values():
        if parent == published and kind in _KINDS:
            return f"{ours}/{_KINDS[kind]}/{file}"
    return None


def _rename_raw(name: str) -> str | None:
    """Keep the calibration, the two colour cameras and the speed: a quarter of a drive."""
    parts = name.split("/")
    wanted = (len(parts) == 5 and parts[2] in (*CAMERAS, "oxts") and parts[3] == "data") or parts[-1] == CALIBRATION
    return f"{_RAW}/{name}" if wanted else None
