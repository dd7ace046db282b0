"""Phones with a lidar: each depth pixel at its place in the larger image, without what the phone calls low."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

import kbnet
from kbnet.cli.main import main
from kbnet.frames.depth_png import spread_depth, write_depth_png

K = np.array([[144.5, 0, 95.5], [0, 144.5, 71.5], [0, 0, 1]])
DEPTH = np.random.default_rng(0).integers(500, 4000, (24, 32)).astype(np.uint16)
"""Millimetres; the image is six times as large."""
CONFIDENCE = np.tile(np.array([0, 1, 2, 2], np.uint8), (24, 8))


def image(number: int) -> Image.Image:
    x, y = np.meshgrid(np.arange(192), np.arange(144))
    return Image.fromarray(np.stack([x, y, np.full_like(x, 20 * number)], -1).astype(np.uint8))


def stray(folder: Path, *, focus: bool = False) -> Path:
    for name in ("rgb", "depth", "confidence"):
        (folder / name).mkdir(parents=True)
    rows = ["timestamp, frame, x, y, z, qx, qy, qz, qw" + (", fx, fy, cx, cy" if focus else "")]
    for number in range(9, 12):
        image(number).save(folder / "rgb" / f"{number}.png")
        Image.fromarray(DEPTH).save(folder / "depth" / f"{number}.png")
        Image.fromarray(CONFIDENCE).save(folder / "confidence" / f"{number}.png")
        own = f", {144.5 + 3 * (number - 9)}, {144.5 + 3 * (number - 9)}, 95.5, 71.5" if focus else ""
        rows.append(f"{number / 60}, {number:06d}, {0.1 * number}, 0, 1, 0, 0, 0, 1{own}")
    (folder / "odometry.csv").write_text("\n".join(rows))
    np.savetxt(folder / "camera_matrix.csv", K, delimiter=", ")
    return folder


def test_every_depth_pixel_is_a_point_where_opencv_scales_it_to(tmp_path: Path) -> None:
    source = kbnet.open_frames(stray(tmp_path / "scan"))
    assert source.names == ("09", "10", "11")
    frame = source.frame(1)
    assert (frame.image[..., 2] == 200).all()
    assert np.count_nonzero(frame.sparse_depth) == 24 * 32 * 3 // 4
    for row, column in ((0, 1), (5, 2), (23, 31)):
        # The middle of the six by six pixels that a depth pixel covers is at 6 i + 2.5.
        around = frame.sparse_depth[6 * row + 2 : 6 * row + 4, 6 * column + 2 : 6 * column + 4]
        assert around.max() == pytest.approx(DEPTH[row, column] / 1000)
        assert np.count_nonzero(frame.sparse_depth[6 * row : 6 * row + 6, 6 * column : 6 * column + 6]) == 1
    assert not frame.sparse_depth[:, :6].any()  # of low confidence
    assert np.count_nonzero(kbnet.open_frames(tmp_path / "scan", confidence=2).frame(0).sparse_depth) == 24 * 16
    np.testing.assert_allclose(source.pose(1)[:3, 3], [1, 0, 1])
    np.testing.assert_allclose(source.pose(1)[:3, :3], np.eye(3))


def polycam(folder: Path) -> Path:
    """Raw data of Polycam: turned 30° about y, with a focus of each frame, and a pose that was corrected later."""
    stray(folder)
    (folder / "rgb").rename(folder / "images")
    turned = Rotation.from_euler("y", 30, degrees=True).as_matrix()
    for name, height in (("cameras", 2.0), ("corrected_cameras", 2.5)):
        (folder / name).mkdir()
        for number in range(9, 12):
            camera = {"fx": 144.5 + number, "fy": 144.5 + number, "cx": 95.5, "cy": 71.5, "width": 192, "height": 144}
            pose = np.c_[turned, [1, height, 3]]
            camera |= {f"t_{row}{column}": pose[row, column] for row in range(3) for column in range(4)}
            (folder / name / f"{number}.json").write_text(json.dumps(camera))
        Image.fromarray(np.array([0, 127, 255], np.uint8)[CONFIDENCE]).save(folder / "confidence" / "9.png")
    for name in ("camera_matrix.csv", "odometry.csv"):
        (folder / name).unlink()
    return folder


def test_files_of_a_frame_have_its_number_whatever_is_around_it(tmp_path: Path) -> None:
    """Depth of the first frame is missing; it paired the others one off."""
    scan = stray(tmp_path / "scan")
    for part in ("rgb", "depth", "confidence"):
        for path in (scan / part).iterdir():
            path.rename(path.with_name(f"{part}_{path.stem:0>5}.png"))
    (scan / "depth" / "depth_00009.png").unlink()
    source: Any = kbnet.open_frames(scan)
    frames = list(source)
    assert [frame.image[0, 0, 2] for frame in frames] == [200, 220]
    assert source.notes() == ["left out: 1 images without depth"]
    assert not frames[0].sparse_depth[:, :6].any()  # of low confidence
    (scan / "confidence" / "confidence_00010.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"confidence for .*depth_00010\.png, got none; export"):
        list(kbnet.open_frames(scan))
    (scan / "depth" / "depth_00010.png").rename(scan / "depth" / "1700000000.25.png")
    with pytest.raises(ValueError, match=r"number of a frame as name, got '1700000000\.25'; number its files alike"):
        kbnet.open_frames(scan)


def test_polycam_keyframes_have_their_own_cameras_and_no_low_confidence(tmp_path: Path) -> None:
    folder = polycam(tmp_path / "keyframes")
    for path in (folder, tmp_path):
        source = kbnet.open_frames(path)
        frame = source.frame(0)
        np.testing.assert_allclose(frame.intrinsics, [[153.5, 0, 95.5], [0, 153.5, 71.5], [0, 0, 1]])
        assert np.count_nonzero(frame.sparse_depth) == 24 * 32 * 3 // 4
        assert not frame.sparse_depth[:, :6].any()
        assert np.count_nonzero(kbnet.open_frames(path, confidence=2).frame(0).sparse_depth) == 24 * 16
        # Forward is -z of the app's camera: turned by 30° about y, that is (-sin 30°, 0, -cos 30°).
        np.testing.assert_allclose(source.pose(0)[:3, 2:], [[-0.5, 1], [0, 2.5], [-np.sqrt(0.75), 3]], atol=1e-6)
    for path in (folder / "corrected_cameras").iterdir():
        path.rename(path.with_stem(f"corrected_{path.stem}"))
    with pytest.warns(UserWarning, match=r"3 of 3 frames have no pose in .*corrected_cameras, first '9'"):
        kbnet.open_frames(folder)
    shutil.rmtree(folder / "corrected_cameras")
    assert kbnet.open_frames(folder).pose(0)[1, 3] == 2
    image(9).resize((96, 72)).save(folder / "images" / "9.png")
    with pytest.raises(ValueError, match=r"expected an image \(H, W\) of \(144, 192\) as .*9.json says"):
        kbnet.open_frames(folder).frame(0)
    camera = (folder / "cameras" / "10.json").read_text()
    for damaged in ('{"fx": 1}', camera.replace('"t_00": 0', '"t_00": 5')):
        (folder / "cameras" / "10.json").write_text(damaged)
        with pytest.raises(ValueError, match=r"expected fx, .* of Polycam in .*10.json"):
            kbnet.open_frames(folder)


def test_images_of_a_video_are_read_in_any_order(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    folder = stray(tmp_path / "scan")
    with av.open(str(folder / "rgb.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=60)
        stream.width, stream.height, stream.pix_fmt = 192, 144, "yuv420p"
        for number in range(12):
            grey = Image.new("RGB", (192, 144), (20 * number,) * 3)
            container.mux(stream.encode(av.VideoFrame.from_image(grey)))
        container.mux(stream.encode(None))
    shutil.rmtree(folder / "rgb")
    # One frame of the video in order, again, back, and far ahead, as fresh sources and one after another.
    source = kbnet.open_frames(folder)
    for index in (0, 0, 2, 1):
        for opened in (source, kbnet.open_frames(folder)):
            assert np.abs(opened.frame(index).image.astype(int) - 20 * (9 + index)).mean() < 3


def test_frames_of_another_focus_are_resampled_to_the_first(tmp_path: Path) -> None:
    source = kbnet.open_frames(stray(tmp_path / "scan", focus=True), confidence=0)
    first, last = source.frame(0), source.frame(2)
    np.testing.assert_array_equal(first.intrinsics, last.intrinsics)
    # The image holds its own columns and rows: a pixel shows those that K of its own focus has for its ray.
    zoom = 150.5 / 144.5
    for row, column in ((20, 40), (71, 95), (100, 150)):
        expected = [95.5 + zoom * (column - 95.5), 71.5 + zoom * (row - 71.5)]
        np.testing.assert_allclose(last.image[row, column, :2], expected, atol=1)
    rows, columns = np.nonzero(last.sparse_depth)
    old_rows, old_columns = 71.5 + zoom * (rows - 71.5), 95.5 + zoom * (columns - 95.5)
    found = DEPTH[
        np.rint((old_rows - 2.5) / 6).astype(int).clip(0, 23), np.rint((old_columns - 2.5) / 6).astype(int).clip(0, 31)
    ]
    assert (last.sparse_depth[rows, columns] == found.astype(np.float32) / 1000).mean() > 0.99


def test_record3d_is_read_from_its_file(tmp_path: Path) -> None:
    turned = Rotation.from_euler("y", 30, degrees=True).as_quat().tolist()
    metadata = {
        **{"w": 192, "h": 144, "dw": 32, "dh": 24, "K": K.T.reshape(-1).tolist()},
        "poses": [[*turned, 1.0, 2.0, 3.0]] * 3,
    }
    with zipfile.ZipFile(tmp_path / "scan.r3d", "w") as file:
        file.writestr("metadata", json.dumps(metadata))
        for number in range(3):
            image(number).save(tmp_path / "frame.jpg", quality=95)
            file.write(tmp_path / "frame.jpg", f"rgbd/{number}.jpg")
            file.writestr(f"rgbd/{number}.depth", (DEPTH / 1000).astype("<f4").tobytes())
            file.writestr(f"rgbd/{number}.conf", CONFIDENCE.tobytes())
    source = kbnet.open_frames(tmp_path / "scan.r3d")
    assert len(source) == 3
    np.testing.assert_allclose(source.frame(0).intrinsics, K)
    depth = source.frame(2).sparse_depth
    assert np.isin(depth[depth > 0], (DEPTH / 1000).astype(np.float32)).all()
    # Forward is -z of the app's camera: turned by 30° about y, that is (-sin 30°, 0, -cos 30°).
    np.testing.assert_allclose(source.pose(0)[:3, 2], [-0.5, 0, -np.sqrt(0.75)], atol=1e-6)
    np.testing.assert_allclose(source.pose(0)[:3, 3], [1, 2, 3])
    with zipfile.ZipFile(tmp_path / "other.r3d", "w") as other, zipfile.ZipFile(tmp_path / "scan.r3d") as file:
        for name in file.namelist():
            other.writestr(name, file.read(name) if name != "metadata" else json.dumps({**metadata, "w": 96, "h": 72}))
    with pytest.raises(ValueError, match=r"an image \(H, W\) of \(72, 96\) as metadata of .* got \(144, 192\)"):
        kbnet.open_frames(tmp_path / "other.r3d").frame(0)


def test_record3d_unpacks_depth(tmp_path: Path) -> None:
    lzfse = pytest.importorskip("liblzfse")
    folder = tmp_path / "scan"
    (folder / "rgbd").mkdir(parents=True)
    (folder / "metadata").write_text(json.dumps({"w": 192, "h": 144, "dw": 32, "dh": 24, "K": K.T.ravel().tolist()}))
    image(0).save(folder / "rgbd" / "0.jpg")
    (folder / "rgbd" / "0.depth").write_bytes(lzfse.compress((DEPTH / 1000).astype("<f4").tobytes()))
    (folder / "rgbd" / "0.conf").write_bytes(lzfse.compress(CONFIDENCE.tobytes()))
    assert np.count_nonzero(kbnet.open_frames(folder).frame(0).sparse_depth) == 24 * 32 * 3 // 4
    (folder / "rgbd" / "0.depth").write_bytes(lzfse.compress((DEPTH / 1000).astype("<f4").tobytes())[:-50])
    with pytest.raises(ValueError, match=r"0\.depth .* cannot be unpacked"):
        kbnet.open_frames(folder).frame(0)


def test_depth_of_another_shape_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"depth is 32x24 but image is 192x140 .* no enlargement of it"):
        spread_depth(DEPTH.astype(np.float32), (140, 192))
    with pytest.raises(ValueError, match="no enlargement"):
        spread_depth(DEPTH.astype(np.float32), (12, 16))


def test_a_sequence_may_have_depth_smaller_than_its_images(tmp_path: Path) -> None:
    folder = tmp_path / "room"
    (folder / "image").mkdir(parents=True)
    np.savetxt(folder / "K.txt", K)
    image(3).save(folder / "image" / "0.png")
    write_depth_png(folder / "sparse_depth" / "0.png", np.full((24, 32), 2, np.float32))
    frame = kbnet.open_frames(folder).frame(0)
    assert frame.size == (144, 192)
    assert np.count_nonzero(frame.sparse_depth) == 24 * 32


def test_frames_without_a_pose_are_counted_and_named(tmp_path: Path) -> None:
    """A file that was cut off, and one that an office program wrote with semicolons and decimal commas."""
    folder = stray(tmp_path / "scan")
    text = (folder / "odometry.csv").read_text()
    for changed, said in (
        ("\n".join(text.splitlines()[:2]), "2 of 3 frames have no pose in .*odometry.csv .*, first '10'"),
        (text.replace(",", ";").replace(".", ","), "3 of 3 frames have no pose in .*odometry.csv .*, first '9'"),
    ):
        (folder / "odometry.csv").write_text(changed)
        with pytest.warns(UserWarning, match=said):
            source = kbnet.open_frames(folder)
        assert not source.has_poses


def test_depth_of_65535_is_none(tmp_path: Path) -> None:
    folder = stray(tmp_path / "scan")
    expected = np.count_nonzero(kbnet.open_frames(folder)[0].sparse_depth)
    depth = DEPTH.copy()
    kept = np.argwhere((DEPTH > 0) & (CONFIDENCE == 2))[:5]
    depth[tuple(kept.T)] = 65535
    Image.fromarray(depth).save(folder / "depth" / "9.png")
    frame = kbnet.open_frames(folder)[0]
    assert np.count_nonzero(frame.sparse_depth) == expected - 5
    assert frame.sparse_depth.max() < 60


def test_prepare_writes_what_a_phone_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["prepare", "phone", str(stray(tmp_path / "scan")), str(tmp_path / "room"), "--longest-side", "96"]) == 0
    )
    assert "3 frames of 96x72 pixels" in capsys.readouterr().out


def test_a_frame_whose_points_leave_the_image_at_another_focus_is_left_out(tmp_path: Path) -> None:
    folder = stray(tmp_path / "scan", focus=True)
    corner = np.zeros_like(DEPTH)
    corner[0, 0] = 2000
    Image.fromarray(corner).save(folder / "depth" / "11.png")
    text = (folder / "odometry.csv").read_text().replace("150.5, 150.5", "120, 120")
    (folder / "odometry.csv").write_text(text)
    source: Any = kbnet.open_frames(folder, confidence=0)
    assert source.names == ("09", "10")
    assert source.notes() == ["left out: 1 frames without depth, first 11"]


def test_record3d_confidence_of_another_size_is_refused(tmp_path: Path) -> None:
    """It was not used, and depth of low confidence was taken."""
    (tmp_path / "rgbd").mkdir()
    metadata = {"w": 192, "h": 144, "dw": 32, "dh": 24, "K": K.T.reshape(-1).tolist()}
    (tmp_path / "metadata").write_text(json.dumps(metadata))
    image(0).save(tmp_path / "rgbd" / "0.jpg")
    (tmp_path / "rgbd" / "0.depth").write_bytes(np.ones(24 * 32, "<f4").tobytes())
    (tmp_path / "rgbd" / "0.conf").write_bytes(bytes(100))
    with pytest.raises(ValueError, match="expected confidence of 0, 1 or 2 and 32x24 pixels"):
        kbnet.open_frames(tmp_path).frame(0)


@pytest.mark.parametrize("highest", [255, 3])
def test_confidence_of_other_numbers_is_refused(highest: int, tmp_path: Path) -> None:
    folder = stray(tmp_path / "scan")
    Image.fromarray(np.where(CONFIDENCE == 2, np.uint8(highest), CONFIDENCE)).save(folder / "confidence" / "9.png")
    with pytest.raises(ValueError, match=rf"expected confidence of 0, 1 or 2 .*up to {highest}"):
        len(kbnet.open_frames(folder))
