"""Check of completed depth without ground truth: errors at held-out points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt

from kbnet.errors import KBNetError, expect
from kbnet.evaluation.checked_frames import Check, CheckedFrame, frame_from_plain, plain_frame
from kbnet.evaluation.flicker import change_percent
from kbnet.evaluation.journal import Journal
from kbnet.evaluation.methods import NETWORK, Method, baseline_methods, moved_image_methods, past_method
from kbnet.evaluation.point_errors import JudgedPoints
from kbnet.frame import BoolArray, FloatArray, Frame
from kbnet.frames.frame_source import FrameSource, check_source
from kbnet.points.hold_out import HELD_OUT_SHARE, HoldOut, hold_out_points
from kbnet.points.tracked_hold_out import TrackedHoldOut

if TYPE_CHECKING:
    from kbnet.inference.completer import DepthCompleter

TOO_FEW_POINTS = "too few points"
"""In the journal: the frame has too few points to hold some out."""

Expect = Callable[[Frame, FloatArray], tuple[FloatArray, BoolArray]]
"""Function from a frame with held-out points and its depth to the expected error, metres, and the mask of inliers, both
(H, W); see `kbnet.inference.confidence`."""


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
        methods: of networks, `kbnet.evaluation.methods.baseline_methods`, or others. If one uses earlier
            frames, a landmark is held out in all of them (`kbnet.points.tracked_hold_out`).
        expect: expected error and inliers of the first method's depth.
        share: fraction of the pixels whose points are held out.
        every: stride of the frames; 1: all.
        journal: results of a stopped check with equal arguments, which are used again, and those of this one.

    Raises:
        KBNetError: no frame has enough points, a number is out of range, or a file is invalid.
        FileNotFoundError: a file is missing.
    """
    if every < 1:
        raise KBNetError(f"expected a stride of at least 1 frame, got {every}; 1 checks every frame")
    methods, indices = list(methods), range(0, len(source), every)
    hold_out = _hold_out(methods, share, by)
    complete = partial(_completed, source, methods, hold_out)
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
            journal.put(str(index), TOO_FEW_POINTS if checked is None else plain_frame(checked))
        else:
            checked = None if stored == TOO_FEW_POINTS else frame_from_plain(stored)
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
    moved_images: bool = False,
    journal: Journal | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> Check:
    """Hold out some points, complete depth from the others, beside interpolation of them; `kbnet.check`.

    Args:
        source: frames, as `kbnet.open_frames` returns them; ground truth is not looked at.
        completer: as `kbnet.load` returns it.
        use_past: check depth that uses earlier frames too; frames need poses.
        moved_images: check depth with the image moved in four directions too, to see whether image and points fit
            (:meth:`kbnet.evaluation.checked_frames.Check.better_image`).
        share, by, every, journal, on_frame: as :func:`check`.

    Raises:
        KBNetError: as :func:`check`.
    """
    check_source(source)
    if not callable(completer):
        raise KBNetError(f"expected a completer of kbnet.load, got a {type(completer).__name__}")
    for value, kind, what in ((every, Integral, "a whole number as stride"), (share, Real, "a share"), (by, str, "by")):
        expect(value, kind, what)
    methods = [Method(NETWORK, completer), *([past_method(completer)] if use_past else []), *baseline_methods()]
    if moved_images:
        methods += moved_image_methods(completer)
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


def _expected_error(completer: DepthCompleter, frame: Frame, depth: FloatArray) -> tuple[FloatArray, BoolArray]:
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


def _hold_out(methods: list[Method], share: float, by: HoldOut) -> Callable[[Frame, int], Frame | None]:
    if all(method.begin is None for method in methods):
        return partial(hold_out_points, share=share, by=by)
    if by != "points":
        raise KBNetError(
            "points of patches are not held out from a method that uses earlier frames, which saw them; "
            "hold out points one by one, or leave out the past"
        )
    return TrackedHoldOut(share=share)


def _completed(
    source: FrameSource, methods: list[Method], hold_out: Callable[[Frame, int], Frame | None], index: int
) -> _Completed | None:
    """Depth of a frame without its held-out points by every method; None: it has too few points."""
    frame = hold_out(source.frame(index), index)
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
        np.flatnonzero(points),
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
