"""COLMAP models of a known scene: points where a pinhole sees them, depth along z, poses, and clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from kbnet.errors import KBNetError
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import write_sequence
from kbnet.sources.colmap import ColmapFrames, PointFilter

pytest.importorskip("pycolmap")

WriteWorkspace = Callable[..., Path]


def write(workspace: Path, **options: object) -> Sequence:
    frames = ColmapFrames(workspace, **options)  # type: ignore[arg-type]
    write_sequence(workspace / "sequence", frames.posed_frames())
    return Sequence(workspace / "sequence")


def expected_depth(points: np.ndarray, sequence: Sequence, index: int) -> np.ndarray:
    """What a pinhole with the sequence's K sees of the scene from x = 0.1 index metres."""
    in_camera = points - [0.1 * index, 0, 0]
    pixels = in_camera @ sequence.intrinsics.astype(float).T
    columns, rows = np.rint(pixels[:, :2] / pixels[:, 2:]).astype(int).T
    inside = (columns >= 0) & (columns < 64) & (rows >= 0) & (rows < 50)
    depth = np.full((50, 64), np.inf)
    np.minimum.at(depth, (rows[inside], columns[inside]), in_camera[inside, 2])
    return np.where(np.isfinite(depth), depth, 0)


@pytest.mark.parametrize("model", ["PINHOLE", "SIMPLE_RADIAL", "OPENCV", "OPENCV_FISHEYE"])
@pytest.mark.parametrize("text", [True, False])
def test_points_lie_where_a_pinhole_sees_the_scene(
    write_workspace: WriteWorkspace, colmap_scene: np.ndarray, model: str, text: bool
) -> None:
    sequence = write(write_workspace(model=model, text=text))
    assert sequence.names == ("left_001", "left_002", "left_003", "left_004")
    # Of those that all four images see; at the border a point is in fewer.
    inner = np.s_[4:-4, 8:-8]
    for index in range(4):
        found, expected = sequence.sparse_depth(index)[inner], expected_depth(colmap_scene, sequence, index)[inner]
        np.testing.assert_array_equal(found, expected)
        assert set(np.unique(expected)) == {0, 2, 4}


def test_pixels_count_from_the_first_centre(write_workspace: WriteWorkspace) -> None:
    np.testing.assert_allclose(write(write_workspace(model="PINHOLE")).intrinsics[:2, 2], [32, 24.5])


def test_poses_are_camera_to_world_and_scaled_with_the_depth(write_workspace: WriteWorkspace) -> None:
    sequence = write(write_workspace(metres_a_unit=0.25), scale=0.25)
    np.testing.assert_allclose(sequence.pose(3)[:3, 3], [0.3, 0, 0], atol=1e-6)
    assert set(np.unique(sequence.sparse_depth(0))) == {0, 2, 4}


def test_a_unit_that_is_no_metre_is_recognised(write_workspace: WriteWorkspace) -> None:
    with pytest.raises(ValueError, match=r"median depth of 4000 m, which is hardly metres: .*\(--scale, now 1\)"):
        ColmapFrames(write_workspace(metres_a_unit=0.001))
    with pytest.raises(ValueError, match=r"median depth of 0.04 m"):
        ColmapFrames(write_workspace("small"), scale=0.01)


def test_points_of_short_tracks_are_left_out(write_workspace: WriteWorkspace) -> None:
    workspace = write_workspace(track=2)
    with pytest.raises(ValueError, match=r"no image of camera 1 .* sees a point that is good enough; loosen --min-tr"):
        ColmapFrames(workspace)
    assert ColmapFrames(workspace, points=PointFilter(min_track=2)).names == ("left_001", "left_002")


def test_several_cameras_need_a_choice(write_workspace: WriteWorkspace) -> None:
    workspace = write_workspace(cameras=2)
    with pytest.raises(
        ValueError, match=r"expected one camera, since a sequence has one K, got 2 .*2: OPENCV 64x50, 3"
    ):
        ColmapFrames(workspace)
    assert len(ColmapFrames(workspace, camera_id=2)) == 3
    with pytest.raises(ValueError, match="camera 7 has no image"):
        ColmapFrames(workspace, camera_id=7)


