"""Files that once ended in a traceback, a hang or too much memory, made small by code."""

from __future__ import annotations

import json
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.limits import limits
from fuzz.recordings import (
    bag,
    cloud,
    colmap,
    exported,
    kitti360,
    nuscenes,
    picture,
    png,
    read_cloud,
    read_exported,
    read_video,
    rgbd,
    sequence,
    stray,
    transforms,
    video,
)

import kbnet
from kbnet.cli.main import main
from kbnet.datasets.archive import unpack
from kbnet.errors import KBNetError
from kbnet.frames.image_file import read_image
from kbnet.sources.rectification import Camera
from kbnet.training.recipe import read_recipe_layers

LISTED = "property list int int i\nend_header\n1 2 3 0"
XYZ = "property float x\nproperty float y\nproperty float z\n"
PCD = "FIELDS x y z\nSIZE {size} 4 4\nTYPE F F F\nCOUNT 1 1 1\nPOINTS {count}\nDATA binary\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ply", f"ply\nformat binary_little_endian 1.0\nelement vertex 1{'0' * 30}\n{XYZ}end_header\nabcd"),
        (
            "a.ply",
            f"ply\nformat ascii 1.0\nelement vertex 3000000000\n{XYZ}{LISTED}",
        ),
        ("a.ply", f"ply\nformat ascii 1.0\nelement vertex -1\n{XYZ}end_header\n"),
        ("a.pcd", "\n" + PCD.format(size=4, count="1" + "0" * 30)),
        ("a.pcd", "\n" + PCD.format(size=3, count=1) + 12 * "a"),
        ("a.pcd", "\n" + PCD.format(size=0, count=1) + 12 * "a"),
    ],
)
def test_clouds_that_announce_more_than_they_hold_are_refused(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with limits(), pytest.raises(ValueError, match=r"is damaged|got something else"):
        read_cloud(name)(tmp_path)


@pytest.mark.parametrize(("name", "place"), [("a.las", 107), ("a.laz", 107), ("a.las", 100)])
def test_las_headers_of_four_billion_records_are_refused(name: str, place: int, tmp_path: Path) -> None:
    pytest.importorskip("laspy")
    cloud(name)(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[place : place + 4] = struct.pack("<I", 2**32 - 1)
    (tmp_path / name).write_bytes(content)
    with limits(), pytest.raises(ValueError, match="announced, more than the file holds"):
        read_cloud(name)(tmp_path)


@pytest.mark.parametrize("part", ["cameras", "images", "points3D", "rigs", "frames"])
@pytest.mark.parametrize("damage", ["count", "short", "long"])
def test_colmap_models_that_count_more_than_they_hold_are_refused(part: str, damage: str, tmp_path: Path) -> None:
    pytest.importorskip("pycolmap")
    colmap()(tmp_path)
    path = tmp_path / "sparse" / "0" / f"{part}.bin"
    content = path.read_bytes()
    damaged = {"count": struct.pack("<Q", 2**40) + content[8:], "short": content[:-1], "long": content + b"a"}
    path.write_bytes(damaged[damage])
    with limits(), pytest.raises(ValueError, match=rf"{part}\.bin (is cut off|has 1 bytes too many), or its counts"):
        kbnet.open_frames(tmp_path)


@pytest.mark.parametrize("coefficient", [float("nan"), float("inf"), 1e300])
def test_a_lens_that_is_no_number_is_refused(coefficient: float) -> None:
    with limits(), pytest.raises(ValueError, match="expected finite coefficients of a lens"):
        Camera(np.eye(3, dtype=np.float32), (48, 64), "fisheye", (coefficient, 0, 0, 0))


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def test_a_picture_with_a_damaged_profile_after_its_pixels_is_refused(tmp_path: Path) -> None:
    picture(tmp_path)
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[:-12] + chunk(b"iCCP", b"x\0\1no zlib") + content[-12:])
    with limits(), pytest.raises(ValueError, match="cannot be read"):
        read_image(tmp_path / "a.png")


def test_images_of_more_pixels_than_allowed_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    head = chunk(b"IHDR", struct.pack(">2I5B", 11_000, 10_000, 8, 0, 0, 0, 0)) + chunk(b"IDAT", b"")
    (tmp_path / "a.png").write_bytes(png(np.zeros((1, 1), np.uint8))[:8] + head)
    with limits(), pytest.raises(ValueError, match=r"at most 100,000,000 pixels in .*a\.png, got 110,000,000"):
        read_image(tmp_path / "a.png")


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "transforms.json").write_text('{"frames": ' + "[" * 100_000)
    with limits(), pytest.raises(ValueError, match="expected JSON"):
        kbnet.open_frames(tmp_path)
    (tmp_path / "a.toml").write_text("a = " + "[" * 100_000)
    with limits(), pytest.raises(ValueError, match="is not TOML"):
        read_recipe_layers(tmp_path / "a.toml")


