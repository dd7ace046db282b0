"""Earlier frames of a video: memory, and errors where the table of docs/past-and-prior.md does not look.

    python benchmarks/past.py memory --frames 10000
    python benchmarks/past.py tracked redkitchen hololens fr3_cabinet
    python benchmarks/past.py still redkitchen hololens fr3_cabinet
    python benchmarks/past.py trials redkitchen hololens fr3_cabinet

- memory: peak memory and median time of a frame, each thousand frames of a camera that walks through a made room.
- tracked: 500 landmarks that are followed from frame to frame, drawn from ground truth: 1 % of noise, 3 % of outliers;
  a landmark is lost with a probability of 2 %, or where it is hidden, and replaced.
- still: each of three frames 30 times, with its 500 points.
- trials: how often a trial decides to use earlier frames, on the first, middle and last frames with 1500, 500 and 150
  points; and with wrong poses.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

import kbnet
from kbnet.evaluation.metrics import depth_errors
from kbnet.evaluation.past_gain import TRIED_FRAMES, past_gain
from kbnet.frames.frame_source import FrameSource
from kbnet.points.past_points import in_space
from kbnet.points.projection import pixels_of_points
from kbnet.sources.rendered.synthetic import SyntheticConfig, synthetic_frames

SHOWN, POINTS, REPEATED = 1000, 500, 30
SAME_SURFACE, LOST, NOISE, OUTLIERS = 0.03, 0.02, 0.01, 0.03
Pose = NDArray[np.floating[Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("memory", "tracked", "still", "trials"))
    parser.add_argument("sequences", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--weights", default="indoor")
    options = parser.parse_args()
    completer = kbnet.load(options.weights)
    if options.study == "memory":
        show_memory(completer, options.frames)
    elif options.study == "trials":
        show_trials(completer, options.sequences)
    else:
        for path in options.sequences:
            source = kbnet.open_frames(path, sparse_depth=f"sparse_depth_{POINTS}")
            show = show_tracked if options.study == "tracked" else show_still
            show(completer, source)


def show_memory(completer: kbnet.DepthCompleter, count: int) -> None:
    config = SyntheticConfig(frames=60, width=352, height=256, points=300)  # a smaller frame is enlarged
    there = [replace(frame, T_world_camera=pose) for frame, pose, _ in synthetic_frames(config)]
    walk = there + there[::-1]
    video, seconds = kbnet.VideoCompleter(completer), list[float]()
    for index in range(count):
        start = time.perf_counter()
        video(walk[index % len(walk)])
        seconds.append(time.perf_counter() - start)
        if (index + 1) % SHOWN == 0:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            median = 1000 * np.median(seconds[-SHOWN:])
            print(f"{index + 1:6} frames  {memory:.0f} MiB at most  {median:.1f} ms", flush=True)


def show_tracked(completer: kbnet.DepthCompleter, source: FrameSource) -> None:
    video, found = kbnet.VideoCompleter(completer), []
    for frame in tracked(source):
        found.append([errors_mm(complete(frame), frame) for complete in (completer, video)])
    alone, past = np.array(found).transpose(1, 0, 2)
    ratio = past[:, 0] / alone[:, 0]
    print(
        "{}: MAE/RMSE {:.1f}/{:.1f} mm alone, {:.1f}/{:.1f} with past".format(
            source.folder.name, *alone.mean(axis=0), *past.mean(axis=0)
        ),
        "(× {:.2f}/{:.2f});".format(*past.mean(axis=0) / alone.mean(axis=0)),
        f"{np.count_nonzero(ratio > 1.05)} of {len(ratio)} frames worse by 5 %, worst × {ratio.max():.2f}",
        flush=True,
    )


def show_still(completer: kbnet.DepthCompleter, source: FrameSource) -> None:
    ratios = []
    for index in np.linspace(0, len(source) - 1, 5).round().astype(int)[1:-1]:
        frame, video = source.frame(index), kbnet.VideoCompleter(completer)
        depths = [video(frame) for _ in range(REPEATED)]
        ratios.append(errors_mm(depths[-1], frame)[0] / errors_mm(completer(frame), frame)[0])
    print(f"{source.folder.name}: last of {REPEATED} frames × {np.mean(ratios):.2f} {np.round(ratios, 2)}", flush=True)


def show_trials(completer: kbnet.DepthCompleter, sequences: Sequence[Path]) -> None:
    right, wrong = list[bool](), list[bool]()
    for path in sequences:
        for points in (1500, 500, 150):
            source = kbnet.open_frames(path, sparse_depth=f"sparse_depth_{points}")
            last = len(source) - TRIED_FRAMES
            for first in (0, last // 2, last):
                right.append(_helps(completer, Part(source, first), f"{path.name}, {points} points, frame {first}"))
            for kind, change in WRONG.items() if points != 1500 else ():
                part = Part(source, last // 2, change)
                wrong.append(_helps(completer, part, f"{path.name}, {points} points, {kind}"))
    print(f"{sum(right)} of {len(right)} trials use earlier frames; with wrong poses {sum(wrong)} of {len(wrong)}")


def _helps(completer: kbnet.DepthCompleter, part: Part, what: str) -> bool:
    gain = past_gain(cast(FrameSource, part), completer)
    print(f"{what}: {gain.alone_percent:.2f} % alone, {gain.past_percent:.2f} % with past", flush=True)
    return gain.helps


def _noisy(pose: Pose, index: int) -> Pose:
    moved = np.array(pose, np.float64)
    moved[:3, 3] += np.random.default_rng(index).normal(0, 0.3, 3)
    return moved


WRONG: dict[str, Callable[[Pose, int], Pose]] = {
    "inverted poses": lambda pose, index: np.linalg.inv(pose),
    "constant poses": lambda pose, index: np.eye(4),
    "30 cm of noise": _noisy,
}


class Part:
    """`TRIED_FRAMES` frames of a source, with poses that a function may change."""

    def __init__(self, source: FrameSource, first: int, change: Callable[[Pose, int], Pose] | None = None) -> None:
        self.folder, self.points_from = source.folder, source.points_from
        self.names = source.names[first : first + TRIED_FRAMES]
        self._source, self._first, self._change = source, first, change

    def __len__(self) -> int:
        return len(self.names)

    def has_pose(self, index: int) -> bool:
        return self._source.has_pose(self._first + index)

    def pose(self, index: int) -> Pose:
        pose = np.asarray(self._source.pose(self._first + index), np.float64)
        return pose if self._change is None else self._change(pose, index)

    def frame(self, index: int) -> kbnet.Frame:
        pose = self.pose(index).astype(np.float64)
        return replace(self._source.frame(self._first + index), T_world_camera=pose)


def tracked(source: FrameSource) -> list[kbnet.Frame]:
    """Frames of a source with points of landmarks that are followed."""
    rng, world, frames = np.random.default_rng(0), np.zeros((0, 3)), []
    for index in range(len(source)):
        frame = source.frame(index)
        true, K, pose = frame.ground_truth, frame.intrinsics, frame.T_world_camera
        assert true is not None
        assert pose is not None
        pixels, depth = pixels_of_points(world, K, np.linalg.inv(pose))
        pixels = np.clip(np.nan_to_num(np.rint(pixels), nan=-1), -1, max(true.shape)).astype(int)
        columns, rows = pixels.T
        inside = (depth > 0) & (pixels >= 0).all(axis=1) & (rows < true.shape[0]) & (columns < true.shape[1])
        kept = np.flatnonzero(inside)
        at = true[rows[kept], columns[kept]]
        seen = (at > 0) & (np.abs(depth[kept] - at) < SAME_SURFACE * at) & (rng.random(kept.size) > LOST)
        kept = kept[seen]
        drawn = rng.choice(np.flatnonzero(true > 0), POINTS - kept.size, replace=False)
        new_rows, new_columns = np.unravel_index(drawn, true.shape)
        added = in_space(new_rows, new_columns, true[new_rows, new_columns], K, pose.astype(np.float64))
        world = np.concatenate([world[kept], added])
        rows, columns = np.concatenate([rows[kept], new_rows]), np.concatenate([columns[kept], new_columns])
        factor = 1 + NOISE * rng.standard_normal(POINTS)
        factor *= np.where(rng.random(POINTS) < OUTLIERS, np.exp(rng.uniform(-0.7, 0.7, POINTS)), 1)
        points = np.zeros_like(true)
        points[rows, columns] = true[rows, columns] * factor
        frames.append(replace(frame, sparse_depth=points))
    return frames


def errors_mm(depth: NDArray[np.float32], frame: kbnet.Frame) -> tuple[float, float]:
    """MAE and RMSE, millimetres, where ground truth is between 0.2 and 5 m."""
    assert frame.ground_truth is not None
    errors = depth_errors(depth, frame.ground_truth, min_depth=0.2, max_depth=5)
    return errors.mae_mm, errors.rmse_mm


if __name__ == "__main__":
    main()
