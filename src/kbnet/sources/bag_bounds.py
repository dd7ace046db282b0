"""Bounds of what rosbags reads: memory for a chunk or message, and no computing in SQLite files."""

from __future__ import annotations

import bz2
import io
import os
import re
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Literal, TypeVar

from kbnet.errors import KBNetError
from kbnet.limits import FACTOR, MOST_PACKED_BYTES, limit_factor

_ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
MOST_TIMES = 100
"""Size of an unpacked chunk or file over that of the compressed one, beyond `ANY_CHUNK` or `MOST_PACKED_BYTES`."""
ANY_CHUNK = 1 << 26
"""Bytes to which any chunk may unpack, however few it has: an image of one colour."""
ANY_RECORDS = 10_000
"""Records that any chunk may hold; of more, each takes a byte of the compressed chunk, since times differ."""
MOST_WORDS, MOST_WORDS_IN_ALL = 6_000, 40_000
"""Of one definition of messages, and of all in a bag: the time that rosbags takes rises with their square."""
_TEXT_OR_COMMENT = re.compile(r'(?:"(?:\\"|[^"])*(?:"|\Z)\s*)+|/\*.*?(?:\*/|\Z)|//[^\n]*', re.DOTALL)
_COMPUTED = re.compile(r"\([^()]*\(|\*|<<")
"""Constants that are computed, in IDL without texts and comments."""
Record = TypeVar("Record")
_PADDING = "structure_needs_at_least_one_member"
"""What rosbags adds to empty types; ROS 1 does not store it."""


@contextmanager
def bounded() -> Iterator[None]:
    """Bound what rosbags does, from now on: SQLite that does not compute, no merged YAML, sizes of parts."""
    forms = {form: partial(_unpacked, form) for form in ("bz2", "lz4", "zstd")}
    for module, name, unpack in (
        ("rosbags.rosbag1.reader", "decompressors", _unpacked),
        ("rosbags.rosbag2.storage_mcap", "DECOMPRESSORS", _unpacked_mcap),
    ):
        known = getattr(import_module(module), name)
        known.update({form: partial(unpack, form) for form in forms.keys() & known.keys()})
    any_reader, types, definitions = (
        import_module("rosbags.highlevel.anyreader"),
        import_module("rosbags.typesys"),
        _Definitions(),
    )
    for name, shortened in (("get_types_from_msg", _msg_fields), ("get_types_from_idl", _idl_code)):
        setattr(any_reader, name, partial(definitions.parsed, getattr(types, name), shortened))
    reader: Any = import_module("rosbags.rosbag2.reader")
    metadata: Any = import_module("rosbags.rosbag2.metadata")
    reader.YAML = metadata.YAML = _plain_yaml
    reader.zstd = SimpleNamespace(open=_PackedFile, decompress=forms["zstd"])
    apsw: Any = import_module("apsw")
    apsw.connection_hooks.append(check_database)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(check_database)


def _plain_yaml(typ: str) -> Any:
    """``ruamel.yaml.YAML`` that merges no mappings: they can double forty times."""
    constructor: Any = import_module("ruamel.yaml.constructor").SafeConstructor

    class Constructor(constructor):  # type: ignore[misc]
        def flatten_mapping(self, node: Any) -> Any:
            if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
                raise KBNetError("its YAML merges mappings, which no recorder writes")
            return super().flatten_mapping(node)

    made: Any = import_module("ruamel.yaml").YAML(typ=typ)
    made.Constructor = Constructor
    return made


