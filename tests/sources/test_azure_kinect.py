"""Recordings of an Azure Kinect: depth arrives where NumPy calculates it, with both lenses and both places."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_kinect import (
    COLOUR_PARAMETERS,
    DEPTH_PARAMETERS,
    SIZES,
    TILT,
    TURN,
    KinectRecording,
    calibration,
    jpeg,
)

import kbnet
from kbnet.cli.main import main
from kbnet.frames.kinds import kind_of
from kbnet.points.projection import drop_hidden_points
from kbnet.sources.azure_kinect import describe_kinect
from kbnet.sources.azure_kinect_calibration import DEPTH_MODES, read_kinect_calibration

MODE, SIZE = "NFOV_2X2BINNED", (720, 1280)


def pinhole(parameters: list[float], sensor: tuple[int, int], row: float, column: float) -> tuple[float, ...]:
    """fx fy cx cy of a part of a sensor: the first row and column are cut off, and pixel centres are whole numbers."""
    cx, cy, fx, fy = parameters[:4]
    return fx * sensor[1], fy * sensor[0], cx * sensor[1] - column - 0.5, cy * sensor[0] - row - 0.5


def distort(x: np.ndarray, y: np.ndarray, parameters: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """The camera's lens, as its SDK writes it."""
    k1, k2, k3, k4, k5, k6, _, _, p2, p1 = parameters[4:]
    s = x * x + y * y
    d = (1 + s * (k1 + s * (k2 + s * k3))) / (1 + s * (k4 + s * (k5 + s * k6)))
    return x * d + p2 * (s + 2 * x * x) + 2 * p1 * x * y, y * d + p1 * (s + 2 * y * y) + 2 * p2 * x * y


