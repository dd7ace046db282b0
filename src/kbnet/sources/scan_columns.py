"""Binary scans without a header: how many columns of which type they have, told by their name, size and values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from kbnet.errors import KBNetError
from kbnet.frame import BoolArray, Float64Array
from kbnet.limits import check_count, regular_file

NumberType = Literal["float32", "float64"]

FEWEST, MOST = 3, 12
"""Columns of the layouts that are tried."""
SAMPLE = 60 * 200
"""Values to look at, in whole rows."""
FARTHEST, NEAREST = 2e5, 1e-4
"""Coordinates, metres or millimetres, of which more than `ODD_SHARE` lie beyond, in size, are none; 0 is one."""
ODD_SHARE = 0.02
MARGIN = 0.02
"""Layouts that explain the values better by less are as good."""
SAME = 0.2
"""Difference of mean ranks, as a share of all, of columns that are one and the same of a scanner of 8 rings or more."""
ALIKE = 0.1
"""Relative difference of three numbers, the median, below which they are neighbours of one column, and no point."""
OPEN_TURN = 0.01
"""Share of a turn that is not measured, at most, where a column is told to be angles."""
CHANCE_VALUES = 10
"""Over the number of values, added to `MARGIN`: by chance, a layout of few values explains that much."""


@dataclass(frozen=True)
class Layout:
    """Columns of a scan.

    Attributes:
        columns: names in order, among them x, y and z.
        dtype: of all columns, little-endian.
    """

    columns: tuple[str, ...]
    dtype: NumberType = "float32"

    def __post_init__(self) -> None:
        if not {"x", "y", "z"} <= set(self.columns) or len(set(self.columns)) < len(self.columns):
            raise KBNetError(
                f"expected columns with x, y and z, each once, got {','.join(self.columns)}; such as "
                "--columns x,y,z,intensity,ring"
            )

    @property
    def point_bytes(self) -> int:
        """Of one point."""
        return len(self.columns) * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        return f"--columns {','.join(self.columns)} --dtype {self.dtype}"


KITTI = Layout(("x", "y", "z", "intensity"))
"""Of KITTI and SemanticKITTI."""
NUSCENES = Layout(("x", "y", "z", "intensity", "ring"))
"""Of nuScenes, whose files end in ``.pcd.bin``."""
_NAMES = ("x", "y", "z", "intensity", "ring", "time", *(f"column{number}" for number in range(7, MOST + 1)))


def read_columns(path: Path, layout: Layout) -> Float64Array:
    """Positions of a scan, (N, 3), float64.

    Raises:
        KBNetError: its size is not that of whole points, or the values are no coordinates.
    """
    check_count(path.stat().st_size // layout.point_bytes, "points", path)
    content = regular_file(path).read_bytes()
    if len(content) % layout.point_bytes:
        columns = f"{','.join(layout.columns)} as {layout.dtype}"
        raise KBNetError(
            f"expected whole points of {layout.point_bytes} bytes ({columns}) in {path}, got {len(content)}; copy "
            "it again, unless it has other columns"
        )
    table = np.frombuffer(content, np.dtype(layout.dtype).newbyteorder("<")).reshape(-1, len(layout.columns))
    return np.stack([table[:, layout.columns.index(axis)] for axis in "xyz"], axis=1).astype(np.float64)


def find_layout(path: Path) -> Layout:
    """How a scan is laid out: x, y, z first, then up to nine more columns.

    In the right layout, columns differ from each other as much as they can; in another one, each is a mixture of all.
    The layout of the name (nuScenes for ``.pcd.bin``, else KITTI) is taken where no other explains the values better.

    Raises:
        KBNetError: no layout gives coordinates, or several are as good and none is that of the name.
    """
    check_count(path.stat().st_size // KITTI.point_bytes, "points", path)
    content = regular_file(path).read_bytes()
    if _is_by_column(content):
        raise KBNetError(
            f"expected points one after another in {path}, got all x first, as in Oxford RobotCar; write it anew: "
            "numpy.fromfile(FILE, 'f4').reshape(4, -1).T.tofile(FILE)"
        )
    usual = NUSCENES if path.name.lower().endswith(".pcd.bin") else KITTI
    good = _good_layouts(content)
    if not good:
        raise KBNetError(
            f"expected a scan of {usual} in {path}, but neither these nor {FEWEST} to {MOST} columns of float32 or "
            f"float64 give coordinates from its {len(content)} bytes; name its columns (--columns, --dtype), write "
            "it as little-endian float32, or copy it again"
        )
    if usual not in good and len(good) > 1:
        raise KBNetError(f"cannot tell the columns of {path}: say one of {'; '.join(map(str, good))}")
    layout = usual if usual in good else good[0]
    _check_coordinates(path, layout)
    return layout


def _check_coordinates(path: Path, layout: Layout) -> None:
    """Refuse a coordinate of whole numbers beside others, as of rings, and angles of a whole turn beside a range.

    Raises:
        KBNetError: the first three columns are probably not x, y, z.
    """
    xyz = read_columns(path, layout)
    xyz = xyz[np.isfinite(xyz).all(axis=1) & xyz.any(axis=1)]
    if len(xyz) < CHANCE_VALUES:
        return
    whole = (xyz == np.rint(xyz)).all(axis=0)
    ring = whole.sum() == 1 and xyz[:, whole].min() >= 0 and len(np.unique(xyz[:, whole])) > 2
    if ring or any(_is_polar(*xyz.T[list(order)]) for order in permutations(range(3))):
        raise KBNetError(
            f"the first columns of {path} look like {'a ring' if ring else 'angles and a range'}, not x, y, z; "
            f"{'say which are' if ring else 'write x, y, z'} (--columns ring,x,y,z), or that they are right: {layout}"
        )


def _is_polar(distance: Float64Array, azimuth: Float64Array, elevation: Float64Array) -> bool:
    """Whether the azimuth makes just a turn, in radians or degrees, and the others are such too."""
    ends = np.array([azimuth.min(), azimuth.max()])
    return any(
        np.all((ends - [start, start + turn]) * [1, -1] >= 0)
        and np.ptp(ends) > (1 - OPEN_TURN) * turn
        and np.abs(elevation).max() <= turn / 4
        and distance.min() >= 0
        for turn in (np.float32(2 * np.pi), 360.0)
        for start in (0.0, -turn / 2)
    )


def _is_by_column(content: bytes) -> bool:
    """Whether x of all points comes first: three numbers that follow each other are then hardly different."""
    for dtype in ("<f4", "<f8"):
        values = np.frombuffer(content[: len(content) // 8 * 8], dtype)
        with np.errstate(all="ignore"):
            varied = not np.allclose(values, values[:1], rtol=ALIKE)
            sample = values[:SAMPLE]
            three = sample[: len(sample) // 3 * 3].reshape(-1, 3).astype(np.float64)
            three = three[(three != 0).any(axis=1) & (np.abs(three) <= FARTHEST).all(axis=1)]
            alike = np.ptp(three, axis=1) <= ALIKE * np.abs(three).max(axis=1)
        if len(three) >= CHANCE_VALUES and varied and alike.mean() > 0.5:
            return True
    return False


def named_layout(columns: str, dtype: NumberType) -> Layout | None:
    """The layout that a user names, such as ``x,y,z,intensity``; None where no columns are named."""
    return Layout(tuple(columns.replace(" ", "").split(",")), dtype) if columns else None


def checked_layout(path: Path, layout: Layout) -> Layout:
    """The layout that a scan, if it is a ``.bin``, should have, checked against its values; a few points say little.

    Raises:
        KBNetError: others explain them better.
    """
    size = regular_file(path).stat().st_size
    check_count(size // layout.point_bytes, "points", path)
    small = size < SAMPLE * layout.point_bytes // len(layout.columns)
    good = [] if small or path.suffix.lower() != ".bin" else _good_layouts(path.read_bytes())
    if good and layout not in good:
        raise KBNetError(
            f"expected {','.join(layout.columns)} as {layout.dtype} in {path}, but it seems to hold "
            f"{','.join(good[0].columns)} as {good[0].dtype}; copy it again, or say which is right: {layout}; {good[0]}"
        )
    return layout


def _good_layouts(content: bytes) -> list[Layout]:
    """Those that explain the values of a scan about equally well, and better than others; empty: none does."""
    scores: dict[Layout, float] = {}
    means: dict[Layout, Float64Array] = {}
    for dtype in ("float32", "float64"):
        for count in range(FEWEST, MOST + 1):
            layout = Layout(_NAMES[:count], "float32" if dtype == "float32" else "float64")
            if content and len(content) % layout.point_bytes == 0:
                fit = _fit(content, layout)
                if fit is not None:
                    scores[layout], means[layout] = fit
    margin = MARGIN + CHANCE_VALUES / max(len(content) // 8, 1)
    # A multiple of the columns explains as much, or more where rings take turns: each then is every second point.
    multiples = {
        one
        for one in scores
        for other in scores
        if _is_multiple(one, other) and (_repeats(means[one], other) or _is_continued(content, one, other))
    }
    best = max((score for one, score in scores.items() if one not in multiples), default=0.0)
    return [one for one, score in scores.items() if score > best - margin and one not in multiples]


def _is_multiple(layout: Layout, other: Layout) -> bool:
    count, fewer = len(layout.columns), len(other.columns)
    return layout.dtype == other.dtype and count > fewer and count % fewer == 0


def _repeats(means: Float64Array, layout: Layout) -> bool:
    """Whether columns, given by their mean ranks, (2, C), are those of a layout again and again."""
    return bool((np.ptp(means.reshape(2, -1, len(layout.columns)), axis=1) < SAME).all())


def _is_continued(content: bytes, layout: Layout, other: Layout) -> bool:
    """Whether x and y are followed by those of a neighbour in the same direction, as where few rings take turns."""
    xy = [_table(content, layout)[:, start : start + 2] for start in range(0, len(layout.columns), len(other.columns))]
    measured = np.all([np.isfinite(one).all(axis=1) & one.any(axis=1) for one in xy], axis=0)
    first, *rest = (one[measured] / np.linalg.norm(one[measured], axis=1, keepdims=True) for one in xy)
    return len(first) > 0 and all(
        (np.median(np.abs(one - first), axis=0) < ALIKE * first.std(axis=0)).all() for one in rest
    )


def _table(content: bytes, layout: Layout) -> Float64Array:
    """The first rows, (N, C)."""
    values = np.frombuffer(content, np.dtype(layout.dtype).newbyteorder("<"))
    count = len(layout.columns)
    with np.errstate(invalid="ignore"):  # signalling NaN, where it is another layout
        return values[: min(len(values), SAMPLE) // count * count].reshape(-1, count).astype(np.float64)


def _fit(content: bytes, layout: Layout) -> tuple[float, Float64Array] | None:
    """Share of the variance that is between columns, of values and of their size, and mean ranks of both, (2, C).

    None if they are no coordinates.
    """
    table = _table(content, layout)
    xyz = table[:, :3]
    size = np.abs(xyz)
    with np.errstate(invalid="ignore"):
        odd = (size > FARTHEST) | ((size < NEAREST) & (size > 0))
    if odd.mean() > ODD_SHARE or not np.isfinite(xyz).any():
        return None
    if not np.nan_to_num(xyz[:, :2]).any(axis=0).all():  # halves of round numbers of twice the size
        return None
    known = np.isfinite(table) & ~_without_return(table)
    by_value, by_size = (_between(one, known) for one in (table, np.abs(table)))
    return by_value[0] + by_size[0], np.stack([by_value[1], by_size[1]])


def _without_return(table: Float64Array) -> BoolArray:
    """Zeros beside each other, three or more, as of points that did not come back: often the same of every turn."""
    zero = np.pad(table.reshape(-1) == 0, 2)
    three = zero[:-2] & zero[1:-1] & zero[2:]
    without: BoolArray = (three[:-2] | three[1:-1] | three[2:]).reshape(table.shape)
    return without


def _between(table: Float64Array, known: BoolArray) -> tuple[float, Float64Array]:
    """Variance between mean ranks of columns as a share of all, corrected for chance; and those, of 0 to 1."""
    ranks = np.zeros(table.shape)
    ranks[known] = rankdata(table[known])
    counts, total = known.sum(axis=0), max(int(known.sum()), 2)
    means, mean = ranks.sum(axis=0) / np.maximum(counts, 1), ranks.sum() / total
    variance, between = float(ranks[known].var()), float(counts @ (means - mean) ** 2 / total)
    chance = (table.shape[1] - 1) / (total - 1)
    return (between / variance if variance else 0.0) - chance, means / total
