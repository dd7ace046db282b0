"""KITTI depth completion: which files make a frame of the train, validation and test split.

J. Uhrig et al., "Sparsity invariant CNNs", 3DV 2017; raw images: A. Geiger et al., "Vision meets robotics", IJRR 2013.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from kbnet.datasets.kitti.standing import IsStanding
from kbnet.errors import KBNetError
from kbnet.files import atomic_path, read_text
from kbnet.frame import FloatArray, check_intrinsics
from kbnet.frames.frame_list import FrameFiles

Selection = Literal["validation", "test"]

PUBLISHED_SELECTION = 1_000
"""Frames of the validation split, and of the test split."""
OFFICIAL_TRAIN_FRAMES = 85_898
OFFICIAL_VAL_FRAMES = 6_852
PUBLISHED_STANDING = 8_043
"""Training frames that the published list leaves out since the car stands."""

CAMERAS = ("image_02", "image_03")
CALIBRATION = "calib_cam_to_cam.txt"

_ARCHIVE_NAMES = {"image": "image", "sparse_depth": "velodyne_raw", "ground_truth": "groundtruth_depth"}
"""What the published archive calls the folders of a selection, and a part of the validation frames' file names."""


@dataclass(frozen=True)
class TrainFiles:
    """Where the parts of the training split lie; they need not lie together.

    Attributes:
        sparse_depth: holds ``{train,val}/<drive>_sync/proj_depth/velodyne_raw/image_0{2,3}/*.png``.
        ground_truth: holds ``{train,val}/<drive>_sync/proj_depth/groundtruth/image_0{2,3}/*.png``.
        drives: folders of the raw drives with ``image_0{2,3}/data`` and ``oxts/data``, by name (``<drive>_sync``).
        calibrations: ``calib_cam_to_cam.txt`` by date.
    """

    sparse_depth: Path
    ground_truth: Path
    drives: Mapping[str, Path]
    calibrations: Mapping[str, Path]


@dataclass(frozen=True)
class TrainFrames:
    """The training split, and how many of its annotated frames are not in it.

    Attributes:
        frames: to train on.
        annotated: all frames with ground truth in ``train``, of the drives that are there.
        standing: left out since the car stands.
        lone: left out for want of the image before or after.
    """

    frames: tuple[FrameFiles, ...]
    annotated: int
    standing: int
    lone: int


def index_selection(folder: Path, split: Selection) -> list[FrameFiles]:
    """Name the files of the validation or test frames.

    Args:
        folder: holds ``image``, ``sparse_depth``, ``intrinsics`` and, for validation, ``ground_truth``; or, as in the
            archive, ``velodyne_raw`` and ``groundtruth_depth`` in their place.
        split: validation frames are named ``<drive>_sync_<kind>_<frame>_image_0{2,3}``, test frames by ten digits.

    Returns:
        Frames under the names of their images, sorted.

    Raises:
        FileNotFoundError: there are no images, or one lacks a partner.
    """
    names = _png_names(folder / "image")
    if not names:
        raise FileNotFoundError(
            f"expected the images of the {split} split in {folder / 'image'}, got none; move {folder} away and "
            "prepare it again from the archive"
        )
    return [_selected_frame(folder, name, split) for name in sorted(names)]


def index_train(files: TrainFiles, intrinsics: Path, is_standing: IsStanding) -> TrainFrames:
    """Name the files of the training frames: those annotated in ``train`` by a car that moves, with both neighbours.

    K is ``P_rect_02`` or ``P_rect_03`` of the date; the neighbours are the raw images before and after.

    Args:
        intrinsics: folder to write K to, a text file for each date and camera.
        is_standing: which frames to leave out; where it does not know, the frame is kept and a warning says so.

    Raises:
        FileNotFoundError: an annotated frame lacks its image or sparse depth.
        KBNetError: a calibration or an OXTS packet cannot be read.
    """
    for date, calibration in files.calibrations.items():
        for camera in CAMERAS:
            _write_intrinsics(intrinsics / f"{date}_{camera}.txt", read_rectified_intrinsics(calibration, camera))
    frames, annotated, standing, lone, unknown = [], 0, 0, 0, 0
    for drive, raw in sorted(files.drives.items()):
        for camera in CAMERAS:
            for frame in _annotated_frames(files, drive, camera, intrinsics):
                annotated += 1
                stands = is_standing(raw, camera, Path(frame.name).name)
                unknown += stands is None
                if not (frame.previous and frame.next):
                    lone += 1
                elif stands:
                    standing += 1
                else:
                    frames.append(frame)
    if unknown:
        warnings.warn(
            f"{unknown} of {annotated} training frames have no OXTS file that tells the car's speed; they are kept, "
            "standing car or not",
            stacklevel=2,
        )
    return TrainFrames(tuple(frames), annotated, standing, lone)


