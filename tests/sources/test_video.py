"""Videos with points: frames matched by number or time, points in pixels, camera and world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kbnet
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import write_sequence
from kbnet.sources.point_table import read_point_table
from kbnet.sources.rectification import Camera
from kbnet.sources.trajectory import Trajectory
from kbnet.sources.video import Motion, VideoFrames
from kbnet.sources.video_decoder import open_video

pytest.importorskip("av")

K = np.array([[50, 0, 32], [0, 50, 24], [0, 0, 1]], np.float32)
CAMERA = Camera(K, (48, 64))
Prepare = Callable[..., VideoFrames]


@pytest.fixture
def prepare(write_video: Callable[[], Path], tmp_path: Path) -> Prepare:
    """Write the video and a table, and prepare ``tmp_path / "sequence"``."""

    def run(rows: str, camera: Camera = CAMERA, **options: Any) -> VideoFrames:
        table = tmp_path / "points.csv"
        table.write_text(rows)
        frames = VideoFrames(open_video(write_video()), camera, read_point_table(table), **options)
        write_sequence(tmp_path / "sequence", frames.posed_frames())
        return frames

    return run


def test_frames_are_matched_by_number(prepare: Prepare, tmp_path: Path) -> None:
    done = prepare("frame,u,v,depth\n1,10.4,20,1.5\n3,11,21,2.5\n3,11.2,21,2.0\n")
    sequence = Sequence(tmp_path / "sequence")
    assert sequence.names == ("000001", "000003")
    assert (done.read, len(done)) == (5, 2)
    assert {what: len(names) for what, names in done.left_out.items()} == {"frames with no points at their time": 3}
    np.testing.assert_array_equal(sequence.image(1)[0, 0], [120, 10, 100])
    assert sequence.sparse_depth(0)[20, 10] == 1.5
    assert sequence.sparse_depth(1)[21, 11] == 2.0
    assert np.count_nonzero(sequence.sparse_depth(1)) == 1
    assert not sequence.has_poses


@pytest.mark.parametrize("moves", [False, True])
def test_points_that_stay_where_they_are_are_probably_in_the_world(
    moves: bool, prepare: Prepare, recwarn: pytest.WarningsRecorder
) -> None:
    rows = [f"{frame},{0.1 * index + 0.01 * frame * moves},0,2" for frame in range(5) for index in range(5)]
    prepare("\n".join(["frame,x,y,z", *rows]))
    said = [one for one in recwarn.list if "--points-in world --poses" in str(one.message)]
    assert len(said) == (not moves)


@pytest.mark.parametrize("turned", [False, True])
def test_k_of_the_turned_frames_of_a_video_is_refused(turned: bool, tmp_path: Path) -> None:
    """As of a phone: the file says that players should turn it, which OpenCV does, and frames are as stored."""
    import av

    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 36] = (np.array([0, 4, 0, -4, 0, 0, 192, 0, 65536]) << 14).astype(">i4").tobytes()
    path.write_bytes(content)
    (tmp_path / "points.csv").write_text("frame,u,v,depth\n0,10,20,2\n")
    own = K[[1, 0, 2]][:, [1, 0, 2]] if turned else K
    frames = VideoFrames(open_video(path), Camera(own, (48, 64)), read_point_table(tmp_path / "points.csv"))
    if turned:
        with pytest.raises(ValueError, match=r"K is of turned frames, .* stored as 64x48; .* ffmpeg -i .*phone.mp4"):
            frames.frame(0)
    else:
        with pytest.warns(UserWarning, match=r"asks players to turn it by .* degrees; frames are taken as stored"):
            frames.frame(0)


def test_a_table_that_seems_to_count_from_1_is_warned_of(prepare: Prepare) -> None:
    rows = "\n".join(f"{frame},10,20,2" for frame in range(1, 6))
    with pytest.warns(UserWarning, match=r"has frames 1 to 5, but the video has 0 to 4: .* subtract 1"):
        prepare(f"frame,u,v,depth\n{rows}")


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("frame", range(0, 15, 3), r"has frames 0 to 12, but the video has 0 to 4: .* of another rate"),
        ("time", np.arange(2, 7) / 10, r"spans 0\.200 to 0\.600 s, but the video 0\.000 to 0\.400 s: .*--time-offset"),
    ],
)
def test_a_table_of_another_rate_or_start_is_warned_of(key: str, values: Any, said: str, prepare: Prepare) -> None:
    with pytest.warns(UserWarning, match=said):
        prepare(f"{key},u,v,depth\n" + "\n".join(f"{value},10,20,2" for value in values))


def test_the_median_depth_that_is_taken_for_metres_is_said(prepare: Prepare, tmp_path: Path) -> None:
    """Points of monocular odometry have an arbitrary scale."""
    said = prepare("frame,u,v,depth\n0,10,20,2\n0,11,20,3\n1,11,20,4\n").assumptions()
    assert said == [f"points in {tmp_path / 'points.csv'} are taken for metres: a median depth of 3 m"]


def test_frames_are_matched_by_time_from_the_offset(prepare: Prepare, tmp_path: Path) -> None:
    prepare("time,x,y,z\n1000.21,0.2,0,2\n", time_offset_s=1000.0)
    sequence = Sequence(tmp_path / "sequence")
    assert sequence.names == ("000002",)
    assert sequence.sparse_depth(0)[24, 32 + 5] == 2


def test_points_in_the_world_are_seen_from_where_the_camera_was(prepare: Prepare, tmp_path: Path) -> None:
    """The body moves 1 m a second along z of the world; the camera sits 0.5 m behind it."""
    times = np.array([0.0, 0.2, 0.4])
    positions, quaternions = np.outer(times, [0, 0, 1]), np.tile([0.0, 0, 0, 1], (3, 1))
    T_body_camera = np.eye(4)
    T_body_camera[2, 3] = -0.5
    motion = Motion(Trajectory(times, positions, quaternions), T_body_camera, points_in_world=True)
    done = prepare("frame,x,y,z\n0,0,0,2\n3,0,0,2\n", motion=motion)
    sequence = Sequence(tmp_path / "sequence")
    assert [done.has_pose(index) for index in range(len(done))] == [True, True]
    assert sequence.sparse_depth(0)[24, 32] == 2.5
    assert sequence.sparse_depth(1)[24, 32] == pytest.approx(2.2, abs=1 / 256)
    np.testing.assert_allclose(sequence.pose(1)[:3, 3], [0, 0, -0.2], atol=1e-6)


def test_poses_of_the_body_need_the_cameras_place_in_it(write_video: Callable[[], Path], tmp_path: Path) -> None:
    np.savetxt(tmp_path / "K.txt", K)
    np.savetxt(tmp_path / "T.txt", np.eye(4))
    (tmp_path / "points.csv").write_text("time,x,y,z\n0,0,0,2\n")
    names = "p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], q_RS_y [], q_RS_z []"
    (tmp_path / "data.csv").write_text(f"#timestamp, {names}\n0,0,0,0,1,0,0,0\n")
    files = {name: tmp_path / file for name, file in (("intrinsics", "K.txt"), ("points", "points.csv"))}
    options = {**files, "poses": tmp_path / "data.csv", "points_in": "world"}
    with pytest.raises(ValueError, match=r"are of the body .*--extrinsics"):
        kbnet.open_frames(write_video(), **options)
    assert len(kbnet.open_frames(write_video(), **options, extrinsics=tmp_path / "T.txt")) == 1


def test_points_move_with_the_lens(prepare: Prepare, tmp_path: Path) -> None:
    """The wall's points are tracked in the distorted frame; in the rectified one they lie where a pinhole has them."""
    camera = Camera(K, (48, 64), "radial-tangential", (-0.2, 0.0, 0.0, 0.0))
    u, v = camera.to_pixels(np.array([0.3, -0.2]))
    prepare(f"frame,u,v,depth\n0,{u},{v},2\n", camera)
    frame = Sequence(tmp_path / "sequence").frame(0)
    rows, columns = np.nonzero(frame.sparse_depth)
    expected = frame.intrinsics @ np.array([0.3, -0.2, 1])
    np.testing.assert_allclose([columns[0], rows[0]], expected[:2], atol=0.5)


