"""docs/troubleshooting.md quotes what the commands print: every mistake on it is made here, and the lines compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kbnet.cli.main import main
from kbnet.frame import Frame
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.sequence_writer import new_sequence

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "troubleshooting.md"
MESSAGE = re.compile(r"<!-- message: (\w+) -->\n```text\n(.*?)\n```", re.DOTALL)
MESSAGES = dict(MESSAGE.findall(PAGE.read_text(encoding="utf-8")))

K = np.array([[60, 0, 39.5], [0, 60, 29.5], [0, 0, 1]], np.float32)
ROBOT_TO_CAMERA = "0 -1 0 0  0 0 -1 0  1 0 0 0"

Mistake = Callable[[pytest.FixtureRequest], list[str]]
MISTAKES: dict[str, Mistake] = {}


def mistake(make: Mistake) -> Mistake:
    """A function that makes a mistake in the working folder and returns the command that meets it."""
    MISTAKES[make.__name__] = make
    return make


def room(depth: float = 2.0, size: tuple[int, int] = (60, 80), points: int = 48) -> None:
    """A sequence of one frame, of a wall."""
    sparse_depth = np.zeros(size, np.float32)
    sparse_depth[5::10, 5::10] = depth
    rows, columns = np.nonzero(sparse_depth)
    sparse_depth[rows[points:], columns[points:]] = 0
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    with new_sequence("room", K) as sequence:
        sequence.add(Frame(image, sparse_depth, K, name="000000"))


def lidar(extrinsics: str = ROBOT_TO_CAMERA, *flags: str, unit: float = 1.0) -> list[str]:
    """Two images, and scans of a wall 8 m ahead of a lidar at the camera's place."""
    for name in ("images", "scans"):
        Path(name).mkdir()
    Path("K.txt").write_text("60 0 39.5 0 60 29.5 0 0 1\n")
    Path("T.txt").write_text(extrinsics)
    left, up = np.meshgrid(np.linspace(-4, 4, 41), np.linspace(-3, 3, 13))
    wall = np.stack([np.full(left.size, 8), left.ravel(), up.ravel(), np.zeros(left.size)], axis=1) * unit
    for index in range(2):
        Image.fromarray(np.full((60, 80, 3), 90 + index, np.uint8)).save(f"images/{index}.png")
        wall.astype("<f4").tofile(f"scans/{index}.bin")
    return ["prepare", "lidar", "images", "scans", "room", "--intrinsics", "K.txt", "--extrinsics", "T.txt", *flags]


def tum(request: pytest.FixtureRequest, *flags: str, units: float = 5000) -> list[str]:
    request.getfixturevalue("write_recording")("recording", units=units)
    return ["prepare", "tum", "recording", "room", "--intrinsics", "recording/K.txt", *flags]


def video(request: pytest.FixtureRequest, points: str, *flags: str) -> list[str]:
    request.getfixturevalue("write_video")()
    Path("K.txt").write_text("50 0 31.5 0 50 23.5 0 0 1")
    Path("points.csv").write_text(points)
    return ["prepare", "video", "walk.mkv", "room", "--intrinsics", "K.txt", "--points", "points.csv", *flags]


def bag(request: pytest.FixtureRequest, kind: str = "depth_bag", **options: Any) -> list[str]:
    return write_bag(request.getfixturevalue(kind)(**options))


def write_bag(maker: Any) -> list[str]:
    maker.write(Path()).rename("drive.mcap")
    return ["prepare", "ros", "drive.mcap", "room"]


@mistake
def k_of_another_resolution(request: pytest.FixtureRequest) -> list[str]:
    room()
    np.savetxt("room/K.txt", np.diag([2, 2, 1]) @ K)
    return ["complete", "room", "--output", "depth"]


@mistake
def images_resized(request: pytest.FixtureRequest) -> list[str]:
    request.getfixturevalue("write_recording")("recording")
    return ["prepare", "tum", "recording", "room", "--camera", "freiburg1"]


@mistake
def points_of_another_resolution(request: pytest.FixtureRequest) -> list[str]:
    return video(request, "frame,u,v,depth\n0,640,480,2\n0,700,500,2\n")


@mistake
def k_changes(request: pytest.FixtureRequest) -> list[str]:
    maker = request.getfixturevalue("depth_bag")()
    maker.info("/camera/color/camera_info", 1000.25, (60.0, 0, 32, 0, 60, 24, 0, 0, 1))
    return write_bag(maker)


@mistake
def scans_in_millimetres(request: pytest.FixtureRequest) -> list[str]:
    return lidar(unit=1000)


