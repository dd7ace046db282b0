"""Recordings and weights made by somebody who knows the source are refused, and nothing outside the output changes."""

from __future__ import annotations

import bz2
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fuzz.limits import limits
from fuzz.recordings import (
    PICTURE,
    array,
    bag,
    frames,
    kitti,
    model_folder,
    nuscenes,
    picture,
    png,
    read_bag,
    read_models_of,
    read_sequence,
    read_video,
    recipe,
    record3d,
    rgbd,
    sequence,
    stray,
    video,
)

from kbnet.cli.main import main
from kbnet.cli.preparation import SplitCount, print_splits
from kbnet.datasets.archive import names
from kbnet.datasets.nyu_v2.raw import read_picture
from kbnet.errors import KBNetError
from kbnet.evaluation.journal import journal
from kbnet.files import atomic_folder, atomic_path, file_sha256, read_text
from kbnet.frames.frame_files import read_frame_list
from kbnet.frames.image_file import read_image, read_intrinsics
from kbnet.frames.kinds import kind_of
from kbnet.frames.npy_file import read_npy
from kbnet.limits import LIMITS
from kbnet.lock import one_writer
from kbnet.sources.matroska import read_matroska
from kbnet.sources.ply import read_ply
from kbnet.sources.rendered.catalogue import read_models
from kbnet.sources.rendered.obj_file import read_mtl, read_obj
from kbnet.sources.ros_images import decode_depth
from kbnet.sources.rvl import decode_rvl
from kbnet.sources.trajectory import read_tum_trajectory
from kbnet.training.recipe import read_recipe_layers
from kbnet.weights.pickle_file import load_pickle

NOT_FILES = [
    "a pipe",
    pytest.param("a device", marks=pytest.mark.skipif(not Path("/dev/zero").exists(), reason="none")),
]