def test_records_nested_without_end_count_as_damaged(tmp_path: Path) -> None:
    from kbnet.evaluation.summary import read_same_run
    from kbnet.inference.output_folder import RECORD, OutputFolder

    record = tmp_path / RECORD
    record.write_text('{"a":' * 100_000)
    assert read_same_run(record, {}) == []
    sequence(tmp_path / "room")
    output = OutputFolder(tmp_path, kbnet.open_frames(tmp_path / "room"), ())
    output.begin({"weights": "a"}, [])
    assert "weights" in record.read_text()


def test_links_in_a_circle_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sequence(tmp_path / "room")
    for name in ("loop", "room/image/2.png", "room/sparse_depth/2.png", "loop.toml", "loop.csv"):
        (tmp_path / name).symlink_to((tmp_path / name).name)
    for words in (
        ["inspect", tmp_path / "loop"],
        ["check", tmp_path / "room"],
        ["check", tmp_path / "loop"],
        ["evaluate", tmp_path / "loop"],
        ["evaluate", tmp_path / "loop.csv"],
        ["train", tmp_path / "room", "--config", tmp_path / "loop.toml", "--output", tmp_path / "run"],
        ["prepare", "tum", tmp_path / "loop", tmp_path / "out"],
        ["prepare", "sparse", tmp_path / "room", "--copy", tmp_path / "loop"],
    ):
        assert main(list(map(str, words))) == 2, words
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_zip_entry_that_begins_with_nul_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("abcd", b"x")
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(b"abcd", b"\0bcd"))
    with pytest.raises(ValueError, match=r"expected relative file names|another file"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_text_in_another_encoding_and_bags_without_messages_are_refused(tmp_path: Path) -> None:
    stray(tmp_path / "scan")
    (tmp_path / "scan" / "odometry.csv").write_bytes(b"\xfftimestamp, frame\n")
    with pytest.raises(ValueError, match="expected text in"):
        kbnet.open_frames(tmp_path / "scan")
    pytest.importorskip("rosbags")
    (tmp_path / "bag").mkdir()
    bag("sqlite3")(tmp_path / "bag")
    metadata = next(tmp_path.glob("bag/*/metadata.yaml"))
    metadata.write_text(metadata.read_text().replace("message_count: 2", "message_count: x"))
    with pytest.raises(ValueError, match="cannot be read"):
        kbnet.open_frames(metadata.parent)


@pytest.mark.parametrize("number", ["inf", "nan", "1e400"])
def test_poses_of_a_frame_that_is_no_number_are_refused(number: str, tmp_path: Path) -> None:
    kitti360(tmp_path)
    path = tmp_path / "data_poses" / "d" / "poses.txt"
    path.write_text(path.read_text().replace("0 ", f"{number} ", 1))
    with pytest.raises(ValueError, match="expected the number of a frame before each pose"):
        kbnet.open_frames(tmp_path)


@pytest.mark.parametrize("change", ["external", "domain", "function", "external in a branch"])
def test_onnx_files_that_reach_beyond_themselves_are_refused(change: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    exported(".onnx")(tmp_path)
    model = onnx.load(tmp_path / "a.onnx")
    if change == "function":
        model.functions.add(name="f", domain="other")
    elif change == "domain":
        model.graph.node[0].domain = "com.microsoft"
    else:
        tensor = model.graph.initializer[0]
        if change == "external in a branch":
            branch = onnx.helper.make_graph([], "branch", [], [], [tensor])
            model.graph.node.append(onnx.helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))
            tensor = model.graph.node[-1].attribute[0].g.initializer[0]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/passwd")
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="expected standard operators and all tensors in"):
        read_exported(".onnx")(tmp_path)


def test_a_calibration_for_images_without_pixels_is_refused(tmp_path: Path) -> None:
    for make, options, name, old, new in (
        (rgbd, {"depth_unit": 0.001}, "intrinsic.json", '"width": 64', '"width": 0'),
        (kitti360, {}, "calibration/perspective.txt", "S_rect_00: 64 48", "S_rect_00: 64 -1"),
    ):
        folder = tmp_path / make.__name__
        make(folder)
        (folder / name).write_text((folder / name).read_text().replace(old, new))
        with limits(), pytest.raises(ValueError, match="expected a size of images of at least 1x1, got"):
            kbnet.open_frames(folder, **options)[0]


