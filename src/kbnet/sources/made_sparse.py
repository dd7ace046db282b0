"""A sequence with dense depth to one more folder of sparse points, or to a sequence of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from kbnet.errors import KBNetError
from kbnet.files import atomic_folder
from kbnet.frame import FloatArray, Frame
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import PosedFrame, write_sequence
from kbnet.points.patterns import SparsePattern

GROUND_TRUTH = "ground_truth"


def open_dense(folder: str | Path) -> Sequence:
    """Open a sequence that has ground truth for every frame; it need not have sparse depth.

    Returns:
        The sequence, whose ``sparse_depth`` is its ground truth.

    Raises:
        FileNotFoundError: it is none, or ground truth is missing.
    """
    folder = Path(folder)
    if folder.is_dir() and not (folder / GROUND_TRUTH).is_dir():
        raise FileNotFoundError(
            f"expected dense depth in {folder / GROUND_TRUTH}, but there is no such folder; put a 16-bit PNG of "
            "metres x 256 there for each image"
        )
    return Sequence(folder, sparse_depth=GROUND_TRUTH)


def add_sparse_depth(
    sequence: Sequence,
    pattern: SparsePattern,
    name: str,
    *,
    overwrite: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> float:
    """Write a folder of sparse depth into a sequence; it appears whole or not at all.

    Args:
        sequence: from :func:`open_dense`.
        name: of the folder, beginning with ``sparse_depth``.

    Returns:
        Points a frame, the mean.

    Raises:
        KBNetError: the name is taken or is no such name, a frame has no depth, or the pattern is out of range.
    """
    if not name.startswith("sparse_depth") or Path(name).name != name:
        raise KBNetError(f"expected a name that begins with sparse_depth, got '{name}'; name it sparse_depth_{name}")
    target = sequence.folder / name
    points = 0
    with atomic_folder(target) as partial:
        if target.exists() and not overwrite:  # also where it was restored after a kill
            raise KBNetError(f"{target} is there already; choose another --name, or replace it (--overwrite)")
        for frame in _measured(sequence, pattern):
            write_depth_png(partial / f"{frame.name}.png", frame.sparse_depth)
            points += int((frame.sparse_depth > 0).sum())
            on_frame()
    return points / len(sequence)


def copy_made_sparse(
    sequence: Sequence,
    pattern: SparsePattern,
    folder: str | Path,
    *,
    overwrite: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> float:
    """Write a sequence of the same images, ground truth and poses, with ``sparse_depth`` as the pattern measures it.

    Args:
        sequence: from :func:`open_dense`.

    Returns:
        Points a frame, the mean.
    """
    frames = (
        PosedFrame(frame, sequence.pose(index) if sequence.has_poses else None)
        for index, frame in enumerate(_measured(sequence, pattern))
    )
    written = write_sequence(folder, frames, overwrite=overwrite, inputs=(sequence.folder,), on_frame=on_frame)
    return written.mean_points


def _measured(sequence: Sequence, pattern: SparsePattern) -> Iterator[Frame]:
    for index, name in enumerate(sequence.names):
        image, depth = sequence.image(index), sequence.sparse_depth(index)
        dense = Frame(image, depth, sequence.intrinsics, name=name)
        sparse: FloatArray = pattern.measure(image, dense.sparse_depth, sequence.intrinsics, index)
        if not sparse.any():
            raise KBNetError(
                f"expected depth to choose points from, got none in frame '{name}' of {sequence.folder}; remove it, or "
                "ask for more points"
            )
        yield Frame(image, sparse, sequence.intrinsics, depth, name)
