"""Bags that were cut off, up to the last whole message, and MCAP files of ROS 1, which rosbags refuses."""

from __future__ import annotations

import io
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kbnet.errors import KBNetError
from kbnet.sources.bag_bounds import check_database, counted, decompress, mcap_records

_MCAP_MAGIC, _ROS1_MAGIC = b"\x89MCAP0\r\n", b"#ROSBAG V2.0\n"
ROS1_PROFILE = "ros1"
"""Encoding of messages in an MCAP, and its profile."""
_MCAP_MESSAGE, _MCAP_CHUNK, _MCAP_STATISTICS = 5, 6, 11
_CHUNK_HEAD = struct.Struct("<QQQI")
"""Of an MCAP chunk: first time, last time, size without compression, checksum."""


def open_recovered(reader: Any, path: Path) -> None:
    """Open a reader of rosbags of a file that was cut off, or of an MCAP of ROS 1.

    Args:
        reader: ``rosbags.highlevel.AnyReader`` of one file.
        path: of the file, ROS 1 ``.bag``, ``.mcap`` or ``.db3``.

    Raises:
        KBNetError: files of this kind cannot be read without their index, or the MCAP of ROS 1 is damaged.
    """
    if path.suffix == ".bag":
        reader.readers[0].open = partial(_open_ros1, reader.readers[0])
    elif path.suffix == ".mcap":
        reader.readers[0].storage.open = partial(_open_mcap, reader.readers[0].storage)
    elif path.suffix == ".db3":
        reader.readers[0].storage.open = partial(_open_sqlite, reader.readers[0].storage)
    else:
        raise KBNetError("a file of this kind cannot be read without its end")
    reader.open()
    reader.is2 = reader.is2 and all(one.ext.serialization_format != ROS1_PROFILE for one in reader.connections)


def other_profile(path: Path) -> str | None:
    """Profile of an MCAP that is whole but not of ROS 2, such as ``ros1``; None of any other file."""
    with path.open("rb") as file:
        head = file.read(128)
        whole = head.startswith(_MCAP_MAGIC) and file.seek(-len(_MCAP_MAGIC), 2) and file.read() == _MCAP_MAGIC
    length = int.from_bytes(head[17:21], "little")
    profile = head[21 : 21 + length].decode(errors="replace")
    return profile if whole and profile != "ros2" else None


def is_cut_database(path: Path) -> bool:
    """Whether a SQLite file is shorter than its header says."""
    with path.open("rb") as file:
        head = file.read(100)
    if len(head) < 100 or not head.startswith(b"SQLite format 3\0"):
        return False
    (page,), (changed, pages), (valid_for,) = (
        struct.unpack_from(form, head, at) for form, at in ((">H", 16), (">II", 24), (">I", 92))
    )
    size: int = pages * (65536 if page == 1 else page)
    return bool(changed == valid_for) and size > path.stat().st_size


class _Spliced(io.RawIOBase):
    """The beginning of a file, followed by other bytes."""

    def __init__(self, path: Path, end: int, tail: bytes) -> None:
        self._file, self._end, self._tail, self._at = path.open("rb"), end, tail, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end + len(self._tail)}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._end + len(self._tail) if size < 0 else self._at + size
        self._file.seek(self._at)
        begin = self._file.read(max(0, min(stop, self._end) - self._at))
        rest = self._tail[max(0, self._at - self._end) : max(0, stop - self._end)]
        self._at += len(begin) + len(rest)
        return begin + rest

    def close(self) -> None:
        self._file.close()
        super().close()


class _Schemas(dict[int, Any]):
    """Definitions of messages in an MCAP; those of ROS 1, in the same language, become those of ROS 2."""

    def __setitem__(self, number: int, schema: Any) -> None:
        super().__setitem__(number, schema._replace(encoding=schema.encoding.replace("ros1msg", "ros2msg")))


