"""NYU Depth v2 as published with VOID weights: where its archive comes from, and which frames of it make a split."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from kbnet.datasets.archive import is_whole, unpack_once
from kbnet.datasets.download import Archive, Progress
from kbnet.errors import KBNetError
from kbnet.frames.natural_order import in_order

Split = Literal["train", "test"]

ARCHIVE = Archive.on_google_drive("nyu_v2.zip", "1E5NgaEE8zEr4OizVcxc3nfQGfjSatUjX")
TEST_SPLIT_URL = "http://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/splits.mat"
TEST_FRAMES, LABELLED_FRAMES = 654, 1449

NEIGHBOUR = 10
"""Frames between a training frame and its neighbours."""
_ROOTS: Mapping[Split, str] = {"train": "training", "test": "testing"}
_TRAINING_SCENE = re.compile(r"_000[0-4]$")


@dataclass(frozen=True)
class Source:
    """A frame as it lies in the unpacked archive.

    Attributes:
        name: unique within the split.
        image: RGB, 640x480.
        depth: 16-bit PNG of the same size.
        previous, next: the images `NEIGHBOUR` frames away; None for test frames.
    """

    name: str
    image: Path
    depth: Path
    previous: Path | None = None
    next: Path | None = None


def find_data(
    split: Split, folder: Path, *, by_hand: tuple[Path, ...] = (), on_progress: Progress | None = None
) -> Path:
    """Find the unpacked frames of a split, or unpack them from the archive, or download it first.

    Args:
        folder: of the prepared data; archives go to ``archives`` in it.
        by_hand: archives, folders of archives, or folders of unpacked data (``testing/images`` and so on, in them or
            in ``nyu_v2`` in them), which are used where they lie. With any, nothing is downloaded.

    Returns:
        The folder that holds ``images`` and ``depths`` of the split, as an absolute path.
    """
    root, folder = _ROOTS[split], Path(os.path.abspath(folder))
    places = [Path(os.path.abspath(place)) for place in by_hand]
    for place in (*places, *(place / "nyu_v2" for place in places)):
        if (place / root / "images").is_dir() and is_whole(place / root):
            return place / root
    inside = re.compile(rf"(?:^|/)({root}/(?:images|depths)/.+)")

    def below(name: str) -> str | None:
        found = inside.search(name)
        return found[1] if found else None

    target = folder / root
    unpack_once(ARCHIVE, folder, target, rename=below, by_hand=by_hand, on_progress=on_progress)
    return target


def list_training(root: Path) -> list[Source]:
    """Frames of the scenes whose names end in _0000 to _0004, that have neighbours 10 frames before and after.

    Frames without depth can still be neighbours.

    Raises:
        FileNotFoundError: there is no such scene.
    """
    images = root / "images" / "raw_data"
    scenes = sorted(path for path in images.glob("*") if _TRAINING_SCENE.search(path.name))
    if not scenes:
        raise FileNotFoundError(
            f"expected folders of scenes like kitchen_0003 in {images}, got none; unpack all of {ARCHIVE.name}"
        )
    frames = []
    for scene in scenes:
        pictures = _pictures(scene)
        depths = _depths_of(pictures, root / "depths" / "raw_data" / scene.name)
        for index in range(NEIGHBOUR, len(pictures) - NEIGHBOUR):
            image = pictures[index]
            before, after = pictures[index - NEIGHBOUR], pictures[index + NEIGHBOUR]
            frames.append(Source(f"{scene.name}/{image.stem}", image, depths[index], before, after))
    return _with_depth(frames, root)


def list_testing(root: Path, splits_file: Path | None = None) -> list[Source]:
    """The standard test frames.

    Args:
        splits_file: the official ``splits.mat``; needed where all 1,449 labelled frames are there.

    Returns:
        654 frames; where there are neither 654 nor 1,449, all, with a warning.

    Raises:
        FileNotFoundError: there are no images.
        KBNetError: all labelled frames are there and ``splits_file`` is not given, or does not fit them.
    """
    pictures = _pictures(root / "images")
    if not pictures:
        raise FileNotFoundError(f"expected PNG images in {root / 'images'}, got none; unpack all of {ARCHIVE.name}")
    depths = _depths_of(pictures, root / "depths")
    frames = [Source(image.stem, image, depth) for image, depth in zip(pictures, depths, strict=True)]
    if len(frames) == LABELLED_FRAMES:
        if splits_file is None:
            raise KBNetError(
                f"expected the {TEST_FRAMES} test frames in {root}, got all {LABELLED_FRAMES} labelled frames; fetch "
                f"the official split from {TEST_SPLIT_URL} and name it with --test-split"
            )
        _check_numbered_through(pictures)
        frames = [frames[number - 1] for number in read_test_split(splits_file)]
    elif len(frames) != TEST_FRAMES:
        warnings.warn(
            f"expected {TEST_FRAMES} test frames in {root}, got {len(frames)}; all are taken, and results will not "
            "compare with published ones",
            stacklevel=2,
        )
    return _with_depth(frames, root)


def read_test_split(path: Path) -> list[int]:
    """Read the numbers of the test frames, counted from 1, from the official ``splits.mat`` (its ``testNdxs``).

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is something else.
    """
    from scipy.io import loadmat

    if not path.is_file():
        raise FileNotFoundError(f"expected splits.mat at {path}, but nothing is there; check the path")
    try:
        numbers = np.asarray(loadmat(path)["testNdxs"], np.int64).ravel()
    except Exception as error:  # scipy raises a different one for nearly every kind of damage
        raise KBNetError(
            f"expected MATLAB's testNdxs in {path}, but it cannot be read ({error}); fetch it from {TEST_SPLIT_URL}"
        ) from None
    if numbers.size != TEST_FRAMES or numbers.min() < 1 or numbers.max() > LABELLED_FRAMES:
        raise KBNetError(
            f"expected {TEST_FRAMES} numbers in 1..{LABELLED_FRAMES} as testNdxs in {path}, got {numbers.size} in "
            f"{numbers.min(initial=0)}..{numbers.max(initial=0)}; fetch it from {TEST_SPLIT_URL}"
        )
    return sorted(int(number) for number in numbers)


def _pictures(folder: Path) -> list[Path]:
    """PNG files in the order of the numbers in their names: 2 comes before 10."""
    paths = [path for path in folder.glob("*.png") if not path.name.startswith(".")]
    return in_order(paths, lambda path: path.stem)


def _depths_of(pictures: list[Path], folder: Path) -> list[Path]:
    """Depth files by the names of the images, or, where no name agrees, by their order."""
    depths = _pictures(folder)
    if len(depths) == len(pictures) and not {path.name for path in depths} & {path.name for path in pictures}:
        return depths
    return [folder / picture.name for picture in pictures]


def _with_depth(frames: list[Source], root: Path) -> list[Source]:
    complete = [frame for frame in frames if frame.depth.is_file()]
    if not complete:
        raise FileNotFoundError(f"expected depth PNGs in {root / 'depths'}, got none; unpack all of {ARCHIVE.name}")
    if len(complete) < len(frames):
        missing = next(frame.depth for frame in frames if not frame.depth.is_file())
        warnings.warn(
            f"expected a depth file for every image, but {len(frames) - len(complete)} of {len(frames)} in {root} have "
            f"none, first {missing}; these frames are left out",
            stacklevel=3,
        )
    return complete


def _check_numbered_through(pictures: list[Path]) -> None:
    """The split counts labelled frames from 1; file names from 0 or from 1 in the same order fit it."""
    expected = [[str(first + index) for index in range(LABELLED_FRAMES)] for first in (0, 1)]
    if [path.stem.lstrip("0") or "0" for path in pictures] not in expected:
        raise KBNetError(
            f"expected images numbered from 0 or 1 to tell the test frames, got {pictures[0].name} to "
            f"{pictures[-1].name} in {pictures[0].parent}; keep the file names of {ARCHIVE.name}"
        )
