"""The published text lists, one path a line for each kind of file, as frames of one list."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.files import read_text
from kbnet.frames.depth_png import read_depth_png
from kbnet.frames.frame_files import PresentFiles
from kbnet.frames.frame_list import FrameFiles
from kbnet.frames.image_file import read_image, read_intrinsics

_READERS: Mapping[str, tuple[Callable[[str], NDArray[Any]], str]] = {
    "image": (read_image, "images"),
    "sparse_depth": (read_depth_png, "sparse depth maps"),
    "intrinsics": (read_intrinsics, "camera matrices K"),
    "ground_truth": (read_depth_png, "true depth maps"),
}
"""How to read a file of each list, and what these are."""


def frames_of_lists(
    image: Path, sparse_depth: Path, intrinsics: Path, ground_truth: Path | None = None, *, root: Path
) -> list[FrameFiles]:
    """Join text lists whose lines belong together, first to first, second to second.

    Whether images stand side by side, ``[t-1 | t | t+1]``, is seen from the first, which is then three times as wide
    as its sparse depth map. Frames are called after as many last parts of their image's path as tell all apart.

    Args:
        image, sparse_depth, intrinsics, ground_truth: the lists; blank lines at their ends do not count.
        root: where the relative paths in them start.

    Returns:
        Frames with absolute paths.

    Raises:
        FileNotFoundError: a list, or a file it names, is missing.
        KBNetError: a list is empty or has a gap, lists differ in length, an image is named twice, the first file of a
            list is of another kind, or the first image does not fit its depth map.
    """
    lists = {"image": image, "sparse_depth": sparse_depth, "intrinsics": intrinsics}
    if ground_truth is not None:
        lists["ground_truth"] = ground_truth
    lines = {column: _read_list(path) for column, path in lists.items()}
    if len(set(map(len, lines.values()))) > 1:
        lengths = ", ".join(f"{lists[column]} has {len(texts)}" for column, texts in lines.items())
        raise KBNetError(f"expected as many lines in every list, but {lengths}; take lists of one split")
    for column, texts in lines.items():
        _check_present(lists[column], texts, root)
    paths = {column: [os.path.abspath(root / text) for text in texts] for column, texts in lines.items()}
    first = {column: _read_first(column, lists[column], paths[column][0]) for column in lists}
    files = (paths["image"][0], paths["sparse_depth"][0])
    side_by_side = "1" if _stand_side_by_side(first["image"], first["sparse_depth"], *files) else ""
    paths["name"] = _names(paths["image"], image)
    return [
        FrameFiles(**dict(zip(paths, texts, strict=True)), side_by_side=side_by_side)
        for texts in zip(*paths.values(), strict=True)
    ]


def _read_list(path: Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(f"expected a text file of paths at {path}, but there is no such file; check its path")
    # What is no UTF-8 becomes the path of a file that is not there, and is named so.
    lines = [line.strip() for line in read_text(path, errors="replace").rstrip().split("\n")]
    if lines == [""]:
        raise KBNetError(f"expected one path a line in {path}, got nothing; take another list")
    if "" in lines:
        raise KBNetError(f"expected one path a line in {path}, got nothing in line {lines.index('') + 1}; correct it")
    return lines


def _check_present(path: Path, texts: list[str], root: Path) -> None:
    present = PresentFiles(root)
    missing = [number for number, text in enumerate(texts) if text not in present]
    if missing:
        raise FileNotFoundError(
            f"expected all files that {path} names, but {len(missing)} of {len(texts)} are missing, first "
            f"{root / texts[missing[0]]} (line {missing[0] + 1}); name the folder where the paths start by --root, "
            "or correct the list"
        )


def _read_first(column: str, path: Path, file: str) -> NDArray[Any]:
    read, what = _READERS[column]
    try:
        return read(file)
    except KBNetError as error:
        raise KBNetError(f"expected a list of {what} in {path}, but its first file is none: {error}") from None


def _stand_side_by_side(image: NDArray[Any], depth: NDArray[Any], image_file: str, depth_file: str) -> bool:
    (height, width), (depth_height, depth_width) = image.shape[:2], depth.shape
    if height != depth_height or width not in (depth_width, 3 * depth_width):
        raise KBNetError(
            f"expected an image as wide as its sparse depth map, or three times so, got {width}x{height} in "
            f"{image_file} and {depth_width}x{depth_height} in {depth_file} (width x height); take lists that belong "
            "together"
        )
    return bool(width != depth_width)


def _names(images: list[str], path: Path) -> list[str]:
    """The shortest tails of these paths, without suffix, that are all different."""
    parts = [PurePath(image).with_suffix("").parts[1:] for image in images]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise KBNetError(f"expected another image in every line of {path}, but one stands there twice; remove one line")
