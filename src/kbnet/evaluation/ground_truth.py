"""Evaluation against ground truth: errors and times, one frame at a time."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kbnet.errors import KBNetError, expect
from kbnet.evaluation.boundary import boundary_f1, has_boundaries
from kbnet.evaluation.flicker import covisible_pixels, flicker_percent
from kbnet.evaluation.journal import Journal
from kbnet.evaluation.methods import NETWORK, Method, baseline_methods
from kbnet.evaluation.metrics import depth_errors, has_judged_pixels
from kbnet.evaluation.summary import FrameResult, Summary, frame_table
from kbnet.files import file_sha256
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource, check_source
from kbnet.inference.weights_files import weights_files

if TYPE_CHECKING:
    from kbnet.inference.completer import DepthCompleter

EVALUATION_LIMITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("void", "voiced-void", "scaffnet-scenenet", "fusionnet-void"), (0.2, 5.0)),
    **dict.fromkeys(("kitti", "voiced-kitti", "scaffnet-vkitti", "fusionnet-kitti"), (0.0, 100.0)),
}
"""Range of the evaluated ground truth, metres, both ends excluded, by preset, as published."""

FAR_M = 50.0
"""Networks with a larger maximum depth, metres, are for streets; evaluate them within the limits of KITTI."""

TIMING = "from arrays in memory to depth in memory, device waited for; the first frame of each sequence is left out"


@dataclass(frozen=True)
class Part:
    """Frames to evaluate, with the names of the sequence and of its kind of sparse depth in tables."""

    source: FrameSource
    name: str
    sparse_depth: str

    def frames(self, every: int) -> range:
        """Indices of every ``every``-th frame."""
        return range(0, len(self.source), every)


def evaluate(
    parts: Iterable[Part],
    methods: Iterable[Method],
    *,
    limits: tuple[float, float],
    every: int = 1,
    boundaries: bool = False,
    table: Path | None = None,
    journal: Journal | None = None,
    on_frame: Callable[[], None] | None = None,
) -> Summary:
    """Evaluate every method on every part; one frame at a time is in memory.

    Args:
        methods: of networks, `kbnet.evaluation.methods.baseline_methods`, or others.
        limits: evaluate pixels with min < ground truth < max, metres; see ``EVALUATION_LIMITS``.
        every: stride of the frames; 1: all.
        boundaries: compute `kbnet.evaluation.boundary.boundary_f1` too, on frames with dense ground truth, and
            `kbnet.evaluation.flicker.flicker_percent` on frames with poses.
        table: CSV file for one row per frame and method; it appears complete at the end, or not at all.
        journal: results of a stopped evaluation with equal arguments, which are used again, and those of this one.

    Raises:
        KBNetError: a part has no ground truth, no frame could be evaluated, or a file is invalid.
        FileNotFoundError: a file is missing.
    """
    parts, methods = list(parts), list(methods)
    if every < 1:
        raise KBNetError(f"expected a stride of at least 1 frame, got {every}; 1 judges every frame")
    for part in parts:
        if not part.source.has_ground_truth:
            raise KBNetError(
                f"expected ground truth, but {part.source.folder} has none; errors at held-out points: kbnet check "
                f"{part.source.folder}; depth for a benchmark: kbnet complete {part.source.folder} --output OUT --zip "
                "(with the flags of a recording)"
            )
    summary = Summary()
    with frame_table(table, boundaries=boundaries) as write:
        for part in parts:
            for result in _frame_results(
                part,
                methods,
                journal or Journal(),
                limits=limits,
                every=every,
                boundaries=boundaries,
                on_frame=on_frame,
            ):
                summary.add(result)
                write(result)
        if not summary.rows():
            raise KBNetError(
                f"no frame of {', '.join(part.name for part in parts)} could be judged between {limits[0]:g} and "
                f"{limits[1]:g} m; check that ground truth is in metres, or choose the other preset"
            )
    return summary


def evaluate_completer(
    source: FrameSource,
    completer: DepthCompleter,
    *,
    limits: tuple[float, float] | None = None,
    every: int = 1,
    baselines: bool = True,
) -> Summary:
    """Judge completed depth by ground truth, beside interpolation of the sparse points; `kbnet.evaluate`.

    Args:
        source: frames, as `kbnet.open_frames` returns them.
        completer: as `kbnet.load` returns it.
        limits: judge where min < ground truth < max, metres; None = 0 to 100 m for weights made for streets, else
            0.2 to 5 m.
        every: judge every Nth frame.
        baselines: judge the interpolations ``nearest``, ``linear`` and ``scaffold`` too.

    Returns:
        Errors by method; ``summary.rows()`` has one row a method.

    Raises:
        KBNetError: there is no ground truth, or no frame could be judged.
    """
    check_source(source)
    if not (callable(completer) and hasattr(completer, "config")):
        raise KBNetError(f"expected a completer of kbnet.load, got a {type(completer).__name__}")
    expect(every, Integral, "a whole number as stride")
    if limits is not None and np.shape(limits) != (2,):
        raise KBNetError(f"expected limits as two numbers, metres, got {limits!r}")
    preset = "kitti" if completer.config.max_depth > FAR_M else "void"
    methods = [Method(NETWORK, completer), *(baseline_methods(scaffold=True) if baselines else [])]
    part = Part(source, source.name, "sparse_depth")
    return evaluate([part], methods, limits=limits or EVALUATION_LIMITS[preset], every=every, boundaries=True)


def run_settings(
    parts: Iterable[Part],
    networks: Mapping[str, tuple[str | Path, DepthCompleter]],
    *,
    limits: tuple[float, float],
    every: int,
) -> dict[str, object]:
    """Settings of an evaluation as plain values, for `write_summary`.

    Args:
        networks: weights (an argument of `kbnet.load`) and completer, by the name of the method.
    """
    return {
        "weights": {
            name: {
                "file": str(files[0]),
                "sha256": file_sha256(*files),
                "network": completer.config.to_dict(),
                "device": str(completer.device),
                "engine": completer.engine,
                "precision": completer.precision,
            }
            for name, (weights, completer) in networks.items()
            for files in [weights_files(weights)]
        },
        "sources": [
            {
                "name": part.name,
                "path": str(part.source.folder),
                "sparse_depth": part.sparse_depth,
                # For lists only: the checksum of a whole recording takes minutes.
                "sha256": file_sha256(part.source.folder) if part.source.folder.suffix.lower() == ".csv" else None,
            }
            for part in parts
        ],
        "limits_m": list(limits),
        "every": every,
        "timing": TIMING,
    }


def _frame_results(
    part: Part,
    methods: list[Method],
    journal: Journal,
    *,
    limits: tuple[float, float],
    every: int = 1,
    boundaries: bool = False,
    on_frame: Callable[[], None] | None = None,
) -> Iterator[FrameResult]:
    """Evaluate every method on the frames that have what it needs; a warning has the number of the others.

    The first frame of a method is a warm-up: it has errors but no time.
    """
    low, high = limits
    unjudged = pointless = 0
    warm: set[str] = set()
    for method in methods:
        if method.begin is not None:
            method.begin()
    before: _Judged | None = None
    for index in part.frames(every):
        key = f"{part.sparse_depth}/{part.name}/{index}"
        stored = journal.get(key)
        if stored is not None:
            results = None if stored == "no truth" else [FrameResult.from_plain(plain) for plain in stored]
            before = None
        else:
            if before is None and journal.earlier and index > 0 and part.source.has_pose(index):
                before = _completed(part, methods, index - every, limits)  # of a stopped run: flicker needs it
            judged = _completed(part, methods, index, limits, warm)
            results = _judge_methods(part, judged, before, limits, boundaries=boundaries)
            journal.put(key, "no truth" if results is None else [result.plain() for result in results])
            before = judged
        if results is None:
            unjudged += 1
        else:
            pointless += len(results) < len(methods)
            yield from results
        if on_frame is not None:
            on_frame()
    of_all = f"of {len(part.frames(every))} frames of {part.name} ({part.sparse_depth}) have no"
    if unjudged:
        warnings.warn(f"{unjudged} {of_all} ground truth between {low:g} and {high:g} m and are left out", stacklevel=2)
    if pointless:
        warnings.warn(f"{pointless} {of_all} sparse point and are left out of the interpolations' rows", stacklevel=2)


@dataclass(frozen=True)
class _Judged:
    """A frame, and depth and time of every method that could complete it, by name."""

    frame: Frame
    depths: Mapping[str, tuple[FloatArray, float | None]]


def _completed(
    part: Part, methods: list[Method], index: int, limits: tuple[float, float], warm: set[str] | None = None
) -> _Judged:
    """Complete one frame by every method, if it can be judged. The first time of a method, not in ``warm``, is None."""
    frame, warm = part.source.frame(index), set() if warm is None else warm
    judged = has_judged_pixels(frame.ground_truth, limits)
    depths: dict[str, tuple[FloatArray, float | None]] = {}
    for method in methods:
        if (judged or method.begin is not None) and (frame.sparse_depth.any() or not method.needs_points):
            start = time.perf_counter()
            depth = method.predict(frame)
            depths[method.name] = depth, time.perf_counter() - start if method.name in warm else None
            warm.add(method.name)
    return _Judged(frame, depths)


def _judge_methods(
    part: Part, judged: _Judged, before: _Judged | None, limits: tuple[float, float], *, boundaries: bool
) -> list[FrameResult] | None:
    """Errors of every method on one frame; None without ground truth in range."""
    frame = judged.frame
    truth = frame.ground_truth
    if truth is None or not has_judged_pixels(truth, limits):
        return None
    edges = boundaries and has_boundaries(truth)
    covisible = None
    if boundaries and before is not None and _can_flicker(before.frame) and _can_flicker(frame):
        covisible = covisible_pixels(before.frame, frame)
    results = []
    for name, (depth, seconds) in judged.depths.items():
        try:
            errors = depth_errors(depth, truth, min_depth=limits[0], max_depth=limits[1])
        except KBNetError as error:
            raise KBNetError(f"{name} on frame {frame.name} of {part.name}: {error}") from error
        f1 = boundary_f1(depth, truth, min_depth=limits[0], max_depth=limits[1]) if edges else None
        f1 = None if f1 is None or np.isnan(f1) else f1
        flicker = None
        if covisible is not None and before is not None and name in before.depths:
            flicker = flicker_percent(before.depths[name][0], depth, before.frame, frame, covisible)
        results.append(FrameResult(name, part.sparse_depth, part.name, frame.name, errors, seconds, f1, flicker))
    return results


def _can_flicker(frame: Frame) -> bool:
    return frame.T_world_camera is not None and frame.ground_truth is not None
