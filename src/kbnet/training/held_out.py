"""Sparse points that training never sees, so that what it brings can be measured on a video without ground truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kbnet.data.depth_png import read_depth_png, write_depth_png
from kbnet.data.frame_files import PATHS, FrameFiles, write_frame_list
from kbnet.data.frame_list import FrameList
from kbnet.data.frame_source import FrameSource
from kbnet.data.held_out_points import SHARE, draw_pixels, part_depth
from kbnet.data.sequence import Sequence

JUDGED_FRAMES = 30
"""About how many frames are judged, evenly spread over the video."""

LEAST_FRAMES = 5
"""Judged frames from which a standard error is worth something."""


@dataclass(frozen=True)
class HeldOut:
    """What :func:`hold_out` wrote.

    Attributes:
        training: list of all frames, the judged ones without their held-out points, none with ground truth.
        columns: its columns of sparse depth, in the order of the kinds of sparse depth.
        judged: list of the judged frames by kind of sparse depth: ``sparse_depth`` is what training has of them too,
            ``ground_truth`` the held-out points.
        frames: how many frames are judged.
        triplets: how many frames can be trained on.
    """

    training: Path
    columns: tuple[str, ...]
    judged: Mapping[str, Path]
    frames: int
    triplets: int


def hold_out(
    sources: Mapping[str, FrameSource], folder: Path, *, gap: int, share: float = SHARE, seed: int = 0
) -> HeldOut:
    """Hold out some points of every n-th frame, for good: they are in no file that training reads.

    They are held out by patches, as `kbnet.data.held_out_points` draws them, the same for every kind of sparse depth,
    so that what is held out of one is not seen in another. A frame in which too few points are measured for that is
    trained on whole.

    Args:
        sources: the same frames with each kind of sparse depth, by the name of the kind.
        folder: where to write lists and depth maps; images stay where they are.
        gap: frames to both neighbours; a list names its own.
        share: fraction of the patches of a judged frame that is held out.
        seed: of the draw.

    Raises:
        ValueError: there are too few frames, or too few with points.
        FileNotFoundError: a file is missing.
    """
    first = next(iter(sources.values()))
    columns = {kind: kind if kind.startswith("sparse_depth") else f"sparse_depth_{kind}" for kind in sources}
    trained = {index for index in first.triplet_indices(gap)}
    every = max(1, math.ceil(len(first) / JUDGED_FRAMES))
    training: list[FrameFiles] = []
    judged: dict[str, list[FrameFiles]] = {kind: [] for kind in sources}
    for index in range(len(first)):
        files = {kind: _files(source, index, gap if index in trained else None) for kind, source in sources.items()}
        if index % every == 0:
            parted = _part(files, folder, index, share=share, seed=seed)
            for kind, one in parted.items():
                judged[kind].append(one)
                files[kind] = replace(files[kind], sparse_depth=one.sparse_depth)
        others = {columns[kind]: one.sparse_depth for kind, one in files.items() if columns[kind] != "sparse_depth"}
        training.append(replace(next(iter(files.values())), other_sparse_depth=others))
    frames = len(next(iter(judged.values())))
    if frames < LEAST_FRAMES:
        raise ValueError(
            f"expected at least {LEAST_FRAMES} frames with sparse points to judge by, got {frames} of {len(first)} in "
            f"{first.folder}; take a longer video, or one with more points a frame"
        )
    lists = {kind: folder / f"judged_{number}.csv" for number, kind in enumerate(sources)}
    for kind, path in lists.items():
        write_frame_list(path, judged[kind])
    training = _with_motion(training)
    write_frame_list(folder / "training.csv", training)
    triplets = sum(bool(files.next) or files.side_by_side == "1" for files in training)
    return HeldOut(folder / "training.csv", tuple(columns.values()), lists, frames, triplets)


def _with_motion(frames: list[FrameFiles]) -> list[FrameFiles]:
    """The same; where motion is known of most but not of all frames, those others lose their neighbours.

    So they are not trained on, and no pose network is needed for their sake.
    """
    unknown = [bool(files.next) and not files.next_pose for files in frames]
    known = sum(bool(files.next_pose) for files in frames)
    if known < sum(unknown):
        return frames
    return [
        replace(files, previous="", next="") if drop else files for files, drop in zip(frames, unknown, strict=True)
    ]


def _part(
    files: Mapping[str, FrameFiles], folder: Path, index: int, *, share: float, seed: int
) -> dict[str, FrameFiles]:
    """Write the points of one frame in two parts; return its lines for judging, none if a part would be empty."""
    maps = {kind: read_depth_png(one.sparse_depth) for kind, one in files.items()}
    withheld = draw_pixels(next(iter(maps.values())).shape, index, share=share, seed=seed, by="patches")
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


def _files(source: FrameSource, index: int, gap: int | None) -> FrameFiles:
    """Where the files of a frame lie, absolute, without ground truth."""
    if isinstance(source, FrameList):
        files = source.files(index)
        here = source.folder.absolute().parent
        absolute: dict[str, Any] = {name: getattr(files, name) and str(here / getattr(files, name)) for name in PATHS}
        return replace(files, **absolute | {"ground_truth": ""})
    assert isinstance(source, Sequence)
    return source.files(index, gap)
