"""Check of completed depth without ground truth: errors at held-out points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from kbnet.errors import KBNetError
from kbnet.evaluation.flicker import change_percent
from kbnet.evaluation.journal import Journal
from kbnet.evaluation.methods import Method, baseline_methods, network_method, past_method
from kbnet.evaluation.point_errors import Band, JudgedPoints, PointErrors
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource
from kbnet.points.hold_out import HELD_OUT_SHARE, HoldOut, hold_out_points

if TYPE_CHECKING:
    from kbnet.inference.completer import DepthCompleter

TOO_FEW_POINTS = "too few points"
"""In the journal: the frame has too few points to hold some out."""

Expect = Callable[[Frame, FloatArray], tuple[FloatArray, NDArray[np.bool_]]]
"""Function from a frame with held-out points and its depth to the expected error, metres, and the mask of inliers, both
(H, W); see `kbnet.inference.confidence`."""


@dataclass(frozen=True)
class CheckedFrame:
    """Errors of every method at the held-out points of one frame.

    Attributes:
        name, index: name of the frame, and index in its source.
        seen: number of input points.
        points: measured and completed depth at the held-out points.
        errors: errors at the held-out points by method.
        scale_mm: mean error of the first method at held-out inliers, its mean expected error there, and its mean
            expected error at all pixels, millimetres.
        distance_px: median distance in the image to the nearest input point, of held-out points and of all pixels.
        change_percent: change since the checked frame before by method (`kbnet.evaluation.flicker.change_percent`);
            empty without poses and for the first frame.
    """

    name: str
    index: int
    seen: int
    points: JudgedPoints
    errors: Mapping[str, PointErrors]
    scale_mm: tuple[float, float, float]
    distance_px: tuple[float, float]
    change_percent: Mapping[str, float]


@dataclass(frozen=True)
class Check:
    """Result of :func:`check`.

    Attributes:
        frames: checked frames, in order.
        unchecked: number of frames with too few points.
    """

    frames: tuple[CheckedFrame, ...]
    unchecked: int

    def overall(self) -> dict[str, PointErrors]:
        """Errors over the held-out points of all frames, by method; all points have equal weight."""
        return self._all().errors()

    def bands(self) -> list[Band]:
        """Errors by distance; bands with fewer than ``BAND_POINTS`` points are omitted."""
        return self._all().bands()

    def worst(self, method: str, count: int) -> list[CheckedFrame]:
        """Frames with the largest share of points far off, worst first; a share limits the influence of one outlier."""

        def badness(frame: CheckedFrame) -> tuple[float, float]:
            return frame.errors[method].off_percent, frame.errors[method].median_percent

        return sorted(self.frames, key=badness, reverse=True)[:count]

    def all_pixels_mm(self) -> float:
        """Estimated MAE of the first method over all pixels, millimetres; mean over frames.

        Points have texture and near neighbours, so their error is smaller than that of other pixels. The expected error
        gives the ratio of all pixels to held-out points. The error at held-out inliers calibrates its scale.
        """
        found, at_points, at_pixels = np.array([frame.scale_mm for frame in self.frames]).mean(axis=0)
        return float(at_pixels * found / at_points)

    def distance_px(self) -> tuple[float, float]:
        """Distance to the nearest input point, of held-out points and of all pixels, pixels; means over frames.

        If held-out points are nearer to input points than other pixels are, the error at pixels is larger; if they are
        farther, it is smaller.
        """
        at_points, at_pixels = np.array([frame.distance_px for frame in self.frames]).mean(axis=0).tolist()
        return at_points, at_pixels

    def change_percent(self) -> dict[str, float]:
        """Mean change of depth between checked frames by method, per cent; empty without poses."""
        changes = [frame.change_percent for frame in self.frames if frame.change_percent]
        return {name: float(np.mean([change[name] for change in changes])) for name in (changes[0] if changes else ())}

    def _all(self) -> JudgedPoints:
        return JudgedPoints.joined([frame.points for frame in self.frames])


def check(
    source: FrameSource,
    methods: Iterable[Method],
    expect: Expect,
    *,
    share: float = HELD_OUT_SHARE,
    by: HoldOut = "points",
    every: int = 1,
    journal: Journal | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> Check:
    """Hold out points of every frame, complete it from the others, and compute errors at the held-out points.

    Two frames at a time are in memory, plus four bytes for each held-out point and method.

    Args:
        source: frames; their ground truth is ignored.
        methods: `kbnet.evaluation.methods.network_method`, `kbnet.evaluation.methods.baseline_methods`, or others.
        expect: expected error and inliers of the first method's depth.
        share: fraction of the pixels whose points are held out.
        every: stride of the frames; 1: all.
        journal: results of a stopped check with equal arguments, which are used again, and those of this one.
        on_frame: called after each frame.

    Raises:
        KBNetError: no frame has enough points, a number is out of range, or a file is invalid.
        FileNotFoundError: a file is missing.
    """
    if every < 1:
        raise KBNetError(f"expected a stride of at least 1 frame, got {every}; 1 checks every frame")
    methods, indices = list(methods), range(0, len(source), every)
    complete = partial(_completed, source, methods, share, by)
    journal = journal or Journal()
    frames = []
    for method in methods:
        if method.begin is not None:
            method.begin()
    before: _Completed | None = None
    for index in indices:
        stored = journal.get(str(index))
        if stored is None:
            if before is None and journal.earlier and index > 0 and source.has_pose(index):
                before = complete(index - every)  # of a stopped run: the change of depth needs it
            completed = complete(index)
            checked = None if completed is None else _checked(completed, before, index, expect)
            before = completed
            journal.put(str(index), TOO_FEW_POINTS if checked is None else _plain(checked))
        else:
            checked = None if stored == TOO_FEW_POINTS else _from_plain(stored)
            before = None
        if checked is not None:
            frames.append(checked)
        on_frame()
    if not frames:
        raise KBNetError(
            f"expected frames with at least a few sparse points, got none among {len(indices)} of {source.folder}; "
            "choose another --sparse-depth, or a larger share to hold out"
        )
    return Check(tuple(frames), len(indices) - len(frames))


def check_completer(
    source: FrameSource,
    completer: DepthCompleter,
    *,
    share: float = HELD_OUT_SHARE,
    by: HoldOut = "points",
    every: int = 1,
    use_past: bool = False,
    journal: Journal | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> Check:
    """Hold out some points, complete depth from the others, beside interpolation of them; `kbnet.check`.

    Args:
        source: frames, as `kbnet.open_frames` returns them; ground truth is not looked at.
        completer: as `kbnet.load` returns it.
        use_past: check depth that uses earlier frames too; frames need poses.
        share, by, every, journal, on_frame: as :func:`check`.

    Raises:
        KBNetError: as :func:`check`.
    """
    methods = [network_method(completer), *([past_method(completer)] if use_past else []), *baseline_methods()]
    return check(
        source,
        methods,
        partial(_expected_error, completer),
        share=share,
        by=by,
        every=every,
        journal=journal,
        on_frame=on_frame,
    )


def _expected_error(completer: DepthCompleter, frame: Frame, depth: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    from kbnet.inference.confidence import expected_error, inlier_depth

    assert frame.ground_truth is not None
    K = frame.intrinsics
    believed = inlier_depth(completer, frame.sparse_depth + frame.ground_truth, K) > 0
    if completer.config.predicts_error:
        return completer(frame, return_error=True)[1], believed
    known = inlier_depth(completer, frame.sparse_depth, K)
    return expected_error(depth, known, K, working_side=completer.config.working_side), believed


@dataclass(frozen=True)
class _Completed:
    """A frame with held-out points as ground truth, and its depth by method, the checked one first."""

    frame: Frame
    depths: Mapping[str, FloatArray]


def _completed(source: FrameSource, methods: list[Method], share: float, by: HoldOut, index: int) -> _Completed | None:
    """Depth of a frame without its held-out points by every method; None: it has too few points."""
    frame = hold_out_points(source.frame(index), index, share=share, by=by)
    return None if frame is None else _Completed(frame, {method.name: method.predict(frame) for method in methods})


def _checked(completed: _Completed, before: _Completed | None, index: int, expect: Expect) -> CheckedFrame:
    frame, depths = completed.frame, completed.depths
    assert frame.ground_truth is not None
    points = frame.ground_truth > 0
    first = next(iter(depths.values()))
    expected, believed = expect(frame, first)
    judged = points & believed if (points & believed).any() else points
    error = np.abs(first[judged] - frame.ground_truth[judged])
    held_out = JudgedPoints(frame.ground_truth[points], {name: depth[points] for name, depth in depths.items()})
    distance = distance_transform_edt(frame.sparse_depth == 0)
    return CheckedFrame(
        frame.name,
        index,
        int(np.count_nonzero(frame.sparse_depth)),
        held_out,
        held_out.errors(),
        (1000 * float(error.mean()), 1000 * float(expected[judged].mean()), 1000 * float(expected.mean())),
        (float(np.median(distance[points])), float(np.median(distance))),
        _changes(completed, before),
    )


def _changes(completed: _Completed, before: _Completed | None) -> dict[str, float]:
    """Change of depth by method; empty if a pose is missing or no surface is seen in both frames."""
    poses = (completed.frame.T_world_camera, None if before is None else before.frame.T_world_camera)
    if before is None or any(pose is None for pose in poses):
        return {}
    changes = {
        name: change_percent(before.depths[name], depth, before.frame, completed.frame)
        for name, depth in completed.depths.items()
    }
    known = {name: change for name, change in changes.items() if change is not None}
    return known if len(known) == len(changes) else {}


def _plain(frame: CheckedFrame) -> dict[str, Any]:
    """Checked frame as plain values; float32 survives JSON exactly."""
    return {
        "name": frame.name,
        "index": frame.index,
        "seen": frame.seen,
        "true": frame.points.true.tolist(),
        "depths": {method: depth.tolist() for method, depth in frame.points.depths.items()},
        "scale_mm": frame.scale_mm,
        "distance_px": frame.distance_px,
        "change_percent": dict(frame.change_percent),
    }


def _from_plain(plain: dict[str, Any]) -> CheckedFrame:
    depths = {method: np.array(depth, np.float32) for method, depth in plain["depths"].items()}
    points = JudgedPoints(np.array(plain["true"], np.float32), depths)
    scale_mm, distance_px = (tuple(plain[name]) for name in ("scale_mm", "distance_px"))
    return CheckedFrame(
        plain["name"],
        plain["index"],
        plain["seen"],
        points,
        points.errors(),
        scale_mm,
        distance_px,
        plain["change_percent"],
    )