def test_a_lens_that_is_not_known_names_the_way_out(write_workspace: WriteWorkspace) -> None:
    with pytest.raises(ValueError, match=r"got FOV; let COLMAP undistort first \(colmap image_undistorter\)"):
        ColmapFrames(write_workspace(model="FOV"))


def test_the_model_is_found_in_the_workspace_or_named(write_workspace: WriteWorkspace, tmp_path: Path) -> None:
    workspace = write_workspace()
    for path in (workspace, workspace / "sparse" / "0"):
        assert ColmapFrames(path).images == workspace / "images"
    flat = write_workspace("flat", folder="sparse", images=3)
    assert ColmapFrames(flat).model == flat / "sparse"
    with pytest.raises(FileNotFoundError, match="expected a COLMAP model"):
        ColmapFrames(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no such folder; name it \(--images\)"):
        ColmapFrames(workspace, images=tmp_path / "none")
    (workspace / "sparse" / "0").rename(workspace / "sparse" / "1")
    flat.joinpath("sparse").rename(workspace / "sparse" / "0")
    models = r"holds 2 models that COLMAP could not join \(0: 3 images, 1: 4 images\); .* such as .*sparse/1$"
    with pytest.raises(ValueError, match=models):
        ColmapFrames(workspace)


def test_a_damaged_model_and_missing_images_are_said(write_workspace: WriteWorkspace) -> None:
    workspace = write_workspace()
    (workspace / "images" / "left" / "002.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"002.png, but there is no such file"):
        write(workspace)
    assert not (workspace / "sequence").exists()
    cameras = workspace / "sparse" / "0" / "cameras.bin"
    cameras.write_bytes(cameras.read_bytes()[:20])
    with pytest.raises(ValueError, match=r"cameras\.bin is cut off, or its counts are damaged"):
        ColmapFrames(workspace)
    cameras.write_bytes(b"\x01" + 15 * b"\0" + b"\xff")
    with pytest.raises(ValueError, match=r"cannot read the COLMAP model in|counts are damaged"):
        ColmapFrames(workspace)


def test_large_images_are_shrunk_with_their_points(write_workspace: WriteWorkspace) -> None:
    workspace = write_workspace()
    frames = list(ColmapFrames(workspace, longest_side=48))
    assert {frame.size for frame in frames} == {(38, 48)}
    full = ColmapFrames(workspace).frame(0)
    np.testing.assert_allclose(frames[0].intrinsics[0, 0] / full.intrinsics[0, 0], 0.75)
    assert (frames[0].sparse_depth > 0).sum() > 20


def move_first_image(workspace: Path, metres: float) -> None:
    """Move the first image back from the scene."""
    import pycolmap

    model = pycolmap.Reconstruction(workspace / "sparse" / "0")
    model.frames[1].rig_from_world = pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([0, 0, metres]))
    model.write(workspace / "sparse" / "0")


@pytest.mark.parametrize("metres", [1e20, -10.0])
def test_images_without_points_are_left_out_and_counted(write_workspace: WriteWorkspace, metres: float) -> None:
    workspace = write_workspace()
    move_first_image(workspace, metres)
    source = ColmapFrames(workspace)
    assert source.names == ("left_002", "left_003", "left_004")
    assert source.notes() == ["left out: 1 images without points, first left/001.png"]
    assert all(frame.sparse_depth.any() for frame in source)


def test_a_model_of_images_without_points_is_refused(write_workspace: WriteWorkspace) -> None:
    import pycolmap

    workspace = write_workspace(model="PINHOLE")
    model = pycolmap.Reconstruction(workspace / "sparse" / "0")
    for image in model.images.values():
        for point in image.points2D:
            point.xy = point.xy + 1000  # outside
    model.write(workspace / "sparse" / "0")
    with pytest.raises(KBNetError, match=r"no point of .* falls into an image nearer than 25\d.* \(--scale\)"):
        len(ColmapFrames(workspace))


TURNED = Rotation.from_euler("y", 8, degrees=True).as_matrix()
BESIDE = np.array([-0.2, 0.01, 0.0])


def write_rig(folder: Path, points: np.ndarray, *, remove: tuple[str, ...] = ()) -> Path:
    """Two cameras on one rig, which moves 0.1 m to the right between its three frames."""
    import pycolmap

    model = pycolmap.Reconstruction()
    cameras = {
        key: pycolmap.Camera(camera_id=key, model="PINHOLE", width=64, height=50, params=[60 + key, 62, 32.5, 25])
        for key in (1, 2)
    }
    rig = pycolmap.Rig(rig_id=1)
    rig.add_ref_sensor(cameras[1].sensor_id)
    rig.add_sensor(cameras[2].sensor_id, pycolmap.Rigid3d(pycolmap.Rotation3d(TURNED), BESIDE))
    for camera in cameras.values():
        model.add_camera(camera)
    model.add_rig(rig)
    tracks = [pycolmap.Track() for _ in points]
    for number in range(3):
        place = pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([-0.1 * number, 0, 0]))
        frame = pycolmap.Frame(frame_id=number + 1, rig_id=1, rig_from_world=place)
        images = []
        for key, camera in cameras.items():
            in_rig = points - [0.1 * number, 0, 0]
            pixels = camera.img_from_cam(in_rig if key == 1 else in_rig @ TURNED.T + BESIDE)
            image_id = 2 * number + key
            for index, track in enumerate(tracks):
                track.add_element(image_id, index)
            name = f"camera{key}/{number}.png"
            images.append(pycolmap.Image(name=name, keypoints=pixels, camera_id=key, image_id=image_id))
            images[-1].frame_id = number + 1
            frame.add_data_id(images[-1].data_id)
            (folder / "images" / f"camera{key}").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 50), (0, key, number)).save(folder / "images" / name)
        model.add_frame(frame)
        for image in images:
            model.add_image(image)
    for point, track in zip(points, tracks, strict=True):
        model.add_point3D(point, track)
    model.update_point_3d_errors()
    (folder / "sparse" / "0").mkdir(parents=True)
    model.write_binary(folder / "sparse" / "0")
    for name in remove:
        (folder / "sparse" / "0" / name).unlink()
    return folder


