"""ROS 1 and ROS 2 bags and MCAP files without ROS: topics and messages."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kbnet.errors import KBNetError
from kbnet.limits import regular_file
from kbnet.sources.bag_bounds import bounded, decompress, least_bytes
from kbnet.sources.cut_bag import ROS1_PROFILE, is_cut_database, open_recovered, other_profile

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

IMAGE, COMPRESSED_IMAGE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
CLOUD, OLD_CLOUD = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/PointCloud"
ODOMETRY = "nav_msgs/msg/Odometry"
TRANSFORMS = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")
SUFFIXES = (".bag", ".mcap", ".db3")
_UNFINISHED = ".active"
"""What rosbag adds to the name of a bag that it has not closed."""
_ZSTD = b"\x28\xb5\x2f\xfd"
"""How a compressed message begins, and no other of ROS 2; that is written in metadata.yaml, which may be lost."""


def is_bag_file(path: Path) -> bool:
    """Whether a path is named like a bag of one file."""
    return path.name.lower().removesuffix(_UNFINISHED).endswith(SUFFIXES)


class _BagPath(type(Path())):  # type: ignore[misc]
    """Path of a bag with the suffix by which rosbags tells what it is, in small letters."""

    @property
    def suffix(self) -> str:
        return Path(self.name.lower().removesuffix(_UNFINISHED)).suffix


class Bag:
    """An open recording; made by :func:`open_bag`.

    Attributes:
        topics: message type of every topic that holds messages, by name.
        counts: of messages, by topic.
        span_s: from the first message to the last, seconds.
    """

    def __init__(self, path: Path, reader: AnyReader) -> None:
        self.path = path
        self._reader, self._open = reader, True
        self._least_bytes = cache(partial(least_bytes, reader.typestore.fielddefs))
        self.counts = {name: topic.msgcount for name, topic in reader.topics.items()}
        self.span_s = max(0, reader.end_time - reader.start_time) * 1e-9
        self.topics = {
            name: topic.msgtype or "several types" for name, topic in sorted(reader.topics.items()) if topic.msgcount
        }

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; a second time does nothing."""
        if self._open:
            self._open = False
            self._reader.close()

    def of_type(self, *types: str) -> list[str]:
        """Names of the topics of these message types."""
        return [name for name, type_ in self.topics.items() if type_ in types]

    def check_topic(self, name: str, *types: str) -> str:
        """Return the name of a topic after checking that it is there and of one of these types.

        Raises:
            KBNetError: it is not; the message names those that are.
        """
        if self.topics.get(name) in types:
            return name
        kinds = " or ".join(type_.rpartition("/")[2] for type_ in types)
        what = f"is of type {self.topics[name]}" if name in self.topics else f"is not in {self.path}"
        others = ", ".join(self.of_type(*types)) or f"none; its topics are {self.described()}"
        raise KBNetError(f"expected a topic of {kinds}, but {name} {what}; it has {others}")

    def messages(self, topics: Sequence[str]) -> Iterator[tuple[str, float, Any]]:
        """Messages of some topics as they were recorded.

        Yields:
            Topic, time in seconds, message. The time is that of the message's header; where it has none, or 0, the time
            of recording.
        """
        for topic, time, message, _ in self.recorded_messages(topics):
            yield topic, time, message

    def recorded_messages(
        self, topics: Sequence[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[tuple[str, float, Any, int]]:
        """As :meth:`messages`, with the time of recording in nanoseconds, and only those recorded from start to stop.

        Warns of messages that the index counts but the recording lacks.

        Raises:
            KBNetError: the recording is damaged.
        """
        if not self._open:
            raise KBNetError(f"expected an open recording, but {self.path} was closed; open it again")
        # Without connections the reader would yield all topics.
        connections = [connection for connection in self._reader.connections if connection.topic in topics]
        if not connections:
            return
        left = sum(self.counts[topic] for topic in {connection.topic for connection in connections})
        with _one_line(self.path):
            for connection, recorded_ns, raw in self._reader.messages(connections, start_ns, stop_ns):
                raw = decompress(raw, "zstd") if self._reader.is2 and raw[:4] == _ZSTD else raw
                if len(raw) < self._least_bytes(connection.msgtype):  # else arrays of any number would be made
                    raise KBNetError(f"a message of {connection.topic} is shorter than its definition")
                message: Any = self._reader.deserialize(raw, connection.msgtype)
                left -= 1
                yield connection.topic, stamp(message) or recorded_ns * 1e-9, message, recorded_ns
        if start_ns is None and stop_ns is None and left > 0:
            warnings.warn(
                f"{self.path} is damaged: {left} messages that its index counts are missing; copy it again",
                stacklevel=2,
            )

    def message_at(self, topic: str, time: float, recorded_ns: int) -> Any:
        """The message of a topic with a time in its header, recorded at a time in nanoseconds.

        Raises:
            KBNetError: it is not there, or the recording is damaged.
        """
        for _, found, message, _ in self.recorded_messages([topic], recorded_ns, recorded_ns + 1):
            if found == time:
                return message
        raise KBNetError(f"expected a message of {topic} at {time:.6f} s in {self.path}, got none; was it changed?")

    def first(self, topic: str) -> Any:
        """The first message of a topic."""
        for _, _, message in self.messages([topic]):
            return message
        raise KBNetError(f"expected messages of {topic} in {self.path}, got none; copy it again")

    def described(self) -> str:
        """Every topic with the type of its messages, for people."""
        return ", ".join(f"{name} ({type_.rpartition('/')[2]})" for name, type_ in self.topics.items()) or "none"


def open_bag(path: str | Path) -> Bag:
    """Open a recording; it is closed when it is no longer used, or by ``with``.

    Args:
        path: ROS 1 ``.bag``; the folder of a ROS 2 bag (with ``metadata.yaml``); or one ``.mcap`` or ``.db3`` file.

    Raises:
        FileNotFoundError: there is no such file or folder.
        KBNetError: it is no recording, or damaged. One that was cut off is read up to there, with a warning.
        ModuleNotFoundError: rosbags is not installed.
    """
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import Stores, get_typestore

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"expected a bag in {path}, but there is no such file or folder; check the path")
    if not (is_bag_file(path) if path.is_file() else (path / "metadata.yaml").is_file()):
        raise KBNetError(
            f"expected a .bag, .mcap or .db3 file, or the folder of a ROS 2 bag with metadata.yaml, got {path}; "
            "name one recording (ros2 bag reindex writes metadata.yaml anew)"
        )
    # Before ROS 2 Iron, bags in SQLite held no message definitions.
    store = get_typestore(Stores.ROS2_HUMBLE)
    for file in () if path.is_file() else path.iterdir():
        regular_file(file)
    path = _BagPath(path)
    files = [path] if path.is_file() else sorted(path.glob("*.db3"))
    try:
        if any(file.suffix == ".db3" and is_cut_database(file) for file in files):
            raise KBNetError("it is shorter than its header says")
        reader = AnyReader([path], default_typestore=store)
        with bounded():
            reader.open()
    except OSError:
        raise
    except Exception as error:
        return _open_cut_off(path, error, lambda file: AnyReader([file], default_typestore=store))
    with _one_line(path):
        return Bag(path, reader)


def _open_cut_off(path: Path, cause: Exception, make_reader: Callable[[Path], AnyReader]) -> Bag:
    """Open a recording without its index up to where it was cut off, with a warning."""
    inside = [path] if path.is_file() else [*path.glob("*.mcap"), *filter(is_cut_database, path.glob("*.db3"))]
    with _one_line(path):
        if len(inside) != 1:
            raise cause
        profile = other_profile(inside[0])
        # What rosbags looks up by a text is the language of definitions.
        unknown = profile is None and isinstance(cause, KeyError) and isinstance(cause.args[0], str)
        others = f"definitions {cause}" if unknown else ""
        reader = make_reader(inside[0])
        try:
            if unknown:
                raise cause
            open_recovered(reader, inside[0])
            messages, span_s = reader.message_count, (reader.end_time - reader.start_time) / 1e9
        except Exception as error:
            if profile is None and not unknown:
                raise cause from None
            if profile == ROS1_PROFILE and not isinstance(error, KeyError):
                raise
            others = others or f"profile '{profile}'"
    if others:
        raise KBNetError(
            f"expected messages of ROS in {path}, got others (MCAP {others}), as of DepthAI or Foxglove; "
            "record with ROS"
        )
    bag = Bag(path, reader)
    if not messages:
        bag.close()
        what = "holds no message" if profile is not None else "was cut off before its first message"
        raise KBNetError(f"{path} {what}; record it again")
    if profile is None:
        warnings.warn(
            f"{path} was cut off: it has no index; the {messages} messages before the cut are read, {span_s:.1f} s",
            stacklevel=3,
        )
    return bag


def stamp(message: Any) -> float:
    """Time in the header of a message, seconds; 0 where there is none."""
    header = getattr(message, "header", None)
    return header.stamp.sec + header.stamp.nanosec * 1e-9 if header else 0.0


def frame_of(message: Any) -> str:
    """Name of the coordinate frame of a message; ROS 1 allowed a slash before it."""
    return str(message.header.frame_id).lstrip("/")


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        # Beside its own errors, a damaged file makes rosbags raise KeyError, AssertionError and those of SQLite.
        raise KBNetError(
            f"expected a whole recording, but {path} cannot be read ({str(error) or type(error).__name__}); if the "
            "recorder was cut off, repair it: rosbag reindex, ros2 bag reindex or mcap recover"
        ) from error
