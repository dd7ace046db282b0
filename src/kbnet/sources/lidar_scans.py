"""Images and lidar scans, or one point cloud of a whole place, as a sequence folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.frames.depth_png import MAXIMUM_DEPTH
from kbnet.frames.image_file import picture_size, read_image
from kbnet.frames.natural_order import sortable
from kbnet.frames.recording import Moment
from kbnet.frames.sequence_writer import WrittenFrames
from kbnet.points.projection import drop_hidden_points, project_points
from kbnet.sources.depth_file import check_metres
from kbnet.sources.lidar_calibration import BENCHMARK_SIZE, LidarCalibration, Transform
from kbnet.sources.misplaced_points import explain_misses
from kbnet.sources.point_cloud_file import Points, read_points
from kbnet.sources.rectification import Camera, RectifiedRecording
from kbnet.sources.resizing import fit_camera
from kbnet.sources.scan_columns import Layout, find_layout
from kbnet.sources.scan_pairs import LARGEST_DIFFERENCE_S, list_images, list_scans, pair_scans, warn_of_other_times

FEWEST_POINTS = 10
"""A frame with fewer is left out."""
NOT_CALIBRATED = {(512, 1392): "raw ones", BENCHMARK_SIZE: "those of the depth benchmark, which are cut out"}
"""Sizes, (H, W), of KITTI's images that calib.txt, which has no size, does not belong to."""
PATIENCE = 5
"""Frames to try before it is said that the lidar looks elsewhere."""


@dataclass(frozen=True)
class LidarFrame:
    """An image and the points to project into it.

    Attributes:
        name: of the frame, by which it sorts among the others.
        T_world_camera: where the camera was, (4, 4), metres; None = not known.
        T_camera_points: from the axes of the points to the camera, (4, 4), metres.
    """

    name: str
    image: Path
    scan: Path
    T_world_camera: Transform | None
    T_camera_points: Transform


@dataclass(frozen=True)
class LidarRecording:
    """What is to be written.

    Attributes:
        frames: in the order of the images' names.
        images: that were found; those without a scan are not among the frames.
        one_cloud: the points come from one file, not from a scan for each image.
        nearest_m: depth of the nearest points that are not on the vehicle itself, metres.
    """

    frames: tuple[LidarFrame, ...]
    images: int
    one_cloud: bool
    nearest_m: float = 0.0


def open_lidar(
    images: str | Path,
    scans: str | Path,
    calibration: LidarCalibration,
    poses: list[Transform] | None = None,
    *,
    largest_difference_s: float | None = LARGEST_DIFFERENCE_S,
) -> LidarRecording:
    """List images and their points.

    Scans in a folder belong to an image each, by name or time, and lie in the lidar's axes. One file for several
    images is a cloud of the whole place in the axes of the world, and needs poses.

    Args:
        images: a folder, or one image.
        scans: a folder, or one point cloud.
        poses: ``T_world_reference`` of each image, (4, 4), metres: the camera, or KITTI's camera 0.
        largest_difference_s: where times pair them, between an image and its scan; None = names alone pair them.

    Raises:
        FileNotFoundError: there are no images or scans.
        KBNetError: no image has a scan, or poses are missing or are not one an image.
    """
    pictures, clouds = list_images(images), list_scans(scans)
    if poses is not None and len(poses) != len(pictures):
        raise KBNetError(f"expected a pose for each of {len(pictures)} images in {images}, got {len(poses)}")
    whole_place = Path(scans).is_file() and poses is not None
    if Path(scans).is_file():
        if poses is None and len(pictures) > 1:
            raise KBNetError(
                f"expected poses, since {scans} is one cloud for {len(pictures)} images; give the camera's pose in the "
                "cloud for each (--poses), or name the folder of scans"
            )
        pairs = [(index, clouds[0]) for index in range(len(pictures))]
    else:
        pairs = pair_scans(pictures, clouds, largest_difference_s=largest_difference_s)
        if calibration.of_kitti:
            warn_of_other_times(*(Path(folder).parent / "timestamps.txt" for folder in (images, scans)))
    frames, names = [], sortable([picture.stem for picture in pictures])
    for index, scan in pairs:
        T_world_camera = None
        if poses is not None:
            T_world_camera = poses[index] @ np.linalg.inv(calibration.T_camera_reference)
        seen_from = np.linalg.inv(T_world_camera) if whole_place and T_world_camera is not None else None
        T_camera_points = calibration.T_camera_lidar if seen_from is None else seen_from
        frames.append(LidarFrame(names[index], pictures[index], scan, T_world_camera, T_camera_points))
    return LidarRecording(tuple(frames), len(pictures), Path(scans).is_file())


