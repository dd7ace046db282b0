"""Point clouds: whatever the format, the positions that were written come back; a damaged file is said to be one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from kbnet.cli.known_errors import one_line
from kbnet.sources.pcd import decompress_lzf
from kbnet.sources.point_cloud_file import read_points
from kbnet.sources.scan_columns import KITTI

POINTS = np.random.default_rng(0).normal(scale=20, size=(37, 3)).astype(np.float32)


def write_bin(path: Path, points: np.ndarray) -> None:
    np.hstack([points, np.ones((len(points), 1), np.float32)]).astype("<f4").tofile(path)


def write_ply(path: Path, points: np.ndarray, kind: str) -> None:
    header = (
        f"ply\nformat {kind} 1.0\ncomment made for a test\nelement vertex {len(points)}\n"
        "property uchar red\nproperty float x\nproperty float y\nproperty double z\nelement face 1\n"
        "property list uchar int vertex_indices\nend_header\n"
    )
    order = ">" if kind == "binary_big_endian" else "<"
    table = np.zeros(len(points), [("red", "u1"), ("x", f"{order}f4"), ("y", f"{order}f4"), ("z", f"{order}f8")])
    table["red"] = 10  # a byte that is a line end
    for axis, values in zip("xyz", points.T, strict=True):
        table[axis] = values
    rows = "".join(f"10 {x!s} {y!s} {z!s}\n" for x, y, z in points.tolist())
    body = f"{rows}3 0 1 2\n".encode() if kind == "ascii" else table.tobytes() + b"\3" + b"\0" * 12
    path.write_bytes(header.encode() + body)


def write_pcd(path: Path, points: np.ndarray, kind: str) -> None:
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS ring _ x y z\nSIZE 2 1 4 4 4\nTYPE U U F F F\n"
        f"COUNT 1 2 1 1 1\nWIDTH {len(points)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\nDATA {kind}\n"
    )
    table = np.zeros(len(points), [("ring", "<u2"), ("_", "u1", 2), ("x", "<f4"), ("y", "<f4"), ("z", "<f4")])
    for axis, values in zip("xyz", points.T, strict=True):
        table[axis] = values
    if kind == "ascii":
        body = "".join(f"3 0 0 {x!s} {y!s} {z!s}\n" for x, y, z in points.tolist()).encode()
    elif kind == "binary":
        body = table.tobytes()
    else:
        plain = b"".join(np.ascontiguousarray(table[name]).tobytes() for name in table.dtype.names or ())
        runs = [plain[begin : begin + 32] for begin in range(0, len(plain), 32)]
        packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
        body = np.array([len(packed), len(plain)], "<u4").tobytes() + packed
    path.write_bytes(header.encode() + body)


def write_las(path: Path, points: np.ndarray) -> None:
    laspy = pytest.importorskip("laspy")
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales, header.offsets = [0.001] * 3, np.floor(points.mean(axis=0))
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = points.astype(np.float64).T
    cloud.write(str(path))


WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "scan.bin": write_bin,
    **{
        f"{kind}.ply": lambda path, points, kind=kind: write_ply(path, points, kind)
        for kind in ("ascii", "binary_little_endian", "binary_big_endian")
    },
    **{
        f"{kind}.pcd": lambda path, points, kind=kind: write_pcd(path, points, kind)
        for kind in ("ascii", "binary", "binary_compressed")
    },
    "survey.las": write_las,
    "survey.laz": write_las,
}


@pytest.mark.parametrize("name", WRITERS)
def test_points_come_back_as_written(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, POINTS)
    points = read_points(tmp_path / name)
    assert points.dtype == np.float64
    np.testing.assert_allclose(points, POINTS, atol=6e-4 if "survey" in name else 1e-6)


def test_a_viewpoint_is_warned_of_and_not_applied(tmp_path: Path) -> None:
    path, points = tmp_path / "scan.pcd", np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    write_pcd(path, points, "ascii")
    path.write_text(path.read_text().replace("VIEWPOINT 0 0 0 1 0 0 0", "VIEWPOINT 0.0 0 2.5 1 0 0 0"))
    with pytest.warns(UserWarning, match="the VIEWPOINT of .*scan.pcd is not applied"):
        np.testing.assert_array_equal(read_points(path), points)


def test_large_coordinates_of_a_survey_keep_their_millimetres(tmp_path: Path) -> None:
    survey = POINTS.astype(np.float64) + np.array([412_345.678, 5_432_109.876, 321.0])
    write_las(tmp_path / "survey.laz", survey)
    np.testing.assert_allclose(read_points(tmp_path / "survey.laz"), survey, atol=6e-4, rtol=0)


def test_coordinates_of_a_survey_that_float32_rounds_are_warned_of(tmp_path: Path) -> None:
    write_bin(tmp_path / "near.bin", POINTS)
    write_bin(tmp_path / "survey.bin", POINTS + np.array([412_345, 5_432_109, 321], np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_points(tmp_path / "near.bin", KITTI)
    with pytest.warns(UserWarning, match=r"survey.bin are float32 and so large that they are rounded to 0.5; write"):
        read_points(tmp_path / "survey.bin", KITTI)


def test_las_that_does_not_say_its_unit_is_warned_of(tmp_path: Path) -> None:
    write_las(tmp_path / "place.las", POINTS)
    with pytest.warns(UserWarning, match="place.las does not say its unit: metres, unless another is given"):
        read_points(tmp_path / "place.las")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", ["US survey foot", "foot", "metre", 9003, 9001])
def test_surveys_in_feet_are_refused(unit: str | int, tmp_path: Path) -> None:
    laspy = pytest.importorskip("laspy")
    cloud = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    cloud.x, cloud.y, cloud.z = POINTS.T
    if isinstance(unit, str):
        record = laspy.VLR("LASF_Projection", 2112, "", f'PROJCS["x",GEOGCS["y"],UNIT["{unit}",0.3]]'.encode())
    else:
        keys = np.array([[1, 1, 0, 2], [1024, 0, 1, 1], [3076, 0, 1, unit]], "<u2")
        record = laspy.VLR("LASF_Projection", 34735, "", keys.tobytes())
    cloud.header.vlrs.append(record)
    cloud.write(tmp_path / "place.las")
    in_feet = unit not in ("metre", 9001)
    with pytest.raises(ValueError, match="whose coordinates are in feet") if in_feet else nullcontext():
        assert len(read_points(tmp_path / "place.las")) == len(POINTS)


def test_points_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    write_pcd(tmp_path / "scan.pcd", np.vstack([POINTS, [[np.nan] * 3]]), "binary")
    assert len(read_points(tmp_path / "scan.pcd")) == len(POINTS)
    write_pcd(tmp_path / "scan.pcd", np.full((2, 3), np.nan), "ascii")
    with pytest.raises(ValueError, match="none that are finite"):
        read_points(tmp_path / "scan.pcd")


@pytest.mark.parametrize("name", WRITERS)
def test_a_truncated_file_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path, POINTS)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 5 + 1])
    with pytest.raises(ValueError, match=r"expected .*copy (it|the file) again") as caught:
        read_points(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["scan.ply", "scan.pcd", "scan.las"])
def test_something_else_is_refused(name: str, tmp_path: Path) -> None:
    if name.endswith("las"):
        pytest.importorskip("laspy")
    (tmp_path / name).write_text("no cloud at all\n")
    with pytest.raises(ValueError, match=f"{name[-3:].upper()}.*{name}"):
        read_points(tmp_path / name)


def test_other_suffixes_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.bin, \.ply, \.pcd, \.las, \.laz, got .*scan\.e57"):
        read_points(tmp_path / "scan.e57")
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_points(tmp_path / "scan.ply")


def test_clouds_without_positions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text("ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n")
    with pytest.raises(ValueError, match="no x y z"):
        read_points(tmp_path / "a.ply")
    (tmp_path / "a.ply").write_text("ply\nformat ascii 1.0\nelement face 1\nproperty float x\nend_header\n1\n")
    with pytest.raises(ValueError, match="first element is 'face'"):
        read_points(tmp_path / "a.ply")
    (tmp_path / "a.pcd").write_text("FIELDS a b\nSIZE 4 4\nTYPE F F\nPOINTS 1\nDATA ascii\n1 2\n")
    with pytest.raises(ValueError, match="its fields are a b"):
        read_points(tmp_path / "a.pcd")


def test_lzf_references_repeat_what_came_before() -> None:
    assert decompress_lzf(b"\x02abc\x80\x02", 9) == b"abcabcabc"
    assert decompress_lzf(b"\x00a\xe0\x0b\x00\x00b", 22) == b"a" * 21 + b"b"
    assert decompress_lzf(b"\x03abcd\x20\x02", 7) == b"abcdbcd"
    for damaged in (b"\x02ab", b"\x00a\xe0", b"\x00a\x20\x05", b""):
        with pytest.raises(ValueError, match="announced"):
            decompress_lzf(damaged, 9)


def test_a_missing_laspy_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "survey.las").write_bytes(b"LASF")
    monkeypatch.setitem(sys.modules, "laspy", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        read_points(tmp_path / "survey.las")
    assert one_line(caught.value) == "laspy is needed: pip install 'kbnet[lidar]'"


def test_what_nothing_came_back_from_is_left_out(tmp_path: Path) -> None:
    write_bin(tmp_path / "scan.bin", np.vstack([POINTS, np.zeros((5, 3)), [[np.nan, 1, 1]]]).astype(np.float32))
    np.testing.assert_array_equal(read_points(tmp_path / "scan.bin"), POINTS)


@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("list_first", [False, True])
def test_vertices_with_a_list_are_read(kind: str, list_first: bool, tmp_path: Path) -> None:
    fields = ["property float x", "property float y", "property float z"]
    listed = "property list uchar int seen_by"
    properties = [listed, *fields] if list_first else [*fields, listed]
    order = ">" if kind == "binary_big_endian" else "<"
    body = b""
    for index, point in enumerate(POINTS):
        items = list(range(index % 4))
        if kind == "ascii":
            texts = [" ".join(map(repr, point.tolist())), " ".join(map(str, [len(items), *items]))]
            body += (" ".join(texts[::-1] if list_first else texts) + "\n").encode()
        else:
            parts = [
                point.astype(f"{order}f4").tobytes(),
                bytes([len(items)]) + np.array(items, f"{order}i4").tobytes(),
            ]
            body += b"".join(parts[::-1] if list_first else parts)
    head = "\n".join(["ply", f"format {kind} 1.0", f"element vertex {len(POINTS)}", *properties, "end_header\n"])
    (tmp_path / "scan.ply").write_bytes(head.encode() + body)
    np.testing.assert_allclose(read_points(tmp_path / "scan.ply"), POINTS, rtol=1e-6)
    (tmp_path / "scan.ply").write_bytes(head.encode() + body[: len(body) // 2])
    with pytest.raises(ValueError, match="is damaged"):
        read_points(tmp_path / "scan.ply")