def test_no_overlap_names_both_spans(prepare: Prepare) -> None:
    with pytest.raises(
        ValueError, match=r"spans 0\.000 to 0\.400 s, .*points\.csv 1000 to 1001 s; say .*--time-offset"
    ):
        prepare("time,u,v,depth\n1000,1,1,1\n1001,1,1,1\n")
    with pytest.raises(ValueError, match=r"spans frames 0 to 4, .* 9 to 9;"):
        prepare("frame,u,v,depth\n9,1,1,1\n")


def test_poses_too_far_apart_are_told_from_another_clock(prepare: Prepare) -> None:
    motion = Motion(Trajectory(np.array([-0.1, 0.5]), np.zeros((2, 3)), np.tile([0.0, 0, 0, 1], (2, 1))))
    with pytest.raises(
        ValueError, match=r"those from -0\.100 to 0\.500 s are up to 0\.60 s apart, and beyond 0\.25 s none"
    ):
        prepare("frame,u,v,depth\n0,1,1,1\n", motion=motion)


def test_points_outside_the_image_say_where_they_are(prepare: Prepare) -> None:
    with pytest.raises(ValueError, match=r"of 64x48 pixels .*: u is 640 to 640, v 480 .* at another resolution\?"):
        prepare("frame,u,v,depth\n0,640,480,2\n")
    with pytest.raises(ValueError, match=r"100 % of the points lie right of it; x must be right"):
        prepare("frame,x,y,z\n0,5,0,0\n")


def test_millimetres_are_recognised(prepare: Prepare) -> None:
    with pytest.raises(ValueError, match=r"median of 1500 m, .* write metres into the table"):
        prepare("frame,u,v,depth\n0,1,1,1500\n")


def test_far_points_are_no_millimetres(prepare: Prepare, tmp_path: Path) -> None:
    """A frame that shows nothing but hills, among those of a street."""
    rows = "".join(f"{frame},{u},9,{depth}\n" for frame, depth in ((0, 180), (1, 8), (2, 12)) for u in (1, 2, 3))
    assert len(prepare(f"frame,u,v,depth\n{rows}")) == 3
    assert Sequence(tmp_path / "sequence").sparse_depth(0)[9, 1] == 180


def test_k_of_another_resolution_is_warned_of(prepare: Prepare) -> None:
    large = K.copy()
    large[:2] *= 2
    with pytest.warns(UserWarning, match=r"centre at \(64, 48\), far from the middle of 64x48 .* Scale K"):
        prepare("frame,u,v,depth\n0,1,1,1\n", Camera(large, (48, 64)))


def test_what_is_no_video_is_refused(tmp_path: Path, write_video: Callable[[], Path]) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        open_video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"expected a whole video, but .*text\.mp4 cannot be read"):
        open_video(tmp_path / "text.mp4")


@pytest.mark.parametrize("scale", [1 / 64, 0.5, 2.0])
def test_points_of_another_resolution_are_warned_of(scale: float, prepare: Prepare) -> None:
    rows = "".join(f"0,{scale * u},{scale * v},2\n" for u in range(2, 64, 6) for v in range(2, 48, 6))
    with pytest.warns(UserWarning, match="the frames are 64x48: were they tracked at another resolution"):
        prepare(f"frame,u,v,depth\n{rows}")
