"""Sparse points that training never sees, so that what it brings can be measured on a video without ground truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray
from kbnet.frames.depth_png import read_depth_png, write_depth_png
from kbnet.frames.frame_files import FrameFiles, column_of, with_kinds, write_frame_list
from kbnet.frames.frame_list import FrameList
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.open import absolute_files
from kbnet.points.hold_out import SHARE, draw_pixels, part_depth
from kbnet.report.fusion.accumulation import Accumulator

JUDGED_FRAMES = 30
"""About how many frames are judged, evenly spread over the video."""

TRAINED_FRAMES = 300
"""About how many frames are trained on, evenly spread: in minutes more would hardly be seen, and each is prepared."""

LEAST_FRAMES = 5
"""Judged frames from which a standard error is worth something."""


@dataclass(frozen=True)
class HeldOut:
    """What :func:`hold_out` wrote.

    Attributes:
        training: list of the frames to train on, the judged ones without their held-out points; ``ground_truth`` is
            what they and their neighbours measured, where that was accumulated.
        columns: its columns of sparse depth, in the order of the kinds of sparse depth.
        judged: list of the judged frames by kind of sparse depth: ``sparse_depth`` is what training has of them too,
            ``ground_truth`` the held-out points.
        frames: how many frames are judged.
        trained: how many frames are trained on.
    """

    training: Path
    columns: tuple[str, ...]
    judged: Mapping[str, Path]
    frames: int
    trained: int


def hold_out(
    sources: Mapping[str, FrameSource], folder: Path, *, gap: int | None, share: float = SHARE, seed: int = 0
) -> HeldOut:
    """Hold out some points of every n-th frame, for good: they are in no file that training reads.

    They are held out by patches, as `kbnet.points.hold_out` draws them, the same for every kind of sparse depth,
    so that what is held out of one is not seen in another. A frame in which too few points are measured for that is
    trained on whole. Into the patches no points of neighbours are accumulated either: a tracker sees one point in many
    frames.

    Args:
        sources: the same frames with each kind of sparse depth, by the name of the kind.
        folder: where to write lists and depth maps; images stay where they are.
        gap: frames to the neighbours whose points are accumulated, of the first kind; None: none are.
        share: fraction of the patches of a judged frame that is held out.
        seed: of the draw.

    Raises:
        KBNetError: there are too few frames, or too few with points.
        FileNotFoundError: a file is missing.
    """
    first = next(iter(sources.values()))
    every = max(1, math.ceil(len(first) / JUDGED_FRAMES))
    seen: list[FrameFiles] = []
    judged: dict[str, dict[int, FrameFiles]] = {kind: {} for kind in sources}
    for index in range(len(first)):
        files = {kind: absolute_files(source, index) for kind, source in sources.items()}
        if index % every == 0:
            for kind, one in _part(files, folder, index, share=share, seed=seed).items():
                judged[kind][index] = one
                files[kind] = replace(files[kind], sparse_depth=one.sparse_depth)
        seen.append(with_kinds(files))
    parted = next(iter(judged.values()))
    if len(parted) < LEAST_FRAMES:
        raise KBNetError(
            f"expected at least {LEAST_FRAMES} frames with sparse points to judge by, got {len(parted)} of "
            f"{len(first)} in {first.folder}; take a longer video, or one with more points a frame"
        )
    lists = {kind: folder / f"judged_{number}.csv" for number, kind in enumerate(sources)}
    for kind, path in lists.items():
        write_frame_list(path, judged[kind].values())
    trained = range(0, len(seen), max(1, math.ceil(len(seen) / TRAINED_FRAMES)))
    if gap is not None:
        write_frame_list(folder / "seen.csv", seen)
        accumulator = Accumulator(FrameList(folder / "seen.csv"), gap)
        for index in trained:
            depth = accumulator.depth(index)
            if index in parted:
                depth, _ = part_depth(depth, _withheld(depth, index, share=share, seed=seed))
            path = folder / "accumulated" / f"{seen[index].name}.png"
            write_depth_png(path, depth)
            seen[index] = replace(seen[index], ground_truth=str(path.absolute()))
    write_frame_list(folder / "training.csv", [seen[index] for index in trained])
    return HeldOut(folder / "training.csv", tuple(map(column_of, sources)), lists, len(parted), len(trained))


def _part(
    files: Mapping[str, FrameFiles], folder: Path, index: int, *, share: float, seed: int
) -> dict[str, FrameFiles]:
    """Write the points of one frame in two parts; return its lines for judging, none if a part would be empty."""
    maps = {kind: read_depth_png(one.sparse_depth) for kind, one in files.items()}
    withheld = _withheld(next(iter(maps.values())), index, share=share, seed=seed)
    parts = {kind: part_depth(depth, withheld) for kind, depth in maps.items()}
    if not all(part.any() for pair in parts.values() for part in pair):
        return {}
    parted = {}
    for number, (kind, one) in enumerate(files.items()):
        seen, unseen = (folder / what / str(number) / f"{one.name}.png" for what in ("points", "held_out"))
        for path, depth in zip((seen, unseen), parts[kind], strict=True):
            write_depth_png(path, depth)
        parted[kind] = replace(one, sparse_depth=str(seen.absolute()), ground_truth=str(unseen.absolute()))
    return parted


def _withheld(depth: FloatArray, index: int, *, share: float, seed: int) -> NDArray[np.bool_]:
    """Which pixels of a judged frame training must not see, (H, W)."""
    return draw_pixels(depth.shape, index, share=share, seed=seed, by="patches")