@pytest.mark.parametrize("name", [".lock", ".K.partial.txt", ".room.partial", ".room.former", ".unfinished.jsonl"])
def test_what_a_link_with_the_name_of_a_temporary_file_leads_to_stays(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("whole")
    output = tmp_path / "out"
    output.mkdir()
    (output / name).symlink_to(tmp_path / "mine" / ("" if name.startswith(".room") else "thesis.txt"))
    if name == ".lock":
        with pytest.raises(OSError, match="symbolic links"), one_writer(output):
            pass
    elif name == ".unfinished.jsonl":
        with journal(output, {}) as results:
            results.put("0", 1.5)
        assert not list(output.iterdir())
    elif name == ".K.partial.txt":
        with atomic_path(output / "K.txt") as temporary:
            temporary.write_text("K")
        assert not (output / "K.txt").is_symlink()
    else:
        with atomic_folder(output / "room") as folder:
            (folder / "K.txt").touch()
        assert [path.name for path in output.iterdir()] == ["room"]
        assert not (output / "room").is_symlink()
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "whole"


@pytest.mark.parametrize("kind", NOT_FILES)
@pytest.mark.parametrize(
    ("make", "file", "read"),
    [
        (picture, "a.png", lambda folder: read_image(folder / "a.png")),
        (array, "K.txt", lambda folder: read_intrinsics(folder / "K.txt")),
        (array, "K.npy", lambda folder: read_npy(folder / "K.npy", "K")),
        (sequence, "absolute_pose/0.txt", read_sequence),
        (nuscenes, "v1.0-mini/ego_pose.json", frames()),
        (kitti, "velodyne/0.bin", frames()),
        (recipe, "a.toml", lambda folder: read_recipe_layers(folder / "a.toml")),
    ],
)
def test_pipes_and_devices_in_place_of_files_are_refused(
    make: Callable[[Path], None], file: str, read: Callable[[Path], Any], kind: str, tmp_path: Path
) -> None:
    make(tmp_path)
    path = tmp_path / file
    path.unlink()
    os.mkfifo(path) if kind == "a pipe" else path.symlink_to("/dev/zero")
    with limits(), pytest.raises(KBNetError, match="is a pipe or a device"):
        read(tmp_path)


LISTS = (
    "ply\nformat ascii 1.0\nelement vertex 900000\nproperty list char char l\n"
    + "".join(f"property char {name}\n" for name in ("x", "y", "z", *range(100)))
    + "end_header\n"
)
"""Of a PLY file whose vertices have a list."""


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file that fails when it is read")
@pytest.mark.parametrize(
    "read", [read_text, kind_of, names, load_pickle, file_sha256, lambda path: list(read_frame_list(path))]
)
def test_a_file_that_a_failing_disk_does_not_give_is_named(read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match=r"\[Errno 5\] Input/output error: '.*a\.mkv'"):
        read(path)


def test_a_matrix_of_many_numbers_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "K.txt").open("wb") as file:
        file.truncate(1 << 32)
    with limits(), pytest.raises(KBNetError, match="expected the matrix K, got 4,294,967,296 bytes in"):
        read_intrinsics(tmp_path / "K.txt")


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("K.yaml", b"camera_matrix " * 1_000_000, read_intrinsics),
        ("a.txt", b"# time tx ty tz qx qy qz qw\n" + b"#" * 200_000 + b"\n1 0 0 0 0 0 0 1\n", read_tum_trajectory),
        ("a.ppm", b"P6 " + b"# " * 1000, lambda path: read_picture(path.read_bytes())),
        ("a.ply", LISTS.encode() + b"-104 " + b"1 " * 500_000, read_ply),
        ("a.ply", LISTS.replace("ascii", "binary_little_endian").encode() + b"\x98" + b"\1" * 1_000_000, read_ply),
    ],
)
def test_text_that_could_be_searched_for_minutes_is_read_at_once(
    name: str, content: bytes, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with limits(), suppress(KBNetError):
        read(tmp_path / name)


def test_a_checkpoint_with_a_byte_array_of_any_length_is_refused(tmp_path: Path) -> None:
    from kbnet.weights.published import read_published

    for module in (b"builtins", b"__builtin__"):
        pickle = b"\x80\x02c" + module + b"\nbytearray\n\x8a\x05" + (2**32).to_bytes(5, "little") + b"\x85R."
        with zipfile.ZipFile(tmp_path / "a.pth", "w") as file:
            for name, content in (("data.pkl", pickle), ("version", b"3\n"), ("byteorder", b"little")):
                file.writestr(f"a/{name}", content)
        with limits(), pytest.raises(KBNetError, match="it is damaged or holds code"):
            read_published(tmp_path / "a.pth")


def test_a_checkpoint_with_a_tuple_that_is_hashed_for_years_is_refused(tmp_path: Path) -> None:
    doubled = b"".join(b"h%cq%c" % (index, index + 1) for index in range(60)).replace(b"q", b"\x86q")
    pickle = b"\x80\x02})q\0" + doubled + b"K\1s."
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as file:
        for name, content in (("data.pkl", pickle), ("version", b"3\n"), ("byteorder", b"little")):
            file.writestr(f"a/{name}", content)
    with limits(), pytest.raises(KBNetError, match="got more than 10,000,000 in one"):
        load_pickle(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile b.mp4\n",
        "ffconcat version 1.0\nfile a.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nb.mp4\n#EXT-X-ENDLIST\n",
        "v=0\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ],
)
def test_a_playlist_named_like_a_video_is_refused(content: str, tmp_path: Path) -> None:
    pytest.importorskip("av")
    video(tmp_path)
    shutil.copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    (tmp_path / "a.mp4").write_text(content)
    with limits(), pytest.raises(KBNetError, match="expected a whole video"):
        read_video(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (b"stsz", struct.pack(">III", 0, 1, 1 << 30)),
        (b"trun", struct.pack(">II", 1, 1 << 30)),
        (b"elst", struct.pack(">II", 0, 80_000)),
        (b"cmov", b""),
    ],
)
def test_an_index_of_a_video_that_takes_any_memory_or_time_is_refused(
    name: bytes, content: bytes, tmp_path: Path
) -> None:
    pytest.importorskip("av")
    video(tmp_path)
    for box in (name, b"trak", b"moov"):
        content = struct.pack(">I4s", len(content) + 8, box) + content
    with (tmp_path / "a.mp4").open("ab") as file:
        file.write(content)
    with limits(), pytest.raises(KBNetError, match="got an index that is packed or too large"):
        read_video(tmp_path)