class LidarFrames(RectifiedRecording[int]):
    """Frames of a recording: images without distortion, and the lidar points that the camera sees.

    Images into which fewer than 10 points fall are left out.

    Args:
        listing: from :func:`open_lidar`.
        unit_m: of the points' coordinates, metres; None = 1, after a look at whether that can be.
        occlusion_radius: as in `kbnet.points.projection.drop_hidden_points`, pixels.
        layout: columns of ``.bin`` scans; None = as the first one seems to have them.

    Attributes:
        empty: images left out so far for want of points.

    Raises (when frames are looked for):
        FileNotFoundError: a file is missing.
        KBNetError: a file is damaged or does not fit the others, the points look like millimetres, or the lidar looks
            elsewhere.
    """

    says_points = True

    def __init__(
        self,
        listing: LidarRecording,
        calibration: LidarCalibration,
        path: str | Path,
        *,
        unit_m: float | None = None,
        occlusion_radius: int | None = None,
        layout: Layout | None = None,
    ) -> None:
        image, scan = listing.frames[0].image, listing.frames[0].scan
        points_from = str(scan if listing.one_cloud else scan.parent)
        super().__init__(path, points_from, expected=len(listing.frames), inputs=(image, scan))
        self._listing, self._calibration = listing, calibration
        self._unit_m, self._occlusion_radius = unit_m, occlusion_radius
        # That of the first scan is that of all: a few points say little.
        layout = find_layout(scan) if layout is None and scan.suffix.lower() == ".bin" else layout
        self._read = lru_cache(maxsize=1)(lambda scan: read_points(scan, layout) * (unit_m or 1.0))
        self._depth = lru_cache(maxsize=2)(self._project)
        self._scans = len({frame.scan for frame in listing.frames})
        self._points = self._projected = 0
        self.empty = 0

    @cached_property
    def camera(self) -> Camera:
        calibration = self._calibration
        size = picture_size(self._listing.frames[0].image)
        camera = Camera(calibration.K, calibration.size or size, calibration.model, calibration.coefficients)
        if calibration.of_kitti and calibration.size is None and size in NOT_CALIBRATED:
            raise KBNetError(
                f"{self._listing.frames[0].image} has {size[1]}x{size[0]} pixels (width x height), but KITTI's "
                f"calibration is for rectified images as they are, not for {NOT_CALIBRATED[size]}; name the folder of "
                "the date (--calibration), or give K of these images (--intrinsics, --extrinsics)"
            )
        of = "KITTI's rectification" if calibration.of_kitti else "the calibration"
        camera = fit_camera(camera, size, of, remedy=calibration.remedy)
        warn_of_far_centre(camera.K, size)
        return camera

    @property
    def hidden(self) -> float:
        """Share of the projected points that were dropped since a nearer surface hides them."""
        return 1 - self._points / self._projected

    def assumptions(self) -> list[str]:
        """Where the axes of the lidar look, which shows wrong extrinsics, or what poses in a cloud are taken for."""
        if self._listing.one_cloud and self._listing.frames[0].T_world_camera is not None:
            return [f"poses are taken for camera to world, metres, in the axes of {self.points_from}"]
        return [] if self._calibration.of_kitti else [self._calibration.describe()]

    def summary(self, written: WrittenFrames, folder: Path) -> list[str]:
        lines = [
            f"wrote {written.frames} frames of {written.size[1]}x{written.size[0]} pixels to {folder}: "
            f"{written.points:,} points a frame, after {self.hidden:.1%} were dropped that "
            "nearer ones hide"
        ]
        lines += self.assumptions() if self._listing.one_cloud else [self._calibration.describe()]
        if 0 < written.posed < written.frames:
            lines.append(f"{written.posed} of {written.frames} frames have a pose")
        if without := self._listing.images - len(self._listing.frames):
            lines.append(f"left out: {without} of {self._listing.images} images without a scan")
        if self.empty:
            lines.append(f"left out: {self.empty} images into which fewer than {FEWEST_POINTS} points fall")
        return lines

    def moments(self) -> Iterator[Moment[int]]:
        self.empty = self._points = self._projected = 0
        frames = self._listing.frames
        # A camera may have come from outside into the place that one cloud shows.
        patience = PATIENCE if self._scans > 1 else len(frames)
        for number, frame in enumerate(frames):
            sparse_depth, projected = self._depth(number)
            count = int(np.count_nonzero(sparse_depth))
            if count >= FEWEST_POINTS:
                self._points, self._projected = self._points + count, self._projected + projected
                yield Moment(frame.name, frame.T_world_camera, number)
                continue
            self.empty += 1
            if not self._known and number + 1 in (patience, len(frames)):
                in_world = self._listing.one_cloud and frame.T_world_camera is not None
                cloud, target = self._read(frame.scan), self.rectification.target
                raise KBNetError(_explain(frame, cloud, target.K, target.size, in_world=in_world))

    def make(self, index: int, moment: Moment[int]) -> Frame:
        frame = self._listing.frames[moment.parts]
        image = self.rectification.image(read_image(frame.image))
        return Frame(image, self._depth(moment.parts)[0], self.rectification.target.K, name=frame.name)

    def _project(self, number: int) -> tuple[FloatArray, int]:
        """Sparse depth of an image, and how many points fell into it before hidden ones were dropped."""
        frame = self._listing.frames[number]
        depth = project_points(
            self._read(frame.scan), self.rectification.target.K, frame.T_camera_points, self.camera.size
        )
        if self._unit_m is None:
            check_metres(depth, where=str(frame.scan), remedy="name the unit (--unit mm or cm; m if it is right)")
        depth[(depth > MAXIMUM_DEPTH) | (depth < self._listing.nearest_m)] = 0
        return drop_hidden_points(depth, self._occlusion_radius), int(np.count_nonzero(depth))


def _explain(frame: LidarFrame, cloud: Points, K: FloatArray, size: tuple[int, int], *, in_world: bool) -> str:
    """Why there are no points in an image."""
    told = LidarCalibration(K, frame.T_camera_points).describe()
    check = f"with these extrinsics {told}; check that they map lidar to camera"
    if in_world:
        check = "check that poses are camera to world, x right, y down, z forward, and of the axes of the cloud"
    return (
        f"the {'camera' if in_world else 'lidar'} looks elsewhere: of {len(cloud):,} points in {frame.scan} fewer than "
        f"{FEWEST_POINTS} fall into {frame.image.name}; as the camera sees them, "
        f"{explain_misses(cloud, frame.T_camera_points, K, size)}; {check}"
    )
