"""KITTI depth completion in the published layout of archives, with a small synthetic scene in place of the streets."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
import pytest
from PIL import Image

from kbnet.frame import FloatArray, Frame

HEIGHT, WIDTH = 72, 120
SHIFT_PX = 4
"""What image_02 sees, image_03 sees this far left: each is a part of the rendered image."""
SCALE = 5
"""The scene is a room; so much larger, it has the depths of a street, 2 to 25 m."""
POINTS = 400
MOVING, PARTLY_STANDING, VAL = "2011_09_26_drive_0001_sync", "2011_10_03_drive_0042_sync", "2011_09_26_drive_0002_sync"
RAW_FRAMES = 12
ANNOTATED = range(5, 10)
"""Of every drive, as published: not the first five frames. The last image is frame 11."""
STANDING = (6, 7)
"""Frames of PARTLY_STANDING in which the car moves less than 0.3 m/s."""
SELECTED = 3
"""Frames of the validation split, and of the test split."""


@pytest.fixture(scope="session")
def kitti_archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the three depth archives, and of drives and calibrations of two dates; read only.

    Two drives to train on, with five annotated frames for each of two cameras: twenty frames, four of a standing car.
    One val drive, without an archive of its raw images; three validation and three test frames.
    """
    pytest.importorskip("skimage")
    folder = tmp_path_factory.mktemp("kitti_archives")
    velodyne: dict[str, bytes] = {}
    annotated: dict[str, bytes] = {}
    selection: dict[str, bytes] = {}
    for seed, drive in enumerate((MOVING, PARTLY_STANDING, VAL)):
        frames = _render(seed)
        if drive == VAL:
            selection |= _selection(drive, frames[: 2 * SELECTED])
        else:
            _write_zip(folder / f"{drive}.zip", _raw_drive(drive, frames))
            _write_zip(folder / f"{drive[:10]}_calib.zip", _calibration(drive[:10], frames[0].intrinsics))
        for camera in (2, 3):
            for index in ANNOTATED:
                frame, split = _seen_by(camera, frames[index]), "val" if drive == VAL else "train"
                name = f"{split}/{drive}/proj_depth/{{}}/image_0{camera}/{index:010}.png"
                velodyne[name.format("velodyne_raw")] = _depth_png(frame.sparse_depth)
                annotated[name.format("groundtruth")] = _depth_png(_semi_dense(frame))
    _write_zip(folder / "data_depth_velodyne.zip", velodyne)
    _write_zip(folder / "data_depth_annotated.zip", annotated)
    _write_zip(folder / "data_depth_selection.zip", selection)
    return folder


def _render(seed: int) -> list[Frame]:
    from kbnet.sources.rendered.synthetic import SyntheticConfig, synthetic_frames

    config = SyntheticConfig(
        frames=RAW_FRAMES, width=WIDTH + SHIFT_PX, height=HEIGHT, points=POINTS, range_noise=0.0, seed=seed
    )
    return [frame for frame, *_ in synthetic_frames(config)]


def _seen_by(camera: int, frame: Frame) -> Frame:
    left = SHIFT_PX * (camera - 2)
    part = np.s_[:, left : left + WIDTH]
    assert frame.ground_truth is not None
    intrinsics = frame.intrinsics - np.array([[0, 0, left], [0, 0, 0], [0, 0, 0]], np.float32)
    return Frame(frame.image[part], SCALE * frame.sparse_depth[part], intrinsics, SCALE * frame.ground_truth[part])


