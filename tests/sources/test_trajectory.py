"""Poses between measured times, and none where nothing is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kbnet.sources.trajectory import LONGEST_GAP_S, Trajectory, read_tum_trajectory


def test_a_pose_between_two_is_on_the_line_and_on_the_arc() -> None:
    quaternions = Rotation.from_rotvec([[0, 0, 0], [0, 0, np.pi / 2]]).as_quat()
    pose = Trajectory(np.array([10.0, 10.1]), np.array([[0.0, 0, 0], [1, 2, 0]]), quaternions).at(10.025)
    assert pose is not None
    np.testing.assert_allclose(pose[:3, 3], [0.25, 0.5, 0])
    np.testing.assert_allclose(pose[:3, :3], Rotation.from_rotvec([0, 0, np.pi / 8]).as_matrix(), atol=1e-12)
    np.testing.assert_array_equal(pose[3], [0, 0, 0, 1])


def test_poses_need_no_order_and_are_exact_at_their_times() -> None:
    trajectory = Trajectory(np.array([2.0, 1, 2]), np.array([[2.0, 0, 0], [1, 0, 0], [9, 9, 9]]), np.eye(4)[[3, 3, 3]])
    for time in (1.0, 2.0):
        pose = trajectory.at(time)
        assert pose is not None
        assert pose[0, 3] == time


def test_there_is_no_pose_outside_or_in_a_gap() -> None:
    times = np.array([0.0, 0.1, 0.2 + LONGEST_GAP_S])
    trajectory = Trajectory(times, np.zeros((3, 3)), np.eye(4)[[3, 3, 3]])
    assert [trajectory.at(time) is None for time in (-0.1, 0.05, 0.2, 1.0)] == [True, False, True, True]


def test_the_first_and_the_last_pose_are_found_in_spite_of_rounding() -> None:
    """Nanoseconds and microseconds of one Unix time differ by a float64's rounding."""
    times = np.array([1305031102.1, 1305031102.2])
    trajectory = Trajectory(times, np.array([[1.0, 0, 0], [2, 0, 0]]), np.eye(4)[[3, 3]])
    for time, expected in ((times[0] - 5e-7, 1.0), (times[1] + 5e-7, 2.0)):
        pose = trajectory.at(time)
        assert pose is not None
        assert pose[0, 3] == expected
    assert trajectory.at(times[0] - 1e-4) is None
    assert trajectory.at(times[1] + 1e-4) is None


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "poses.txt").write_text("# time tx ty tz\n1 2 3 4\n")
    with pytest.raises(ValueError, match=r"expected lines of 8 numbers .* got 4 numbers in .*poses.txt"):
        read_tum_trajectory(tmp_path / "poses.txt")
    (tmp_path / "poses.txt").write_text("1 0 0 0 0 0 0 0\n")
    with pytest.raises(ValueError, match=r"poses.txt: "):
        read_tum_trajectory(tmp_path / "poses.txt")


POSE = Rotation.from_rotvec([0.1, -0.2, 0.3])
X, Y, Z, W = POSE.as_quat()


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("# timestamp(s) tx ty tz qx qy qz qw Pr11 Pr12 Pr13", f"5.5 1 2 3 {X} {Y} {Z} {W} 0.1 0.2 0.3"),
        ("# timestamp(s) q p v bg ba cam_imu_dt num_cam", f"5.5 {X} {Y} {Z} {W} 1 2 3 7 7 7 8 8 8 9 9 9 0 1"),
        (
            "#timestamp [ns], p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], q_RS_y [], q_RS_z [], "
            "v_RS_R_x [m s^-1]",
            f"5.5,1,2,3,{W},{X},{Y},{Z},7",
        ),
        ("# time px py pz qw qx qy qz", f"5.5 1 2 3 {W} {X} {Y} {Z}"),
        ("# ground truth trajectory\n# timestamp tx ty tz qx qy qz qw", f"5.5 1 2 3 {X} {Y} {Z} {W}"),
    ],
)
def test_columns_are_where_a_comment_says(header: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "poses.txt").write_text(f"{header}\n{line}\n{line.replace('5.5', '6.5')}\n")
    trajectory = read_tum_trajectory(tmp_path / "poses.txt")
    assert trajectory.times.tolist() == [5.5, 6.5]
    pose = trajectory.at(5.5)
    assert pose is not None
    np.testing.assert_allclose(pose[:3, 3], [1, 2, 3])
    np.testing.assert_allclose(pose[:3, :3], POSE.as_matrix(), atol=1e-9)


def test_nanoseconds_become_seconds(tmp_path: Path) -> None:
    (tmp_path / "poses.txt").write_text("1403636579763555584 0 0 0 0 0 0 1\n")
    assert read_tum_trajectory(tmp_path / "poses.txt").times[0] == pytest.approx(1403636579.763555584, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "1 0 0 0 0 0 0 1 0.5 0.5 0.5\n",
        "# timestamp(s) tx ty tz qx qy qz qw Pr11\n1 0 0 0 0 0 0 1 0.5\n2 0 0 0 0 0 0 1\n",
        "# timestamp(s) tx ty tz qx qy qz qw Pr11\n1 0 0 0 0 0\n",
    ],
)
def test_further_columns_without_a_name_and_lines_of_other_length_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "poses.txt").write_text(text)
    with pytest.raises(
        ValueError, match=r"expected lines of 8 numbers .* name further columns in a first line '# time"
    ):
        read_tum_trajectory(tmp_path / "poses.txt")


def test_numbers_between_commas_need_names(tmp_path: Path) -> None:
    """VINS writes qw first and no names; read as qx qy qz qw, rotations would be wrong without a word."""
    (tmp_path / "poses.csv").write_text(f"1403636579763555584,1,2,3,{W},{X},{Y},{Z},\n")
    with pytest.raises(ValueError, match=r"poses\.csv has commas, .* first line, '# time tx ty tz qw qx qy qz'"):
        read_tum_trajectory(tmp_path / "poses.csv")


def test_rows_without_a_pose_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = ["0 0 0 0 0 0 0 1", "0.1 nan nan nan nan nan nan nan", "0.15 1 1 1 0 0 0 0", "0.2 2 0 0 0 0 0 1"]
    (tmp_path / "poses.txt").write_text("\n".join(rows))
    with pytest.warns(UserWarning, match="left out: 2 of 4 rows .* that hold no pose"):
        trajectory = read_tum_trajectory(tmp_path / "poses.txt")
    pose = trajectory.at(0.1)
    assert pose is not None
    np.testing.assert_allclose(pose[:3, 3], [1, 0, 0])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0 0 0 0 1 0 0 0 0 1 0", r"expected lines of 8 numbers .*got 48 numbers"),  # KITTI's
        ("{time} 0 0 0 1 3 4 0", r"expected qx qy qz qw of length 1 .*got 5\.1; correct the order"),
    ],
)
def test_lines_of_other_numbers_are_refused(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "poses.txt").write_text("\n".join(line.format(time=time) for time in range(4)))
    with pytest.raises(ValueError, match=message):
        read_tum_trajectory(tmp_path / "poses.txt")
