"""How well and how fast depth is completed: errors of every frame, streamed."""

from __future__ import annotations

import csv
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from kbnet.atomic import atomic_path
from kbnet.data.interpolation import linear, nearest
from kbnet.data.sequence import Sequence
from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.metrics import DepthErrors, depth_errors, judged_pixels
from kbnet.summary import FrameResult, Summary

EVALUATION_LIMITS: dict[str, tuple[float, float]] = {"void": (0.2, 5.0), "kitti": (0.0, 100.0)}
"""Ground truth that is judged, metres, both ends excluded, by preset, as published."""


class Completer(Protocol):
    """What completes depth: a `kbnet.DepthCompleter`, or anything that is called like one."""

    device: Any

    def __call__(self, image: ImageArray, sparse_depth: FloatArray, intrinsics: FloatArray) -> FloatArray:
        """(H, W, 3) uint8, (H, W) metres and K in; (H, W) float32 metres out."""
        ...


@dataclass(frozen=True)
class Method:
    """A way to complete depth, under the name it has in tables.

    Attributes:
        predict: from a frame to its dense depth, (H, W), float32 metres; returns when the depth is there.
        needs_points: whether frames without a sparse point are beyond it.
    """

    name: str
    predict: Callable[[Frame], FloatArray]
    needs_points: bool = False


@dataclass(frozen=True)
class Part:
    """A sequence to evaluate on, and what it and its folder of sparse depth are called in tables."""

    sequence: Sequence
    name: str
    sparse_depth: str

    def frames(self, every: int) -> range:
        """Indices of every ``every``-th frame."""
        return range(0, len(self.sequence), every)


def network_method(completer: Completer) -> Method:
    """The network, as ``kbnet``."""
    return Method("kbnet", lambda frame: _complete(completer, frame))


def baseline_methods() -> list[Method]:
    """Interpolation of the sparse points alone, as ``nearest`` and ``linear``."""
    return [
        Method("nearest", lambda frame: nearest(frame.sparse_depth), needs_points=True),
        Method("linear", lambda frame: linear(frame.sparse_depth), needs_points=True),
    ]


def evaluate(
    parts: Iterable[Part],
    methods: Iterable[Method],
    *,
    limits: tuple[float, float],
    every: int = 1,
    table: Path | None = None,
    on_frame: Callable[[], None] | None = None,
) -> Summary:
    """Judge every method on every part, holding one frame at a time.

    Args:
        parts: the sequences.
        methods: `network_method`, `baseline_methods`, or others.
        limits: judge where min < ground truth < max, metres; see ``EVALUATION_LIMITS``.
        every: judge every Nth frame; 1 judges all.
        table: CSV to stream one row a frame and method to; it appears at the end, whole or not at all.
        on_frame: called after each frame that was read.

    Raises:
        ValueError: a sequence has no ground truth, no frame at all could be judged, or a file is not as it should be.
        FileNotFoundError: a file is missing.
    """
    parts, methods = list(parts), list(methods)
    if every < 1:
        raise ValueError(f"expected a stride of at least 1 frame, got {every}; 1 judges every frame")
    for part in parts:
        if not part.sequence.has_ground_truth:
            raise ValueError(
                f"expected a folder ground_truth/ in {part.sequence.folder} to judge by, but there is none; "
                "kbnet complete needs no ground truth"
            )
    summary = Summary()
    with _frame_table(table) as write:
        for part in parts:
            for result in judge(part, methods, limits=limits, every=every, on_frame=on_frame):
                summary.add(result)
                write(result)
        if not summary.rows():
            raise ValueError(
                f"no frame of {', '.join(part.name for part in parts)} could be judged between {limits[0]:g} and "
                f"{limits[1]:g} m; check that ground truth is in metres, or choose the other preset"
            )
    return summary


def judge(
    part: Part,
    methods: list[Method],
    *,
    limits: tuple[float, float],
    every: int = 1,
    on_frame: Callable[[], None] | None = None,
) -> Iterator[FrameResult]:
    """Judge every method on the frames of one part, one frame after another.

    Frames without ground truth in range are left out, as are frames without a sparse point for methods that need
    one; a warning says how many. A method's first frame warms it up: it has errors but no time.
    """
    low, high = limits
    unjudged = pointless = 0
    warm: set[str] = set()
    for index in part.frames(every):
        frame = part.sequence.frame(index)
        truth = frame.ground_truth
        if truth is None or not judged_pixels(truth, min_depth=low, max_depth=high).any():
            unjudged += 1
        else:
            empty = not frame.sparse_depth.any()
            pointless += empty and any(method.needs_points for method in methods)
            for method in methods:
                if not (empty and method.needs_points):
                    yield _judge_frame(part, method, frame, truth, limits, timed=method.name in warm)
                    warm.add(method.name)
        if on_frame is not None:
            on_frame()
    of_all = f"of {len(part.frames(every))} frames of {part.name} ({part.sparse_depth}) have no"
    if unjudged:
        warnings.warn(f"{unjudged} {of_all} ground truth between {low:g} and {high:g} m and are left out", stacklevel=2)
    if pointless:
        warnings.warn(f"{pointless} {of_all} sparse point and are left out of the interpolations' rows", stacklevel=2)


def _judge_frame(
    part: Part, method: Method, frame: Frame, truth: FloatArray, limits: tuple[float, float], *, timed: bool
) -> FrameResult:
    start = time.perf_counter()
    depth = method.predict(frame)
    seconds = time.perf_counter() - start
    try:
        errors = depth_errors(depth, truth, min_depth=limits[0], max_depth=limits[1])
    except ValueError as error:
        raise ValueError(f"{method.name} on frame {frame.name} of {part.name}: {error}") from error
    return FrameResult(method.name, part.sparse_depth, part.name, frame.name, errors, seconds if timed else None)


def _complete(completer: Completer, frame: Frame) -> FloatArray:
    depth = completer(frame.image, frame.sparse_depth, frame.intrinsics)
    if getattr(completer.device, "type", "cpu") == "cuda":
        import torch

        torch.cuda.synchronize(completer.device)
    return depth


@contextmanager
def _frame_table(path: Path | None) -> Iterator[Callable[[FrameResult], object]]:
    """A function that appends one row to the CSV; without a path it does nothing."""
    if path is None:
        yield lambda result: None
        return
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["method", "sparse_depth", "sequence", "frame", *(field.name for field in fields(DepthErrors)), "seconds"]
        )
        yield lambda result: writer.writerow(
            [result.method, result.sparse_depth, result.sequence, result.frame]
            + [f"{value:.6g}" for value in result.errors.as_array()]
            + ["" if result.seconds is None else f"{result.seconds:.6f}"]
        )