def train_drives(ground_truth: Path, split: Literal["train", "val"] = "train") -> list[str]:
    """Names (``<drive>_sync``) of the drives that are annotated for a split; ``val`` drives are not trained on."""
    return sorted(path.parent.name for path in (ground_truth / split).glob("*_sync/proj_depth"))


def count_annotated(ground_truth: Path, split: Literal["train", "val"]) -> int:
    """Number of annotated frames of a split, of both cameras."""
    drives = [ground_truth / split / drive for drive in train_drives(ground_truth, split)]
    return sum(len(_numbered(drive / "proj_depth" / "groundtruth" / camera)) for drive in drives for camera in CAMERAS)


def read_rectified_intrinsics(path: Path, camera: str) -> FloatArray:
    """Read K of a rectified camera from KITTI's ``calib_cam_to_cam.txt``.

    Args:
        camera: ``image_02`` or ``image_03``.

    Returns:
        The left 3x3 part of ``P_rect_0{2,3}``, float32, pixels.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it holds no such projection, or one that is no pinhole camera's.
    """
    key = f"P_rect_{camera[-2:]}"
    if not path.is_file():
        raise FileNotFoundError(f"expected KITTI's calibration {path}, but there is no such file; unpack it again")
    for line in read_text(path, errors="replace").splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == key:
            try:
                projection = np.array(numbers.split(), dtype=np.float64).reshape(3, 4)
            except ValueError:
                break
            return check_intrinsics(projection[:, :3], where=f" as {key} in {path}")
    raise KBNetError(
        f"expected the 12 numbers of {key} in {path}, but it has no such line; remove it and prepare it again"
    )


def _annotated_frames(files: TrainFiles, drive: str, camera: str, intrinsics: Path) -> Iterator[FrameFiles]:
    """All annotated frames of a camera; neighbours that do not exist are left empty."""
    ground_truth = files.ground_truth / "train" / drive / "proj_depth" / "groundtruth" / camera
    sparse_depth = files.sparse_depth / "train" / drive / "proj_depth" / "velodyne_raw" / camera
    images = files.drives[drive] / camera / "data"
    points, pictures = _png_names(sparse_depth), _png_names(images)

    def image(number: int) -> str:
        name = f"{number:010}.png"
        return str(images / name) if name in pictures else ""

    for name in _numbered(ground_truth):
        for kind, folder, present, root in (
            ("sparse depth", sparse_depth, points, files.sparse_depth),
            ("an image", images, pictures, files.drives[drive]),
        ):
            if name not in present:
                raise FileNotFoundError(
                    f"expected {kind} for the annotated frame {ground_truth / name}, but there is no {folder / name}; "
                    f"copy it there, or move {root} away and prepare it again from the archive"
                )
        number = int(name.removesuffix(".png"))
        yield FrameFiles(
            name=f"{drive}/{camera}/{number:010}",
            image=image(number),
            intrinsics=str(intrinsics / f"{drive[:10]}_{camera}.txt"),
            sparse_depth=str(sparse_depth / name),
            ground_truth=str(ground_truth / name),
            previous=image(number - 1),
            next=image(number + 1),
        )


def _selected_frame(folder: Path, name: str, split: Selection) -> FrameFiles:
    def partner(kind: str) -> str:
        published = _ARCHIVE_NAMES[kind]
        subfolder = folder / kind if (folder / kind).is_dir() else folder / published
        return str(subfolder / name.replace("_sync_image_", f"_sync_{published}_"))

    stem = name.removesuffix(".png")
    frame = FrameFiles(
        name=stem,
        image=str(folder / "image" / name),
        intrinsics=str(folder / "intrinsics" / f"{stem}.txt"),
        sparse_depth=partner("sparse_depth"),
        ground_truth=partner("ground_truth") if split == "validation" else "",
    )
    for path in filter(None, (frame.intrinsics, frame.sparse_depth, frame.ground_truth)):
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"expected a partner of {frame.image}, but there is no {path}; copy it there, or move {folder} away "
                "and prepare it again from the archive"
            )
    return frame


def _write_intrinsics(path: Path, intrinsics: FloatArray) -> None:
    text = "".join(" ".join(f"{value:.9g}" for value in row) + "\n" for row in intrinsics)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _png_names(folder: Path) -> frozenset[str]:
    """File names, listed once: asking for 86,000 frames' files one by one is slow."""
    names = os.listdir(folder) if folder.is_dir() else []
    # Some systems leave a hidden ._<name>.png beside each.
    return frozenset(name for name in names if name.endswith(".png") and not name.startswith("."))


def _numbered(folder: Path) -> list[str]:
    """Names of frames in order; files that somebody else put there, such as copies, have other names."""
    return sorted(name for name in _png_names(folder) if name.removesuffix(".png").isdecimal())