@pytest.mark.parametrize(
    ("make", "file", "old", "options"),
    [
        (rgbd, "intrinsic.json", '"width": 64', {"depth_unit": 0.001}),
        (transforms, "transforms.json", '"w": 64', {}),
        (nuscenes, "v1.0-mini/sample_data.json", '"width": 64', {}),
    ],
)
def test_an_infinite_size_is_refused(make: Any, file: str, old: str, options: dict[str, float], tmp_path: Path) -> None:
    make(tmp_path)
    content = (tmp_path / file).read_text()
    assert old in content
    (tmp_path / file).write_text(content.replace(old, old.replace("64", "1e999")))
    with limits(), pytest.raises(KBNetError):
        kbnet.open_frames(tmp_path, **options)[0]


@pytest.mark.parametrize("coefficient", [1e-320, 1e-200])
def test_a_coefficient_too_small_to_divide_by_is_none(coefficient: float) -> None:
    K = np.diag([60, 60, 1]).astype(np.float32)
    camera = Camera(K, (48, 64), "radial-tangential", (0.01, coefficient, 0, 0))
    rays = np.array([[0.3, -0.2]])
    expected = Camera(K, (48, 64), "radial-tangential", (0.01, 0, 0, 0)).distort(rays)
    np.testing.assert_array_equal(camera.distort(rays), expected)


def test_colmap_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pycolmap")
    colmap()(tmp_path)
    path = tmp_path / "sparse" / "0" / "images.bin"
    path.write_bytes(path.read_bytes().replace(b"2.png", b"\xff.png"))
    with limits(), pytest.raises(ValueError, match="expected names of images in UTF-8"):
        kbnet.open_frames(tmp_path)


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_colmap_images_without_a_name_are_refused(name: str, tmp_path: Path) -> None:
    pycolmap = pytest.importorskip("pycolmap")
    colmap()(tmp_path)
    model = pycolmap.Reconstruction(tmp_path / "sparse" / "0")
    model.images[1].name = name
    model.write(tmp_path / "sparse" / "0")
    with limits(), pytest.raises(KBNetError, match="expected the name of a file for image 1, got"):
        kbnet.open_frames(tmp_path)


def test_images_of_transforms_without_a_name_are_refused(tmp_path: Path) -> None:
    transforms(tmp_path / "room")
    path = tmp_path / "room" / "transforms.json"
    path.write_text(path.read_text().replace("images/0.png", ""))
    (tmp_path / "room" / "images" / "0.png").rename(tmp_path / "room.png")
    with limits(), pytest.raises(FileNotFoundError, match="expected the image"):
        kbnet.open_frames(tmp_path / "room")


def test_names_in_a_video_that_are_no_utf8_do_not_matter(tmp_path: Path) -> None:
    pytest.importorskip("av")
    video(tmp_path)
    path = tmp_path / "a.mp4"
    path.write_bytes(path.read_bytes().replace(b"ftypisom", b"ftyp\xe9som"))
    with limits():
        read_video(tmp_path)


LONG_NAME = b"[" * 300_000


@pytest.mark.parametrize("disguise", ["none", "zip at the end", "name in capitals", "entry twice"])
def test_a_checkpoint_with_an_endless_class_name_is_refused_at_once(disguise: str, tmp_path: Path) -> None:
    import torch

    from kbnet.weights.published import read_published

    path = tmp_path / "a.pth"
    old = disguise in ("none", "zip at the end")
    torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=not old)
    if old:
        path.write_bytes(path.read_bytes().replace(b"_rebuild_tensor_v2", LONG_NAME, 1))
        if disguise == "zip at the end":
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr("x", b"")
    else:
        with zipfile.ZipFile(path) as archive:
            entries = [(name, archive.read(name)) for name in archive.namelist()]
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
            warnings.simplefilter("ignore")  # about a name twice
            for name, content in entries:
                if name.endswith("data.pkl"):
                    capitals = disguise == "name in capitals"
                    damaged = content.replace(b"_rebuild_tensor_v2", LONG_NAME)
                    archive.writestr(name.replace("data.pkl", "DATA.PKL") if capitals else name, damaged)
                if not name.endswith("data.pkl") or disguise == "entry twice":
                    archive.writestr(name, content)
    with limits(), pytest.raises(KBNetError, match="it is damaged or holds code"):
        read_published(path)


