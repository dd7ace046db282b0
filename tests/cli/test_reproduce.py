"""`kbnet reproduce`: the table, the commands for what is missing, the files, the exit code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch

from kbnet.cli.main import main
from kbnet.evaluation import reproduction
from kbnet.frames.depth_png import read_depth_png

Run = Callable[..., int]

pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.fixture
def run(published_data: Path, tmp_path: Path) -> Run:
    """Reproduce into ``out``, on the CPU."""
    arguments = ["--data", str(published_data), "--output", str(tmp_path / "out"), "--device", "cpu"]
    return lambda *more: main(["reproduce", *more, *arguments])


def _publish_what_is_measured(monkeypatch: pytest.MonkeyPatch, output: Path) -> None:
    """Let the published numbers of VOID 1500 be those that were measured."""
    (result,) = json.loads((output / "void-1500" / "summary.json").read_text())["results"]
    mean = reproduction.DepthErrors(**result["mean"])
    rows = [replace(row, mean=mean, count=4) if row.key == "void-1500" else row for row in reproduction.PUBLISHED_ROWS]
    monkeypatch.setattr(reproduction, "PUBLISHED_ROWS", tuple(rows))


def test_reproduce_measures_what_it_can_and_names_the_commands_for_the_rest(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 1, "random weights are not within the tolerance"
    output = capsys.readouterr().out
    row = next(line for line in output.splitlines() if line.strip().startswith("VOID 500 "))
    assert row.split()[-2:] == ["no", "data"]
    data = tmp_path / "data"
    listed = f"no data {data}/kitti/validation.csv: kbnet prepare kitti {data}/kitti"
    assert f"KITTI validation, ScaffNet KITTI val.: {listed}" in output
    assert f"NYU v2: no data {data}/nyu_v2/test.csv: kbnet prepare nyu-v2 {data}/nyu_v2" in output
    assert "NOT within 1 % (4 of 800 frames)" in output
    assert "which the published numbers were made with is not stated" in output
    written = (tmp_path / "out" / "table.txt").read_text().splitlines()
    assert all(line in output for line in written)
    table = [line for line in written if line.startswith(" ")]
    assert len(table) > 12
    assert max(map(len, table)) <= 140
    (differences,) = (line for line in table if " difference " in line)
    assert re.search(r" \+\d{3,} %", differences), "beyond 100 % no decimals"
    rows = {row["published"]["key"]: row for row in json.loads((tmp_path / "out" / "reproduction.json").read_text())}
    assert len(rows) == 10
    assert rows["void-1500"]["within"] is False
    assert rows["void-1500"]["measured"]["frames"] == 4
    assert rows["void-500"]["measured"] is None
    assert {path.name for path in (tmp_path / "out" / "void-1500").iterdir()} == {"summary.json", "frames.csv"}


def test_reproduce_names_missing_weights_once_for_all_rows(
    run: Run, kbnet_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (kbnet_home / "weights" / "void1500.safetensors").unlink()
    assert run("void-1500", "void-500") == 2, "nothing was measured"
    output, error = capsys.readouterr()
    assert "VOID 1500, VOID 500: no weights void1500: kbnet weights download" in output
    assert error.startswith("kbnet: error: no row could be measured;")
    assert not (tmp_path / "out" / "void-1500").exists()


def test_reproduce_within_the_tolerance_is_a_success(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("void-1500") == 1
    written = (tmp_path / "out" / "void-1500" / "summary.json").stat().st_mtime_ns
    _publish_what_is_measured(monkeypatch, tmp_path / "out")
    capsys.readouterr()
    assert run("void-1500") == 0
    output = capsys.readouterr().out
    assert " within 1 %" in output
    assert output.count("+0.00 %") == 4
    assert (tmp_path / "out" / "void-1500" / "summary.json").stat().st_mtime_ns == written, "it was done already"


def test_reproduce_of_every_nth_frame_gives_no_verdict(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("void-1500", "kitti-test", "--every", "2") == 0
    output = capsys.readouterr().out
    assert "quick look, stride 2" in output
    assert "left out of a quick look" in output
    assert not (tmp_path / "out" / "kitti-test").exists()
    assert run("kitti-test", "--every", "2") == 2, "nothing was measured"


def _rows(folder: Path) -> dict[str, Any]:
    return {row["published"]["key"]: row for row in json.loads((folder / "reproduction.json").read_text())}


def test_reproduce_keeps_the_rows_of_earlier_runs(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run("void-1500") == 1
    first = _rows(out)
    assert run("kitti-test") == 0, "the verdict is on the rows of this run"
    assert list(_rows(out)) == ["kitti-test", "void-1500"]
    assert _rows(out)["void-1500"] == first["void-1500"]
    table = (out / "table.txt").read_text()
    assert re.search(r"^ VOID 1500 ", table, re.MULTILINE)
    assert "NOT within 1 % (4 of 800 frames)" in table
    both = (out / "reproduction.json").read_bytes()
    assert run("void-1500", "--every", "2") == 0
    assert (out / "reproduction.json").read_bytes() == both
    assert json.loads((out / "void-1500" / "summary.json").read_text())["settings"]["every"] == 1
    assert _rows(out / "every-2")["void-1500"]["measured"]["frames"] == 2
    (tmp_path / "data" / "void" / "void_1500_test.csv").unlink()
    assert run("void-1500", "void-500") == 2
    assert _rows(out)["void-1500"] == first["void-1500"], "what was measured stays, though its data has gone"
    assert _rows(out)["void-500"]["verdict"] == "no data"


def test_reproduce_starts_anew_where_the_record_of_earlier_rows_is_damaged(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "reproduction.json").write_text('[{"published": {"key": "void-500"}}]')
    assert run("void-1500") == 1
    assert list(_rows(tmp_path / "out")) == ["void-1500"]


def test_reproduce_goes_on_after_a_row_that_runs_out_of_gpu_memory(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_out(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(reproduction, "measure", run_out)
    assert run("kitti-test", "void-1500") == 2
    output, error = capsys.readouterr()
    assert "completed 3 of 3 frames" in output
    assert "VOID 1500 failed: out of GPU memory" in output
    assert "1 of 2 rows failed: VOID 1500" in error


def test_reproduce_zips_the_test_frames_for_the_online_benchmark(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("kitti-test") == 0
    output = capsys.readouterr().out
    archive = tmp_path / "out" / "kitti-test" / "test.zip"
    assert f"wrote {archive}\n" in output
    assert "no ground truth here; the zip is for the online benchmark" in " ".join(output.split())
    with ZipFile(archive) as file:
        assert file.namelist() == [f"{index:010}.png" for index in range(3)]
    assert (read_depth_png(tmp_path / "out" / "kitti-test" / "depth" / "0000000000.png") > 1).all()


def test_reproduce_completes_test_frames_again_only_for_other_weights(
    run: Run, kbnet_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def completed(*options: str) -> str:
        assert run("kitti-test", *options) == 0
        return capsys.readouterr().out

    assert "completed 3 of 3 frames" in completed()
    assert "completed 0 of 3 frames" in completed()
    assert "completed 3 of 3 frames" in completed("--overwrite")
    weights = kbnet_home / "weights"
    (weights / "kitti.safetensors").write_bytes((weights / "void1500.safetensors").read_bytes())
    assert "completed 3 of 3 frames" in completed()


def test_reproduce_never_zips_depth_of_other_weights(
    run: Run, kbnet_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("kitti-test") == 0
    (tmp_path / "out" / "kitti-test" / "test.zip").unlink()
    weights = kbnet_home / "weights"
    (weights / "kitti.safetensors").write_bytes((weights / "void1500.safetensors").read_bytes())

    def refuse(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("kbnet.cli.reproduce.shutil.rmtree", refuse)
        assert run("kitti-test") == 2
    assert not (tmp_path / "out" / "kitti-test" / "test.zip").exists()
    assert run("kitti-test") == 0
    times = [path.stat().st_mtime_ns for path in (tmp_path / "out" / "kitti-test" / "depth").iterdir()]
    assert min(times) > (weights / "kitti.safetensors").stat().st_mtime_ns


def test_reproduce_goes_on_after_a_row_that_fails(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "data" / "void" / "void_500_test.csv"
    broken.write_text("no list\n")
    assert run("kitti-test", "void-1500", "void-500") == 2
    written = capsys.readouterr()
    assert written.err == "kbnet: error: 1 of 3 rows failed: VOID 500; see why under the table\n"
    row = next(line for line in written.out.splitlines() if line.startswith(" VOID 500 "))
    assert row.endswith(" failed")
    (reason,) = (line for line in written.out.splitlines() if line.startswith("VOID 500 failed: "))
    assert f"in the first line, but that of {broken} has unknown 'no list'" in reason
    assert "NOT within 1 % (4 of 800 frames)" in written.out
    assert "wrote reproduction.json and table.txt" in written.out
    assert reason in (tmp_path / "out" / "table.txt").read_text()
    rows = {row["published"]["key"]: row for row in json.loads((tmp_path / "out" / "reproduction.json").read_text())}
    assert rows["void-500"]["verdict"] == reason.removeprefix("VOID 500 ")
    assert rows["void-1500"]["within"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["void"], "fusionnet-void-1500, scaffnet-kitti-validation, got 'void'; name some of these, or none for all"),
        (["--every", "0"], "--every of at least 1"),
        (["--tolerance", "0"], "--tolerance above 0"),
    ],
)
def test_reproduce_says_in_one_line_what_is_wrong(
    run: Run, tmp_path: Path, one_line_error: Callable[[], str], arguments: list[Any], message: str
) -> None:
    assert run(*arguments) == 2
    assert message in one_line_error()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["table.txt", "void-1500/frames.csv", "reproduction.json"])
def test_reproduce_replaces_no_file_that_is_not_its_own(
    run: Run, tmp_path: Path, name: str, one_line_error: Any
) -> None:
    foreign = tmp_path / "out" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    assert run("void-1500") == 2
    assert "would be replaced, but is not of kbnet reproduce" in one_line_error()
    assert foreign.read_text() == "mine"


def test_reproduce_goes_on_after_a_kill(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        (tmp_path / "out" / "void-1500").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reproduction, "evaluate", stop)
        assert run("void-1500") == 130
    assert run("void-1500") == 1
