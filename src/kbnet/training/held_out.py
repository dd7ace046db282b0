"""Held-out points of an adaptation, which no training file contains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kbnet.errors import KBNetError
from kbnet.frame import BoolArray, FloatArray
from kbnet.frames.depth_png import read_depth_png, write_depth_png
from kbnet.frames.frame_files import FrameFiles, column_of, with_kinds, write_frame_list
from kbnet.frames.frame_list import FrameList
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.open import absolute_files
from kbnet.points.hold_out import draw_pixels, part_depth
from kbnet.report.fusion.accumulation import Accumulator

JUDGED_FRAMES = 30
"""Approximate number of evaluated frames, evenly spread over the video."""

TRAINED_FRAMES = 300
"""Approximate number of training frames, evenly spread. More would take time to prepare and hardly be used."""

LEAST_FRAMES = 5
"""Least number of evaluated frames for a useful standard error."""


@dataclass(frozen=True)
class HeldOut:
    """Result of :func:`hold_out`.

    Attributes:
        training: list of the training frames, without held-out points. ``ground_truth`` is the accumulated points of
            the frame and its neighbours, if there are any.
        columns: columns of sparse depth in that list, in the order of the kinds of sparse depth.
        judged: list of the evaluated frames by kind of sparse depth. ``sparse_depth`` is the input, ``ground_truth``
            the held-out points.
    """

    training: Path
    columns: tuple[str, ...]
    judged: Mapping[str, Path]
    frames: int
    trained: int


def hold_out(sources: Mapping[str, FrameSource], folder: Path, *, gap: int | None) -> HeldOut:
    """Hold out points of every Nth frame and write lists and depth maps for training and evaluation.

    Points are held out by patches (`kbnet.points.hold_out`), equal for all kinds of sparse depth. No training file
    contains them. Frames with too few points are used for training only, with all points. Points of neighbours are not
    accumulated into the patches, because a tracker measures one point in many frames.

    Args:
        sources: the same frames with each kind of sparse depth, by the name of the kind.
        folder: folder for lists and depth maps; images are not copied.
        gap: frames to the neighbours whose points of the first kind are accumulated; None: no accumulation.

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
            for kind, one in _part(files, folder, index).items():
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
                depth, _ = part_depth(depth, _withheld(depth, index))
            path = folder / "accumulated" / f"{seen[index].name}.png"
            write_depth_png(path, depth)
            seen[index] = replace(seen[index], ground_truth=str(path.absolute()))
    write_frame_list(folder / "training.csv", [seen[index] for index in trained])
    return HeldOut(folder / "training.csv", tuple(map(column_of, sources)), lists, len(parted), len(trained))


def _part(files: Mapping[str, FrameFiles], folder: Path, index: int) -> dict[str, FrameFiles]:
    """Write input and held-out points of one frame; return its list entries by kind, empty if a part is empty."""
    maps = {kind: read_depth_png(one.sparse_depth) for kind, one in files.items()}
    withheld = _withheld(next(iter(maps.values())), index)
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


def _withheld(depth: FloatArray, index: int) -> BoolArray:
    """Mask of the held-out pixels of an evaluated frame, (H, W)."""
    return draw_pixels(depth.shape, index, by="patches")
