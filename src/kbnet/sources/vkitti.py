"""Virtual KITTI 2 (Y. Cabon et al., arXiv 2001.10773): rendered streets at the pixels where KITTI's lidar measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError, refused_as
from kbnet.files import read_text
from kbnet.frame import FloatArray, Frame
from kbnet.frames.depth_png import nearest_pixels, read_depth_png
from kbnet.frames.image_file import picture_size, read_image
from kbnet.frames.recording import Moment, Recording
from kbnet.sources.depth_file import read_depth_image
from kbnet.sources.resizing import resize_frame

UNITS_PER_METRE = 100.0
SKY_M = 255.0
"""Depth beyond is sky, 655.35 m in the files; it counts as unmeasured."""
K = np.array([[725.0087, 0, 620.5], [0, 725.0087, 187], [0, 0, 1]], np.float32)
"""Of 1242x375 pixels, where intrinsic.txt is not there."""
SURE_BYTES = 10_000
"""A larger file of KITTI's lidar, which are of 54,000 on average, has points below the sky and is not read for that."""
CAMERAS = {0: "image_02", 1: "image_03"}
"""KITTI's camera whose lidar points each camera takes."""

Key = tuple[int, int]
"""Number of a frame, and camera."""


@dataclass(frozen=True)
class VirtualScene:
    """A scene: where its images, its depth and its calibration lie, each the folder ``Scene<number>/clone``."""

    name: str
    rgb: Path
    depth: Path
    text: Path

    def depth_files(self, camera: int) -> list[Path]:
        """Depth images of a camera, in order.

        Raises:
            FileNotFoundError: there are none.
        """
        folder = self.depth / "frames" / "depth" / f"Camera_{camera}"
        if not (files := sorted(one for one in folder.glob("depth_*.png") if one.stem[6:].isdecimal())):
            raise FileNotFoundError(
                f"expected depth_<number>.png in {folder}, got none; unpack vkitti_2.0.3_depth.tar there"
            )
        return files

    def image_file(self, camera: int, number: int) -> Path:
        """Image of a frame.

        Raises:
            FileNotFoundError: there is none.
        """
        file = self.rgb / "frames" / "rgb" / f"Camera_{camera}" / f"rgb_{number:05}.jpg"
        if not file.is_file():
            raise FileNotFoundError(
                f"expected the image {file}, but there is no such file; unpack vkitti_2.0.3_rgb.tar there"
            )
        return file

    @cached_property
    def intrinsics(self) -> dict[Key, FloatArray]:
        """K, (3, 3), of every frame; empty without ``intrinsic.txt``."""
        return {key: _pinhole(row) for key, row in read_camera_table(self.text / "intrinsic.txt", 4).items()}

    @cached_property
    def poses(self) -> dict[Key, NDArray[np.float64]]:
        """``T_world_camera``, (4, 4), metres, of every frame; empty without ``extrinsic.txt``."""
        # World to camera in the file.
        table = read_camera_table(file := self.text / "extrinsic.txt", 16)
        with refused_as(f"expected poses in {file}"):
            return {key: np.linalg.inv(row.reshape(4, 4)).astype(np.float64) for key, row in table.items()}


@dataclass(frozen=True)
class Pair:
    """A rendered frame with a depth map of KITTI's lidar, whose measured pixels it takes.

    Attributes:
        scene, camera, number: the rendered frame.
        depth: its depth image.
        mask: sparse depth of KITTI.
    """

    scene: VirtualScene
    camera: int
    number: int
    depth: Path
    mask: Path


