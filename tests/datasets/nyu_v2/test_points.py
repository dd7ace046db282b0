"""Sparse points and lists of NYU v2: units are told, runs go on, only the middle has points."""

from __future__ import annotations

import operator
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.datasets.nyu_v2 import points as nyu_points
from kbnet.datasets.nyu_v2.points import WORTH_A_PROCESS, depth_units_per_metre, map_over_cores, prepare_split
from kbnet.datasets.nyu_v2.splits import Source, list_training
from kbnet.errors import KBNetError
from kbnet.frames.depth_png import read_depth_png
from kbnet.frames.frame_list import FrameList

pytest.importorskip("sklearn")

WriteNYU = Callable[..., Path]


def sources_of_testing(folder: Path) -> list[Source]:
    names = sorted(path.stem for path in (folder / "testing" / "images").iterdir())
    return [
        Source(name, *(folder / "testing" / kind / f"{name}.png" for kind in ("images", "depths"))) for name in names
    ]


@pytest.mark.parametrize(("largest", "units"), [(2560, 256), (900, 256), (2700, 1000), (10_000, 1000)])
def test_depth_units_are_told_by_the_largest_value(tmp_path: Path, largest: int, units: float) -> None:
    Image.fromarray(np.array([[0, largest]], np.uint16)).save(tmp_path / "1.png")
    assert depth_units_per_metre([tmp_path / "1.png"]) == units


@pytest.mark.parametrize("largest", [0, 40_000])
def test_depth_units_refuse_what_is_neither(tmp_path: Path, largest: int) -> None:
    Image.fromarray(np.array([[0, largest]], np.uint16)).save(tmp_path / "1.png")
    with pytest.raises(ValueError, match=f"largest value of {largest}"):
        depth_units_per_metre([tmp_path / "1.png"])


