"""Opening recordings: what is no bag, damaged or missing is one clear line."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kbnet
from kbnet.sources.ros_bag import open_bag

pytest.importorskip("rosbags")


@pytest.mark.parametrize("kind", ["ros1", "sqlite3", "mcap"])
def test_bag_lists_topics_and_reads_messages_in_order(kind: str, depth_bag: Callable[..., Any], tmp_path: Path) -> None:
    with open_bag(depth_bag(kind).write(tmp_path)) as bag:
        assert list(bag.topics) == [
            "/camera/aligned_depth/image_raw",
            "/camera/color/camera_info",
            "/camera/color/image_raw",
        ]
        times = [time for _, time, _ in bag.messages(["/camera/color/image_raw"])]
        assert times == pytest.approx([1000, 1000.1, 1000.2], abs=1e-6)
        assert list(bag.messages(["/none"])) == []


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file or folder"), open_bag(tmp_path / "none.bag"):
        pass
    with pytest.raises(ValueError, match=r"expected a \.bag, \.mcap or \.db3 file"), open_bag(tmp_path):
        pass


def test_messages_that_the_index_counts_but_are_missing_are_warned_of(
    depth_bag: Callable[..., Any], tmp_path: Path
) -> None:
    """A block of zeros, as a disk or an interrupted copy leaves it, in a file without checksums."""
    path = depth_bag("mcap").write(tmp_path)
    content = bytearray(path.read_bytes())
    chunk = 17 + int.from_bytes(content[9:17], "little")
    content[chunk + 33 : chunk + 37] = bytes(4)  # checksum
    last = content.rindex(b"rgb8")
    content[last - 100 : last + 1000] = bytes(1100)
    path.write_bytes(content)
    with open_bag(path) as bag, pytest.warns(UserWarning, match="is damaged: 1 messages that its index counts"):
        assert len(list(bag.messages(["/camera/color/image_raw"]))) == 2


@pytest.mark.parametrize("profile", [b"ros1", b"    "])
def test_an_mcap_of_another_profile_is_not_taken_for_cut_off(
    profile: bytes, depth_bag: Callable[..., Any], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = depth_bag("mcap").write(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"ros2", profile, 1))
    with open_bag(path) as bag:  # messages as of ROS 2
        assert len(list(bag.messages(["/camera/color/image_raw"]))) == 3
    assert not recwarn.list
    path.write_bytes(path.read_bytes().replace(b"ros2msg", b"xyz1msg"))
    with pytest.raises(ValueError, match=r"expected messages of ROS in .*MCAP profile '.*record with ROS"):
        open_bag(path)


def test_an_mcap_of_ros2_with_messages_as_json_is_not_taken_for_damaged(
    depth_bag: Callable[..., Any], tmp_path: Path
) -> None:
    path = depth_bag("mcap").write(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"ros2msg", b"jsonsch"))
    with pytest.raises(ValueError, match=r"expected messages of ROS in .*MCAP definitions 'jsonsch'.*record with ROS"):
        open_bag(path)


@pytest.mark.parametrize("plugin", ["SQLITE3", "MCAP"])
def test_compressed_messages_are_read_without_the_metadata_that_says_so(
    plugin: str, depth_bag: Callable[..., Any], tmp_path: Path
) -> None:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    maker, connections = depth_bag("mcap"), dict[str, Any]()
    writer = Writer(tmp_path / "drive", version=9, storage_plugin=StoragePlugin[plugin])
    writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with writer:
        for topic, time, message in maker.messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, message.__msgtype__, typestore=maker.store)
            content = maker.store.serialize_cdr(message, message.__msgtype__)
            writer.write(connections[topic], round(1e9 * time), content)
    with_metadata = kbnet.open_frames(tmp_path / "drive")[0]
    (lone,) = (tmp_path / "drive").glob("drive.*")
    np.testing.assert_array_equal(kbnet.open_frames(lone)[0].image, with_metadata.image)


@pytest.mark.parametrize("share", [1, 0.8])
def test_an_mcap_of_ros1_has_the_frames_of_the_bag_it_was_made_of(
    share: float, depth_bag: Callable[..., Any], tmp_path: Path
) -> None:
    maker = depth_bag("ros1")
    maker.transform("base", "camera", (0.2, 0.0, 0.0))
    bag = maker.write(tmp_path)
    content = as_mcap(bag, tmp_path / "drive.mcap").read_bytes()
    (tmp_path / "drive.mcap").write_bytes(content[: int(share * len(content))])
    with pytest.warns(UserWarning, match="was cut off") if share < 1 else nullcontext():
        source = kbnet.open_frames(tmp_path / "drive.mcap")
    expected = kbnet.open_frames(bag)
    assert source.names == expected.names[: len(source)]
    assert len(source) == (3 if share == 1 else 2)
    for found, frame in zip(source, expected, strict=False):
        for name in ("image", "sparse_depth", "ground_truth", "intrinsics"):
            np.testing.assert_array_equal(getattr(found, name), getattr(frame, name))


@pytest.mark.parametrize("filling", [b"", bytes(5000)])
def test_a_damaged_mcap_of_ros1_is_refused(filling: bytes, depth_bag: Callable[..., Any], tmp_path: Path) -> None:
    maker = depth_bag("ros1")
    for index in range(200):
        maker.image("/other", 1000.3 + 0.1 * index, "rgb8", np.full((48, 64, 3), index, np.uint8))
    path = as_mcap(maker.write(tmp_path), tmp_path / "drive.mcap")
    content = path.read_bytes()
    at = content.rindex(b"\5", 0, content.index(bytes([100]) * 9000))  # a message, with its head
    path.write_bytes(content[:at] + filling + content[at + 5000 :])
    with pytest.raises(ValueError, match=r"cannot be read \(it is damaged: \d+ messages are found\)"):
        open_bag(path)


def test_a_whole_mcap_of_ros1_without_messages_is_not_called_cut_off(tmp_path: Path) -> None:
    path, magic = tmp_path / "drive.mcap", b"\x89MCAP0\r\n"
    header, footer = struct.pack("<BQI4sI", 1, 12, 4, b"ros1", 0), struct.pack("<BQ20x", 2, 20)
    path.write_bytes(magic + header + footer + magic)
    with pytest.raises(ValueError, match="holds no message"):
        open_bag(path)


def as_mcap(bag: Path, path: Path) -> Path:
    """As ``mcap convert`` writes a bag of ROS 1: profile, schemas and messages of ROS 1, written by rosbags."""
    from rosbags.rosbag1 import Reader
    from rosbags.rosbag2 import StoragePlugin, Writer

    with Reader(bag) as reader, Writer(path.with_suffix(""), version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        ids, form = {}, {"rihs01": "none", "serialization_format": "ros1"}
        for one in reader.connections:
            name = one.msgtype.replace("/msg/", "/")
            ids[one.id] = writer.add_connection(one.topic, name, msgdef=one.msgdef.data, **form)
        for connection, time, raw in reader.messages():
            writer.write(ids[connection.id], time, raw)
    content = (path.with_suffix("") / path.name).read_bytes()
    path.write_bytes(content.replace(b"ros2", b"ros1", 1).replace(b"ros2msg", b"ros1msg"))
    return path


@pytest.mark.parametrize("kind", ["ros1", "mcap", "sqlite3"])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.999])
def test_of_a_recording_cut_off_the_messages_before_the_cut_are_read(
    kind: str, share: float, depth_bag: Callable[..., Any], tmp_path: Path
) -> None:
    maker = depth_bag(kind)
    for index in range(200):  # several chunks
        maker.image("/other", 1000.3 + 0.1 * index, "rgb8", np.full((48, 64, 3), index, np.uint8))
    path = maker.write(tmp_path)
    with open_bag(path) as bag:
        whole = [(topic, time, bytes(message.data)) for topic, time, message in bag.messages(["/other"])]
    file = next(path.glob("*.db3"), path)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.warns(UserWarning, match="was cut off"):
        cut = open_bag(path)
    with cut as bag:
        found = [(topic, time, bytes(message.data)) for topic, time, message in bag.messages(["/other"])]
        assert len(found) > 190 * share
        assert found == whole[: len(found)]
        recorded_ns = round(found[-1][1] * 1e9)
        (last,) = bag.recorded_messages(["/other"], recorded_ns, recorded_ns + 1)
        assert bytes(last[2].data) == found[-1][2]


@pytest.mark.parametrize("kind", ["ros1", "mcap", "sqlite3"])
def test_what_was_cut_off_before_its_first_message_is_refused(
    kind: str, depth_bag: Callable[..., Any], tmp_path: Path
) -> None:
    path = depth_bag(kind).write(tmp_path)
    file = next(path.glob("*.db3"), path)
    content = file.read_bytes()
    for length in (0, 60):
        file.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"cannot be read|before its first message"), open_bag(path):
            pass


def test_a_folder_whose_metadata_is_damaged_is_refused(depth_bag: Callable[..., Any], tmp_path: Path) -> None:
    path = depth_bag("sqlite3").write(tmp_path)
    (path / "metadata.yaml").write_text("rosbag2_bagfile_information: {version: 9}")
    with pytest.raises(ValueError, match="cannot be read"), open_bag(path):
        pass


@pytest.mark.parametrize(
    ("kind", "name"), [("ros1", "A.BAG"), ("ros1", "a.bag.active"), ("mcap", "A.MCAP"), ("sqlite3", "A.DB3")]
)
def test_names_in_capitals_and_of_bags_that_were_not_closed_are_read(
    kind: str, name: str, depth_bag: Callable[..., Any], tmp_path: Path
) -> None:
    written = depth_bag(kind).write(tmp_path)
    file = written if written.is_file() else next(one for one in written.iterdir() if one.suffix in (".mcap", ".db3"))
    path = file.rename(tmp_path / name)
    assert len(kbnet.open_frames(path)) == 3
    content = path.read_bytes()
    if kind != "sqlite3":  # and cut off
        path.write_bytes(content[: len(content) * 9 // 10])
        with pytest.warns(UserWarning, match="was cut off"), open_bag(path) as bag:
            assert bag.topics