@pytest.mark.parametrize("table", ["messages", "topics", "schema"])
@pytest.mark.parametrize("alone", [False, True])
def test_views_in_a_bag_are_refused(table: str, alone: bool, tmp_path: Path) -> None:
    pytest.importorskip("rosbags")
    bag("sqlite3")(tmp_path)
    file = next(tmp_path.glob("*/*.db3"))
    endless = "WITH RECURSIVE r(id) AS (SELECT 1 UNION ALL SELECT id FROM r) SELECT id, id AS schema_version FROM r"
    database = sqlite3.connect(file)
    database.execute(f"ALTER TABLE {table} RENAME TO former")
    database.execute(f"CREATE VIEW {table} AS {endless}")
    database.commit()
    database.close()
    if alone:
        (file.parent / "metadata.yaml").unlink()
        file.rename(tmp_path / "alone.db3")
        file.parent.rmdir()
    with limits(), pytest.raises(KBNetError, match="it holds views"):
        read_bag(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("CREATE TABLE t(a, b GENERATED ALWAYS AS (a LIKE '%0%0%0%0%0%0%0%1'))", "it holds computed columns"),
        ("CREATE VIRTUAL TABLE t USING rtree(a, b, c)", "it holds views"),
        (
            "ALTER TABLE topics RENAME TO former; CREATE TABLE topics AS SELECT * FROM former; "
            "INSERT INTO topics SELECT * FROM former",
            "it holds topics of one number",
        ),
        ("", "two of its pages hold the same one"),
    ],
)
def test_databases_that_are_read_for_hours_are_refused(change: str, said: str, tmp_path: Path) -> None:
    pytest.importorskip("rosbags")
    bag("sqlite3")(tmp_path)
    file = next(tmp_path.glob("*/*.db3"))
    database = sqlite3.connect(file)
    database.executescript(change)
    ((size,), (root,)) = (
        database.execute(one).fetchone()
        for one in ("PRAGMA page_size", "SELECT rootpage FROM sqlite_master WHERE name = 'messages'")
    )
    database.close()
    if not change:  # each of eight pages holds the next one 300 times
        content = file.read_bytes()
        first = len(content) // size
        for page in range(first, first + 8):
            places = range(size - 5 * 300, size, 5)
            head = struct.pack(">B2x2HxI300H", 5, 300, places[0], page + 2, *places)
            content += head.ljust(places[0], b"\0") + struct.pack(">IB", page + 2, 1) * 300
        start = (root - 1) * size
        content = content[:start] + content[first * size : (first + 1) * size] + content[start + size :]
        file.write_bytes(content[:28] + struct.pack(">I", len(content) // size) + content[32:])
    with limits(), pytest.raises(KBNetError, match=said):
        read_bag(tmp_path)


def test_mappings_of_a_bag_that_double_forty_times_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("rosbags")
    bag("sqlite3")(tmp_path)
    path = next(tmp_path.glob("*/metadata.yaml"))
    doubled = "".join(f"m{index}: &m{index} {{<<: [*m{index - 1}, *m{index - 1}]}}\n" for index in range(1, 40))
    path.write_text(f"m0: &m0 {{x: 1}}\n{doubled}{path.read_text()}")
    with limits(), pytest.raises(KBNetError, match="its YAML merges mappings"):
        read_bag(tmp_path)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("a/E[1000000000] x", "has arrays of elements without bytes"),
        ("a/E[] x", "has arrays of elements without bytes"),
        ("string[1000000000] x", "is shorter than its definition"),
    ],
)
def test_a_message_whose_definition_asks_for_any_memory_is_refused(field: str, said: str, tmp_path: Path) -> None:
    pytest.importorskip("rosbags")
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    from kbnet.sources.ros_bag import open_bag

    name, line = "sensor_msgs/msg/Image", "=" * 80
    definition = f"uint8 a\n{field}\n{line}\nMSG: a/E\nuint8 K=1\n"
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(definition, name))
    with Writer(tmp_path / "a.bag") as writer:
        digest = store.generate_msgdef(name, ros_version=1)[1]
        writer.write(writer.add_connection("/a", name, msgdef=definition, md5sum=digest), 1, b"\1\xff\xff\xff\xff")
    with open_bag(tmp_path / "a.bag") as opened, limits(), pytest.raises(KBNetError, match=said):
        opened.first("/a")


