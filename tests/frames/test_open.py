"""Recordings in place: the frames that ``kbnet prepare`` writes, in any order; and what is said of other paths."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kbnet
from kbnet.cli.main import main
from kbnet.errors import KBNetError
from kbnet.frames.open import open_prepared, recording_kind
from kbnet.frames.prior_files import PriorFolder
from kbnet.frames.recording import CACHED_FRAMES
from kbnet.frames.sequence import Sequence

K = "60 0 31.5\n0 60 23.5\n0 0 1\n"


@pytest.fixture(params=["ros depth", "ros lidar", "colmap", "tum", "video", "scenenet", "vkitti", "lidar"])
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[str], Path, dict[str, Any]]:
    """Arguments of ``kbnet prepare`` without the folder; the path and the options of ``kbnet.open_frames``."""
    name = request.param
    (tmp_path / "K.txt").write_text(K)
    lens = {"intrinsics": tmp_path / "K.txt", "distortion": (-0.1, 0.01, 0.0, 0.0)}
    if name == "ros depth":
        path = request.getfixturevalue("depth_bag")("ros1").write(tmp_path)
        return ["ros", str(path)], path, {"points": 50, "lens": "radial-tangential", **lens}
    if name == "ros lidar":
        path = request.getfixturevalue("lidar_bag")("mcap").write(tmp_path)
        return ["ros", str(path)], path, {"max_difference": 0.03}
    if name == "colmap":
        path = request.getfixturevalue("write_workspace")()
        return ["colmap", str(path)], path, {"longest_side": 60}
    if name == "tum":
        path = request.getfixturevalue("write_recording")()
        return ["tum", str(path)], path, {"points": 40, **lens}
    if name == "scenenet":
        path = request.getfixturevalue("scenenet")
        return ["scenenet", str(path)], path, {"pattern": "uniform"}
    if name == "vkitti":
        path = request.getfixturevalue("vkitti")
        return ["vkitti", str(path)], path, {"masks": request.getfixturevalue("lidar_masks"), "every": 2}
    if name == "video":
        path = request.getfixturevalue("write_video")()
        rows = [f"{frame},{10 + 7 * frame},{u},{1 + u / 40}" for frame in (0, 1, 2, 4) for u in range(5, 40, 5)]
        (tmp_path / "points.csv").write_text("\n".join(["frame,u,v,depth", *rows]) + "\n")
        return ["video", str(path)], path, {"points": tmp_path / "points.csv", "lens": "radial-tangential", **lens}
    images, scans = tmp_path / "drive" / "image_2", tmp_path / "drive" / "velodyne"
    left, up = np.meshgrid(np.linspace(-4, 4, 41), np.linspace(-3, 3, 13))
    for folder in (images, scans):
        folder.mkdir(parents=True)
    for index in range(6):
        # One scan looks away: its image is left out.
        wall = np.stack([np.full(left.size, 8 if index != 2 else -8), left.ravel(), up.ravel(), np.ones(left.size)], 1)
        Image.fromarray(np.full((48, 64, 3), 90 + index, np.uint8)).save(images / f"{index}.png")
        wall.astype("<f4").tofile(scans / f"{index}.bin")
    (tmp_path / "T.txt").write_text("0 -1 0 0  0 0 -1 0  1 0 0 0\n")
    return ["lidar", str(images), str(scans)], tmp_path / "drive", {"extrinsics": tmp_path / "T.txt", **lens}


def flags(options: dict[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else (value,))]
    return words


def test_frames_in_place_are_those_that_prepare_writes(
    recording: tuple[list[str], Path, dict[str, Any]], tmp_path: Path
) -> None:
    command, path, options = recording
    folder = tmp_path / "sequence"
    assert main(["prepare", *command, str(folder), *flags(options)]) == 0
    written, source = Sequence(folder), kbnet.open_frames(path, **options)
    # Backwards: whatever was read before, a frame is the same.
    for index in reversed(range(len(written))):
        frame, expected = source.frame(index), written.frame(index)
        np.testing.assert_array_equal(frame.image, expected.image)
        np.testing.assert_array_equal(np.rint(frame.sparse_depth * 256), expected.sparse_depth * 256)
        np.testing.assert_array_equal(expected.image, written[index].image)
        np.testing.assert_allclose(frame.intrinsics, expected.intrinsics, atol=1e-6)
        assert (frame.ground_truth is None) == (expected.ground_truth is None)
        if frame.ground_truth is not None and expected.ground_truth is not None:
            np.testing.assert_array_equal(np.rint(frame.ground_truth * 256), expected.ground_truth * 256)
        assert source.has_pose(index) == written.has_pose(index)
        if source.has_pose(index):
            np.testing.assert_allclose(source.pose(index), written.pose(index), atol=1e-8)
            np.testing.assert_array_equal(frame.T_world_camera, source.pose(index))
        else:
            assert frame.T_world_camera is None
    assert source.names == written.names
    assert source.has_ground_truth == written.has_ground_truth
    assert [frame.name for frame in source] == list(written.names)


def test_a_recording_says_where_its_points_come_from_and_is_closed(
    recording: tuple[list[str], Path, dict[str, Any]],
) -> None:
    command, path, options = recording
    source: Any = kbnet.open_frames(path, **options)
    with source:
        assert source.points_from not in ("", "sparse_depth")
        assert source.has_ground_truth == any(frame.ground_truth is not None for frame in source)
    if command[0] == "ros":
        with pytest.raises(Exception, match="was closed; open it again"):
            source.recording.bag.first(source.points_from)


def test_a_recording_keeps_few_frames_and_can_be_sent_to_a_worker(
    recording: tuple[list[str], Path, dict[str, Any]], tmp_path: Path
) -> None:
    _, path, options = recording
    source: Any = kbnet.open_frames(path, **options)
    assert source[0] is source.frame(0)
    for _ in source:
        assert len(source._cache) <= CACHED_FRAMES
    sent = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(sent.frame(1).sparse_depth, source.frame(1).sparse_depth)
    triplet = source.triplet(1, 1)
    np.testing.assert_array_equal(triplet.next_image, source.image(2))
    assert sent.priors is None
    source.priors = PriorFolder(tmp_path, "metric")
    assert pickle.loads(pickle.dumps(source)).priors == source.priors


def test_what_is_no_recording_names_the_kinds_and_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").touch()
    kinds = (
        r"a sequence folder .*; a \.csv list of frames; .*; a COLMAP model .*; a ROS bag .* a video .*; a KITTI drive"
    )
    with pytest.raises(FileNotFoundError, match=rf"got a folder with todo\.txt; what is read: {kinds}"):
        kbnet.open_frames(tmp_path / "notes")
    with pytest.raises(FileNotFoundError, match=r"got a file of type '\.txt'; what is read: a sequence folder"):
        kbnet.open_frames(tmp_path / "notes" / "todo.txt")
    (tmp_path / "V1_01" / "mav0" / "cam0" / "data").mkdir(parents=True)
    (tmp_path / "V1_01" / "mav0" / "cam0" / "sensor.yaml").touch()
    (tmp_path / "V1_01" / "mav0" / "imu0").mkdir()
    for part in ("V1_01", "V1_01/mav0", "V1_01/mav0/cam0"):
        with pytest.raises(FileNotFoundError, match=r"is of EuRoC: .* without depth; .* kbnet prepare video"):
            kbnet.open_frames(tmp_path / part)
    with pytest.raises(FileNotFoundError, match="no folder"):
        kbnet.open_frames(tmp_path / "nowhere")
    with pytest.raises(KBNetError, match="expected the path of frames, got None"):
        kbnet.open_frames(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("drive.mcap.zstd", "unpack it"),
        ("recording.tar", "unpack it"),
        ("desk.SVO2", "export images to color/"),
        ("place.las", "kbnet complete IMAGES --scans FILE"),
        ("cameras.xml", "for COLMAP"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_with_what_to_do(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    for path in (tmp_path / name, tmp_path) if said == "unpack it" else (tmp_path / name,):
        with pytest.raises(FileNotFoundError, match=rf"got .*{name}; .*{said}"):
            kbnet.open_frames(path)


def test_recordings_are_named_two_folders_below_drives_of_kitti_too(tmp_path: Path) -> None:
    drive = tmp_path / "2011_09_26" / "2011_09_26_drive_0001_sync"
    (drive / "velodyne_points" / "data").mkdir(parents=True)
    for path in (tmp_path, tmp_path / "2011_09_26"):
        with pytest.raises(FileNotFoundError, match=rf"folder that contains .*; give the path of one: {drive}"):
            kbnet.open_frames(path)


def test_a_sequence_that_holds_depth_of_its_own_is_no_folder_of_images_and_depth(tmp_path: Path) -> None:
    for name in ("image", "depth", "ground_truth"):
        (tmp_path / name).mkdir()
    assert recording_kind(tmp_path) is None


def test_options_of_another_kind_and_missing_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "walk.mp4").touch()
    with pytest.raises(ValueError, match=r"expected options of a video .*, got scale, world; its options are intrins"):
        kbnet.open_frames(tmp_path / "walk.mp4", scale=2, world="map")
    with pytest.raises(ValueError, match=r"a video .* also needs intrinsics and points"):
        kbnet.open_frames(tmp_path / "walk.mp4")
    with pytest.raises(FileNotFoundError, match=r"expected one recording, got a folder that contains walk\.mp4"):
        kbnet.open_frames(tmp_path, scale=2)
    with pytest.raises(ValueError, match=r"its only option is sparse_depth; leave out scale"):
        kbnet.open_frames(folder_of(tmp_path / "room" / "image").parent, scale=2)
    with pytest.raises(ValueError, match=r"got a video .*walk\.mp4; write it to a sequence folder \(kbnet prepare vid"):
        open_prepared(tmp_path / "walk.mp4")


def test_several_cameras_are_listed_with_the_flag(depth_bag: Callable[..., Any], tmp_path: Path) -> None:
    maker = depth_bag()
    for index in range(3):
        maker.image("/left/image_raw", 1000 + 0.1 * index, "rgb8", np.zeros((48, 64, 3), np.uint8))
    path = maker.write(tmp_path)
    expected = r"got /camera/color/image_raw, /left/image_raw; choose with --image TOPIC"
    with pytest.raises(ValueError, match=expected):
        kbnet.open_frames(path)
    assert len(kbnet.open_frames(path, image="/camera/color/image_raw")) == 3


def test_a_sequence_folder_is_no_recording_whatever_lies_in_it(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    for name in ("rgb.txt", "depth.txt", "metadata.yaml"):
        (tmp_path / name).touch()
    assert recording_kind(tmp_path) is None


def test_a_loose_picture_does_not_change_the_kind(write_recording: Callable[..., Path]) -> None:
    path = write_recording()
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(path / "preview.png")
    kind = recording_kind(path)
    assert kind is not None
    assert kind.name == "tum"


def test_an_unknown_choice_names_the_choices(write_recording: Callable[..., Path]) -> None:
    with pytest.raises(
        kbnet.KBNetError, match="expected camera among freiburg1, freiburg2, freiburg3, got 'freiburg9'"
    ):
        kbnet.open_frames(write_recording(), camera="freiburg9")


def test_an_interrupted_look_at_a_recording_is_not_its_end(
    write_recording: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "K.txt").write_text(K)
    source = kbnet.open_frames(write_recording(), intrinsics=tmp_path / "K.txt")
    whole = type(source).moments

    def interrupted(self: Any) -> Any:
        yield next(whole(self))
        raise KeyboardInterrupt

    monkeypatch.setattr(type(source), "moments", interrupted)
    with pytest.raises(KeyboardInterrupt):
        len(source)
    monkeypatch.setattr(type(source), "moments", whole)
    assert len(source) == len(list(whole(source))) > 1


def test_depth_that_lies_elsewhere_is_not_sent_to_sparse_depth_without_its_unit(tmp_path: Path) -> None:
    """Redwood's image/ and depth/."""
    Image.new("RGB", (8, 6)).save(folder_of(tmp_path / "redwood" / "image") / "0.png")
    np.savetxt(tmp_path / "redwood" / "K.txt", np.eye(3))
    with pytest.raises(FileNotFoundError, match=r"metres x 256; of other depth or scans: kbnet prepare rgbd or lidar"):
        kbnet.open_frames(tmp_path / "redwood")


def folder_of(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
