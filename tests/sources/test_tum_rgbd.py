"""TUM recordings: matched by time, rectified, depth as ground truth, and clear words where something is off."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kbnet
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import WrittenFrames, write_sequence
from kbnet.sources.rectification import Camera
from kbnet.sources.tum_rgbd import CAMERAS, TumFrames, TumRecording, find_camera, open_tum, read_tum_depth

WriteRecording = Callable[..., Path]
CAMERA = Camera(np.array([[50, 0, 23.5], [0, 50, 19.5], [0, 0, 1]], np.float32), (40, 48))


def write(recording: TumRecording, camera: Camera, folder: Path, points: int = 500) -> WrittenFrames:
    return write_sequence(folder, TumFrames(recording, camera, points=points).posed_frames())


def test_a_recording_becomes_a_sequence(write_recording: WriteRecording, tmp_path: Path) -> None:
    recording = open_tum(write_recording())
    written = write(recording, CAMERA, tmp_path / "room", points=30)
    sequence = Sequence(tmp_path / "room")
    assert sequence.names == ("0000000100.000000", "0000000100.033333", "0000000100.066667")
    assert (written.posed, written.frames, sequence.has_poses) == (2, 3, False)
    np.testing.assert_allclose(sequence.pose(1)[:3, 3], [0.66666, 0, 0], atol=1e-5)
    frame = sequence.frame(0)
    assert frame.ground_truth is not None
    np.testing.assert_allclose(frame.ground_truth[:, 0], np.linspace(1.5, 2.5, 40), atol=1 / 256)
    measured = frame.sparse_depth > 0
    assert measured.sum() == 30
    np.testing.assert_array_equal(frame.sparse_depth[measured], frame.ground_truth[measured])


def test_confidence_beside_depth_is_said_to_be_unused(write_recording: WriteRecording) -> None:
    folder = write_recording()
    (folder / "confidence").mkdir()
    with pytest.warns(UserWarning, match="confidence is not used"):
        open_tum(folder)


def test_poses_of_the_body_are_not_those_of_the_camera(write_recording: WriteRecording) -> None:
    names = [*(f"p_RS_R_{axis} [m]" for axis in "xyz"), *(f"q_RS_{axis} []" for axis in "wxyz")]
    folder = write_recording()
    rows = "".join(f"{time},1,2,3,1,0,0,0\n" for time in (100, 100.05))
    (folder / "groundtruth.txt").write_text(f"#timestamp [ns], {', '.join(names)}\n{rows}")
    with pytest.warns(UserWarning, match=r"is not used: its poses are of the body \(IMU\)"):
        assert open_tum(folder).trajectory is None


def test_poses_of_another_clock_are_warned_of(write_recording: WriteRecording) -> None:
    folder = write_recording()
    (folder / "groundtruth.txt").write_text("0 0 0 0 0 0 0 1\n0.1 1 0 0 0 0 0 1\n")
    with pytest.warns(UserWarning, match=r"no image has a pose: images span 100\.000 to .* 0\.000 to 0\.100 s"):
        open_tum(folder)


def test_images_and_depth_pair_up_as_nearest_to_each_other(write_recording: WriteRecording) -> None:
    folder = write_recording()
    lines = (folder / "depth.txt").read_text().splitlines()
    (folder / "depth.txt").write_text("\n".join([lines[3], lines[1]]))
    recording = open_tum(folder)
    assert recording.images == 3
    assert [(round(frame.time, 3), frame.depth.name) for frame in recording.frames] == [
        (100.0, "100.010000.png"),
        (100.067, "100.076667.png"),
    ]


@pytest.mark.parametrize("shifted", [("depth",), ("rgb", "depth")])
def test_lists_that_contradict_the_names_of_files_are_warned_of(
    shifted: tuple[str, ...], write_recording: WriteRecording
) -> None:
    """By one frame; another clock in both lists contradicts nothing."""
    folder = write_recording()
    for name in shifted:
        lines = [line.split() for line in (folder / f"{name}.txt").read_text().splitlines()[1:]]
        (folder / f"{name}.txt").write_text("".join(f"{float(time) - 1 / 30:.6f} {file}\n" for time, file in lines))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_tum(folder)
    assert ["contradict" in str(one.message) for one in caught].count(True) == 2 - len(shifted)


def test_no_overlap_in_time_is_said_with_both_spans(write_recording: WriteRecording) -> None:
    with pytest.raises(ValueError, match=r"within 0.02 s: rgb.txt goes from 100.000 to 100.067 s, depth.txt from 160"):
        open_tum(write_recording(late=60))


def test_millimetres_read_as_metres_are_recognised(write_recording: WriteRecording) -> None:
    frame = open_tum(write_recording(units=1000)).frames[0]
    with pytest.raises(ValueError, match=r"median of 2000 m, which looks like millimetres read as metres; .*1000"):
        read_tum_depth(frame.depth, factor=1)
    np.testing.assert_allclose(np.median(read_tum_depth(frame.depth, factor=1000)), 2, atol=0.03)


def test_what_is_missing_or_misshapen_is_named(write_recording: WriteRecording, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"rgb.txt and depth.txt, but there is no .*rgb.txt"):
        open_tum(tmp_path)
    folder = write_recording()
    recording = open_tum(folder)
    Image.fromarray(np.full((20, 24), 9000, np.uint16)).save(recording.frames[1].depth)
    with pytest.raises(ValueError, match=r"has 48x40 pixels but .* has 24x20; depth must be aligned"):
        write(recording, CAMERA, tmp_path / "room")
    assert not (tmp_path / "room").exists()
    (folder / "depth.txt").write_text("100.0\n")
    with pytest.raises(ValueError, match=r"expected lines of time and file name in .*depth.txt"):
        open_tum(folder)
    Image.fromarray(np.zeros((20, 24), np.uint8)).save(tmp_path / "grey.png")
    with pytest.raises(ValueError, match="expected a 16-bit greyscale PNG as depth, got mode 'L'"):
        read_tum_depth(tmp_path / "grey.png")


def test_the_camera_is_told_by_the_name_or_the_trajectory(write_recording: WriteRecording) -> None:
    folder = write_recording("rgbd_dataset_freiburg2_desk")
    assert find_camera(folder).coefficients == CAMERAS["freiburg2"][4]
    assert "are those of the benchmark's freiburg2: 520.9" in kbnet.open_frames(folder).assumptions()[0]
    assert "5000 units a metre" in kbnet.open_frames(folder, intrinsics=folder / "K.txt").assumptions()[0]
    assert kbnet.open_frames(folder, intrinsics=folder / "K.txt", depth_factor=1000.0).assumptions() == []
    assert find_camera(write_recording("fr3_office")).is_pinhole
    folder = write_recording("lfr1_fr10")
    with pytest.raises(ValueError, match=r"cannot tell which camera recorded .*--camera .*--intrinsics"):
        find_camera(folder)
    (folder / "groundtruth.txt").write_text("# file: 'rgbd_dataset_freiburg1_rpy.bag'\n1 0 0 0 0 0 0 1\n")
    assert find_camera(folder).coefficients == CAMERAS["freiburg1"][4]


def test_a_real_recording_is_matched_and_posed(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "formats" / "tum"
    recording = open_tum(folder)
    assert [abs(frame.time - float(frame.depth.stem)) < 0.02 for frame in recording.frames] == [True] * 6
    first = type(recording)(recording.folder, recording.frames[:1], 1, recording.trajectory)
    assert write(first, find_camera(folder), tmp_path / "desk", points=200).posed == 1
    frame = Sequence(tmp_path / "desk").frame(0)
    assert frame.ground_truth is not None
    assert (frame.ground_truth > 0).mean() > 0.8
    assert 0.5 < np.median(frame.sparse_depth[frame.sparse_depth > 0]) < 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_no_part_of_a_number(
    encoding: str, write_recording: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_recording()
    expected = kbnet.open_frames(folder, intrinsics=folder / "K.txt")
    names, pose = expected.names, expected.pose(0)
    for name in ("rgb.txt", "depth.txt", "groundtruth.txt", "K.txt"):
        (folder / name).write_text((folder / name).read_text(), encoding=encoding)
    source = kbnet.open_frames(folder, intrinsics=folder / "K.txt")
    assert source.names == names
    np.testing.assert_array_equal(source.pose(0), pose)
    np.testing.assert_array_equal(source.frame(0).intrinsics, expected.frame(0).intrinsics)


def test_one_empty_depth_image_is_left_out_and_named(write_recording: Callable[..., Path]) -> None:
    folder = write_recording()
    empty = sorted((folder / "depth").iterdir())[1]
    Image.fromarray(np.zeros((40, 48), np.uint16)).save(empty)
    source = kbnet.open_frames(folder, intrinsics=folder / "K.txt")
    assert source.inputs == (folder, folder / "K.txt"), "a sequence may not be written over them"
    with pytest.warns(UserWarning, match=f"left out: 1 of 3 frames whose depth image is empty, first .*{empty.name}"):
        assert len(source) == 2
    for path in (folder / "depth").iterdir():
        Image.fromarray(np.zeros((40, 48), np.uint16)).save(path)
    with pytest.raises(ValueError, match=r"no depth image of .* holds depth"):
        len(kbnet.open_frames(folder, intrinsics=folder / "K.txt"))


@pytest.mark.parametrize("unit", [1e3, 1e6, 1e9])
def test_lists_in_any_unit_of_time_pair(unit: float, write_recording: Callable[..., Path]) -> None:
    folder = write_recording()
    names = kbnet.open_frames(folder, intrinsics=folder / "K.txt").names
    for name in ("rgb.txt", "depth.txt"):
        lines = [line.split() for line in (folder / name).read_text().splitlines() if line[0] != "#"]
        text = "\n".join(f"{round((float(time) + 1.4e9) * unit)} {file}" for time, file in lines)
        (folder / name).write_text(text)
    renamed = kbnet.open_frames(folder, intrinsics=folder / "K.txt").names
    assert [float(name) - 1.4e9 for name in renamed] == pytest.approx([float(name) for name in names], abs=2e-3)


def test_millimetres_read_as_the_benchmarks_units_are_warned_of(write_recording: WriteRecording) -> None:
    larger_room = write_recording("larger", units=1500)
    with pytest.warns(UserWarning, match=r"median depth of 0\.60 m .* millimetres, 3\.00 m, give --depth-factor 1000"):
        len(kbnet.open_frames(larger_room, intrinsics=larger_room / "K.txt"))
    folder = write_recording(units=1000)
    with pytest.warns(UserWarning, match=r"median depth of 0\.40 m .* millimetres, 2\.00 m, give --depth-factor 1000"):
        len(kbnet.open_frames(folder, intrinsics=folder / "K.txt"))
    np.testing.assert_allclose(
        np.median(kbnet.open_frames(folder, intrinsics=folder / "K.txt", depth_factor=1000).frame(0).ground_truth),
        2,
        atol=0.03,
    )


def test_a_frame_whose_depth_the_rectified_image_does_not_show_is_left_out(write_recording: WriteRecording) -> None:
    folder = write_recording()
    path = sorted((folder / "depth").iterdir())[1]
    corner = np.zeros((40, 48), np.uint16)
    corner[0, 0] = 10000
    Image.fromarray(corner).save(path)
    source = kbnet.open_frames(folder, intrinsics=folder / "K.txt", distortion=(-0.3, 0.1, 0, 0))
    with pytest.warns(UserWarning, match=f"left out: 1 of 3 frames .*{path.name}"):
        assert len(source) == 2