def test_prepare_split_lists_frames_of_the_middle_with_all_kinds_of_points(write_nyu: WriteNYU, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    prepared = prepare_split("test", sources_of_testing(write_nyu(testing=1)), folder, points=40)
    assert (prepared.frames, prepared.written, prepared.units_per_metre) == (1, 1, 256)
    for column in ("sparse_depth", "sparse_depth_corners", "sparse_depth_uniform"):
        frame = FrameList(prepared.path, sparse_depth=column).frame(0)
        assert frame.size == (416, 576)
        assert 35 <= np.count_nonzero(frame.sparse_depth) <= 40
        np.testing.assert_allclose(
            frame.intrinsics, [[518.8579, 0, 293.5824], [0, 519.4696, 221.7362], [0, 0, 1]], rtol=1e-6
        )
        assert frame.ground_truth is not None
        points = frame.sparse_depth > 0
        np.testing.assert_array_equal(frame.sparse_depth[points], frame.ground_truth[points])
        whole = read_depth_png(folder / "points_40" / column / "test" / "1.png")
        assert np.count_nonzero(whole) == np.count_nonzero(whole[32:448, 32:608]) == points.sum()
    assert not (folder / "ground_truth").exists()


def test_prepare_split_converts_millimetres(write_nyu: WriteNYU, tmp_path: Path) -> None:
    unpacked = write_nyu(testing=1, units=1000)
    prepared = prepare_split("test", sources_of_testing(unpacked), tmp_path / "out", points=20)
    assert prepared.units_per_metre == 1000
    truth = read_depth_png(tmp_path / "out" / "ground_truth" / "1.png")
    millimetres = np.asarray(Image.open(unpacked / "testing" / "depths" / "1.png")).astype(np.float32)
    np.testing.assert_allclose(truth, millimetres / 1000, atol=1 / 500)
    frame = FrameList(prepared.path).frame(0)
    assert frame.ground_truth is not None
    np.testing.assert_array_equal(frame.ground_truth, truth[32:448, 32:608])


def test_prepare_split_makes_the_kinds_asked_for_and_always_the_published(write_nyu: WriteNYU, tmp_path: Path) -> None:
    sources = sources_of_testing(write_nyu(testing=1))
    path = prepare_split("test", sources, tmp_path / "out", points=20, kinds=("uniform",)).path
    assert path.read_text().splitlines()[0].endswith(",window,sparse_depth_uniform")
    assert sorted(folder.name for folder in (tmp_path / "out" / "points_20").iterdir()) == [
        "sparse_depth",
        "sparse_depth_uniform",
    ]
    assert prepare_split("test", sources, tmp_path / "out", points=20).written == 1


def test_prepare_split_names_files_relative_to_a_list_below_a_link(write_nyu: WriteNYU, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    path = prepare_split("test", sources_of_testing(write_nyu(testing=1)), tmp_path / "data", points=20).path
    assert ",K.txt,points_20/sparse_depth/test/1.png," in path.read_text()


def test_prepare_split_lists_triplets_for_training(write_nyu: WriteNYU, tmp_path: Path) -> None:
    unpacked = write_nyu()
    frames = FrameList(prepare_split("train", list_training(unpacked / "training"), tmp_path / "out", points=20).path)
    assert not frames.has_ground_truth
    triplet = frames.triplet(0, 1)
    assert triplet.previous_image.shape == triplet.next_image.shape == (416, 576, 3)


def test_prepare_split_goes_on_where_it_was_interrupted(
    write_nyu: WriteNYU, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, folder, make = sources_of_testing(write_nyu()), tmp_path / "out", nyu_points._make

    def interrupted(job: nyu_points._Job) -> None:
        if job.source.name == "3":
            raise KeyboardInterrupt
        make(job)

    monkeypatch.setattr(nyu_points, "_make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_split("test", sources, folder, points=20)
    assert not (folder / "test.csv").exists()
    monkeypatch.setattr(nyu_points, "_make", make)
    assert prepare_split("test", sources, folder, points=20).written == 1
    assert prepare_split("test", sources, folder, points=20).written == 0


def test_prepare_split_is_the_same_in_any_number_of_processes(
    write_nyu: WriteNYU, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kbnet.datasets.nyu_v2.points.WORTH_A_PROCESS", 1)
    sources = sources_of_testing(write_nyu(testing=2))
    for workers in (1, 2):
        prepare_split("test", sources, tmp_path / str(workers), points=30, workers=workers)
    for path in (tmp_path / "1").rglob("*.png"):
        assert path.read_bytes() == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes()


def test_prepare_split_names_a_damaged_and_a_foreign_file(write_nyu: WriteNYU, tmp_path: Path) -> None:
    unpacked = write_nyu()
    image = unpacked / "testing" / "images" / "2.png"
    contents = image.read_bytes()
    image.write_bytes(contents[:900])
    with pytest.raises(ValueError, match=r"2\.png cannot be read"):
        prepare_split("test", sources_of_testing(unpacked), tmp_path / "out", points=20)
    Image.new("RGB", (320, 240)).save(image)
    with pytest.raises(ValueError, match=r"of 640x480, got 320x240 and 640x480 in .*2\.png"):
        prepare_split("test", sources_of_testing(unpacked), tmp_path / "out", points=20)
    shutil.copy(image, unpacked / "testing" / "depths" / "1.png")
    with pytest.raises(ValueError, match=r"16-bit greyscale .* mode 'RGB' in .*1\.png"):
        depth_units_per_metre([unpacked / "testing" / "depths" / "1.png"])


def process_id(_: object) -> int:
    return os.getpid()


def test_map_over_cores_keeps_the_order_in_two_processes() -> None:
    jobs = list(range(2 * WORTH_A_PROCESS))
    assert list(map_over_cores(operator.neg, jobs, workers=2)) == [-job for job in jobs]


def test_map_over_cores_passes_on_what_a_process_raises() -> None:
    jobs: list[object] = [0] * 2 * WORTH_A_PROCESS
    jobs[5] = "five"
    with pytest.raises(TypeError, match="bad operand"):
        list(map_over_cores(operator.neg, jobs, workers=2))


def test_map_over_cores_says_that_a_process_was_killed() -> None:
    jobs = [signal.SIGKILL] * 2 * WORTH_A_PROCESS
    with pytest.raises(KBNetError, match=r"one of 2 processes was killed, .* with fewer --workers"):
        list(map_over_cores(signal.raise_signal, jobs, workers=2))


def test_map_over_cores_starts_no_process_for_little_work() -> None:
    assert set(map_over_cores(process_id, range(WORTH_A_PROCESS), workers=8)) == {os.getpid()}
    assert set(map_over_cores(process_id, range(99), workers=1)) == {os.getpid()}