def test_a_checkpoint_of_compressed_tensors_is_refused(tmp_path: Path) -> None:
    import torch

    from kbnet.weights.published import read_published

    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(20_000_000)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    assert path.stat().st_size < 200_000
    with limits(), pytest.raises(KBNetError, match="it is damaged or holds code"):
        read_published(path)


def test_tensors_that_no_network_has_are_refused_by_name(tmp_path: Path) -> None:
    import torch
    from fixtures_weights import published_checkpoint
    from safetensors.torch import save_file

    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet
    from kbnet.weights.published import fill_published, read_published
    from kbnet.weights.safetensors_file import read_tensors

    network = KBNet(KBNetConfig.preset("void"))
    checkpoint = published_checkpoint(network)
    name = "module.output0.conv.weight"
    tensor = checkpoint["decoder_state_dict"][name]
    path = tmp_path / "a.pth"
    for odd in (
        tensor.to_sparse(),
        tensor.to("meta"),
        tensor.to(torch.complex64),
        tensor.to(torch.float8_e4m3fn),
        torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        torch.nested.nested_tensor(list(tensor)),
    ):
        torch.save({**checkpoint, "decoder_state_dict": {**checkpoint["decoder_state_dict"], name: odd}}, path)
        with pytest.raises(
            KBNetError, match=r"expected dense tensors of 16 to 64 bits, but .*output0\.conv\.weight as"
        ):
            fill_published(network, read_published(path))
    save_file({"a": tensor.to(torch.float8_e4m3fn)}, tmp_path / "a.safetensors")
    with pytest.raises(KBNetError, match=r"holds a as torch\.float8_e4m3fn"):
        read_tensors(tmp_path / "a.safetensors")


def test_packed_fields_of_laz_that_are_larger_than_its_points_are_refused(tmp_path: Path) -> None:
    cloud("a.laz")(tmp_path)
    content = bytearray((tmp_path / "a.laz").read_bytes())
    struct.pack_into("<H", content, 227 + 54 + 36, 60_000)  # bytes of the first field; lazrs made room, and aborted
    (tmp_path / "a.laz").write_bytes(content)
    with limits(), pytest.raises(KBNetError, match=r"packed fields of \d+ bytes for points of 20"):
        read_cloud("a.laz")(tmp_path)


def test_a_trajectory_of_opening_brackets_is_refused_at_once(tmp_path: Path) -> None:
    from kbnet.sources.trajectory import read_tum_trajectory

    (tmp_path / "groundtruth.txt").write_text("#" + "[(" * 200_000)
    with limits(), pytest.raises(KBNetError):
        read_tum_trajectory(tmp_path / "groundtruth.txt")


def test_a_video_of_an_unknown_codec_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("av")
    video(tmp_path)
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(content.replace(b"mp4v", b"zzzz").replace(b"esds", b"free"))
    with limits(), pytest.raises(KBNetError, match="of a codec that FFmpeg knows"):
        read_video(tmp_path)


def test_a_pose_of_a_phone_whose_quaternion_vanishes_is_no_pose(tmp_path: Path) -> None:
    stray(tmp_path)
    header = "timestamp, frame, x, y, z, qx, qy, qz, qw\n"
    (tmp_path / "odometry.csv").write_text(header + "0.1, 000000, 1, 2, 3, 0, 0, 0, 1e-320\n")
    source = kbnet.open_frames(tmp_path)
    assert not source.has_pose(0)


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("sample_data", {"timestamp": 10**400}, "expected rows with token"),
        ("ego_pose", {"translation": [10**400, 0, 0]}, "not finite"),
        ("sample_data", None, "two frames of .* are called .*: number 0 and number 1,"),
    ],
)
def test_numbers_of_400_digits_and_frames_of_one_name_are_one_line(
    table: str, change: dict[str, Any] | None, said: str, tmp_path: Path
) -> None:
    nuscenes(tmp_path)
    path = tmp_path / "v1.0-mini" / f"{table}.json"
    rows = json.loads(path.read_text())
    rows = [{**rows[0], **change}, *rows[1:]] if change else [*rows, rows[0] | {"token": "another"}]
    path.write_text(json.dumps(rows))
    with pytest.raises(KBNetError, match=said):
        print(kbnet.open_frames(tmp_path).names)
