"""transforms.json: poses and points against COLMAP's own projection, depth images, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

import kbnet
from kbnet.cli.main import main

POINTS = np.random.default_rng(0).uniform([-1, -0.8, 3], [1, 0.8, 5], (80, 3))
CAMERA = {"fl_x": 80.0, "fl_y": 82.0, "cx": 48.5, "cy": 31.0, "w": 96, "h": 64}
TURN = Rotation.from_euler("xyz", [4, -6, 10], degrees=True).as_matrix()
PLACE = np.array([0.1, -0.05, 0.2])


def write(folder: Path, **changes: Any) -> Path:
    """Three frames at one place, numbered 9 to 11, in the axes of a computer-graphics camera."""
    (folder / "images").mkdir(parents=True)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = TURN @ np.diag([1, -1, -1]), PLACE
    frames = []
    for number in (10, 9, 11):
        Image.new("RGB", (96, 64), (number, 0, 0)).save(folder / "images" / f"frame_{number}.png")
        frames.append({"file_path": f"images/frame_{number}.png", "transform_matrix": T.tolist()})
    rows = "\n".join(" ".join(map(repr, point)) for point in POINTS.tolist())
    head = (
        f"ply\nformat ascii 1.0\nelement vertex {len(POINTS)}\nproperty double x\nproperty double y\nproperty double z"
    )
    (folder / "sparse_pc.ply").write_text(f"{head}\nend_header\n{rows}\n")
    content = {"camera_model": "OPENCV", **CAMERA, "ply_file_path": "sparse_pc.ply", "frames": frames, **changes}
    (folder / "transforms.json").write_text(json.dumps(content))
    return folder


def test_paths_of_windows_are_read(tmp_path: Path) -> None:
    file = write(tmp_path / "scene") / "transforms.json"
    expected = kbnet.open_frames(file)
    content = json.loads(file.read_text())
    for frame in content["frames"]:
        frame["file_path"] = ".\\" + frame["file_path"].replace("/", "\\")
    content["ply_file_path"] = ".\\sparse_pc.ply"
    file.write_text(json.dumps(content))
    source = kbnet.open_frames(file)
    assert source.names == expected.names
    np.testing.assert_array_equal(source[1].sparse_depth, expected[1].sparse_depth)


def test_inspect_says_which_unit_is_assumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = str(write(tmp_path / "scene"))
    for flags, said in (((), True), (("--scale", "2"), False), (("--scale=2",), False)):
        assert main(["inspect", scene, *flags]) == 0
        assert ("unit: taken as 1 m; if it is not, add --scale METRES" in capsys.readouterr().out) is said
    assert kbnet.open_frames(scene).assumptions() == ["unit: taken as 1 m; if it is not, add --scale METRES"]
    assert kbnet.open_frames(scene, scale=2.0).assumptions() == []


def test_points_fall_where_colmap_projects_them(tmp_path: Path) -> None:
    pycolmap = pytest.importorskip("pycolmap")
    source = kbnet.open_frames(write(tmp_path / "scene"))
    assert source.names == ("images_frame_09", "images_frame_10", "images_frame_11")
    assert [source.image(index)[0, 0, 0] for index in range(3)] == [9, 10, 11]
    camera = pycolmap.Camera(model="PINHOLE", width=96, height=64, params=[80, 82, 48.5, 31])
    seen = (POINTS - PLACE) @ TURN
    pixels = np.rint(np.array(camera.img_from_cam(seen)) - 0.5).astype(int)
    inside = ((pixels >= 0) & (pixels < [96, 64])).all(axis=1)
    depth = source.frame(0).sparse_depth
    nearest = np.full((64, 96), np.inf)
    np.minimum.at(nearest, (pixels[inside, 1], pixels[inside, 0]), seen[inside, 2])
    kept = depth > 0
    assert kept.sum() > 0.7 * inside.sum()  # others are hidden by nearer ones
    np.testing.assert_allclose(depth[kept], nearest[kept], rtol=1e-6)
    np.testing.assert_allclose(source.pose(0)[:3, :3], TURN, atol=1e-9)
    np.testing.assert_allclose(source.pose(0)[:3, 3], PLACE)
    double = kbnet.open_frames(tmp_path / "scene" / "transforms.json", scale=2.0).frame(0).sparse_depth
    np.testing.assert_allclose(double, 2 * depth, rtol=1e-5)


def test_frames_without_points_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = write(tmp_path / "scene")
    content = json.loads((folder / "transforms.json").read_text())
    content["frames"][1]["transform_matrix"][2][3] = 1e5
    (folder / "transforms.json").write_text(json.dumps(content))
    source = kbnet.open_frames(folder)
    assert source.names == ("images_frame_10", "images_frame_11")
    assert source.notes() == ["left out: 1 frames without points, first images_frame_09"]


def test_depth_images_smaller_than_the_images_are_points(tmp_path: Path) -> None:
    folder = write(tmp_path / "scene")
    content = json.loads((folder / "transforms.json").read_text())
    for number, frame in enumerate(content["frames"]):
        frame["depth_file_path"] = f"depth_{number}.{'npy' if number else 'png'}"
    Image.fromarray(np.full((32, 48), 2500, np.uint16)).save(folder / "depth_0.png")
    for number in (1, 2):
        np.save(folder / f"depth_{number}.npy", np.full((32, 48), 2.5, np.float32))
    (folder / "transforms.json").write_text(json.dumps(content))
    source: Any = kbnet.open_frames(folder)
    for frame in source:
        assert np.count_nonzero(frame.sparse_depth) == 32 * 48
        np.testing.assert_allclose(frame.sparse_depth[frame.sparse_depth > 0], 2.5)
    said = "depth is taken for millimetres in whole numbers, metres in floats: a median of 2.5 m in the first image"
    assert said in source.assumptions()
    assert said not in kbnet.open_frames(folder, depth_unit=0.001).assumptions()  # type: ignore[attr-defined]


def test_k_of_images_that_were_larger_is_warned_of(tmp_path: Path) -> None:
    folder = write(tmp_path, w=None, h=None, cx=97.0, cy=62.0)
    with pytest.warns(UserWarning, match=r"has its centre at \(96, 62\), far from the middle of 96x64"):
        kbnet.open_frames(folder).frame(0)


def test_a_field_of_view_and_a_fisheye_are_read(tmp_path: Path) -> None:
    angle = 2 * np.arctan(0.5 * 96 / 80)
    bare = {key: None for key in CAMERA} | {"camera_angle_x": angle, "camera_model": ""}
    source: Any = kbnet.open_frames(write(tmp_path / "bare", **bare))
    np.testing.assert_allclose(source.camera.K, [[80, 0, 47.5], [0, 80, 31.5], [0, 0, 1]], rtol=1e-6)
    source = kbnet.open_frames(write(tmp_path / "fisheye", camera_model="OPENCV_FISHEYE"))
    assert source.camera.model == "fisheye"
    np.testing.assert_allclose(source.camera.to_pixels(np.array([0.5, 0.0])), [48 + 80 * np.arctan(0.5), 30.5])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera_model": "EQUIRECTANGULAR"}, "among PINHOLE, .* got 'EQUIRECTANGULAR'"),
        ({"ply_file_path": "none.ply"}, "expected depth_file_path of every frame or ply_file_path"),
        ({"latlong": True}, "among PINHOLE, .* got 'latlong'"),
        ({"frames": []}, "expected a list of frames"),
        ({"w": 100}, "is for 100x64 pixels .* images have 96x64"),
        ({"k4": 0.1}, "expected no k4"),
        ({"k5": 0.1}, "expected no k5"),
        ({"camera_model": "OPENCV_FISHEYE", "k6": 0.1}, "expected no k6"),
    ],
)
def test_what_is_not_known_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        kbnet.open_frames(write(tmp_path / "scene", **changes)).frame(0)
    with pytest.raises(ValueError, match=r"median depth of 0\.00\d+ m, which is hardly metres"):
        kbnet.open_frames(write(tmp_path / "far"), scale=0.001).frame(0)


def test_both_fields_of_view_and_the_lens_of_a_frame_are_read(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "a", fl_x=None, fl_y=None, camera_angle_x=2 * np.arctan(0.6), camera_angle_y=2 * np.arctan(0.5)
    )
    K = kbnet.open_frames(folder).frame(0).intrinsics
    np.testing.assert_allclose([K[0, 0], K[1, 1]], [48 / 0.6, 32 / 0.5], rtol=1e-6)
    expected = kbnet.open_frames(write(tmp_path / "b", camera_model="OPENCV_FISHEYE", k1=0.1)).frame(0)
    for name, own in (("c", {"camera_model": "OPENCV_FISHEYE"}), ("d", {"is_fisheye": True})):
        file = write(tmp_path / name, k1=0.1, camera_model="PINHOLE") / "transforms.json"
        content = json.loads(file.read_text())
        content["frames"] = [frame | own for frame in content["frames"]]
        file.write_text(json.dumps(content))
        np.testing.assert_array_equal(kbnet.open_frames(file).frame(0).image, expected.image)
        np.testing.assert_array_equal(kbnet.open_frames(file).frame(0).intrinsics, expected.intrinsics)
        del content["frames"][0]["camera_model" if name == "c" else "is_fisheye"]
        file.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="expected one camera"):
            kbnet.open_frames(file)


@pytest.mark.parametrize("dense", [True, False])
def test_frames_of_another_focus_are_resampled_to_the_first(dense: bool, tmp_path: Path) -> None:
    """As Polycam exports them: every frame has fl_x, fl_y, cx and cy of its own."""
    file = write(tmp_path) / "transforms.json"
    content, picture = json.loads(file.read_text()), np.zeros((64, 96, 3), np.uint8)
    picture[20:41, 30:61] = 200
    Image.fromarray(picture).save(tmp_path / "images" / "frame_11.png")
    Image.fromarray(np.full((64, 96), 2500, np.uint16)).save(tmp_path / "z.png")
    depth = {"depth_file_path": "z.png"} if dense else {}
    content["frames"] = [frame | depth for frame in content["frames"]]
    content["frames"][2] |= {"fl_x": 84.0, "fl_y": 86.1, "cx": 50.5, "cy": 30.0}
    file.write_text(json.dumps(content))
    source, first = kbnet.open_frames(file), np.array([[80, 0, 48], [0, 82, 30.5], [0, 0, 1]])
    frame = source[2]
    np.testing.assert_allclose(frame.intrinsics, first)
    own = np.array([[84, 0, 50], [0, 86.1, 29.5], [0, 0, 1]])
    corners = first @ np.linalg.inv(own) @ np.array([[29.5, 19.5, 1], [60.5, 40.5, 1]]).T
    bright = np.argwhere(frame.image[..., 0] > 100)[:, ::-1]
    np.testing.assert_allclose([bright.min(0), bright.max(0)], np.add(corners[:2].T, [[0.5], [-0.5]]), atol=0.51)
    if not dense:  # points have a place in the world, and the camera one
        np.testing.assert_array_equal(frame.sparse_depth, source[1].sparse_depth)
    content["frames"][2]["fl_x"] = 100.0
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="expected one camera, since a sequence has one K, but fl_x differs"):
        kbnet.open_frames(file)


def test_the_unit_of_depth_is_that_of_the_file(tmp_path: Path) -> None:
    """As Instant-NGP has it: depth_path, and integer_depth_scale."""
    file = write(tmp_path, integer_depth_scale=1 / 5000, ply_file_path="none.ply") / "transforms.json"
    Image.fromarray(np.full((64, 96), 10000, np.uint16)).save(tmp_path / "z.png")
    content = json.loads(file.read_text())
    content["frames"] = [frame | {"depth_path": "z.png"} for frame in content["frames"]]
    file.write_text(json.dumps(content))
    np.testing.assert_allclose(kbnet.open_frames(tmp_path).frame(0).sparse_depth, 2, rtol=1e-6)
    np.testing.assert_allclose(kbnet.open_frames(tmp_path, depth_unit=0.001).frame(0).sparse_depth, 10, rtol=1e-6)


def test_arrays_in_millimetres_are_refused_until_their_unit_is_given(tmp_path: Path) -> None:
    """Nerfstudio takes .npy for millimetres too."""
    file = write(tmp_path, ply_file_path="none.ply") / "transforms.json"
    content = json.loads(file.read_text())
    content["frames"] = [frame | {"depth_file_path": "z.npy"} for frame in content["frames"]]
    file.write_text(json.dumps(content))
    np.save(tmp_path / "z.npy", np.full((64, 96), 2000, np.float32))
    with pytest.raises(ValueError, match=r"median of 2000 m, .* millimetres .*--depth-unit 0\.001"):
        kbnet.open_frames(tmp_path).frame(0)
    np.testing.assert_allclose(kbnet.open_frames(tmp_path, depth_unit=0.001).frame(0).sparse_depth, 2, rtol=1e-6)
    np.save(tmp_path / "z.npy", np.full((64, 96), 2000, np.uint16))
    np.testing.assert_allclose(kbnet.open_frames(tmp_path, scale=2).frame(0).sparse_depth, 4, rtol=1e-6)


def test_a_scale_that_was_applied_is_warned_of(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"poses were scaled by 0\.25: .* give --scale 4"):
        kbnet.open_frames(write(tmp_path, applied_scale=0.25))
