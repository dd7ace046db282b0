"""Images and lidar scans, or one point cloud of a whole place, as a sequence folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median

import numpy as np

from kbnet.data.lidar import drop_hidden_points, project_points
from kbnet.data.rectification import Camera, Rectification
from kbnet.frame import FloatArray, Frame
from kbnet.frames.depth_png import MAXIMUM_DEPTH
from kbnet.frames.image_file import read_image
from kbnet.frames.sequence_writer import new_sequence
from kbnet.sources.depth_units import check_metres
from kbnet.sources.lidar_calibration import LidarCalibration, Transform
from kbnet.sources.misplaced_points import explain_misses
from kbnet.sources.point_cloud_file import Points, read_points
from kbnet.sources.scan_pairs import LARGEST_DIFFERENCE_S, list_images, list_scans, pair_scans, widest_number

FEWEST_POINTS = 10
"""A frame with fewer is left out."""
PATIENCE = 5
"""Frames to try before it is said that the lidar looks elsewhere."""


@dataclass(frozen=True)
class LidarFrame:
    """An image and the points to project into it.

    Attributes:
        name: of the frame, by which it sorts among the others.
        image, scan: the files.
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
    """

    frames: tuple[LidarFrame, ...]
    images: int


@dataclass(frozen=True)
class LidarCounts:
    """What was written.

    Attributes:
        frames: in the sequence.
        size: (H, W) of its images.
        points: of a frame, the median.
        hidden: share of the projected points that were dropped since a nearer surface hides them.
        empty: frames left out for want of points.
    """

    frames: int
    size: tuple[int, int]
    points: int
    hidden: float
    empty: int


def open_lidar(
    images: str | Path,
    scans: str | Path,
    calibration: LidarCalibration,
    poses: list[Transform] | None = None,
    *,
    largest_difference_s: float = LARGEST_DIFFERENCE_S,
) -> LidarRecording:
    """List images and their points.

    Scans in a folder belong to an image each, by name or time, and lie in the lidar's axes. One file for several
    images is a cloud of the whole place in the axes of the world, and needs poses.

    Args:
        images: a folder, or one image.
        scans: a folder, or one point cloud.
        calibration: of camera and lidar.
        poses: ``T_world_reference`` of each image, (4, 4), metres: the camera, or KITTI's camera 0.
        largest_difference_s: where times pair them, between an image and its scan.

    Raises:
        FileNotFoundError: there are no images or scans.
        ValueError: no image has a scan, or poses are missing or are not one an image.
    """
    pictures, clouds = list_images(images), list_scans(scans)
    if poses is not None and len(poses) != len(pictures):
        raise ValueError(f"expected a pose for each of {len(pictures)} images in {images}, got {len(poses)}")
    whole_place = Path(scans).is_file() and poses is not None
    if Path(scans).is_file():
        if poses is None and len(pictures) > 1:
            raise ValueError(
                f"expected poses, since {scans} is one cloud for {len(pictures)} images; give the camera's pose in the "
                "cloud for each (--poses), or name the folder of scans"
            )
        pairs = [(index, clouds[0]) for index in range(len(pictures))]
    else:
        pairs = pair_scans(pictures, clouds, largest_difference_s=largest_difference_s)
    frames, width = [], widest_number(pictures)
    for index, scan in pairs:
        T_world_camera = None
        if poses is not None:
            T_world_camera = poses[index] @ np.linalg.inv(calibration.T_camera_reference)
        seen_from = np.linalg.inv(T_world_camera) if whole_place and T_world_camera is not None else None
        T_camera_points = calibration.T_camera_lidar if seen_from is None else seen_from
        name = pictures[index].stem.zfill(width)
        frames.append(LidarFrame(name, pictures[index], scan, T_world_camera, T_camera_points))
    return LidarRecording(tuple(frames), len(pictures))


def write_lidar_sequence(
    recording: LidarRecording,
    calibration: LidarCalibration,
    folder: str | Path,
    *,
    unit_m: float | None = None,
    occlusion_radius: int | None = None,
    overwrite: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> LidarCounts:
    """Write a sequence: images without distortion, and the lidar points that the camera sees.

    Args:
        recording: from :func:`open_lidar`.
        calibration: the same.
        folder: the sequence folder to appear.
        unit_m: of the points' coordinates, metres; None = 1, after a look at whether that can be.
        occlusion_radius: as in `kbnet.data.lidar.drop_hidden_points`, pixels.
        overwrite: replace a sequence that is there.
        on_frame: called after each frame.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged or does not fit the others, the points look like millimetres, or the lidar looks
            elsewhere; nothing is written then.
    """
    first = read_image(recording.frames[0].image)
    camera = Camera(calibration.K, first.shape[:2], calibration.model, calibration.coefficients)
    rectification = Rectification(camera)
    K, size = rectification.target.K, camera.size

    @lru_cache(maxsize=1)
    def read(scan: Path) -> Points:
        return read_points(scan) * (unit_m or 1.0)

    # A camera may have come from outside into the place that one cloud shows.
    patience = PATIENCE if len({frame.scan for frame in recording.frames}) > 1 else len(recording.frames)
    points: list[int] = []
    projected = empty = 0
    inputs = (recording.frames[0].image, recording.frames[0].scan)
    with new_sequence(folder, K, overwrite=overwrite, inputs=inputs) as sequence:
        for number, frame in enumerate(recording.frames, start=1):
            image = rectification.image(read_image(frame.image))
            cloud = read(frame.scan)
            depth = project_points(cloud, K, frame.T_camera_points, size)
            if unit_m is None:
                check_metres(depth, where=str(frame.scan), remedy="name the unit (--unit mm; --unit m if it is right)")
            depth[depth > MAXIMUM_DEPTH] = 0
            sparse_depth = drop_hidden_points(depth, occlusion_radius)
            count = int(np.count_nonzero(sparse_depth))
            if count < FEWEST_POINTS:
                empty += 1
                if not points and number in (patience, len(recording.frames)):
                    raise ValueError(_explain(frame, cloud, K, size))
            else:
                sequence.add(Frame(image, sparse_depth, K, name=frame.name), frame.T_world_camera)
                points.append(count)
                projected += int(np.count_nonzero(depth))
            on_frame()
    return LidarCounts(len(points), size, round(median(points)), 1 - sum(points) / projected, empty)


def _explain(frame: LidarFrame, cloud: Points, K: FloatArray, size: tuple[int, int]) -> str:
    """Why there are no points in an image."""
    return (
        f"the lidar looks elsewhere: of {len(cloud):,} points in {frame.scan} fewer than {FEWEST_POINTS} fall into "
        f"{frame.image.name}; as the camera sees them, {explain_misses(cloud, frame.T_camera_points, K, size)}; with "
        f"these extrinsics {LidarCalibration(K, frame.T_camera_points).describe()}; check that they map lidar to camera"
    )
