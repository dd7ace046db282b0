"""Folders of colour images and of depth images that lie on them, as Open3D and many scripts write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.frames.depth_png import spread_depth
from kbnet.frames.image_file import picture_size, read_image
from kbnet.frames.kinds import DEPTH_SUFFIXES, IMAGE_SUFFIXES
from kbnet.frames.natural_order import in_order, sortable
from kbnet.frames.recording import Moment
from kbnet.points.sparse_points import map_to_points
from kbnet.sources.depth_camera import DepthCamera, frame_of_dense_depth, points_in_image
from kbnet.sources.depth_file import is_dense, read_depth_file, said_median, warn_of_confidence
from kbnet.sources.frame_poses import poses_beside
from kbnet.sources.rectification import Camera, Model, RectifiedRecording
from kbnet.sources.resizing import GIVE_K, fit_camera
from kbnet.sources.rgbd_alignment import (
    CAM_PARAMS,
    depth_calibration,
    depth_camera_beside,
    read_camera_file,
    unit_beside,
)
from kbnet.sources.scan_pairs import check_different_names, warn_of_other_rate

OTHER_PLACES = ("intrinsic/intrinsic_color.txt", *CAM_PARAMS)
INTRINSICS = ("K.txt", "intrinsics.txt", "intrinsic.json", "camera_intrinsic.json", *OTHER_PLACES)
"""Files of K, in the order in which they are looked for; .json is Open3D's, intrinsic/ ScanNet's."""
ALIGNED = ("aligned", "registered")
"""In the name of a folder of depth that lies on the images."""
Pair = tuple[Path, Path]


class RgbdFrames(RectifiedRecording[Pair]):
    """Frames of a folder, named by their images.

    Dense depth becomes ground truth, and sparse depth at corners of the image. Depth with fewer points, smaller than
    the image by one scale, or of another camera becomes sparse depth.

    Args:
        images, depths: folders in ``folder``.
        intrinsics, lens, distortion, depth_unit, points, every: as `kbnet.sources.kinds.rgbd.RgbdArguments`.

    Raises:
        FileNotFoundError: a file or folder is missing.
        KBNetError: names do not pair images and depth, or K is damaged.
    """

    says_points = True

    def __init__(
        self,
        folder: Path,
        images: Path,
        depths: Path,
        *,
        intrinsics: Path | None = None,
        lens: Model = "pinhole",
        distortion: tuple[float, ...] = (),
        depth_unit: float | None = None,
        points: int = 1500,
        every: int = 1,
    ) -> None:
        super().__init__(folder, str(depths))
        self._intrinsics, self._lens, self._distortion, self._points = intrinsics, lens, distortion, points
        self._depth_folder = depths
        together = images == depths
        self._images = _list(images, IMAGE_SUFFIXES, depth=False if together else None)
        self._depths = _list(depths, DEPTH_SUFFIXES, depth=True if together else None)
        warn_of_confidence(folder)
        pairs = _pair(self._images, self._depths)
        warn_of_other_rate(self._images, self._depths)
        self._alone, self._pairs = len(self._images) - len(pairs), pairs[::every]
        self._poses_from, poses = poses_beside(folder, self._images)
        self._poses = dict(zip(self._images, poses, strict=True))
        self._unit = whole_unit = depth_unit or unit_beside(folder)
        self._read = lru_cache(maxsize=2)(lambda path: read_depth_file(path, depth_unit, whole_unit_m=whole_unit))
        self._depth = lru_cache(maxsize=2)(self._rectified_depth)
        self.expected = len(self._pairs)

    @cached_property
    def has_ground_truth(self) -> bool:
        """Whether depth is dense and of the size of its image, by the first that is not empty."""
        for image, path in self._pairs:
            depth = self._read(path)
            if depth.any():
                return is_dense(depth) and depth.shape == picture_size(image) and self._depth_camera is None
        return False

    @cached_property
    def _named_aligned(self) -> bool:
        return any(word in self._depth_folder.name.lower() for word in ALIGNED)

    @cached_property
    def _depth_camera(self) -> DepthCamera | None:
        """Camera of depth that does not lie on the images."""
        size = self._read(self._pairs[0][1]).shape
        return depth_camera_beside(self.folder, self.camera, (size[0], size[1]), aligned=self._named_aligned)

    @cached_property
    def camera(self) -> Camera:
        size = picture_size(self._pairs[0][0])
        path = self._intrinsics or next(filter(Path.is_file, (self.folder / one for one in INTRINSICS)), None)
        if path is None:
            raise FileNotFoundError(
                f"expected K of {self.folder} in {', '.join(INTRINSICS)}, got none; name its file (--intrinsics)"
            )
        K, calibrated = read_camera_file(path, size)
        warn_of_far_centre(K, calibrated, of=str(path))
        camera = Camera(K, calibrated, self._lens, self._distortion)
        return fit_camera(camera, size, f"K of {path}", remedy=GIVE_K)

    def assumptions(self) -> list[str]:
        """What was taken for what."""
        said = []
        if not self._named_aligned and depth_calibration(self.folder) is None:
            lies = f"depth in {self.points_from} is taken to lie on the images pixel by pixel"
            said.append(f"{lies}; if it has another K, add K_depth.txt")
        if self._unit is None:
            said += said_median("depth is taken for metres along z", self._read(self._pairs[0][1]))
        return said + ([f"poses of {self._poses_from}: taken for camera to world, metres"] if self._poses_from else [])

    def notes(self) -> list[str]:
        """What was left out."""
        return [
            *([f"left out: {self._alone} of {len(self._images)} images without depth"] if self._alone else []),
            *super().notes(),
        ]

    def moments(self) -> Iterator[Moment[Pair]]:
        for name, pair in zip(sortable([image.stem for image, _ in self._pairs]), self._pairs, strict=True):
            if self._depth(pair).any():
                yield Moment(name, self._poses[pair[0]], pair)
            else:
                self.leave_out("frames whose depth is empty", str(pair[1]))
        if not self._known:
            raise KBNetError(f"no depth image of {self.folder} holds depth, first {self._pairs[0][1]}; check them")

    def make(self, index: int, moment: Moment[Pair]) -> Frame:
        image, depth = self.rectification.image(read_image(moment.parts[0])), self._depth(moment.parts)
        K = self.rectification.target.K
        if self.has_ground_truth and self._read(moment.parts[1]).shape == picture_size(moment.parts[0]):
            return frame_of_dense_depth(image, depth, K, self._points, index, moment.name)
        return Frame(image, depth, K, name=moment.name)

    def _rectified_depth(self, pair: Pair) -> FloatArray:
        """Depth in the rectified image, (H, W), metres."""
        size, depth = picture_size(pair[0]), self._read(pair[1])
        if self._depth_camera is not None:
            points = self._depth_camera.points(depth)
            return points_in_image(points, np.eye(4), self.rectification.target, keep_hidden=True)
        if self.has_ground_truth and depth.shape == size:
            return self.rectification.dense_depth(depth)
        return self.rectification.points(*map_to_points(spread_depth(depth, size, where=f" ({pair[1]})")))


def _list(folder: Path, suffixes: tuple[str, ...], *, depth: bool | None) -> list[Path]:
    """Files of a folder: all, or of one that holds both, those that are called depth or those that are not."""
    files = (one for one in folder.glob("[!.]*") if one.suffix.lower() in suffixes)
    files = (one for one in files if depth in (None, "depth" in one.stem.lower()))
    found = in_order(files, lambda one: one.stem)
    if depth is not None and len(sorts := sorted({re.sub(r"\d+", "0", one.name) for one in found})) > 1:
        raise KBNetError(
            f"expected images and depth of one kind each in {folder}, got names as {', '.join(sorts[:5])}; move the "
            "images to color/ and their depth to depth/ in another folder"
        )
    if not found:
        there = sorted({one.suffix for one in folder.glob("[!.]*.*")})
        remedy = f"{', '.join(there)}; convert them" if there else "none; name another folder"
        raise FileNotFoundError(f"expected files {', '.join(suffixes)} in {folder}, got {remedy}")
    check_different_names(found, "files")
    return found


def _pair(images: list[Path], depths: list[Path]) -> list[Pair]:
    """Images and depth of one name, or else of the same numbers in their names."""
    for key in (lambda path: path.stem, lambda path: tuple(map(int, re.findall(r"\d+", path.stem)))):
        by_key = {key(depth): depth for depth in depths}
        keys = [key(image) for image in images]
        pairs = [(image, by_key[one]) for image, one in zip(images, keys, strict=True) if one in by_key]
        most = 2 * len(pairs) > min(len(images), len(depths))  # else times, a few of which are equal
        if most and () not in by_key and len(by_key) == len(depths) and len(set(keys)) == len(images):
            return pairs
    raise KBNetError(
        f"expected names that pair images and depth, got {images[-1]} and {depths[-1]} last; give both the same "
        "numbers, or list them with their times (kbnet prepare tum)"
    )