def _open_mcap(storage: Any) -> None:
    from rosbags.rosbag2.storage_mcap import ChunkInfo
    from rosbags.typesys.msg import normalize_msgtype

    size = storage.path.stat().st_size
    chunks, tail, first = list[Any](), b"", 0
    messages, stated = 0, None
    with storage.path.open("rb") as file:
        if file.read(len(_MCAP_MAGIC)) != _MCAP_MAGIC:
            raise KBNetError("it does not begin as an MCAP file")
        end = file.tell()
        while len(head := file.read(9)) == 9:
            code, length = struct.unpack("<BQ", head)
            whole = end + 9 + length <= size
            if code == _MCAP_CHUNK and min(length, size - end - 9) > _CHUNK_HEAD.size + 12:
                start_time, stop_time, compression, content = _mcap_chunk(file.read(length), whole=whole)
                if not whole:  # in place of the chunk that was being written, what there is of it
                    body = _CHUNK_HEAD.pack(start_time, stop_time, len(content), 0)
                    body += struct.pack("<IQ", 0, len(content)) + content
                    tail, compression, length = struct.pack("<BQ", code, len(body)) + body, "", len(body)
                records = counted(mcap_records(content), length)
                counts = Counter(struct.unpack_from("<H", one)[0] for kind, one in records if kind == 5)
                messages += counts.total()
                packed = length - _CHUNK_HEAD.size - 12 - len(compression)
                sizes = packed, len(content), dict(counts)
                chunks.append(ChunkInfo(start_time, stop_time, end, 9 + length, {}, 0, compression, *sizes))
            if not whole or code == 0:  # which no record has
                break
            messages += code == _MCAP_MESSAGE
            if code == _MCAP_STATISTICS:
                (stated,) = struct.unpack("<Q", file.read(8))
            end = file.seek(end + 9 + length)
            first = first or end
    damaged = end != size - len(_MCAP_MAGIC) or stated not in (None, messages)
    if damaged and other_profile(storage.path) is not None:
        raise KBNetError(f"it is damaged: {messages} messages are found")
    storage.bio = _Spliced(storage.path, end, tail)
    storage.data_start, storage.data_end = first, end + len(tail)
    storage.schemas = _Schemas()
    storage.meta_scan()
    found = storage.statistics
    storage.chunks.extend(chunks)
    storage.connections[:] = [
        one._replace(msgtype=normalize_msgtype(one.msgtype), msgcount=found.channel_message_counts.get(one.id, 0))
        for one in storage.connections
    ]
    storage.metadata = storage.metadata._replace(
        duration=found.end_time - found.start_time + 1,
        start_time=found.start_time,
        end_time=found.end_time + 1,
        message_count=found.message_count,
    )


def _mcap_chunk(body: bytes, *, whole: bool) -> tuple[int, int, str, bytes]:
    """First and last time, compression, and whole records of a chunk that may be cut."""
    start_time, stop_time, _, _ = _CHUNK_HEAD.unpack_from(body)
    (name,) = struct.unpack_from("<I", body, _CHUNK_HEAD.size)
    compression = body[_CHUNK_HEAD.size + 4 : _CHUNK_HEAD.size + 4 + name].decode()
    content = decompress(body[_CHUNK_HEAD.size + 12 + name :], compression)
    if not whole:
        content = content[: sum(9 + len(one) for _, one in counted(mcap_records(content), len(body)))]
    return start_time, stop_time, compression, content


def _open_ros1(reader: Any) -> None:
    from rosbags.rosbag1.reader import Chunk, ChunkInfo, Header, IndexData, RecordType, decompressors, read_uint32

    size = reader.path.stat().st_size
    indexes, connections = defaultdict[int, list[Any]](list), dict[int, Any]()
    chunks, tail, tail_at = dict[int, tuple[int, int, str]](), b"", size
    with reader.path.open("rb") as file:
        if file.read(len(_ROS1_MAGIC)) != _ROS1_MAGIC:
            raise KBNetError("it does not begin as a ROS 1 bag")
        while True:
            at = file.tell()
            try:
                header, length = Header.read(file), read_uint32(file)
            except Exception:  # rosbags' own error, or one of decoding: the header is cut off
                break
            data_at = file.tell()
            whole = data_at + length <= size
            if header.get_uint8("op") == RecordType.CHUNK:
                compression = header.get_string("compression")
                content = decompress(file.read(length), compression)
                chunks[at] = (length, data_at, compression)
                if not whole:
                    tail, tail_at, chunks[at] = content, data_at, (len(content), data_at, "none")
                counts = Counter[int]()
                for kind, offset, record in counted(_ros1_records(content), length):
                    number = record.get_uint32("conn")
                    if kind == RecordType.MSGDATA:
                        indexes[number].append(IndexData(record.get_time("time"), at, offset))
                        counts[number] += 1
                    elif kind == RecordType.CONNECTION and number not in connections:
                        reader.bio = io.BytesIO(content[offset:])
                        connections[number] = reader.read_connection()
                times = [one.time for found in indexes.values() for one in found if one.chunk_pos == at] or [0]
                reader.chunk_infos.append(ChunkInfo(at, min(times), max(times) + 1, dict(counts)))
            if not whole:
                break
            file.seek(data_at + length)
    if not connections:
        raise KBNetError("it holds no whole message")
    reader.bio = _Spliced(reader.path, tail_at, tail)
    reader.chunks = {at: Chunk(length, data_at, decompressors[name]) for at, (length, data_at, name) in chunks.items()}
    reader.indexes = {number: sorted(indexes[number]) for number in connections}
    reader.connections = [one._replace(msgcount=len(indexes[number])) for number, one in connections.items()]


