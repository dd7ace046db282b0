"""Which scan belongs to which image: by their names, or by the times in their names."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.files import read_text
from kbnet.frame import Float64Array
from kbnet.frames.kinds import IMAGE_SUFFIXES, TEXT_SUFFIXES
from kbnet.frames.natural_order import WHOLE, in_order
from kbnet.sources.clock import nearest_in_time, times_in_names
from kbnet.sources.point_cloud_file import READERS, TEXT_REMEDY

LARGEST_DIFFERENCE_S = 0.05
"""Between an image and its scan: half a turn of a lidar that turns ten times a second."""
SHARE_OF_ONE_RATE = 0.8
"""Of the larger number of files: fewer that are counted likewise were probably recorded less often."""
LARGEST_COUNT = 1e8
"""Larger numbers as names are times, not counted frames."""


def list_images(path: str | Path) -> list[Path]:
    """Images of a folder, sorted by name, numbers by value; or the one image that is named."""
    return _list(Path(path), IMAGE_SUFFIXES, "images")


def list_scans(path: str | Path) -> list[Path]:
    """Point clouds of a folder, sorted by name; or the one that is named."""
    return _list(Path(path), tuple(READERS), "point clouds")


def pair_scans(
    images: list[Path], scans: list[Path], *, largest_difference_s: float | None = LARGEST_DIFFERENCE_S
) -> list[tuple[int, Path]]:
    """Find the scan of each image.

    Where an image and a scan share a name, names pair them, unless they are times, which are the same by chance. Else
    the names must be numbers: seconds (or, if they are as large as such times since 1970 are, milli-, micro- or
    nanoseconds), and each image takes the scan nearest in time.

    Args:
        images, scans: files, sorted by name.
        largest_difference_s: between an image and its scan, seconds; None = names alone pair them.

    Returns:
        Index of the image and the scan, for each image that has one.

    Raises:
        KBNetError: none has.
    """
    by_name = {scan.stem: scan for scan in scans}
    pairs = [(index, by_name[image.stem]) for index, image in enumerate(images) if image.stem in by_name]
    named = f"no image and scan share a name ({images[0].name} and {scans[0].name} come first)"
    if largest_difference_s is None:
        if not pairs:
            raise KBNetError(f"{named}; unpack both again")
        return pairs
    warn_of_other_rate(images, scans)
    image_times, scan_times = (
        times_in_names([file.stem for file in files], f"names in {files[0].parent}") for files in (images, scans)
    )
    by_chance = len(pairs) < len(images) and image_times is not None and image_times.max() > LARGEST_COUNT
    if pairs and not by_chance:
        return pairs
    if image_times is None or scan_times is None:
        raise KBNetError(f"{named}, and not all names are times; give an image and its scan the same name")
    nearest, close = nearest_in_time(image_times, scan_times, largest_difference_s)
    if not close.any():
        raise KBNetError(
            f"no image has a scan within {largest_difference_s:g} s: images span {_span(image_times)}, scans "
            f"{_span(scan_times)}; check that both have one clock, or allow more (--max-difference)"
        )
    return [(int(index), scans[nearest[index]]) for index in np.flatnonzero(close)]


def times_of_files(files: list[Path]) -> list[float] | None:
    """Seconds, where names are times; None where they count."""
    names = [file.stem for file in files]
    if all(name.isdecimal() and int(name) <= LARGEST_COUNT for name in names):
        return None
    times = times_in_names(names, f"names in {files[0].parent}")
    return None if times is None else times.tolist()


def warn_of_other_rate(images: list[Path], measurements: list[Path]) -> None:
    """Warn where both are counted, but one of them much farther, or about as many in a shifted range.

    Args:
        images, measurements: files that equal numbers pair, each sorted; some may be missing.
    """
    counted = [_last_numbers(files) for files in (images, measurements)]
    if not all(map(_is_counted, counted)):
        return
    (first, last), (other_first, other_last) = [(numbers[0], numbers[-1]) for numbers in counted]
    folder, other = images[0].parent, measurements[0].parent
    fewer, more = sorted((len(numbers), numbers[-1] - first + 1) for numbers in counted)
    fewer_by_far = [a < SHARE_OF_ONE_RATE * b for a, b in zip(fewer, more, strict=True)]
    if first == other_first and all(fewer_by_far):
        warnings.warn(
            f"{folder} holds {len(images)} images and {other} {len(measurements)} files, both counted from {first}: "
            "copy the missing ones or, if one was recorded more often, name both by time",
            stacklevel=4,
        )
    if (first - other_first) * (last - other_last) > 0 and not fewer_by_far[0]:
        files = f"{fewer[0]} files each" if fewer[0] == more[0] else f"{len(images)} and {len(measurements)} files"
        warnings.warn(
            f"{folder} and {other} hold {files}, counted from {first} and {other_first}, of which equal numbers pair: "
            "if the first of both belong together, number both alike",
            stacklevel=4,
        )


def _last_numbers(files: list[Path]) -> list[int]:
    return [int(number) for file in files for number in WHOLE.findall(file.stem)[-1:]]


def _is_counted(numbers: list[int]) -> bool:
    """Whether numbers of files, in their order, grow one by one, with few gaps."""
    return (
        len(numbers) > 1 and all(a < b for a, b in pairwise(numbers)) and numbers[-1] - numbers[0] < 1.5 * len(numbers)
    )


def _list(path: Path, suffixes: tuple[str, ...], what: str) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"expected {what} in {path}, but there is no such folder or file; check the path")
    files = [file for file in path.glob("[!.]*") if file.suffix.lower() in suffixes]
    files = in_order(files, lambda file: file.stem)
    if not files:
        inside = sorted(file.name for file in path.iterdir())[:5]
        text = (
            [one for one in inside if one.lower().endswith((".txt", *TEXT_SUFFIXES))]
            if suffixes != IMAGE_SUFFIXES
            else []
        )
        raise FileNotFoundError(
            f"expected {what} ({', '.join(suffixes)}) in {path}, which holds {', '.join(inside) or 'nothing'}; "
            f"{TEXT_REMEDY if text else 'name the folder they lie in'}"
        )
    check_different_names(files, what)
    return files


def check_different_names(files: list[Path], what: str) -> None:
    """Refuse files, sorted by name, of which two differ in their suffix alone."""
    for first, second in pairwise(files):
        if first.stem == second.stem:
            raise KBNetError(
                f"expected {what} of different names in {first.parent}, got {first.name} and {second.name}; move one "
                "kind elsewhere"
            )


def _span(times: Float64Array) -> str:
    return f"{times.min():.3f} to {times.max():.3f} s"


def warn_of_other_times(images: Path, scans: Path) -> None:
    """Warn if images and scans of one number were taken at different times, as in KITTI's unsynchronised drives."""
    if images == scans or not (images.is_file() and scans.is_file()):
        return
    times, scan_times = _listed_times(images), _listed_times(scans)
    count = min(len(times), len(scan_times))
    apart = float(np.median(np.abs(times[:count] - scan_times[:count]))) if count else 0.0
    if apart > LARGEST_DIFFERENCE_S:
        warnings.warn(
            f"images and scans of one number are {apart:.3f} s apart by {images} and {scans}; take synchronised ones, "
            "or copy both again",
            stacklevel=4,
        )


def _listed_times(path: Path) -> Float64Array:
    try:
        moments = np.array(read_text(path).split("\n"), "datetime64[ns]")
    except ValueError as error:
        raise KBNetError(f"expected a date and time a line in {path} ({error}); copy it again") from None
    seconds: Float64Array = moments[~np.isnat(moments)].astype(np.int64) / 1e9
    return seconds
