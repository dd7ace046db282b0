"""What an error asks for is there: the flags that it names are options of the kind of recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz.recordings import PICTURE, cloud, colmap, flags_in, flags_of, kitti360, nuscenes, png, rgbd, transforms

import kbnet
from kbnet.frames.kinds import kind_of

Make = Callable[[Path], None]


def crop(folder: Path) -> None:
    """Cut images, which is not how they were calibrated."""
    for path in (*folder.rglob("image*/**/*.png"), *folder.glob("samples/*.png"), *folder.glob("color/*.png")):
        path.write_bytes(png(PICTURE[:40]))


def cut_scan(folder: Path) -> None:
    scan = next(folder.rglob("*.bin"))
    scan.write_bytes(scan.read_bytes()[:-1])


def rename_scan(folder: Path) -> None:
    next(folder.rglob("0.bin")).rename(next(folder.rglob("velodyne_points")) / "data" / "7.bin")


def leave_out_projection(folder: Path) -> None:
    path = folder / "calibration" / "perspective.txt"
    path.write_text(path.read_text().replace("P_rect_00", "P_rect_02"))


def other_clock(folder: Path) -> None:
    """Three images beside one scan, and another scan far away."""
    path = folder / "v1.0-mini" / "sample_data.json"
    image, scan = json.loads(path.read_text())
    images = [image | {"token": f"i{index}", "timestamp": image["timestamp"] + 10_000 * index} for index in range(3)]
    scans = [scan, scan | {"token": "later", "timestamp": scan["timestamp"] + 10_000_000}]
    path.write_text(json.dumps([*images, *scans], indent=0))


def cloud_without_columns(folder: Path) -> None:
    cloud("a.bin")(folder)
    path = folder / "transforms.json"
    path.write_text(path.read_text().replace("a.ply", "a.bin"))


@pytest.mark.parametrize(
    ("make", "damage", "message"),
    [
        *((make, crop, "is no plain resizing") for make in (nuscenes, kitti360, transforms, rgbd)),
        *((make, cut_scan, "expected whole points of") for make in (nuscenes, kitti360)),
        (kitti360, rename_scan, "no image and scan share a name"),
        (kitti360, leave_out_projection, "expected a line 'P_rect_00: ...'"),
        (nuscenes, other_clock, "all 3 images would take one of 2 measurements"),
        (transforms, cloud_without_columns, "expected a cloud of points whose file says its columns"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_flags_of_a_message_are_those_of_the_kind(make: Make, damage: Make, message: str, tmp_path: Path) -> None:
    make(tmp_path)
    kind = kind_of(tmp_path)
    damage(tmp_path)
    options = {"depth_unit": 0.001} if make is rgbd else {}
    with pytest.raises(ValueError, match=message) as caught:
        kbnet.open_frames(tmp_path, **options)[0]
    assert kind is not None
    assert flags_in(str(caught.value)) <= flags_of(kind)


def test_flags_of_a_message_about_a_model_are_those_of_models(tmp_path: Path) -> None:
    pytest.importorskip("pycolmap")
    test_flags_of_a_message_are_those_of_the_kind(colmap(), crop, "is no plain resizing", tmp_path)