def rays(size: tuple[int, int], K: tuple[float, ...], parameters: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Rays of the pixels, by a fixed-point iteration over the lens above."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(float)
    goal_x, goal_y = (columns - K[2]) / K[0], (rows - K[3]) / K[1]
    x, y = goal_x.copy(), goal_y.copy()
    for _ in range(400):
        bent_x, bent_y = distort(x, y, parameters)
        x, y = x + 0.5 * (goal_x - bent_x), y + 0.5 * (goal_y - bent_y)
    bent_x, bent_y = distort(x, y, parameters)
    assert max(np.abs(bent_x - goal_x).max(), np.abs(bent_y - goal_y).max()) < 1e-9
    return x, y


def scene_depth(origin: np.ndarray, R: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A slanted wall 2.5 m away and a board at 1 m, given in the depth camera, as another camera sees them.

    Args:
        origin: of the camera, in the depth camera.
        R: from the camera's axes to those of the depth camera.
        x, y: rays of the camera at z = 1.
    """
    along = np.stack([x, y, np.ones_like(x)], -1) @ R.T
    wall = (2.5 - origin @ [0.2, -0.1, 1]) / (along @ [0.2, -0.1, 1])
    board = (1.0 - origin[2]) / along[..., 2]
    hit = origin + board[..., None] * along
    inside = (np.abs(hit[..., 0] - 0.1) < 0.25) & (np.abs(hit[..., 1]) < 0.2)
    return np.where(inside, board, wall)


DEPTH_K = pinhole(DEPTH_PARAMETERS, (512, 512), 90, 96)
COLOUR_K = pinhole(COLOUR_PARAMETERS, (960, 1280), 120, 0)
R_COLOUR_DEPTH = (TILT @ TURN) @ TURN.T
T_COLOUR_DEPTH = np.array([-0.032, -0.002, 0.004]) - R_COLOUR_DEPTH @ [0.001, 0.002, 0.003]
RAYS = rays(SIZES[MODE], DEPTH_K, DEPTH_PARAMETERS)
DEPTH_MM = np.rint(1000 * scene_depth(np.zeros(3), np.eye(3), *RAYS)).astype(np.uint16)
DEPTH_MM[:, :7] = 0
ROWS, COLUMNS = np.mgrid[: SIZE[0], : SIZE[1]]
PICTURE = np.stack([ROWS * 255 // 719, COLUMNS * 255 // 1279, 127 + 100 * np.sin(ROWS / 40) * np.cos(COLUMNS / 50)], -1)
PICTURE = PICTURE.astype(np.uint8)
TIMES = (0, 33_333, 66_666)


def recording(**changes: Any) -> KinectRecording:
    """Three images, and depth that is taken 2 ms later."""
    made = KinectRecording([(time, jpeg(PICTURE)) for time in TIMES], [(time + 2_000, DEPTH_MM) for time in TIMES])
    return replace(made, **changes)


def expected_points() -> np.ndarray:
    """Points of the depth image in the colour camera, (N, 3), metres."""
    z = DEPTH_MM / 1000
    points = np.stack([RAYS[0] * z, RAYS[1] * z, z], -1)[DEPTH_MM > 0]
    return points @ R_COLOUR_DEPTH.T + T_COLOUR_DEPTH


def test_depth_is_carried_into_the_image_by_both_lenses_and_the_extrinsics(tmp_path: Path) -> None:
    path = recording().write(tmp_path / "desk.mkv")
    source: Any = kbnet.open_frames(path, keep_hidden=True, points=300)
    assert source.names == ("000000000000", "000000033333", "000000066666")
    frame = source.frame(1)
    K = frame.intrinsics.astype(np.float64)
    points = expected_points()
    seen = points[:, :2] / points[:, 2:] * np.diag(K)[:2] + K[:2, 2]
    expected = np.full(SIZE, np.inf)
    columns, rows = np.rint(seen).astype(int).T
    inside = (columns >= 0) & (columns < SIZE[1]) & (rows >= 0) & (rows < SIZE[0])
    np.minimum.at(expected, (rows[inside], columns[inside]), points[inside, 2])
    expected[np.isinf(expected)] = 0
    np.testing.assert_allclose(frame.ground_truth, expected, rtol=0, atol=1e-6)
    assert np.count_nonzero(expected) > 60_000
    taken = frame.sparse_depth > 0
    assert taken.sum() == 300
    np.testing.assert_array_equal(frame.sparse_depth[taken], frame.ground_truth[taken])


def test_depth_is_that_of_the_scene_as_the_colour_camera_sees_it(tmp_path: Path) -> None:
    frame = kbnet.open_frames(recording().write(tmp_path / "desk.mkv")).frame(0)
    truth = frame.ground_truth
    assert truth is not None
    K = frame.intrinsics.astype(np.float64)
    x, y = (COLUMNS - K[0, 2]) / K[0, 0], (ROWS - K[1, 2]) / K[1, 1]
    R = R_COLOUR_DEPTH.T
    expected = scene_depth(-R @ T_COLOUR_DEPTH, R, x, y)
    wrong = np.abs(truth - expected)[truth > 0] > 0.01
    # What is left beside the board hides behind its rim, outside its outermost points.
    assert wrong.mean() < 0.003
    kept = kbnet.open_frames(recording().write(tmp_path / "again.mkv"), keep_hidden=True).frame(0).ground_truth
    assert kept is not None
    np.testing.assert_array_equal(drop_hidden_points(kept), truth)
    assert np.count_nonzero(kept) > np.count_nonzero(truth)
    # Neither the lenses nor the places of the cameras may be left out.
    for name in ("Intrinsics", "Rt"):
        changed = calibration()
        for one in changed["CalibrationInformation"]["Cameras"]:
            if name == "Rt":
                one["Rt"] = {"Rotation": np.eye(3).ravel().tolist(), "Translation": [0, 0, 0]}
            else:
                one["Intrinsics"]["ModelParameters"][4:] = [0.0] * 10
        path = recording(calibration=json.dumps(changed).encode()).write(tmp_path / f"{name}.mkv")
        other = kbnet.open_frames(path).frame(0)
        K = other.intrinsics.astype(np.float64)
        x, y = (COLUMNS - K[0, 2]) / K[0, 0], (ROWS - K[1, 2]) / K[1, 1]
        apart = np.abs(other.ground_truth - scene_depth(-R @ T_COLOUR_DEPTH, R, x, y))[other.ground_truth > 0]
        assert (apart > 0.01).mean() > 0.03


@pytest.mark.parametrize(
    ("codec", "mean", "largest"), [("MJPG", 1, 5), ("BGRA", 0.6, 1.5), ("YUY2", 1, 5), ("NV12", 1, 5)]
)
def test_images_are_those_that_the_lens_shows_to_a_pinhole(
    codec: str, mean: float, largest: float, tmp_path: Path
) -> None:
    frame = kbnet.open_frames(recording(colour=[(0, stored(codec))], codec=codec).write(tmp_path / "a.mkv")).frame(0)
    K = frame.intrinsics.astype(np.float64)
    x, y = distort((COLUMNS - K[0, 2]) / K[0, 0], (ROWS - K[1, 2]) / K[1, 1], COLOUR_PARAMETERS)
    column, row = x * COLOUR_K[0] + COLOUR_K[2], y * COLOUR_K[1] + COLOUR_K[3]
    assert -1 < column.min() < 2
    assert 1277 < column.max() < 1280
    # The picture is a formula, so its value between pixels is known.
    blue = 127 + 100 * np.sin(row / 40) * np.cos(column / 50)
    middle = slice(20, -20), slice(20, -20)
    for channel, expected in enumerate((row * 255 / 719, column * 255 / 1279, blue)):
        apart = np.abs(frame.image[..., channel] - expected)[middle]
        assert apart.mean() < mean
        assert apart.max() < largest


def stored(codec: str) -> bytes:
    """The picture as the camera hands it over; luma and chroma by FFmpeg's formula of BT.601."""
    if codec == "MJPG":
        return jpeg(PICTURE)
    if codec == "BGRA":
        return np.dstack([PICTURE[..., ::-1], np.full(SIZE, 255, np.uint8)]).tobytes()
    red, green, blue = np.moveaxis(PICTURE.astype(float), -1, 0)
    luma = np.rint(16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255).astype(np.uint8)
    u = np.rint(128 + (-37.797 * red - 74.203 * green + 112 * blue) / 255).astype(np.uint8)
    v = np.rint(128 + (112 * red - 93.786 * green - 18.214 * blue) / 255).astype(np.uint8)
    if codec == "NV12":
        return luma.tobytes() + np.stack([u[::2, ::2], v[::2, ::2]], -1).tobytes()
    packed = np.stack([luma[:, ::2], u[:, ::2], luma[:, 1::2], v[:, ::2]], -1)
    return packed.tobytes()


@pytest.mark.parametrize(
    ("mode", "sensor", "row", "column"),
    [
        ("NFOV_UNBINNED", 1024, 180, 192),
        ("NFOV_2X2BINNED", 512, 90, 96),
        ("WFOV_UNBINNED", 1024, 0, 0),
        ("WFOV_2X2BINNED", 512, 0, 0),
    ],
)
@pytest.mark.parametrize(
    ("size", "rows", "cut"),
    [
        ((720, 1280), 960, 120),
        ((1080, 1920), 1440, 180),
        ((1440, 2560), 1920, 240),
        ((1536, 2048), 1536, 0),
        ((2160, 3840), 2880, 360),
        ((3072, 4096), 3072, 0),
    ],
)
def test_modes_take_their_part_of_the_sensor(
    mode: str, sensor: int, row: int, column: int, size: tuple[int, int], rows: int, cut: int
) -> None:
    content = json.dumps(calibration()).encode() + b"\0"
    read = read_kinect_calibration(content, DEPTH_MODES[mode], size, "calibration.json")
    for camera, expected in (
        (read.depth.camera, pinhole(DEPTH_PARAMETERS, (sensor, sensor), row, column)),
        (read.colour, pinhole(COLOUR_PARAMETERS, (rows, size[1]), cut, 0)),
    ):
        np.testing.assert_allclose([camera.K[at] for at in ((0, 0), (1, 1), (0, 2), (1, 2))], expected, rtol=1e-6)
    assert read.colour.size == size
    np.testing.assert_allclose(read.T_colour_depth[:3, :3], R_COLOUR_DEPTH, atol=1e-12)
    np.testing.assert_allclose(read.T_colour_depth[:3, 3], T_COLOUR_DEPTH, atol=1e-12)


def test_an_old_calibration_of_the_middle_rows_is_the_same_camera() -> None:
    changed = calibration()
    colour = changed["CalibrationInformation"]["Cameras"][1]
    colour["SensorHeight"], colour["SensorWidth"] = 2304, 4096
    parameters = colour["Intrinsics"]["ModelParameters"] = list(COLOUR_PARAMETERS)
    parameters[1], parameters[3] = (parameters[1] * 3072 - 384) / 2304, parameters[3] * 3072 / 2304
    for size in ((1080, 1920), (1536, 2048)):
        old, new = (
            read_kinect_calibration(json.dumps(one).encode(), DEPTH_MODES[MODE], size, "").colour.K
            for one in (changed, calibration())
        )
        np.testing.assert_allclose(old, new, rtol=1e-6)


def test_rays_that_the_lens_was_not_calibrated_for_are_left_out() -> None:
    read = read_kinect_calibration(json.dumps(calibration()).encode(), DEPTH_MODES["WFOV_2X2BINNED"], SIZE, "")
    points = read.depth.points(np.ones((512, 512), np.float32))
    radius = np.hypot(points[:, 0], points[:, 1])
    assert np.nanmax(radius) <= 1.74
    assert 0.1 < np.isnan(radius).mean() < 0.4


def test_images_take_the_depth_nearest_in_time_and_others_are_left_out(tmp_path: Path) -> None:
    far = (DEPTH_MM.astype(int) * 2).astype(np.uint16)
    made = recording(
        depth=[(1_000, DEPTH_MM), (45_000, far)], colour=[(time, jpeg(PICTURE)) for time in (0, 33_333, 99_999)]
    )
    source: Any = kbnet.open_frames(made.write(tmp_path / "a.mkv"))
    assert source.names == ("000000000000", "000000033333")
    near, late = (np.percentile(frame.ground_truth[frame.ground_truth > 0], 95) for frame in source)
    assert late > 1.8 * near
    assert source.notes() == ["2 of 3 images have depth"]
    with pytest.raises(ValueError, match=r"no image of .* has depth within 0\.0001 s \(at best 0\.001 s\).*--max-diff"):
        kbnet.open_frames(tmp_path / "a.mkv", max_difference=0.0001)
    empty = replace(made, depth=[(0, 0 * DEPTH_MM), (33_333, DEPTH_MM)])
    source = kbnet.open_frames(empty.write(tmp_path / "b.mkv"))
    assert source.names == ("000000033333",)
    assert source.notes()[1] == "left out: 1 frames with no depth in the image, first 000000000000"


def test_ffmpeg_finds_the_same_tracks_and_depth(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = recording().write(tmp_path / "desk.mkv")
    with av.open(str(path)) as container:
        sizes = [(stream.codec_context.name, stream.height, stream.width) for stream in container.streams.video]
        assert sizes == [("mjpeg", 720, 1280), ("rawvideo", 288, 320), ("rawvideo", 288, 320)]
        assert container.streams.video[1].metadata["title"] == "DEPTH"
        assert container.metadata["K4A_DEPTH_MODE"] == MODE
        frames = list(container.decode(container.streams.video[1]))
    assert [round(frame.time * 1e6) for frame in frames] == [time + 2_000 for time in TIMES]
    np.testing.assert_array_equal(frames[0].to_ndarray(), DEPTH_MM)


def replaced(path: str, value: Any) -> bytes:
    """A calibration with another value at a path."""
    content = calibration()
    at: Any = content["CalibrationInformation"]["Cameras"]
    *keys, last = (int(key) if key.isdigit() else key for key in path.split("/"))
    for key in keys:
        at = at[key]
    at[last] = value
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calibration": None}, r"expected the attachment calibration.json in .*, got none; .*k4arecorder"),
        ({"calibration": json.dumps(calibration()).encode()[:500]}, "calibration.json of .*, but it is damaged"),
        ({"calibration": b"\xff\xfe{"}, "calibration.json of .*, but it is damaged"),
        ({"calibration": b"[" * 50_000}, "calibration.json of .*, but it is damaged"),
        ({"calibration": b"{}"}, "it is damaged .*CalibrationInformation"),
        ({"calibration": replaced("1/Location", "CALIBRATION_CameraLocationX")}, "it is damaged .*LocationPV0"),
        ({"calibration": replaced("0/Intrinsics/ModelParameters", [0.5] * 5)}, "it is damaged .*index out of range"),
        ({"calibration": replaced("1/Intrinsics/ModelType", "Rational6KT")}, r"got Rational6KT .*kbnet prepare rgbd"),
        ({"calibration": replaced("0/Intrinsics/ModelParameters/10", 0.1)}, "distortion around 0 .*prepare rgbd"),
        ({"calibration": replaced("0/SensorWidth", 640)}, "depth sensor of 1024x1024 .*it is another camera"),
        ({"calibration": replaced("0/Rt/Rotation", [0] * 9)}, "damaged .*Singular"),
        ({"calibration": replaced("1/Rt/Rotation", [2, 0, 0, 0, 1, 0, 0, 0, 1])}, "not a rigid transform"),
        ({"calibration": replaced("1/Intrinsics/ModelParameters/4", float("nan"))}, "expected finite coefficients"),
        ({"tracks": ("COLOR", "IR", "IMU")}, "expected a track DEPTH with depth images in .*, got COLOR, IR, IMU; "),
        ({"tracks": ("DEPTH", "IMU")}, "expected a track COLOR with colour images in .*, got DEPTH, IMU; "),
        ({"mode": "PASSIVE_IR"}, "expected K4A_DEPTH_MODE among NFOV_UNBINNED.*, got 'PASSIVE_IR'; record it"),
        ({"tags": {"K4A_DEPTH_MODE": ""}}, "expected K4A_DEPTH_MODE among .*, got ''"),
        ({"tags": {"K4A_DEPTH_MODE": "WFOV_UNBINNED"}}, "expected depth of 1024x1024 .* got 320x288"),
        ({"size": (480, 640)}, "expected images of 1280x720, .* got 640x480"),
        ({"codec": "H264"}, "expected colour as MJPG, .* got 'H264'"),
        ({"codec": "NV12"}, r"expected 1,382,400 bytes at 0\.000 s of .*, got"),
        ({"colour": [(0, jpeg(PICTURE)[:900])]}, r"expected a JPEG at 0\.000 s of .* damaged"),
        ({"colour": [(0, b"none")]}, r"expected a JPEG at 0\.000 s of .* damaged \(no JPEG header\)"),
        ({"colour": [(0, jpeg(PICTURE[:360]))]}, r"expected a JPEG at 0\.000 s of .* of 1280x720, got 1280x360"),
        ({"depth": [(0, DEPTH_MM[:99])]}, r"expected 184,320 bytes at 0\.000 s of .*, got 63,360"),
        ({"depth": [(0, 0 * DEPTH_MM)]}, "no frame of .* has depth in the image"),
        ({"colour": []}, "expected a track COLOR with colour images in .*, got DEPTH, IR, IMU"),
    ],
)
def test_what_is_missing_or_damaged_is_named_in_one_line(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = recording(**changes).write(tmp_path / "desk.mkv")
    with pytest.raises(kbnet.KBNetError, match=message) as caught:
        kbnet.open_frames(path).frame(0)
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut_off_is_read_up_to_the_cut(tmp_path: Path) -> None:
    content = recording().content()
    path = tmp_path / "desk.mkv"
    path.write_bytes(content[:-300_000])
    with pytest.warns(
        UserWarning, match=r"desk.mkv is cut off or damaged at byte [0-9,]+ of [0-9,]+; what lies before"
    ):
        source = kbnet.open_frames(path)
    assert len(source) == 2
    # A recorder that was stopped has not written the length of the segment.
    begin = content.index(bytes.fromhex("18538067")) + 4
    for length in (1 << 56, (1 << 57) - 1):
        path.write_bytes(content[:begin] + length.to_bytes(8, "big") + content[begin + 8 :])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(kbnet.open_frames(path)) == 3
    path.write_bytes(b"K4A_DEPTH_MODE" + content)
    with pytest.raises(ValueError, match=r"expected a Matroska file, but .* begins otherwise"):
        kbnet.open_frames(path)


@pytest.mark.parametrize(
    ("track", "codec", "message"),
    [("COLOR", b"V_MJPEG", ""), ("DEPTH", b"V_UNCOMPRESSED", "expected depth as b16g, YUY2 .* 'V_UNCOMPRESSED'; take")],
)
def test_tracks_that_another_program_copied_are_read_or_refused(
    track: str, codec: bytes, message: str, tmp_path: Path
) -> None:
    content = recording().content()
    name = b"V_MS/VFW/FOURCC"
    at = content.index(name, content.index(track.encode()))
    path = tmp_path / "desk.mkv"
    path.write_bytes(content[:at] + codec.ljust(len(name), b"\0") + content[at + len(name) :])
    if message:
        with pytest.raises(ValueError, match=message):
            kbnet.open_frames(path)
    else:
        assert len(kbnet.open_frames(path)) == 3  # type: ignore[arg-type]


def test_recordings_of_early_recorders_are_read(tmp_path: Path) -> None:
    """Depth with the low byte first, called YUY2, and another spelling of the mode."""
    made = recording(depth=[(0, DEPTH_MM.byteswap())], tags={"K4A_DEPTH_MODE": "NFOV_2x2BINNED"})
    path = tmp_path / "early.mkv"
    path.write_bytes(made.content().replace(b"b16g", b"YUY2"))
    early, now = kbnet.open_frames(path), kbnet.open_frames(recording().write(tmp_path / "now.mkv"))
    np.testing.assert_array_equal(early.frame(0).ground_truth, now.frame(0).ground_truth)


def test_a_matroska_file_without_tags_of_the_camera_is_a_video(tmp_path: Path, write_video: Callable[[], Path]) -> None:
    assert kind_of(write_video()).name == "video"  # type: ignore[union-attr]
    path = recording().write(tmp_path / "desk.MKV")
    assert kind_of(path).name == "azure-kinect"  # type: ignore[union-attr]
    path.write_bytes(path.read_bytes().replace(b"K4A_", b"XYZ_"))
    assert kind_of(path).name == "video"  # type: ignore[union-attr]
    # Other programs write tags at the end.
    content = recording().content()
    tags = content[content.index(bytes.fromhex("1254C367")) :][:2000]
    path.write_bytes(content.replace(b"K4A_", b"XYZ_") + tags)
    assert kind_of(path).name == "azure-kinect"  # type: ignore[union-attr]


def test_a_track_of_one_frame_has_no_rate(tmp_path: Path) -> None:
    path = recording(colour=[(0, jpeg(PICTURE))], depth=[(2_000, DEPTH_MM)]).write(tmp_path / "desk.mkv")
    described = describe_kinect(path)
    assert "COLOR: 1280x720 MJPG, 1 block, rate not known, 0.000 s" in described
    assert "DEPTH: 320x288 b16g NFOV_2X2BINNED, 1 block, rate not known, 0.002 s" in described


def test_commands_read_it_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recording().write(tmp_path / "desk.mkv")
    assert main(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    for line in (
        "COLOR: 1280x720 MJPG, 3 blocks, 30 Hz, 0.000 to 0.067 s",
        "DEPTH: 320x288 b16g NFOV_2X2BINNED, 3 blocks, 30 Hz, 0.002 to 0.069 s",
        "colour camera: fx 612.1 fy 611.9 cx 637.8 cy 361.5, radial-tangential",
        "at most 3 frames of 1280x720 pixels",
        "radial-tangential distortion taken out",
        "IMU: S_K4A/IMU, 3 blocks, 0.000 to 0.064 s",
        "ground truth: yes; pose: no",
        f"next: kbnet complete {path} --output depth",
    ):
        assert line in printed
    assert main(["prepare", "azure-kinect", str(path), str(tmp_path / "desk"), "--every", "2", "--points", "200"]) == 0
    printed = capsys.readouterr().out
    assert "3 of 3 images have depth" in printed
    assert "wrote 2 frames of 1280x720 pixels" in printed
    without = recording(tracks=("COLOR", "IMU")).write(tmp_path / "colour.mkv")
    assert main(["inspect", str(without)]) == 1
    printed = capsys.readouterr().out
    assert "DEPTH: not recorded" in printed
    assert "missing: expected a track DEPTH" in printed
    assert main(["complete", str(path), "--output", str(tmp_path / "d"), "--points", "0"]) == 2
    assert "expected --every and --points of at least 1" in capsys.readouterr().err
