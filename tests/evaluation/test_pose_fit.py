"""Poses that are read as they were not meant are told by the depth of other frames; right ones never are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from kbnet.evaluation.pose_fit import warn_of_misread_poses
from kbnet.frame import Frame
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import new_sequence

K = np.array([[120, 0, 79.5], [0, 120, 59.5], [0, 0, 1]], np.float32)
GRAPHICS, MIRRORED = np.diag([1.0, -1, -1, 1]), np.diag([-1.0, 1, 1, 1])
ROBOT = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
"""From a body whose x looks forward and z up to the camera."""
Poses = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def write(folder: Path, read_as: Poses, *, step: float = 0.06, rings: int = 1) -> Sequence:
    """A camera moves along and towards a slanted wall, Z = 2 + X / 2 + Y / 5, measured in every ``rings``th row."""
    rows, columns = np.indices((120, 160))
    u, v = (columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1]
    with new_sequence(folder, K) as sequence:
        for index in range(8):
            x = index * step
            depth = (2 + x / 2 + x / 10 - x) / (1 - u / 2 - v / 5)
            depth[np.arange(120) % rings > 0] = 0
            T = np.eye(4)
            T[:3, 3] = x, x / 2, x
            frame = Frame(np.zeros((120, 160, 3), np.uint8), depth.astype(np.float32), K, name=f"{index}")
            sequence.add(frame, read_as(T))
    return Sequence(folder)


def scaled(T: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    return T * [1, 1, 1, scale] + np.diag([0, 0, 0, 1 - scale])


def in_millimetres(T: NDArray[np.float64]) -> NDArray[np.float64]:
    return scaled(T, 1000)


def in_another_order(T: NDArray[np.float64]) -> NDArray[np.float64]:
    turned = T.copy()
    turned[:3, :3] = Rotation.from_euler("z", 3 * T[0, 3]).as_matrix()
    return turned


@pytest.mark.parametrize(
    ("read_as", "said"),
    [
        (np.linalg.inv, r"% off with poses inverted: .*world to camera"),
        (lambda T: T @ GRAPHICS, r"% off with poses of OpenGL's axes: .*looks along -z"),
        (lambda T: np.linalg.inv(T @ GRAPHICS) @ GRAPHICS, r"probably they are world to a camera that looks along -z"),
        (lambda T: MIRRORED @ T @ MIRRORED, r"left-handed axes; change the sign of y"),
        (lambda T: T @ ROBOT, r"% off with poses of a robot's axes: .*x looks forward"),
        (
            in_millimetres,
            r"out of sight after 5 frames, .*in millimetres: probably they are in millimetres; write metres",
        ),
        (lambda T: scaled(T, 0.3), r"off with poses of another scale: .*one camera; multiply positions by about 3\.3"),
        (lambda T: scaled(T, 3), r"off with poses of another scale: .*one camera; multiply positions by about 0\.33"),
        (in_another_order, r"% off between frames 5 apart, and .*% off with poses left out: .*order of columns"),
    ],
    ids=["inverted", "graphics", "inverted graphics", "mirrored", "robot", "millimetres", "smaller", "larger", "order"],
)
def test_misread_poses_are_told_by_depth(read_as: Poses, said: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=said):
        warn_of_misread_poses(write(tmp_path / "room", read_as))


def test_quaternions_that_begin_with_w_are_told(tmp_path: Path) -> None:
    def read_as(T: NDArray[np.float64]) -> NDArray[np.float64]:
        """As x y z w, of a camera whose world is turned."""
        pose = Rotation.from_euler("xyz", [70, 20, 30], degrees=True).as_matrix() @ T[:3]
        wxyz = np.roll(Rotation.from_matrix(pose[:, :3]).as_quat(), 1)
        return np.vstack([np.c_[Rotation.from_quat(wxyz).as_matrix(), pose[:, 3]], [0, 0, 0, 1]])

    with pytest.warns(UserWarning, match=r"% off with poses of quaternions w x y z: probably qw is before qx; name"):
        warn_of_misread_poses(write(tmp_path / "room", read_as))


@pytest.mark.parametrize("rings", [6, 12])
def test_misread_poses_of_a_lidar_are_told_by_its_rings(rings: int, tmp_path: Path) -> None:
    for read_as, said in ((np.linalg.inv, "inverted"), (lambda T: T @ GRAPHICS, "of OpenGL's axes")):
        with pytest.warns(UserWarning, match=f"% off with poses {said}"):
            warn_of_misread_poses(write(tmp_path / said, read_as, rings=rings))


@pytest.mark.parametrize("rings", [1, 6])
@pytest.mark.parametrize("step", [0.06, 0.001, 0.0, -2.0])
def test_right_poses_are_not_even_if_the_camera_stands_still_or_leaves(
    rings: int, step: float, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    warn_of_misread_poses(write(tmp_path / "room", lambda T: T, step=step, rings=rings))
    assert not recwarn.list


def test_right_poses_of_a_lidar_over_a_road_are_not(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """Its rings meet the road at the same pixels in every frame."""
    intrinsics = np.array([[720, 0, 609.5], [0, 720, 172.5], [0, 0, 1]], np.float32)
    down = np.deg2rad(np.linspace(1, 24.8, 58))[:, None]
    azimuth = np.deg2rad(np.linspace(-38, 38, 400))
    z = 1.65 / np.tan(down) * np.cos(azimuth)
    columns, rows = (np.rint(x).astype(int) for x in (609.5 + 720 * np.tan(azimuth) + 0 * z, 172.5 + 720 * 1.65 / z))
    seen = (columns >= 0) & (columns < 1216) & (rows < 352) & (z < 80)
    depth = np.zeros((352, 1216), np.float32)
    depth[rows[seen], columns[seen]] = z[seen]
    with new_sequence(tmp_path / "street", intrinsics) as sequence:
        for index in range(8):
            T = np.eye(4)
            T[2, 3] = index * 1.5
            sequence.add(Frame(np.zeros((352, 1216, 3), np.uint8), depth, intrinsics, name=f"{index}"), T)
    warn_of_misread_poses(Sequence(tmp_path / "street"))
    assert not recwarn.list
