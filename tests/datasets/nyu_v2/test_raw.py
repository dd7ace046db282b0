"""Raw parts of NYU v2 to sequences: nearest in time, bytes the right way round, damaged files left out."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kbnet.datasets.nyu_v2 import raw as nyu_raw
from kbnet.datasets.nyu_v2.raw import list_scenes, prepare_raw, read_picture, synchronised_pairs
from kbnet.errors import KBNetError
from kbnet.frames.sequence import Sequence

pytest.importorskip("sklearn")

WriteScene = Callable[..., Path]


def test_synchronise_pairs_every_depth_with_the_nearest_colour() -> None:
    colours = [f"s/r-{time:.6f}-1.ppm" for time in (10.03, 10.0, 10.5)]
    depths = [f"s/d-{time:.6f}-1.pgm" for time in (10.49, 9.98, 10.016, 10.2)]
    pairs = synchronised_pairs([*colours, *depths, "s/a-10.000000-1.dump"])
    assert [(depth[4:9], colour[4:9]) for depth, colour in pairs] == [
        ("9.980", "10.00"),
        ("10.01", "10.03"),
        ("10.49", "10.50"),
    ]  # nothing within 0.1 s of 10.2


def test_read_picture_takes_the_low_byte_first() -> None:
    raw = np.zeros((480, 640), "<u2")
    raw[3, 5] = 0x0102
    picture = read_picture(b"P5\n# kinect\n640 480\n65535\n" + raw.tobytes())
    assert picture[3, 5] == 0x0102


@pytest.mark.parametrize("contents", [b"", b"P6\n640 480\n255\n" + b"\0" * 99, b"P6\n8 8\n255\n" + b"\0" * 192, b"GIF"])
def test_read_picture_refuses_damaged_files(contents: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_picture(contents)


def test_prepare_raw_makes_sequences_from_a_part(nyu_archives: Path, tmp_path: Path) -> None:
    (scene,) = prepare_raw(nyu_archives / "kitchens_part9.zip", tmp_path, points=50)
    assert (scene.folder, scene.frames, scene.skipped, scene.made) == (tmp_path / "kitchen_0021a", 3, 0, True)
    for column in ("sparse_depth", "sparse_depth_corners", "sparse_depth_uniform"):
        frame = Sequence(scene.folder, sparse_depth=column).frame(0)
        assert frame.size == (416, 576)
        assert 30 < np.count_nonzero(frame.sparse_depth) <= 50
    assert frame.intrinsics[0, 2] == pytest.approx(293.5824)
    assert frame.ground_truth is not None
    # The wall of the recording begins at 1.5 m; its infrared camera looks 0.25 degrees past the colour camera.
    assert frame.ground_truth[frame.ground_truth > 0].min() > 1.5
    assert frame.ground_truth.max() < 4.1
    assert not prepare_raw(nyu_archives / "kitchens_part9.zip", tmp_path)[0].made


def test_prepare_raw_reads_folders_and_leaves_out_damaged_files(write_raw_scene: WriteScene, tmp_path: Path) -> None:
    part = write_raw_scene()
    damaged = sorted((part / "office_0007").glob("r-*.ppm"))[1]
    damaged.write_bytes(damaged.read_bytes()[:5000])
    with pytest.warns(UserWarning, match=r"1 of 3 frames of scene office_0007 are left out, first .*r-"):
        (scene,) = prepare_raw(part, tmp_path / "raw", points=20)
    assert (scene.frames, scene.skipped) == (2, 1)
    assert Sequence(scene.folder).names == ("00001", "00003")
    assert list(list_scenes(part / "office_0007")) == ["office_0007"]


def test_prepare_raw_goes_on_where_it_was_interrupted(
    write_raw_scene: WriteScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, make = write_raw_scene(), nyu_raw._make
    made: list[str] = []

    def interrupted(job: nyu_raw._Job) -> str:
        if job.name == "00002" and len(made) == 1:
            made.clear()
            raise KeyboardInterrupt
        made.append(job.name)
        return make(job)

    monkeypatch.setattr(nyu_raw, "_make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_raw(part, tmp_path / "raw", points=20)
    assert not (tmp_path / "raw" / "office_0007" / "K.txt").exists()
    assert prepare_raw(part, tmp_path / "raw", points=20)[0].frames == 3
    assert made == ["00002", "00003"]


def test_a_part_that_reaches_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "part.zip", "w") as part:
        part.writestr("../r-1.0-1.ppm", b"")
    with pytest.raises(KBNetError, match=r"expected folders of scenes in .*part\.zip, got '\.\./r-1\.0-1\.ppm'"):
        prepare_raw(tmp_path / "part.zip", tmp_path / "out" / "raw")


@pytest.mark.parametrize("damage", ["large", "encrypted", "header"])
def test_pictures_that_cannot_be_unpacked_are_left_out(damage: str, tmp_path: Path) -> None:
    content = {"large": bytes(1 << 28), "encrypted": b"P5", "header": b"P5\n" + b"9" * 5000 + b" 480 255\n"}[damage]
    with zipfile.ZipFile(tmp_path / "part.zip", "w", zipfile.ZIP_DEFLATED) as part:
        for name in ("r-1.0-1.ppm", "d-1.0-1.pgm"):
            part.writestr(f"room/{name}", content)
    if damage == "encrypted":
        packed = bytearray((tmp_path / "part.zip").read_bytes())
        for sign, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            packed[packed.index(sign) + offset] |= 1
        (tmp_path / "part.zip").write_bytes(packed)
    with pytest.raises(KBNetError, match="expected usable frames in scene room, got none"):
        prepare_raw(tmp_path / "part.zip", tmp_path / "out", workers=1)


def test_prepare_raw_names_what_is_missing(write_raw_scene: WriteScene, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"scenes with r-\*\.ppm and d-\*\.pgm"):
        prepare_raw(tmp_path, tmp_path / "raw")
    part = write_raw_scene(frames=1)
    for path in (part / "office_0007").glob("r-*"):
        path.unlink()
    with pytest.raises(ValueError, match="usable frames in scene office_0007, got none"):
        prepare_raw(part, tmp_path / "raw")
