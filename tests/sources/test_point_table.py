"""Tables of points: columns by name, rows by frame or time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kbnet.sources.point_table import read_point_table


def write(folder: Path, text: str) -> Path:
    path = folder / "points.csv"
    path.write_text(text)
    return path


def test_rows_are_grouped_by_frame_and_further_columns_ignored(tmp_path: Path) -> None:
    table = read_point_table(write(tmp_path, "# id, Frame, depth, u, v\n7,2,3.5,10,20\n8,0,1.5,1,2\n7,2,4.5,11,21\n"))
    assert (table.key, table.kind, table.keys.tolist()) == ("frame", "pixels", [0, 2])
    np.testing.assert_array_equal(table.near(2, 0), [[10, 20, 3.5], [11, 21, 4.5]])
    assert table.near(1, 0) is None


def test_rows_are_found_by_the_nearest_time(tmp_path: Path) -> None:
    table = read_point_table(write(tmp_path, "timestamp,x,y,z\n1.00,1,2,3\n1.10,4,5,6\n"))
    assert (table.key, table.kind) == ("time", "points")
    np.testing.assert_array_equal(table.near(1.09, 0.02), [[4, 5, 6]])
    assert table.near(1.05, 0.02) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3,4\n", r"expected a header with frame or time, .* got '1, 2, 3, 4'"),
        ("frame,u,v\n1,2,3\n", "expected a header"),
        ("", "expected a header"),
        ("frame,u,v,depth\n", "only a header"),
        ("frame,u,U,v,depth\n0,1,2,3,4\n", "expected one column u in .*, got several"),
        ("frame,u,v,depth\n0,1,2,3\n0,1,x,3\n", r"expected numbers in .*points\.csv \(.*'x'.*row 1"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_tables_that_are_none_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_point_table(write(tmp_path, text))


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_point_table(tmp_path / "none.csv")