@pytest.mark.parametrize(
    ("encoding", "definition", "said"),
    [
        ("ros2msg", "uint8 a\n" + "".join(f"int8 f{i}\n" for i in range(50_000)), "at most 6,000 words in def"),
        ("ros2idl", f"module a {{ module msg {{ const long A = {'(' * 30}1{')' * 30}; }}; }};", "compute constants"),
        ("ros2idl", "module a { module msg { const long A = 1 << 9999999999; }; };", "compute constants"),
        ("ros2msg", "\n" * 500_000 + "# text\n" * 50_000 + "uint8 a", ""),
        ("ros2idl", "module a { module msg { @v (text=" + '"(a" ' * 9000 + ") struct B { octet a; }; }; };", ""),
    ],
)
def test_definitions_of_messages_take_no_time(encoding: str, definition: str, said: str) -> None:
    pytest.importorskip("rosbags")
    from importlib import import_module

    from kbnet.sources.bag_bounds import bounded

    with bounded(), limits(), pytest.raises(KBNetError, match=said) if said else nullcontext():
        reader = import_module("rosbags.highlevel.anyreader")
        for _ in range(10):
            if encoding == "ros2msg":
                assert "a/msg/B" in reader.get_types_from_msg(definition, "a/msg/B")
            else:
                assert "a/msg/B" in reader.get_types_from_idl(definition)


