"""The native layout: order, triplets, poses, and one line for each thing that is missing."""

from __future__ import annotations

import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.frames import sequence as sequence_module
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.sequence import Sequence

HEIGHT, WIDTH, COUNT = 36, 48, 7
NAMES = [f"{10 * i:04d}.5" for i in range(COUNT)]


def camera_to_world(index: int) -> np.ndarray:
    angle = 0.1 * index
    pose = np.eye(4)
    pose[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    pose[:3, 3] = [0.2 * index, -0.1 * index, 0.05 * index**2]
    return pose


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sequence of frames that tell their index: image value 10 i, sparse depth 1 + i, ground truth 2 + i."""
    root = tmp_path / "kitchen"
    for name in ("image", "absolute_pose"):
        (root / name).mkdir(parents=True)
    np.savetxt(root / "K.txt", [[50, 0, 24], [0, 50, 18], [0, 0, 1]])
    for i, name in reversed(list(enumerate(NAMES))):
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 10 * i, np.uint8)).save(root / "image" / f"{name}.png")
        sparse = np.zeros((HEIGHT, WIDTH), np.float32)
        sparse[3 + i, 5] = 1 + i
        write_depth_png(root / "sparse_depth" / f"{name}.png", sparse)
        write_depth_png(root / "ground_truth" / f"{name}.png", np.full((HEIGHT, WIDTH), 2.0 + i))
        np.savetxt(root / "absolute_pose" / f"{name}.txt", camera_to_world(i)[:3])
    return root


def test_sequence_sorts_its_frames_by_name(folder: Path) -> None:
    sequence = Sequence(folder)
    assert sequence.name == "kitchen"
    assert list(sequence.names) == NAMES
    assert len(sequence) == COUNT
    assert [int(sequence.image(i)[0, 0, 0]) for i in range(COUNT)] == [10 * i for i in range(COUNT)]


def test_sequence_reads_frames_with_ground_truth(folder: Path) -> None:
    sequence = Sequence(folder)
    frame = sequence.frame(2)
    assert frame.name == NAMES[2]
    assert frame.sparse_depth[5, 5] == 3.0
    assert (frame.sparse_depth > 0).sum() == 1
    assert frame.ground_truth is not None
    assert frame.ground_truth[0, 0] == 4.0
    assert frame.intrinsics.tolist() == [[50, 0, 24], [0, 50, 18], [0, 0, 1]]
    assert sequence.has_ground_truth
    assert sequence.has_poses


def test_depth_files_may_end_in_capitals(folder: Path) -> None:
    expected = Sequence(folder).frame(1)
    for kind in ("sparse_depth", "ground_truth"):
        (folder / kind / f"{NAMES[1]}.png").rename(folder / kind / f"{NAMES[1]}.PNG")
    sequence = Sequence(folder)
    frame = sequence.frame(1)
    np.testing.assert_array_equal(frame.sparse_depth, expected.sparse_depth)
    np.testing.assert_array_equal(sequence.sparse_depth(1), expected.sparse_depth)
    assert frame.ground_truth is not None
    assert sequence.files(1).sparse_depth.endswith(f"{NAMES[1]}.PNG")


def test_sequence_does_without_ground_truth_and_poses(folder: Path) -> None:
    shutil.rmtree(folder / "ground_truth")
    shutil.rmtree(folder / "absolute_pose")
    sequence = Sequence(folder)
    assert not sequence.has_ground_truth
    assert not sequence.has_poses
    triplet = sequence.triplet(3, 1)
    assert triplet.frame.ground_truth is None
    assert triplet.T_previous_current is None
    assert triplet.T_next_current is None


def test_sequence_mixes_png_and_jpeg_and_skips_other_files(folder: Path) -> None:
    with Image.open(folder / "image" / f"{NAMES[1]}.png") as picture:
        picture.save(folder / "image" / f"{NAMES[1]}.JPG")
    (folder / "image" / f"{NAMES[1]}.png").unlink()
    (folder / "image" / "notes.txt").touch()
    (folder / "image" / "._0000.5.png").touch()
    assert list(Sequence(folder).names) == NAMES


def test_sequence_is_known_by_its_folder_even_as_a_dot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert Sequence(".").name == "kitchen"


def test_sequence_survives_pickling_for_data_workers_whose_arrays_are_read_only(folder: Path) -> None:
    sequence, buffers = Sequence(folder), list[pickle.PickleBuffer]()
    sequence.pose(0)
    pickled = pickle.dumps(sequence, protocol=5, buffer_callback=buffers.append)
    copy = pickle.loads(pickled, buffers=[bytes(one) for one in buffers])
    np.testing.assert_array_equal(copy.image(1), sequence.image(1))
    np.testing.assert_array_equal(copy.pose(1), sequence.pose(1))


def test_triplet_takes_the_images_before_and_after(folder: Path) -> None:
    triplet = Sequence(folder).triplet(3, 2)
    assert triplet.frame.name == NAMES[3]
    assert triplet.previous_image[0, 0, 0] == 10
    assert triplet.frame.image[0, 0, 0] == 30
    assert triplet.next_image[0, 0, 0] == 50


def test_triplet_motion_takes_a_point_from_the_current_camera_to_its_neighbours(folder: Path) -> None:
    triplet = Sequence(folder).triplet(3, 2)
    in_camera = np.array([0.3, -0.2, 2.0, 1.0])
    in_world = camera_to_world(3) @ in_camera
    for T_source_current, source in ((triplet.T_previous_current, 1), (triplet.T_next_current, 5)):
        assert T_source_current is not None
        assert T_source_current.dtype == np.float32
        np.testing.assert_allclose(camera_to_world(source) @ T_source_current @ in_camera, in_world, atol=1e-6)


def test_triplet_leaves_the_motion_out_where_a_pose_is_missing(folder: Path) -> None:
    (folder / "absolute_pose" / f"{NAMES[1]}.txt").unlink()
    sequence = Sequence(folder)
    assert not sequence.has_poses
    assert sequence.triplet(3, 2).T_previous_current is None
    assert sequence.triplet(3, 1).T_previous_current is not None
    with pytest.raises(FileNotFoundError, match=NAMES[1]):
        sequence.pose(1)


def test_triplet_indices_are_those_with_two_neighbours(folder: Path) -> None:
    sequence = Sequence(folder)
    assert sequence.triplet_indices(1) == range(1, 6)
    assert sequence.triplet_indices(3) == range(3, 4)


def test_triplet_indices_refuse_a_gap_too_large_or_not_positive(folder: Path) -> None:
    sequence = Sequence(folder)
    with pytest.raises(ValueError, match="at least 9 frames for a gap of 4, got 7"):
        sequence.triplet_indices(4)
    with pytest.raises(ValueError, match="at least 1 frame, got 0"):
        sequence.triplet_indices(0)


@pytest.mark.parametrize("index", [-1, 0, 6, 7])
def test_triplet_refuses_a_frame_without_neighbours(folder: Path, index: int) -> None:
    with pytest.raises(ValueError, match=rf"frame {index} of kitchen has no neighbours"):
        Sequence(folder).triplet(index, 1)


def test_pose_is_the_camera_in_the_world_from_3x4_or_4x4(folder: Path) -> None:
    np.savetxt(folder / "absolute_pose" / f"{NAMES[4]}.txt", camera_to_world(4))
    sequence = Sequence(folder)
    for i in (3, 4):
        assert sequence.pose(i).dtype == np.float64
        np.testing.assert_allclose(sequence.pose(i), camera_to_world(i), atol=1e-15)
        np.testing.assert_array_equal(sequence[i].T_world_camera, sequence.pose(i))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3", "3x4 or 4x4 numbers, got 3"),
        ("1 0 0 0 0 1 0 0 0 0 one 0", "as numbers"),
        ("2 0 0 0 0 2 0 0 0 0 2 0", "not a rigid transform"),
        ("1 0 0 0 0 1 0 0 0 0 1 nan", "not a rigid transform"),
        ("1 0 0 0 0 1 0 0 0 0 1 1e300", "not a rigid transform"),
        ("1 0 0 0 0 1 0 0 0 0 -1 0", "not a rigid transform"),
    ],
)
def test_pose_refuses_a_malformed_file(folder: Path, text: str, message: str) -> None:
    (folder / "absolute_pose" / f"{NAMES[2]}.txt").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        Sequence(folder).pose(2)
    assert f"{NAMES[2]}.txt" in str(caught.value)
    with pytest.warns(UserWarning, match="left out: the poses of 1 of"):
        assert Sequence(folder).frame(2).T_world_camera is None, "completion needs no pose"


def test_wrong_poses_are_warned_of_once_by_count_and_name(folder: Path) -> None:
    for name in (NAMES[1], NAMES[3]):
        (folder / "absolute_pose" / f"{name}.txt").write_text("2 0 0 0 0 2 0 0 0 0 2 0")
    sequence = Sequence(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        known = [frame.T_world_camera is not None for frame in [*sequence, *sequence]]
    assert known == 2 * [index not in (1, 3) for index in range(len(NAMES))]
    (warning,) = caught
    assert f"left out: the poses of 2 of {len(NAMES)} frames of {folder}; " in str(warning.message)
    assert f"{NAMES[1]}.txt" in str(warning.message)


def test_poses_of_other_names_than_the_images_are_warned_of(folder: Path) -> None:
    """A frame without a pose is usual, and so are poses of images that were removed."""
    first, second = (folder / "absolute_pose" / f"{name}.txt" for name in NAMES[:2])
    first.rename(folder / "absolute_pose" / "other.txt")
    with pytest.warns(UserWarning, match=rf"1 of {len(NAMES)} images of .* first {NAMES[0]}, .* first other\.txt"):
        Sequence(folder)
    (folder / "absolute_pose" / "other.txt").rename(first)
    second.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Sequence(folder)


def test_a_pose_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = sequence_module.read_pose
    monkeypatch.setattr(sequence_module, "read_pose", lambda path: (read.append(path.stem), real(path))[1])
    sequence = Sequence(folder)
    for index in range(len(NAMES)):
        sequence.pose(index)
        sequence.frame(index)
        sequence.pose(index)[:] = 0  # a copy
    sequence.triplet(2, 1)
    np.testing.assert_allclose(sequence.pose(1), camera_to_world(1))
    assert sorted(read) == sorted(NAMES)


def test_sequence_refuses_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Sequence(tmp_path / "nowhere")


def test_sequence_without_image_folder_says_what_is_there(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a folder image/.*its folders are: kitchen;"):
        Sequence(folder.parent)


def test_sequence_refuses_an_empty_image_folder(folder: Path) -> None:
    shutil.rmtree(folder / "image")
    (folder / "image").mkdir()
    with pytest.raises(FileNotFoundError, match="expected PNG or JPEG files"):
        Sequence(folder)


def test_sequence_refuses_two_images_of_one_name(folder: Path) -> None:
    shutil.copy(folder / "image" / f"{NAMES[1]}.png", folder / "image" / f"{NAMES[1]}.jpg")
    with pytest.raises(ValueError, match="expected one image a frame"):
        Sequence(folder)


def test_sequence_refuses_missing_or_bad_intrinsics(folder: Path) -> None:
    (folder / "K.txt").write_text("50 0 24 0 0 18 0 0 1")
    with pytest.raises(ValueError, match="invertible"):
        Sequence(folder)
    np.savetxt(folder / "K.txt", np.eye(4))
    with pytest.raises(ValueError, match="upper left 3x3"):
        Sequence(folder)
    (folder / "K.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected K\.txt"):
        Sequence(folder)


def test_sequence_without_sparse_depth_names_the_folders_to_choose_from(folder: Path) -> None:
    shutil.copytree(folder / "sparse_depth", folder / "sparse_depth_150")
    (folder / "sparse_depth").rename(folder / "sparse_depth_500")
    with pytest.raises(FileNotFoundError, match="sparse_depth_150 or sparse_depth_500 with --sparse-depth"):
        Sequence(folder)
    assert Sequence(folder, sparse_depth="sparse_depth_500").sparse_depth(0)[3, 5] == 1.0


def test_sequence_refuses_an_image_without_sparse_depth(folder: Path) -> None:
    (folder / "sparse_depth" / f"{NAMES[3]}.png").unlink()
    with pytest.raises(FileNotFoundError, match=rf"1 of 7 are missing, first .*{NAMES[3]}\.png"):
        Sequence(folder)


def test_frame_refuses_depth_of_another_size(folder: Path) -> None:
    write_depth_png(folder / "sparse_depth" / f"{NAMES[0]}.png", np.ones((HEIGHT, WIDTH + 1)))
    with pytest.raises(ValueError, match=rf"sparse_depth is 49x36.*image is 48x36.*'{NAMES[0]}'"):
        Sequence(folder).frame(0)


def test_frame_refuses_a_truncated_image(folder: Path) -> None:
    path = folder / "image" / f"{NAMES[0]}.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match="cannot be read"):
        Sequence(folder).frame(0)


@pytest.mark.parametrize("name", ["redkitchen", "hololens", "fr3_cabinet"])
def test_sequence_reads_real_recordings(shared: Path, name: str) -> None:
    sequence = Sequence(shared / "data" / "test" / name, sparse_depth="sparse_depth_500")
    triplet = sequence.triplet(len(sequence) // 2, 3)
    assert triplet.frame.ground_truth is not None
    assert 300 < (triplet.frame.sparse_depth > 0).sum() <= 500
    assert triplet.T_previous_current is not None
    assert np.linalg.norm(triplet.T_previous_current[:3, 3]) < 3.0


@pytest.mark.parametrize(("kind", "what"), [("sparse_depth", "sparse depth"), ("ground_truth", "ground truth")])
def test_many_pixels_of_the_largest_number_are_warned_of(kind: str, what: str, folder: Path) -> None:
    units = np.zeros((HEIGHT, WIDTH), np.uint16)
    units[::4, ::4] = 512
    for number, name in enumerate(NAMES):
        units[0, 4 * number] = 65535
        Image.fromarray(units).save(folder / kind / f"{name}.png")
    sequence = Sequence(folder)
    assert sequence.frame(0).size  # one pixel may be that far away
    with pytest.warns(UserWarning, match=rf"^{what} of .*kitchen is 255\.996 m .* no depth, write 0") as caught:
        assert sequence.frame(COUNT - 1).size
    assert len(caught) == 1


def test_plain_metres_read_as_metres_times_256_are_warned_of(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Sequence(folder).frame(0)
    sparse = np.zeros((HEIGHT, WIDTH), np.uint16)
    sparse[3, 5] = 80
    Image.fromarray(sparse).save(folder / "sparse_depth" / f"{NAMES[0]}.png")
    with pytest.warns(UserWarning, match=r"nearer than 0\.35 m everywhere; .*metres x 256"):
        Sequence(folder).frame(0)