class VkittiFrames(Recording[Pair]):
    """Each rendered frame with the lidar pixels of every drive, as published for ScaffNet.

    A frame takes those of the drive's frame of the same index where the drive has at least as many frames, else of its
    first. Frames have the size of KITTI's: depth is resized to it by the nearest pixel, the image bilinearly.

    Args:
        path: what to call the recording.
        scenes: in order.
        drives: folders ``<date>_drive_<number>_sync`` of KITTI's sparse depth, whose frames are of one size.
        every: take every Nth rendered frame.

    Raises:
        FileNotFoundError: there is no scene or no drive, or a file is missing.
        KBNetError: drives differ in size.
    """

    has_ground_truth = True

    def __init__(self, path: Path, scenes: list[VirtualScene], drives: list[Path], *, every: int = 1) -> None:
        super().__init__(path, f"{path} (depth)", inputs=(path, *drives))
        if not scenes:
            raise FileNotFoundError(
                f"expected Scene01/clone and so on in {path}, got none; unpack vkitti_2.0.3_rgb.tar and "
                "vkitti_2.0.3_depth.tar there"
            )
        self._scenes, self._every = scenes, every
        self._masks = {
            (drive.name, camera): _lidar_files(drive, folder) for drive in drives for camera, folder in CAMERAS.items()
        }
        _check_one_size(self._masks)
        self._drives = [drive.name for drive in drives]
        self._depth = lru_cache(maxsize=2)(self._read_depth)
        frames = [len(scene.depth_files(camera)[::every]) for scene in scenes for camera in CAMERAS]
        self.expected = sum(frames) * len(drives)

    def moments(self) -> Iterator[Moment[Pair]]:
        for scene in self._scenes:
            for camera in CAMERAS:
                files = scene.depth_files(camera)
                for drive in self._drives:
                    masks = self._masks[drive, camera]
                    for index in range(0, len(files), self._every):
                        number = int(files[index].stem.rpartition("_")[2])
                        mask = masks[index] if len(masks) >= len(files) else masks[0]
                        name = f"{scene.name}_{camera}_{drive.removesuffix('_sync')}_{number:05}"
                        pair = Pair(scene, camera, number, files[index], mask)
                        if mask.stat().st_size < SURE_BYTES and not self._depth(pair)[1].any():
                            self.leave_out("frames without points", name)
                            continue
                        yield Moment(name, scene.poses.get((number, camera)), pair)
        if not self._known:
            first = self.left_out["frames without points"][0]
            raise KBNetError(f"no frame of {self.folder} has depth where the lidar measured, first {first}")

    def make(self, index: int, moment: Moment[Pair]) -> Frame:
        pair, (truth, sparse) = moment.parts, self._depth(moment.parts)
        image = read_image(pair.scene.image_file(pair.camera, pair.number))
        intrinsics = pair.scene.intrinsics.get((pair.number, pair.camera), K)
        unmeasured = np.zeros(image.shape[:2], np.float32)
        resized = resize_frame(Frame(image, unmeasured, intrinsics, name=moment.name), truth.shape)
        return Frame(resized.image, sparse, resized.intrinsics, truth, moment.name)

    def _read_depth(self, pair: Pair) -> tuple[FloatArray, FloatArray]:
        """Depth, and its pixels that the lidar measured, both of the size of KITTI's, (H, W), metres."""
        depth, measured = read_vkitti_depth(pair.depth), read_depth_png(pair.mask) > 0
        height, width = picture_size(pair.scene.image_file(pair.camera, pair.number))
        if depth.shape != (height, width):
            raise KBNetError(
                f"expected depth of {width}x{height} pixels as its image, got {depth.shape[1]}x{depth.shape[0]} in "
                f"{pair.depth}; unpack the archive again"
            )
        truth = nearest_pixels(depth, (measured.shape[0], measured.shape[1]))
        return truth, truth * measured


def read_vkitti_depth(path: Path) -> FloatArray:
    """Read a depth image.

    Args:
        path: 16-bit PNG, centimetres along z.

    Returns:
        (H, W), float32 metres; 0 = unmeasured, which the sky is.
    """
    depth = read_depth_image(path, UNITS_PER_METRE)
    return np.where(depth > SKY_M, np.float32(0), depth)


def read_camera_table(path: Path, count: int) -> dict[Key, NDArray[np.float64]]:
    """Read ``intrinsic.txt`` or ``extrinsic.txt``: a line of names, then frame, camera and numbers.

    Args:
        path: the file.
        count: how many numbers follow frame and camera.

    Returns:
        The numbers by frame and camera, (count,) each; empty if there is no such file.

    Raises:
        KBNetError: a line holds something else.
    """
    if not path.is_file():
        return {}
    table = {}
    for number, line in enumerate(read_text(path).splitlines()[1:], start=2):
        try:
            frame, camera, *values = map(float, line.split())
            table[int(frame), int(camera)] = np.array(values).reshape(count)
        except (ValueError, OverflowError):
            raise KBNetError(
                f"expected frame, camera and {count} numbers in line {number} of {path}, got '{line[:60]}'; unpack "
                "vkitti_2.0.3_textgt.tar.gz again"
            ) from None
    return table


def _pinhole(row: NDArray[np.float64]) -> FloatArray:
    fx, fy, cx, cy = row
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float32)


def _lidar_files(drive: Path, camera: str) -> list[Path]:
    folder = drive / "proj_depth" / "velodyne_raw" / camera
    if not (files := sorted(folder.glob("[0-9]*.png"))):
        raise FileNotFoundError(f"expected lidar depth of KITTI in {folder}, got none; unpack data_depth_velodyne.zip")
    return files


def _check_one_size(masks: dict[tuple[str, int], list[Path]]) -> None:
    """Check that the drives, by their first files, have frames of one size: a sequence has one K."""
    sizes: dict[tuple[int, int], str] = {}
    for (drive, _), files in masks.items():
        sizes.setdefault(picture_size(files[0]), drive)
    if len(sizes) > 1:
        found = " and ".join(f"{width}x{height} ({drive})" for (height, width), drive in sizes.items())
        date = next(iter(sizes.values()))[:10]
        raise KBNetError(
            f"expected drives whose frames have one size, got {found}; name the drives of one date (--date {date})"
        )