class _Definitions:
    """Definitions of messages that rosbags parses, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Any] = {}
        self._words = 0

    def parsed(self, parse: Callable[..., Any], shortened: Callable[[str], str], *definition: str) -> Any:
        """As rosbags calls it, with the text of a definition and, unless it is in IDL, its name."""
        definition = shortened(definition[0]), *definition[1:]
        if definition not in self._known:
            words = len(re.findall(r"\w+", " ".join(definition)))
            self._words += words
            for count, most in ((words, MOST_WORDS), (self._words, MOST_WORDS_IN_ALL)):
                if count > (most := int(most * limit_factor())):
                    raise KBNetError(f"expected at most {most:,} words in definitions of messages, got {count:,}")
            self._known[definition] = parse(*definition)
        return self._known[definition]


def _msg_fields(text: str) -> str:
    """A definition without empty lines and comments, for which rosbags takes 0.1 ms a line."""
    return "\n".join(line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#"))


def _idl_code(text: str) -> str:
    """A definition in IDL without texts and comments.

    Raises:
        KBNetError: it computes constants, whose time and size have no bounds.
    """
    code = _TEXT_OR_COMMENT.sub(lambda match: '"" ' if match[0].startswith('"') else " ", text)
    if _COMPUTED.search(code):
        raise KBNetError("its definitions of messages compute constants, which no recorder writes")
    return code


def least_bytes(definitions: Mapping[str, Any], name: str) -> int:
    """Bytes that a message has at least, by its definition in the bag.

    Args:
        definitions: ``fielddefs`` of a typestore of rosbags.

    Raises:
        KBNetError: it has arrays of elements without bytes, of which few bytes announce any number.
    """
    nodes: Any = import_module("rosbags.interfaces").Nodetype
    known: dict[str, int] = {}

    def least(kind: int, detail: Any) -> int:
        if kind == nodes.NAME:
            if detail not in known:
                known[detail] = sum(least(*field) for own, field in definitions[detail][1] if own != _PADDING)
            return known[detail]
        if kind == nodes.BASE:
            return 1
        element, count = detail
        if not (each := least(*element)):
            raise KBNetError(f"{name} has arrays of elements without bytes")
        return int(count * each) if kind == nodes.ARRAY else 1

    return least(nodes.NAME, name)


def check_database(database: Any) -> None:
    """Refuse a SQLite file that computes values, or has rows without end, and bound the values that it holds.

    Args:
        database: ``apsw.Connection``, new.

    Raises:
        KBNetError: it has views or computed columns, pages that are named twice, or topics of one number.
    """
    path = Path(database.filename)
    database.limit(import_module("apsw").SQLITE_LIMIT_LENGTH, min(MOST_PACKED_BYTES, path.stat().st_size))
    seen = set[int]()
    with path.open("rb", buffering=0) as file:
        _check_pages(file, 1, seen)
        for (root,) in list(database.execute("SELECT DISTINCT rootpage FROM main.sqlite_master WHERE rootpage > 0")):
            _check_pages(file, root, seen)
    for wrong, found in (
        ("SELECT 1 FROM main.sqlite_master WHERE type != 'trigger' AND NOT coalesce(rootpage, 0)", "views"),
        (
            "SELECT 1 FROM main.sqlite_master AS one, pragma_table_xinfo(one.name) AS each WHERE each.hidden",
            "computed columns",
        ),
        ("SELECT 1 FROM main.topics GROUP BY +id HAVING count(*) > 1", "topics of one number"),
    ):
        with suppress(import_module("apsw").SQLError):  # it has no topics
            if any(database.execute(wrong)):
                raise KBNetError(f"it holds {found}, which no recorder writes")


def _check_pages(file: BinaryIO | io.FileIO, root: int, seen: set[int]) -> None:
    """Refuse pages of a tree in a SQLite file that others name too: SQLite reads their rows as often, for ever."""
    size, left = int.from_bytes(_read_at(file, 16, 2), "big"), [root]
    size = 65536 if size == 1 else size
    while left:
        page = left.pop()
        if page in seen:
            raise KBNetError("two of its pages hold the same one; copy it again")
        seen.add(page)
        begin = 100 if page == 1 else 0
        if _read_at(file, (page - 1) * size + begin, 1) not in (b"\2", b"\5"):
            continue  # it has no pages below
        if len(content := _read_at(file, (page - 1) * size, size)) == size:
            cells = min(int.from_bytes(content[begin + 3 : begin + 5], "big"), (size - begin - 12) // 2)
            places = struct.unpack_from(f">{cells}H", content, begin + 12)
            left += [int.from_bytes(content[at : at + 4], "big") for at in (begin + 8, *places)]


def _read_at(file: BinaryIO | io.FileIO, place: int, count: int) -> bytes:
    file.seek(max(0, place))
    return file.read(count)


def decompress(packed: bytes, compression: str) -> bytes:
    """What there is of data that may be cut.

    Raises:
        KBNetError: it is larger than any chunk (`kbnet.limits.MOST_PACKED_BYTES`) or than one of so few bytes, or of
            another compression.
    """
    if compression in ("", "none"):
        return packed
    size = len(packed)
    most = int(min(MOST_PACKED_BYTES, ANY_CHUNK + MOST_TIMES * size) * limit_factor())
    parts, left = list[bytes](), most
    while packed:
        stream = _stream(compression)
        parts.append(bytes(stream.decompress(packed, left + 1)))
        left -= len(parts[-1])
        if left < 0:
            raise KBNetError(
                f"expected at most {most:,} bytes in a chunk of {size:,} compressed ones, got more; if it is right, "
                f"allow more ({FACTOR}=2 in the environment)"
            )
        packed = (stream.eof and stream.unused_data) or b""
    return b"".join(parts)


def counted(records: Iterable[Record], packed: int) -> Iterator[Record]:
    """The records of a chunk.

    Args:
        packed: bytes of the compressed chunk.

    Raises:
        KBNetError: they are more than such a chunk holds.
    """
    most = int(max(ANY_RECORDS, packed) * limit_factor())
    for number, record in enumerate(records):
        if number >= most:
            raise KBNetError(f"expected at most {most:,} records in a chunk of {packed:,} bytes, got more")
        yield record


def mcap_records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Code and body of every whole record in a chunk of an MCAP."""
    at = 0
    while at + 9 <= len(content):
        code, length = struct.unpack_from("<BQ", content, at)
        if at + 9 + length > len(content):
            return
        yield code, content[at + 9 : at + 9 + length]
        at += 9 + length


def _stream(compression: str) -> Any:
    if compression == "bz2":
        return bz2.BZ2Decompressor()
    if compression == "lz4":
        return import_module("lz4.frame").LZ4FrameDecompressor()
    if compression == "zstd":
        return import_module(_ZSTD).ZstdDecompressor()
    raise KBNetError(f"its chunks are compressed by '{compression}'")


def _unpacked(compression: str, packed: bytes, size: int | None = None) -> bytes:
    """As rosbags calls it, with the size that a chunk announces."""
    return decompress(packed, compression)


def _unpacked_mcap(compression: str, packed: bytes, size: int) -> bytes:
    """As `_unpacked`; rosbags goes through all records of a chunk."""
    content = decompress(packed, compression)
    for _ in counted(mcap_records(content), len(packed)):
        pass
    return content


class _PackedFile:
    """File of a bag compressed as a whole, as rosbags opens it to unpack it into the temporary folder."""

    def __init__(self, file: BinaryIO, mode: Literal["rb"]) -> None:
        size = os.fstat(file.fileno()).st_size
        self._file, self._name = import_module(_ZSTD).open(file, mode), file.name
        self._left = int((MOST_PACKED_BYTES + MOST_TIMES * size) * limit_factor())

    def __enter__(self) -> _PackedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, count: int) -> bytes:
        """The next bytes."""
        content: bytes = self._file.read(count)
        self._left -= len(content)
        if self._left < 0:
            raise KBNetError(f"{self._name} unpacks to more than {MOST_TIMES} times its size")
        return content
