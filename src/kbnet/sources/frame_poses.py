"""Poses that programs write beside folders of images: a file for each frame, or one of all."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.files import read_text
from kbnet.frame import Float64Array, check_pose
from kbnet.frames.image_file import read_numbers
from kbnet.frames.sequence import pose_of_numbers
from kbnet.sources.scan_pairs import times_of_files, warn_of_other_rate
from kbnet.sources.trajectory import read_camera_trajectory

Poses = list[Float64Array | None]

POSE_FOLDERS = ("pose", "poses")
"""Of ``<number>.txt``, as ScanNet exports them."""
POSE_FILES = (
    *("trajectory.log", "scene/trajectory.log", "trajectory.txt", "groundtruth.txt", "poses.txt", "pose.txt"),
    "traj.txt",
)
"""Lists of all poses, in the order in which they are looked for."""
_LOG_ENTRY = 3 + 16
"""Numbers of an entry in a ``.log`` of Redwood and Open3D: three that count, and a 4x4 matrix."""


def poses_beside(folder: Path, images: list[Path]) -> tuple[Path | None, Poses]:
    """Find poses of images: camera to world.

    Of a list with times, images whose names are times take the pose at their time; any other list holds one pose for
    each image, in order.

    Args:
        folder: that the folder of the images lies in.
        images: in order.

    Returns:
        Where they are from, None = there are none that can be used, and a warning says why; and ``T_world_camera`` of
        each image, (4, 4), float64, metres, or None = not known.
    """
    beside = [one for one in (images[0].parent,) if any(one.glob("*.pose.txt"))]  # 7-Scenes
    for place in (*beside, *filter(Path.exists, (folder / name for name in (*POSE_FOLDERS, *POSE_FILES)))):
        try:
            poses = (_of_folder if place.is_dir() else _of_list)(place, images)
            missing = sum(pose is None for pose in poses)
            if poses and missing == len(poses):
                raise KBNetError("it has no pose of an image; give files the numbers, or rows the times, of images")
        except KBNetError as error:
            warnings.warn(f"{place} is not used: {error}", stacklevel=4)
            continue
        if missing:
            warnings.warn(f"{missing} of {len(poses)} images have no pose in {place}", stacklevel=4)
        if poses:
            return place, poses
    return None, [None] * len(images)


def _of_folder(folder: Path, images: list[Path]) -> Poses:
    """Of files whose numbers are those of images; [] = the folder is empty."""
    by_number: dict[tuple[int, ...], Path] = {}
    for path in sorted(folder.glob("[!.]*.txt")):
        if (numbers := _numbers(path)) and by_number.setdefault(numbers, path) != path:
            raise KBNetError(f"{by_number[numbers].name} and {path.name} have equal numbers; remove one")
    found = [by_number.get(_numbers(image)) for image in images]
    if None in found and any(found) and len(by_number) == len(images):
        raise KBNetError("it has as many poses as there are images, but of other numbers; number both alike")
    warn_of_other_rate(images, [by_number[numbers] for numbers in sorted(by_number)])
    return [None if path is None else _pose_of_file(path) for path in found] if any(folder.iterdir()) else []


def _of_list(path: Path, images: list[Path]) -> Poses:
    """Of one file; [] = a warning has said why it is not used."""
    lines = (line.partition("#")[0].replace(",", " ") for line in read_text(path, errors="replace").splitlines())
    width = next((len(line.split()) for line in lines if line.strip()), 0)
    if path.suffix == ".log":
        poses = _matrices(path, _LOG_ENTRY)
    elif width in (4, 12, 16):
        rows = sum(bool(line.strip()) for line in lines) + 1
        poses = _matrices(path, width if width > 4 else 12 if rows == 3 * len(images) else 16)  # 4: blocks of lines
    else:
        times = times_of_files(images)
        trajectory = read_camera_trajectory(path, times or ())
        if trajectory is None:
            return []
        if times is not None:
            return [trajectory.at(time) for time in times]
        numbers = np.array([number for image in images for number in _numbers(image)[-1:]], np.float64)
        steps = [np.diff(trajectory.times), np.diff(numbers)]
        if (
            len(steps[0]) == len(steps[1])
            and {one.min(initial=2) for one in steps} == {1}
            and np.any(steps[0] != steps[1])
        ):
            raise KBNetError("its first column counts other frames than the names of the images; number both alike")
        poses = [trajectory.at(time) for time in trajectory.times.tolist()]
    if len(poses) != len(images):
        raise KBNetError(
            f"it holds {len(poses)} poses for {len(images)} images whose names are not its times; write one pose for "
            "each image"
        )
    return poses


def _pose_of_file(path: Path) -> Float64Array | None:
    """None where ScanNet writes -inf, since the camera was lost."""
    numbers = read_numbers(path, what := "a camera-to-world pose")
    return pose_of_numbers(numbers, path, what) if np.isfinite(numbers).all() else None


def _matrices(path: Path, width: int) -> Poses:
    numbers = read_numbers(path, "poses", table=True)
    if not numbers.size or numbers.size % width:
        raise KBNetError(f"expected {width} numbers for each pose, got {numbers.size} in {path}; write it again")
    poses, table = np.tile(np.eye(4), (numbers.size // width, 1, 1)), numbers.reshape(-1, width)
    if width == _LOG_ENTRY and (np.diff(table[:, 0]) != 1).any():
        raise KBNetError(f"expected entries that count the images one by one in {path}; write one for each image")
    rows = table[:, width % 4 :]
    poses[:, : rows.shape[1] // 4] = rows.reshape(len(poses), -1, 4)
    known = [pose if np.isfinite(pose).all() else None for pose in poses]
    for index, pose in enumerate(known):
        if pose is not None:
            check_pose(pose, f"pose {index}", where=f" in {path}")
    return known


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", path.stem)))
