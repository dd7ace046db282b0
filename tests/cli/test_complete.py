"""`kbnet complete`: which files appear, which frames are skipped, and one clear line where something is wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image

from kbnet.cli.main import main
from kbnet.errors import KBNetError
from kbnet.frames.depth_png import read_depth_png, write_depth_png
from kbnet.frames.frame_list import FrameFiles, write_frame_list
from kbnet.network.config import KBNetConfig
from kbnet.report.turntable import Turn


def _files(folder: Path) -> set[str]:
    """All that lies in a folder of results, but for the record of what made it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"made_with.json"}


def test_complete_writes_a_depth_map_under_each_name(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room, out = write_sequence(), tmp_path / "out"
    assert main(["complete", str(room), "--output", str(out)]) == 0
    assert _files(out) == {f"depth/{name}.png" for name in ("0000", "0001", "0002")}
    points = read_depth_png(room / "sparse_depth" / "0001.png")
    np.testing.assert_allclose(read_depth_png(out / "depth" / "0001.png"), points[points > 0].mean(), atol=1 / 512)
    assert "completed 3 of 3 frames" in capsys.readouterr().out
    assert stand_in.loads == [
        {"source": "indoor", "preset": None, "device": "auto", "precision": "auto", "engine": "auto"}
    ]


def test_complete_writes_all_that_is_asked_for(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    room = write_sequence(frames=1, sparse_depths=("sparse_depth_500",))
    asked = ["--npy", "--cloud", "--picture", "--sparse-depth", "sparse_depth_500"]
    assert main(["complete", str(room), "--output", str(out), *asked]) == 0
    assert _files(out) == {"depth/0000.png", "npy/0000.npy", "cloud/0000.ply", "picture/0000.png"}
    depth = np.load(out / "npy" / "0000.npy")
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, read_depth_png(out / "depth" / "0000.png"), atol=1 / 512)
    assert b"element vertex 1920\n" in (out / "cloud" / "0000.ply").read_bytes()
    with Image.open(out / "picture" / "0000.png") as picture:
        picture.verify()


def test_complete_writes_how_far_off_depth_may_be(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    stand_in.config = KBNetConfig()
    out = tmp_path / "out"
    arguments = ["complete", str(write_sequence(frames=2)), "--output", str(out)]
    assert main([*arguments]) == 0
    before = (out / "depth" / "0001.png").read_bytes()
    assert main([*arguments, "--confidence"]) == 0
    assert _files(out) == {f"{kind}/{name}.png" for kind in ("depth", "confidence") for name in ("0000", "0001")}
    assert (out / "depth" / "0001.png").read_bytes() == before
    expected, depth = (read_depth_png(out / kind / "0001.png") for kind in ("confidence", "depth"))
    assert (expected > 0).all()
    assert (expected <= depth).all()


def test_complete_writes_the_swaying_cloud_of_the_frame_in_the_middle(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kbnet.report.turntable.SWAY", Turn(pictures=4, width=64))
    film = tmp_path / "film.gif"
    arguments = ["complete", str(write_sequence()), "--output", str(tmp_path / "out"), "--turntable", str(film)]
    for _ in range(2):  # the second time all frames are done
        assert main(arguments) == 0
        assert f"wrote {film}, of frame 0001" in capsys.readouterr().out
        with Image.open(film) as pictures:
            assert pictures.n_frames == 4
        film.unlink()


def test_complete_refuses_a_film_of_another_kind_before_it_begins(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    out = tmp_path / "out"
    assert main(["complete", str(write_sequence()), "--output", str(out), "--turntable", "a.avi"]) == 2
    assert "expected a film to end in .gif or .mp4, got a.avi" in one_line_error()
    assert not out.exists()


def test_complete_takes_one_frame_from_files(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    room, out = write_sequence(), tmp_path / "out"
    assert main(["complete", *_single(room), "--output", str(out), "--npy"]) == 0
    assert _files(out) == {"depth/0001.png", "npy/0001.npy"}


def test_complete_of_one_frame_says_how_far_its_depth_is_and_warns_of_k(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room = write_sequence()
    np.savetxt(room / "K.txt", np.diag([2, 2, 1]) @ np.loadtxt(room / "K.txt"))
    assert main(["complete", *_single(room), "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "0001.png, read as metres x 256: 2.00 m away (" in said.out
    assert main(["complete", str(room), "--output", str(tmp_path / "all")]) == 0
    assert "sparse_depth, read as metres x 256: 2.00 m away (" in capsys.readouterr().out
    assert "K.txt has its centre at (48, 40), far from the middle" in said.err


def test_complete_skips_what_is_done_without_loading_the_network(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["complete", str(write_sequence()), "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert len(stand_in.loads) == 1
    assert stand_in.calls == 3
    assert "skipped 3 that were done" in capsys.readouterr().out


def test_complete_does_what_is_missing_and_overwrites_on_request(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["complete", str(write_sequence()), "--output", str(out)]
    assert main(arguments) == 0
    (out / "depth" / "0001.png").unlink()
    assert main(arguments) == 0
    assert stand_in.calls == 4
    assert main([*arguments, "--cloud"]) == 0
    assert stand_in.calls == 7, "depth alone does not make a frame with a cloud done"
    assert main([*arguments, "--overwrite"]) == 0
    assert stand_in.calls == 10


def _other_weights(path: Path) -> list[str]:
    path.write_bytes(b"other")
    return ["--weights", str(path)]


def test_complete_never_reuses_depth_of_other_weights(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    out = tmp_path / "out"
    arguments = ["complete", str(write_sequence()), "--output", str(out), "--zip"]
    assert main(arguments) == 0
    (out / "room.zip").unlink()
    arguments += _other_weights(tmp_path / "other.safetensors")
    assert main(arguments) == 2
    assert "holds depth made with other weights; choose another --output, or complete it again with --over" in (
        one_line_error()
    )
    assert not (out / "room.zip").exists()
    stand_in.fail_at = 4
    assert main([*arguments, "--overwrite"]) == 2
    assert _files(out) == {"depth/0000.png"}, "what was not completed again is gone"
    stand_in.fail_at = None
    assert main(arguments) == 0
    assert stand_in.calls == 6


def test_complete_never_reuses_depth_of_other_points_under_the_same_names(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    room = write_sequence(sparse_depths=("sparse_depth_500", "sparse_depth_150"))
    arguments = ["complete", str(room), "--output", str(tmp_path / "out"), "--sparse-depth"]
    assert main([*arguments, "sparse_depth_500"]) == 0
    assert main([*arguments, "sparse_depth_150"]) == 2
    assert "made with other sparse points;" in one_line_error()
    assert main([*arguments, "sparse_depth_150", "--overwrite"]) == 0
    assert main([*arguments, "sparse_depth_150"]) == 0
    assert stand_in.calls == 6


def test_complete_leaves_depth_alone_that_is_not_its_own(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    out = tmp_path / "out"
    write_depth_png(out / "depth" / "mine.png", np.ones((40, 48), np.float32))
    assert main(["complete", str(write_sequence()), "--output", str(out), "--overwrite"]) == 2
    error = one_line_error()
    assert "of unknown origin, without made_with.json; choose another --output" in error
    assert "complete it again" not in error
    assert _files(out) == {"depth/mine.png"}


@pytest.mark.parametrize("taken", ["depth/0000.png", "confidence/0000.png", "cloud/0000.ply", "benchmark.zip"])
def test_complete_replaces_no_file_that_is_not_its_own(
    taken: str, write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    path = _list(write_sequence(), "0000")
    place = tmp_path / "out" / taken
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    flags = ["--confidence", "--cloud", "--zip", "--overwrite"]
    assert main(["complete", str(path), "--output", str(tmp_path / "out"), *flags]) == 2
    assert f"{taken} would be replaced, but is of unknown origin, without made_with.json; choose" in one_line_error()
    assert place.read_text() == "mine"


def test_complete_gathers_single_frames_in_one_folder(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    room, out = write_sequence(), tmp_path / "out"
    assert main(["complete", *_single(room), "--output", str(out)]) == 0
    assert main(["complete", *(word.replace("0001", "0002") for word in _single(room)), "--output", str(out)]) == 0
    assert main(["complete", str(room), "--output", str(out)]) == 0
    assert _files(out) == {f"depth/{name}.png" for name in ("0000", "0001", "0002")}
    assert stand_in.calls == 3


@pytest.mark.parametrize(("failure", "code"), [(KBNetError("no luck"), 2), (KeyboardInterrupt(), 130)])
def test_complete_that_stops_midway_leaves_whole_files_only(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, failure: BaseException, code: int
) -> None:
    stand_in.fail_at, stand_in.failure = 1, failure
    out = tmp_path / "out"
    assert main(["complete", str(write_sequence()), "--output", str(out), "--npy"]) == code
    assert _files(out) == {"depth/0000.png", "npy/0000.npy"}


def _list(room: Path, *names: str) -> Path:
    """A list of the first frames of a sequence under these names."""
    path = room.parent / "lists" / "benchmark.csv"
    files = ("image/{:04}.png", "K.txt", "sparse_depth/{:04}.png")
    write_frame_list(
        path,
        [FrameFiles(name, *(str(room / file.format(index)) for file in files)) for index, name in enumerate(names)],
    )
    return path


def test_complete_writes_the_frames_of_a_list_into_subfolders_that_their_names_ask_for(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    path = _list(write_sequence(), "drive_1/image_02/0000", "drive_1/image_03/0000")
    assert main(["complete", str(path), "--output", str(out), "--cloud"]) == 0
    names = {"drive_1/image_02/0000", "drive_1/image_03/0000"}
    assert _files(out) == {f"depth/{name}.png" for name in names} | {f"cloud/{name}.ply" for name in names}


def test_zip_holds_the_depth_maps_of_the_source_at_its_root_and_nothing_else(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room, out = write_sequence(), tmp_path / "out"
    assert main(["complete", str(room), "--output", str(out)]) == 0
    assert not list(out.glob("*.zip"))
    path = _list(room, "0000", "0001")
    assert main(["complete", str(path), "--output", str(out), "--zip"]) == 0
    assert stand_in.calls == 3, "what was done before is zipped without the network"
    assert f"wrote {out / 'benchmark.zip'}" in capsys.readouterr().out
    with ZipFile(out / "benchmark.zip") as archive:
        assert archive.namelist() == ["0000.png", "0001.png"]
        assert archive.read("0001.png") == (out / "depth" / "0001.png").read_bytes()
    before = (out / "benchmark.zip").read_bytes()
    os.utime(out / "depth" / "0001.png", (0, 10**9))
    assert main(["complete", str(path), "--output", str(out), "--zip"]) == 0
    assert (out / "benchmark.zip").read_bytes() == before, "times of the files are not in it"


def test_zip_refuses_names_that_do_not_lie_at_its_root(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    path = _list(write_sequence(), "image_02/0000")
    assert main(["complete", str(path), "--output", str(tmp_path / "out"), "--zip"]) == 2
    assert "expected names without slashes for --zip" in one_line_error()
    assert not (tmp_path / "out").exists()


def test_zip_is_not_written_where_a_frame_fails(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    stand_in.fail_at = 1
    assert main(["complete", str(write_sequence()), "--output", str(tmp_path / "out"), "--zip"]) == 2
    assert _files(tmp_path / "out") == {"depth/0000.png"}


def _single(room: Path) -> list[str]:
    files = {"image": "image/0001.png", "sparse-depth": "sparse_depth/0001.png", "intrinsics": "K.txt"}
    return [word for flag, file in files.items() for word in (f"--{flag}", str(room / file))]


def _eight_bit_depth(room: Path) -> None:
    Image.fromarray(np.full((40, 48), 7, np.uint8)).save(room / "sparse_depth" / "0001.png")


def _depth_of_another_size(room: Path) -> None:
    write_depth_png(room / "sparse_depth" / "0001.png", np.ones((40, 50), np.float32))


def _truncated_image(room: Path) -> None:
    path = room / "image" / "0001.png"
    path.write_bytes(path.read_bytes()[:200])


def _small_frame(room: Path) -> None:
    Image.fromarray(np.zeros((30, 48, 3), np.uint8)).save(room / "image" / "0001.png")
    for kind in ("sparse_depth", "ground_truth"):
        write_depth_png(room / kind / "0001.png", np.ones((30, 48), np.float32))


def _missing_depth(room: Path) -> None:
    (room / "sparse_depth" / "0001.png").unlink()


def _singular_intrinsics(room: Path) -> None:
    (room / "K.txt").write_text("0 0 24 0 50 20 0 0 1")


def _large_intrinsics(room: Path) -> None:
    (room / "K.txt").write_text("50 0 24 0  0 50 20 0  0 0 1 0  0 0 0 1")


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_eight_bit_depth, "expected a 16-bit greyscale PNG"),
        (_depth_of_another_size, "sparse_depth is 50x40 but image is 48x40 (width x height)"),
        (_truncated_image, "cannot be read"),
        (_small_frame, "at least 32x32 pixels"),
        (_missing_depth, "0001.png"),
        (_singular_intrinsics, "expected invertible pinhole intrinsics"),
        (_large_intrinsics, "upper left 3x3"),
    ],
)
def test_complete_says_in_one_line_which_file_is_bad(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    tmp_path: Path,
    one_line_error: Callable[[], str],
    spoil: Callable[[Path], None],
    message: str,
    single: bool,
) -> None:
    room, out = write_sequence(), tmp_path / "out"
    spoil(room)
    source = _single(room) if single else [str(room)]
    assert main(["complete", *source, "--output", str(out)]) == 2
    assert message in one_line_error()
    assert not out.exists() or _files(out) <= {"depth/0000.png"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a sequence folder, a list or --image, got neither"),
        (["room", "--image", "room/image/0001.png"], "got both"),
        (["--image", "room/image/0001.png"], "--image also needs --sparse-depth"),
        (["--image", "room/image/0001.png", "--sparse-depth", "a.png"], "--image also needs --intrinsics"),
        (["room", "--intrinsics", "room/K.txt"], "a sequence or list has its own intrinsics"),
        ([".", "--intrinsics", "room/K.txt"], "got a folder that contains room; give the path of one"),
        (["nowhere"], "there is no folder nowhere"),
        (["nowhere.csv"], "there is no file nowhere.csv"),
        (["room", "--sparse-depth", "sparse_depth_7"], "sparse_depth_7"),
        (["room", "--output", "room"], "expected another folder than the source for the results, got room"),
        (["room", "--output", "room/K.txt"], "expected a folder as --output, but room/K.txt is a file"),
        (["room", "room"], "another name for each source, got 'room' for room and room"),
        (["room", "room", "--turntable", "a.gif"], "--turntable is of one sequence, got 2"),
        (["room", "--gpus", "1"], "--threads, --gpus and --address are of workers; give --workers too"),
        (["room", "--workers", "-1"], "expected at least 1 worker"),
        (["room", "--workers", "1", "--weights", "nothing"], "nothing"),
    ],
)
def test_complete_says_in_one_line_which_arguments_do_not_fit(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_line_error: Callable[[], str],
    arguments: list[str],
    message: str,
) -> None:
    write_sequence("room")
    monkeypatch.chdir(tmp_path)
    assert main(["complete", "--output", "out", *arguments]) == 2
    assert message in one_line_error()
    assert not (tmp_path / "out").exists()
    assert not stand_in.loads


@pytest.mark.usefixtures("torch_engine")
def test_complete_runs_a_saved_network_and_warns_of_an_empty_sparse_map(
    write_sequence: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet
    from kbnet.weights.depth_network import save_network

    weights, out = tmp_path / "fresh.safetensors", tmp_path / "out"
    save_network(KBNet(KBNetConfig(scaffold="linear")), weights)
    room = write_sequence(frames=2)
    write_depth_png(room / "sparse_depth" / "0001.png", np.zeros((40, 48), np.float32))
    assert main(["complete", str(room), "--output", str(out), "--npy", "--weights", str(weights)]) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("kbnet: warning: sparse_depth holds no measured point in 1 of 2 frames, first 0001;")
    for name in ("0000", "0001"):
        depth = np.load(out / "npy" / f"{name}.npy")
        assert np.isfinite(depth).all()
        assert (depth > 0).all()
    points = read_depth_png(room / "sparse_depth" / "0000.png")
    first = np.load(out / "npy" / "0000.npy")
    np.testing.assert_allclose(first[points > 0], points[points > 0], rtol=1e-4)


@pytest.mark.usefixtures("torch_engine")
def test_complete_warns_once_a_run_of_points_beyond_the_range_of_the_weights(
    write_sequence: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet
    from kbnet.weights.depth_network import save_network

    weights = tmp_path / "near.safetensors"
    small: dict[str, Any] = {"image_filters": (4,) * 6, "depth_filters": (4,) * 6, "decoder_filters": (4,) * 5}
    save_network(KBNet(KBNetConfig(**small, min_depth=0.1, max_depth=1.0)), weights)
    room = write_sequence(frames=4)
    write_depth_png(room / "sparse_depth" / "0001.png", np.zeros((40, 48), np.float32))
    assert main(["complete", str(room), "--output", str(tmp_path / "out"), "--weights", str(weights)]) == 0
    assert capsys.readouterr().err.count("lies beyond 1 m") == 1


def test_complete_takes_an_int8_file_for_weights_and_tells_it_from_others(
    write_sequence: Callable[..., Path],
    exported: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    one_line_error: Callable[[], str],
) -> None:
    out = tmp_path / "out"
    room = write_sequence(frames=2)
    arguments = ["complete", str(room), "--output", str(out), "--weights"]
    assert main([*arguments, str(exported.int8)]) == 0
    assert main([*arguments, str(exported.int8), "--precision", "int8", "--engine", "openvino"]) == 0
    assert "skipped 2 that were done" in capsys.readouterr().out
    exact = tmp_path / "exact"
    assert main(["complete", str(room), "--output", str(exact), "--weights", str(exported.weights)]) == 0
    depth, near = (read_depth_png(folder / "depth" / "0001.png") for folder in (exact, out))
    assert 0 < np.abs(near / depth - 1).mean() < 0.05

    copy = tmp_path / exported.int8.name
    for path in (exported.int8, exported.int8.with_suffix(".bin")):
        shutil.copy(path, tmp_path)
    assert main([*arguments, str(copy)]) == 0, "the same file in another place"
    with copy.with_suffix(".bin").open("ab") as file:
        file.write(b"other")
    capsys.readouterr()
    assert main([*arguments, str(copy)]) == 2
    assert "holds depth made with other weights" in one_line_error()


def test_complete_gives_one_depth_with_every_engine_and_keeps_it(
    write_sequence: Callable[..., Path], exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room = str(write_sequence(frames=1))
    ways = [(exported.weights, "torch"), (exported.weights, "onnxruntime"), (exported.onnx, "auto")]
    for index, (weights, engine) in enumerate(ways):
        output = ["--output", str(tmp_path / str(index)), "--npy"]
        assert main(["complete", room, "--weights", str(weights), "--engine", engine, *output]) == 0
    depths = [np.load(tmp_path / str(index) / "npy" / "0000.npy") for index in range(3)]
    np.testing.assert_allclose(depths[1:], [depths[0]] * 2, rtol=1e-4)
    again = ["--weights", str(exported.weights), "--output", str(tmp_path / "0"), "--engine", "openvino"]
    assert main(["complete", room, *again]) == 0
    assert "skipped 1 that were done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "arguments", "message"),
    [
        ("int8", ["--engine", "torch"], "expected engine auto or openvino for"),
        ("int8", ["--precision", "float32"], "expected precision auto or int8 for"),
        ("int8", ["--preset", "void"], "carries its own config; leave the preset out"),
        ("onnx", ["--engine", "openvino"], "expected engine auto or onnxruntime for"),
        ("onnx", ["--precision", "bfloat16"], "expected precision auto or float32 for"),
        ("weights", ["--precision", "int8"], "make a file (kbnet export --precision int8)"),
        ("weights", ["--engine", "onnxruntime", "--precision", "bfloat16"], "onnxruntime offers float32"),
    ],
)
def test_complete_says_in_one_line_which_engine_or_precision_does_not_fit(
    write_sequence: Callable[..., Path],
    exported: Any,
    tmp_path: Path,
    one_line_error: Callable[[], str],
    file: str,
    arguments: list[str],
    message: str,
) -> None:
    room, out = str(write_sequence(frames=1)), str(tmp_path / "out")
    assert main(["complete", room, "--output", out, "--weights", str(getattr(exported, file)), *arguments]) == 2
    assert message in one_line_error()
    assert not (tmp_path / "out").exists()


def test_complete_writes_a_folder_for_each_of_several_sequences(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    rooms = [str(write_sequence(name, frames=2)) for name in ("hall", "room")]
    assert main(["complete", *rooms, "--output", str(out), "--npy", "--zip"]) == 0
    assert f"completed 4 of 4 frames in {out}\n" in capsys.readouterr().out
    assert len(stand_in.loads) == 1
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    for room in ("hall", "room"):
        assert {f"{room}/depth/0001.png", f"{room}/npy/0001.npy", f"{room}/{room}.zip"} <= files
        assert f"{room}/made_with.json" in files
    assert main(["complete", rooms[1], "--output", str(out / "room"), "--npy"]) == 0
    assert stand_in.calls == 4, "alone it has the same folder"


@pytest.mark.slow
def test_workers_write_what_one_process_does_and_tell_what_failed(
    write_sequence: Callable[..., Path],
    exported: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In a cluster of its own, started for the run; inference/test_workers.py has two workers, and deaths."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    rooms = [write_sequence(name) for name in ("hall", "room")]
    spoilt = [rooms[1] / folder / "0002.png" for folder in ("image", "sparse_depth")]
    spoilt[0].write_bytes(b"no image")
    out = tmp_path / "out"
    options = ["--weights", str(exported.int8), "--npy", "--cloud", "--confidence"]
    words = ["complete", *map(str, rooms), "--output", str(out), *options, "--workers", "1"]
    assert main(words) == 2
    said = capfd.readouterr()
    assert f"completed 5 of 6 frames in {out}\n" in said.out
    assert "kbnet: error: 1 of 6 frames could not be completed, first room/0002" in said.err
    assert "Traceback" not in said.err
    assert "warning" not in said.err

    for path in spoilt:
        path.unlink()
    assert main(words) == 0, "there is nothing left to do, and no cluster is started for it"
    assert f"completed 0 of 5 frames in {out}; skipped 5 that were done" in capfd.readouterr().out

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as each worker has
    assert main(["complete", *map(str, rooms), "--output", str(tmp_path / "alone"), *options]) == 0
    torch.set_num_threads(threads)
    files = [
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (out, tmp_path / "alone")
    ]
    assert files[0] == files[1]
