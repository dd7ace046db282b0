"""Whether poses carry the depth of one frame to that of another: inverted, scaled or in other axes, they do not."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial.transform import Rotation

from kbnet.frame import Float64Array, FloatArray, Frame
from kbnet.frames.frame_source import FrameSource
from kbnet.points.projection import pixels_of_points
from kbnet.points.sparse_points import map_to_points, points_to_map

WIDTH = 160
"""Of the depth maps that are compared, pixels: so small that lidar scans fill them."""
PAIRS, GAP = 12, 5
"""Of frames, evenly spread, and frames between the two of a pair: a camera has moved by then."""
FEWEST_POINTS = 100
"""In both frames of a pair."""
REACH_PX = 2.0
"""From a pixel without depth to the one whose depth it takes: rings of a lidar hardly meet those of another frame."""
CLEARLY, NOISE, RIGHT = 1.5, 0.01, 0.03
"""Times the error of another reading of the poses, and relative difference of depth beyond it, that are no noise; and
the largest error of a reading that is probably right."""
FARTHEST = 10.0
"""Times the depth: no camera moves that far between two frames of a pair."""
_GRAPHICS = np.diag([1.0, -1.0, -1.0, 1.0])
_MIRRORED = np.diag([-1.0, 1.0, 1.0, 1.0])
_ROBOT = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
READINGS = {
    "inverted": "they are world to camera; invert them",
    "inverted in OpenGL's axes": "they are world to a camera that looks along -z; invert them",
    "of OpenGL's axes": "they are of a camera that looks along -z; change the sign of the columns y and z",
    "of a robot's axes": "they are of a body whose x looks forward and z up; multiply each by the camera's place in it",
    "of quaternions w x y z": "qw is before qx; name the columns in a first line '# time tx ty tz qw qx qy qz'",
    "of mirrored axes": "they or the points are of left-handed axes; change the sign of y of the points",
    "in millimetres": "they are in millimetres; write metres",
    "left out": "the axes, the order of columns, the unit or the times are wrong",
    "of another scale": "their unit (or that of depth) is not a metre, as of SLAM with one camera; multiply positions "
    "by about {:.2g}",
}
"""Readings of poses that may fit better, and what that means."""
DENSE = 0.2
"""Least share of pixels with depth to compare with poses left out or of another scale: the rings of a lidar meet a road
at the same pixels in every frame, as if the car stood still."""
SCALES = np.geomspace(0.05, 20, 28)
"""Of positions, that are tried before those between them."""
_Pair = tuple["_Small", "_Small", Float64Array]
"""Two frames and ``T_second_first``."""


@dataclass(frozen=True)
class _Small:
    """Depth of a frame on `WIDTH` columns: points, (N, 3), metres; map, (h, WIDTH), filled up to `REACH_PX`; share of
    measured pixels before."""

    points: Float64Array
    depth: FloatArray
    K: FloatArray
    share: float


def warn_of_misread_poses(source: FrameSource) -> None:
    """Warn if the depth of frames fits clearly better with poses read otherwise, or with none.

    Args:
        source: frames; those without poses are skipped.
    """
    errors: dict[str, list[float]] = {name: [] for name in ("given", *READINGS)}
    pairs: list[_Pair] = []
    gap = min(GAP, len(source) - 1)
    for index in np.unique(np.linspace(0, len(source) - 1 - gap, PAIRS).round().astype(int)).tolist() if gap else ():
        if not (source.has_pose(index) and source.has_pose(index + gap)):
            continue
        first, second = (_small(source.frame(one)) for one in (index, index + gap))
        T, other = source.pose(index), source.pose(index + gap)
        given: Float64Array = np.linalg.solve(other, T).astype(np.float64)
        far = np.linalg.norm(given[:3, 3]) > FARTHEST * np.median(first.points[:, 2])
        metres = _scaled(given, 0.001) if far else given
        tried = (
            given,
            other @ np.linalg.inv(T),
            _GRAPHICS @ other @ np.linalg.inv(T) @ _GRAPHICS,
            _GRAPHICS @ given @ _GRAPHICS,
            _ROBOT.T @ given @ _ROBOT,
            np.linalg.solve(_with_qw_first(other), _with_qw_first(T)),
            _MIRRORED @ given @ _MIRRORED,
            metres,
            np.eye(4),
        )
        for name, reading in zip(errors, tried, strict=False):
            judged = name != "left out" or min(first.share, second.share) >= DENSE
            errors[name].append(_error(first, second, reading) if judged else np.inf)
        if min(first.share, second.share) >= DENSE:
            pairs.append((first, second, given))
    medians = {name: float(np.median(one)) if one else np.inf for name, one in errors.items()}
    scale, medians["of another scale"] = _best_scale(pairs, medians["given"])
    best, off = min(medians, key=lambda name: medians[name]), medians["given"]
    known = best == "in millimetres" or np.isfinite(off)  # a camera may turn or move away between two frames
    if known and _is_clearly_less(medians[best], off):
        said = f"{off:.1%} off between frames {gap} apart" if np.isfinite(off) else f"out of sight after {gap} frames"
        fits = [name for name in READINGS if not _is_clearly_less(medians[best], medians[name])]
        causes = [READINGS[name] for name in (fits if medians[best] < RIGHT else ["left out"])]
        warnings.warn(
            f"poses of {source.folder} do not fit its depth: it is {said}, and {medians[best]:.1%} off with poses "
            f"{best}: probably {' or '.join(causes).format(scale)}",
            stacklevel=2,
        )


def _best_scale(pairs: list[_Pair], given: float) -> tuple[float, float]:
    """Factor of positions that fits best, and its error; infinite = positions as given or left out are as good."""

    def error(scale: float) -> float:
        return float(np.median([_error(first, second, _scaled(T, scale)) for first, second, T in pairs]))

    if not pairs or not NOISE < given < np.inf:
        return 1.0, np.inf
    coarse = float(min(SCALES, key=error))
    best = float(min(coarse * np.geomspace(0.8, 1.25, 23), key=error))
    off = error(best)
    return best, off if _is_clearly_less(off, min(given, error(0))) else np.inf


def _is_clearly_less(error: float, other: float) -> bool:
    return other > max(CLEARLY * error, error + NOISE)


def _scaled(T: Float64Array, scale: float) -> Float64Array:
    scaled = T.copy()
    scaled[:3, 3] *= scale
    return scaled


def _with_qw_first(T: Float64Array) -> Float64Array:
    """The pose whose quaternion was w x y z in the file, where x y z w was read."""
    pose = T.copy()
    pose[:3, :3] = Rotation.from_quat(np.roll(Rotation.from_matrix(T[:3, :3]).as_quat(), -1)).as_matrix()
    return pose


def _small(frame: Frame) -> _Small:
    height, width = frame.size
    scale = WIDTH / width
    pixels, depth = map_to_points(frame.sparse_depth if frame.ground_truth is None else frame.ground_truth)
    small = points_to_map((pixels + 0.5) * scale - 0.5, depth, (max(1, round(height * scale)), WIDTH))
    K = frame.intrinsics.copy()
    K[:2] *= scale
    K[:2, 2] += (scale - 1) / 2
    seen, z = map_to_points(small)
    rays = np.concatenate([seen, np.ones((len(z), 1))], axis=1) @ np.linalg.inv(K.astype(np.float64)).T
    distance, (rows, columns) = distance_transform_edt(small == 0, return_indices=True)
    filled = np.where(distance <= REACH_PX, small[rows, columns], np.float32(0))
    return _Small(rays * z[:, None], filled, K, len(depth) / (height * width))


def _error(first: _Small, second: _Small, T_second_first: Float64Array) -> float:
    """Median relative difference of depth; infinite = too few points in both."""
    pixels, depth = pixels_of_points(first.points, second.K, T_second_first)
    height, width = second.depth.shape
    inside = (depth > 0) & (pixels > -0.5).all(axis=1) & (pixels < (width - 0.5, height - 0.5)).all(axis=1)
    columns, rows = np.rint(pixels[inside]).astype(np.intp).T
    there = second.depth[rows, columns]
    measured = there > 0
    if measured.sum() < FEWEST_POINTS:
        return float(np.inf)
    return float(np.median(np.abs(depth[inside][measured] / there[measured] - 1)))