@mistake
def depth_topic_in_millimetres(request: pytest.FixtureRequest) -> list[str]:
    return bag(request, encoding="32FC1", depth=2000.0)


@mistake
def tum_in_millimetres(request: pytest.FixtureRequest) -> list[str]:
    return tum(request, "--depth-factor", "1", units=1000)


@mistake
def millimetres_in_a_sequence(request: pytest.FixtureRequest) -> list[str]:
    room(depth=10_000 / 256)
    return ["complete", "room", "--output", "depth"]


@mistake
def colmap_unit(request: pytest.FixtureRequest) -> list[str]:
    request.getfixturevalue("write_workspace")(metres_a_unit=100)
    return ["prepare", "colmap", "workspace", "room"]


@mistake
def eight_bit_depth(request: pytest.FixtureRequest) -> list[str]:
    room()
    for path in Path("room/sparse_depth").iterdir():
        Image.fromarray(np.full((60, 80), 20, np.uint8)).save(path)
    return ["complete", "room", "--output", "depth"]


@mistake
def depth_of_another_size(request: pytest.FixtureRequest) -> list[str]:
    room()
    write_depth_png(Path("room/sparse_depth/000000.png"), np.full((30, 50), 2, np.float32))
    return ["complete", "room", "--output", "depth"]


@mistake
def depth_of_another_camera(request: pytest.FixtureRequest) -> list[str]:
    maker = request.getfixturevalue("depth_bag")()
    maker.image("/other/depth", 1000.0, "16UC1", np.full((48, 64), 1500, np.uint16), "elsewhere")
    return [*write_bag(maker), "--depth", "/other/depth"]


@mistake
def lidar_axes_left_as_they_are(request: pytest.FixtureRequest) -> list[str]:
    return lidar("1 0 0 0  0 1 0 0  0 0 1 0")


@mistake
def tf_without_the_turn_to_the_camera(request: pytest.FixtureRequest) -> list[str]:
    return [*bag(request, "lidar_bag", camera=(0.0, 0.0, 0.0, 1.0)), "--max-difference", "0.03"]


@mistake
def points_behind_the_camera(request: pytest.FixtureRequest) -> list[str]:
    return video(request, "frame,x,y,z\n" + "\n".join(f"0,{x / 10},0,-2" for x in range(9)))


@mistake
def inverted_poses(request: pytest.FixtureRequest) -> list[str]:
    """A camera moves along a slanted wall."""
    u = (np.indices((60, 80))[1] - K[0, 2]) / K[0, 0]
    for name in ("color", "depth"):
        Path("scan", name).mkdir(parents=True)
    for index in range(8):
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (60, 80, 3), np.uint8)).save(
            f"scan/color/{index}.png"
        )
        np.save(f"scan/depth/{index}.npy", (2 + 0.05 * index) / (1 - 0.5 * u))
    np.savetxt("scan/K.txt", K)
    poses = [[1, 0, 0, -0.1 * index, 0, 1, 0, 0, 0, 0, 1, 0] for index in range(8)]
    np.savetxt("scan/poses.txt", poses)
    return ["prepare", "rgbd", "scan", "room"]


@mistake
def no_tf(request: pytest.FixtureRequest) -> list[str]:
    return [*bag(request, "lidar_bag", static=False), "--max-difference", "0.03"]


@mistake
def no_points(request: pytest.FixtureRequest) -> list[str]:
    room(points=0)
    return ["complete", "room", "--output", "depth"]


@mistake
def too_few_points_to_check(request: pytest.FixtureRequest) -> list[str]:
    room(points=1)
    return ["check", "room"]


@mistake
def wrong_distortion(request: pytest.FixtureRequest) -> list[str]:
    return tum(request, "--distortion", "-3.5", "0.3", "0", "0")


@mistake
def two_clocks(request: pytest.FixtureRequest) -> list[str]:
    return bag(request, delay=5.0)


@mistake
def video_and_points_of_two_clocks(request: pytest.FixtureRequest) -> list[str]:
    return video(request, "time,u,v,depth\n1305031236.19,20,20,2\n1305031237.19,20,20,2\n")


@pytest.mark.usefixtures("torch_engine")
@pytest.mark.parametrize("name", MISTAKES)
def test_troubleshooting_quotes_what_is_printed(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command = MISTAKES[name](request)
    main(command)
    printed = capsys.readouterr().err
    pattern = re.escape(MESSAGES[name]).replace("…", ".*")
    assert re.search(pattern, printed), f"{name}: the page has\n{MESSAGES[name]}\nbut printed is\n{printed}"


def test_every_quoted_message_has_its_mistake() -> None:
    assert MESSAGES.keys() == MISTAKES.keys()