def _ros1_records(content: bytes) -> Iterator[tuple[int, int, Any]]:
    """Kind, offset and header of every whole record in a chunk."""
    from rosbags.rosbag1.reader import Header, read_uint32

    file = io.BytesIO(content)
    while (at := file.tell()) < len(content):
        try:
            header, length = Header.read(file), read_uint32(file)
        except Exception:  # rosbags' own error: the record is cut off
            return
        if file.seek(length, io.SEEK_CUR) > len(content):
            return
        yield header.get_uint8("op"), at, header


def _open_sqlite(storage: Any) -> None:
    """Put a list of the whole messages, in memory, in place of the table whose index is cut off."""
    apsw: Any = import_module("apsw")
    from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat
    from rosbags.rosbag2.metadata import parse_qos

    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    database = storage.dbconn = apsw.Connection(f"file:{quote(str(storage.path))}?immutable=1", flags=flags)
    database.execute("PRAGMA writable_schema = ON")  # else SQLite refuses a file that is shorter than its header says
    check_database(database)
    database.execute("PRAGMA temp_store = MEMORY")
    database.execute("CREATE TEMP TABLE whole (id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER)")
    rows = database.execute("SELECT id, topic_id, timestamp, data FROM main.messages NOT INDEXED ORDER BY id")
    try:
        for *row, _ in rows:
            database.execute("INSERT INTO whole VALUES (?, ?, ?)", row)
    except apsw.Error:
        pass  # the cut
    database.execute("CREATE INDEX temp.whole_time ON whole (timestamp)")
    database.execute(
        "CREATE TEMP VIEW messages AS SELECT id, topic_id, whole.timestamp AS timestamp, "
        "(SELECT data FROM main.messages AS one NOT INDEXED WHERE one.id = whole.id) AS data FROM whole"
    )
    tables = {name for (name,) in database.execute("SELECT name FROM main.sqlite_master")}
    definitions = {}
    if "message_definitions" in tables:
        found = database.execute("SELECT topic_type, encoding, encoded_message_definition FROM message_definitions")
        forms = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
        definitions = {name: MessageDefinition(forms[form], text) for name, form, text in found}
    columns = {column[1] for column in database.execute("PRAGMA main.table_info(topics)")}
    optional = [name if name in columns else "''" for name in ("offered_qos_profiles", "type_description_hash")]
    topics = database.execute(
        f"SELECT id, name, type, serialization_format, {', '.join(optional)}, "
        "(SELECT COUNT(*) FROM whole WHERE topic_id = topics.id) FROM topics ORDER BY id"
    )
    unknown = MessageDefinition(MessageDefinitionFormat.NONE, "")
    storage.connections = [
        Connection(
            number,
            name,
            kind,
            definitions.get(kind, unknown),
            digest,
            count,
            ConnectionExtRosbag2(form, parse_qos(quality) if quality else []),
            storage,
        )
        for number, name, kind, form, quality, digest, count in topics
    ]
    ((start, end, count),) = database.execute("SELECT MIN(timestamp), MAX(timestamp) + 1, COUNT(*) FROM whole")
    start, end = start or 0, end or 0
    storage.metadata = storage.metadata._replace(
        duration=end - start, start_time=start, end_time=end, message_count=count
    )