@pytest.mark.parametrize("remove", [(), ("rigs.bin", "frames.bin")])
def test_each_camera_of_a_rig_has_its_own_place(
    remove: tuple[str, ...], colmap_scene: np.ndarray, tmp_path: Path
) -> None:
    workspace = write_rig(tmp_path, colmap_scene, remove=remove)
    with pytest.raises(ValueError, match=r"got 2 .* choose one \(--camera\)"):
        ColmapFrames(workspace)
    for camera, (turn, shift) in {1: (np.eye(3), np.zeros(3)), 2: (TURNED, BESIDE)}.items():
        frames = ColmapFrames(workspace, camera_id=camera)
        assert frames.names == tuple(f"camera{camera}_{number}" for number in range(3))
        for number in range(3):
            seen = (colmap_scene - [0.1 * number, 0, 0]) @ turn.T + shift
            frame = frames.frame(number)
            assert frame.image[0, 0].tolist() == [0, camera, number]
            pixels = seen @ frame.intrinsics.astype(float).T
            columns, rows = np.rint(pixels[:, :2] / pixels[:, 2:]).astype(int).T
            inside = (columns >= 0) & (columns < 64) & (rows >= 0) & (rows < 50)
            expected = np.full((50, 64), np.inf)
            np.minimum.at(expected, (rows[inside], columns[inside]), seen[inside, 2])
            np.testing.assert_allclose(frame.sparse_depth, np.where(np.isinf(expected), 0, expected), rtol=1e-6)
            place = frames.pose(number)
            np.testing.assert_allclose(place[:3, :3], turn.T, atol=1e-9)
            np.testing.assert_allclose(place[:3, 3], [0.1 * number, 0, 0] - turn.T @ shift, atol=1e-9)


def test_a_rig_without_its_frames_is_refused(colmap_scene: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"rigs\.bin but no frames\.bin"):
        ColmapFrames(write_rig(tmp_path, colmap_scene, remove=("frames.bin",)), camera_id=1)