@pytest.mark.parametrize("form", ["bz2", "lz4", "zstd"])
def test_a_chunk_of_a_bag_is_unpacked_up_to_a_size(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rosbags")
    from importlib import import_module

    from kbnet.sources import bag_bounds

    zstd = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    compress = bz2.compress if form == "bz2" else import_module("lz4.frame" if form == "lz4" else zstd).compress
    monkeypatch.setattr(bag_bounds, "MOST_PACKED_BYTES", 1 << 20)
    packed = compress(bytes(1 << 20))
    assert bag_bounds.decompress(packed, form) == bytes(1 << 20)
    for one in (packed + packed, compress(bytes(1 << 28))):
        with limits(64 << 20), pytest.raises(KBNetError, match="at most 1,048,576 bytes in a chunk"):
            bag_bounds.decompress(one, form)
    monkeypatch.undo()
    monkeypatch.setattr(bag_bounds, "ANY_CHUNK", 1 << 20)
    with limits(), pytest.raises(KBNetError, match=r"in a chunk of [\d,]+ compressed ones, got more"):
        bag_bounds.decompress(one, form)


def test_a_chunk_of_a_bag_holds_few_records_if_it_has_few_bytes() -> None:
    pytest.importorskip("rosbags")
    from kbnet.sources.bag_bounds import _unpacked_mcap

    with limits(), pytest.raises(KBNetError, match="at most 10,000 records in a chunk of 45 bytes"):
        _unpacked_mcap("bz2", bz2.compress(bytes(1 << 24)), 1 << 24)


def test_a_file_of_a_bag_is_unpacked_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rosbags")
    from importlib import import_module

    from kbnet.sources import bag_bounds

    bag("sqlite3")(tmp_path)
    file = next(tmp_path.glob("*/*.db3"))
    compress = import_module(bag_bounds._ZSTD).compress
    packed = file.with_name(f"{file.name}.zstd")
    packed.write_bytes(compress(file.read_bytes()))
    about = file.with_name("metadata.yaml")
    text = about.read_text().replace(file.name, packed.name)
    text = re.sub("compression_format: .*", "compression_format: zstd", text)
    about.write_text(re.sub("compression_mode: .*", "compression_mode: file", text))
    file.unlink()
    read_bag(tmp_path)
    monkeypatch.setattr(bag_bounds, "MOST_PACKED_BYTES", 1 << 20)
    packed.write_bytes(compress(bytes(1 << 28)))
    with limits(), pytest.raises(KBNetError, match=f"{packed.name} unpacks to more than 100 times its size"):
        read_bag(tmp_path)


@pytest.mark.parametrize(("element", "inside"), [(b"\xa3\x85\x81\0\1\0x", b"\x1fC\xb6u"), (b"\xae\x80", b"\x16T\xaek")])
def test_a_matroska_file_of_elements_without_content_is_refused_at_once(
    element: bytes, inside: bytes, tmp_path: Path
) -> None:
    track = b"\x16T\xaek\x88\xae\x86\xd7\x81\1\x83\x81\1"
    parent = inside + b"\x01" + (len(element) * 500_000).to_bytes(7, "big")
    content = b"\x1aE\xdf\xa3\x80\x18S\x80g\x01" + b"\xff" * 7 + track + parent + element * 500_000
    (tmp_path / "a.mkv").write_bytes(content)
    with limits(), pytest.raises(KBNetError, match="got elements of a few bytes each"):
        read_matroska(tmp_path / "a.mkv")


def test_bags_are_read_by_the_bounded_functions(tmp_path: Path) -> None:
    pytest.importorskip("rosbags")
    from rosbags.rosbag1.reader import decompressors
    from rosbags.rosbag2.storage_mcap import DECOMPRESSORS

    bag("mcap")(tmp_path)
    read_bag(tmp_path)
    for unpack in (decompressors["bz2"], decompressors["lz4"], DECOMPRESSORS["lz4"], DECOMPRESSORS["zstd"]):
        assert unpack.func.__module__ == "kbnet.sources.bag_bounds"  # type: ignore[attr-defined]


def test_compressed_images_of_a_bag_with_too_many_pixels_are_refused() -> None:
    from kbnet.sources.ros_images import decode_image

    content = bytearray(png(PICTURE))
    struct.pack_into(">2I", content, 16, 60_000, 60_000)
    struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    message = SimpleNamespace(format="png", data=np.frombuffer(bytes(content), np.uint8))
    with limits(), pytest.raises(KBNetError, match="expected a JPEG or PNG in a compressed image"):
        decode_image(message)


def test_more_rvl_than_its_image_can_take_is_not_unpacked() -> None:
    with limits(128 << 20), pytest.raises(KBNetError, match="expected 3072 pixels compressed as RVL"):
        decode_rvl(bytes(1 << 26), 48 * 64)


def test_rvl_of_too_many_pixels_is_refused() -> None:
    message = SimpleNamespace(
        format="16UC1; compressedDepth rvl", data=struct.pack("<i2f4i", 0, 0, 0, 16384, 16384, 0, 0)
    )
    with limits(), pytest.raises(KBNetError, match="expected at most 100,000,000 pixels"):
        decode_depth(message)


def test_names_in_what_is_printed_do_not_command_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rgbd(tmp_path / "scan")
    for folder, content in (("color", PICTURE), ("depth", np.zeros(PICTURE.shape[:2], np.uint16))):
        (tmp_path / "scan" / folder / "1\x1b[2J.png").write_bytes(png(content))
    main(["prepare", "rgbd", str(tmp_path / "scan"), str(tmp_path / "out"), "--depth-unit", "0.001"])
    printed = capsys.readouterr().out
    assert r"1\x1b[2J.png" in printed
    hostile = tmp_path / "a\x1b[2J\n"
    main(["prepare", "synthetic", str(hostile), "--frames", "2", "--width", "64", "--height", "48"])
    main(["prepare", "sparse", str(hostile), "--points", "9"])
    print_splits([SplitCount("train", 2, None, hostile)])
    printed += capsys.readouterr().out
    assert printed.count(r"a\x1b[2J\n") == 3
    assert "\x1b" not in printed


def test_postscript_named_like_an_image_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with pytest.raises(KBNetError, match="is PostScript, a program"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("old", "new"), [("width#1=100\n", ""), ("height#1=80", "height#1=x"), ("modelRotation#1=1", "modelRotation#1=x")]
)
def test_a_damaged_catalogue_of_models_is_one_line(old: str, new: str, tmp_path: Path) -> None:
    model_folder(tmp_path)
    path = tmp_path / "PluginFurnitureCatalog.properties"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(KBNetError, match="expected numbers for model 1 in"):
        read_models_of(tmp_path)


@pytest.mark.parametrize("read", [read_obj, read_mtl, lambda path: read_models(path.parent, "training")])
def test_a_model_or_catalogue_that_is_too_large_is_refused_before_it_is_read(
    read: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "bytes of text", 1000)
    path = tmp_path / "PluginFurnitureCatalog.properties"
    path.write_bytes(b"x" * 1001)
    with pytest.raises(KBNetError, match=r"expected at most 1,000 bytes of text in .*, got 1,001"):
        read(path)


def test_a_texture_with_too_many_pixels_is_left_out(tmp_path: Path) -> None:
    model_folder(tmp_path)
    content = bytearray((tmp_path / "t.png").read_bytes())
    struct.pack_into(">2I", content, 16, 60_000, 60_000)
    struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    (tmp_path / "t.png").write_bytes(content)
    with limits():
        (model,) = read_models_of(tmp_path)
    assert model.textures == [None]


@pytest.mark.parametrize(
    "name", ["../../evil", "/tmp/evil", "a/../../../evil", "", "a\nb", ".a.partial", "b/.a.partial"]
)
def test_names_in_an_archive_that_output_files_cannot_take_are_refused(name: str, tmp_path: Path) -> None:
    record3d(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.r3d") as file, zipfile.ZipFile(tmp_path / "b.r3d", "w") as hostile:
        for entry in file.namelist():
            hostile.writestr(entry.replace("rgbd/0.", f"rgbd/{name}."), file.read(entry))
    source = kind_of(tmp_path / "b.r3d")
    assert source is not None
    with source.open(tmp_path / "b.r3d", source.options()) as recording:
        for _ in range(2):
            with pytest.raises(KBNetError, match="expected a name that output files can take"):
                recording.frame(0)


def test_files_of_a_phone_that_are_pipes_are_refused(tmp_path: Path) -> None:
    record3d(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.r3d") as file:
        file.extractall(tmp_path / "scan")
    (tmp_path / "scan" / "rgbd" / "0.depth").unlink()
    os.mkfifo(tmp_path / "scan" / "rgbd" / "0.depth")
    with limits(), pytest.raises(KBNetError, match="is a pipe or a device"):
        frames("scan")(tmp_path)
    stray(tmp_path / "stray")
    (tmp_path / "stray" / "depth" / "0.png").unlink()
    os.mkfifo(tmp_path / "stray" / "depth" / "0.png")
    with limits(), pytest.raises(KBNetError, match="is a pipe or a device"):
        frames("stray")(tmp_path)


STOPPED = """
import signal
from pathlib import Path
from kbnet.interruption import interrupt_on_stop_signals
from kbnet.sources.colmap_folder import read_reconstruction
interrupt_on_stop_signals()
try:
    read_reconstruction(Path("sparse/0"))
    signal.raise_signal(signal.SIGTERM)
except KeyboardInterrupt as stop:
    print(stop)
"""


def test_pycolmap_does_not_take_over_sigterm(tmp_path: Path) -> None:
    pytest.importorskip("pycolmap")
    from fuzz.recordings import colmap

    colmap()(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    result = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert (result.returncode, result.stdout) == (0, f"stopped by {signal.SIGTERM.name}\n"), result.stderr