def _semi_dense(frame: Frame) -> FloatArray:
    """Ground truth at every second pixel, and none in the upper third, as an accumulated lidar's."""
    assert frame.ground_truth is not None
    known = np.indices(frame.size).sum(axis=0) % 2 == 0
    known[: HEIGHT // 3] = False
    return np.where(known, frame.ground_truth, np.float32(0))


def _raw_drive(drive: str, frames: list[Frame]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    root = f"{drive[:10]}/{drive}"
    for index, frame in enumerate(frames):
        for camera in range(4):
            image = frame.image[:8, :8] if camera < 2 else _seen_by(camera, frame).image
            files[f"{root}/image_0{camera}/data/{index:010}.png"] = _png(image)
        files[f"{root}/velodyne_points/data/{index:010}.bin"] = bytes(16)
        files[f"{root}/oxts/data/{index:010}.txt"] = _oxts(drive == PARTLY_STANDING and index in STANDING)
    for sensor in ("image_02", "image_03", "oxts", "velodyne_points"):
        files[f"{root}/{sensor}/timestamps.txt"] = b"2011-09-26 13:02:25.964389445\n"
    files[f"{root}/oxts/dataformat.txt"] = b"lat:   latitude of the oxts-unit (deg)\n"
    return files


def _oxts(standing: bool) -> bytes:
    """A packet of thirty numbers; the 9th and 10th are the velocity forward and to the left, m/s."""
    packet = np.linspace(1, 40, 30)
    packet[8:10] = (0.02, -0.01) if standing else (0.2, 7.5)
    return (" ".join(f"{value:.12f}" for value in packet[:25]) + " 4 9 6 6 6\n").encode()


def _calibration(date: str, intrinsics: FloatArray) -> dict[str, bytes]:
    lines = ["calib_time: 09-Jan-2012 13:57:47", "corner_dist: 9.950000e-02"]
    for camera in range(4):
        projection = np.zeros((3, 4))
        projection[:, :3] = intrinsics
        projection[0, 2] -= SHIFT_PX * (camera - 2) if camera > 1 else 0
        projection[0, 3] = -40.0 * camera
        lines.append(f"K_0{camera}: " + " ".join(["9.0e+02"] * 9))
        lines.append(f"P_rect_0{camera}: " + " ".join(f"{value:.6e}" for value in projection.ravel()))
    return {
        f"{date}/calib_cam_to_cam.txt": "\n".join([*lines, ""]).encode(),
        f"{date}/calib_velo_to_cam.txt": b"R: 1 0 0 0 1 0 0 0 1\nT: 0 0 0\n",
        f"{date}/calib_imu_to_velo.txt": b"R: 1 0 0 0 1 0 0 0 1\nT: 0 0 0\n",
    }


def _selection(drive: str, frames: list[Frame]) -> dict[str, bytes]:
    files = {"depth_selection/test_depth_prediction_anonymous/image/0000000000.png": _png(frames[0].image)}
    for index, rendered in enumerate(frames):
        camera = 2 + index % 2
        frame = _seen_by(camera, rendered)
        if index < SELECTED:
            root, name = "depth_selection/val_selection_cropped", f"{drive}_{{}}_{index:010}_image_0{camera}"
            files[f"{root}/groundtruth_depth/{name.format('groundtruth_depth')}.png"] = _depth_png(_semi_dense(frame))
        else:
            root, name = "depth_selection/test_depth_completion_anonymous", f"{index - SELECTED:010}"
        files[f"{root}/image/{name.format('image')}.png"] = _png(frame.image)
        files[f"{root}/velodyne_raw/{name.format('velodyne_raw')}.png"] = _depth_png(frame.sparse_depth)
        numbers = " ".join(f"{value:.6f}" for value in frame.intrinsics.ravel())
        files[f"{root}/intrinsics/{name.format('image')}.txt"] = f"{numbers}\n".encode()
    return files


def _depth_png(depth: FloatArray) -> bytes:
    return _png(np.rint(256 * depth).astype(np.uint16))


def _png(array: np.ndarray[Any, np.dtype[Any]]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG")
    return file.getvalue()


def _write_zip(path: Path, files: dict[str, bytes]) -> None:
    """Write the folders too, as the published archives have them."""
    with ZipFile(path, "w") as archive:
        for name in sorted({*files, *_parents(files)}):
            archive.writestr(ZipInfo(name), files.get(name, b""))


def _parents(names: Iterable[str]) -> set[str]:
    return {f"{parent}/" for name in names for parent in PurePosixPath(name).parents if parent.name}
