"""What a user of the published release does, on small archives in its layouts: prepare, train, evaluate, reproduce."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli.main import main

TRAINING = [
    *("--augmentation.crop", "64", "96", "--batch-size", "2", "--workers", "0", "--schedule.steps", "2"),
    *("--validation.from-step", "1", "--validation.every-steps", "1", "--validation.every-frames", "2"),
]
"""The published recipe in everything but size and length."""

pytestmark = pytest.mark.usefixtures("torch_engine")


def run(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


def serve(server: Any, archives: Path) -> None:
    for path in archives.rglob("*.zip"):
        shutil.copy(path, server.folder / path.name)


def train_and_evaluate(train: Path, test: Path, preset: str, folder: Path) -> dict[str, Any]:
    """Two steps of the preset, then the errors of the result on the test split."""
    run("train", train, "--preset", preset, *TRAINING, "--validation.sequences", test, "--output", folder / "run")
    weights = folder / "run" / "best.safetensors"
    run("evaluate", test, "--weights", weights, "--preset", preset, "--output", folder / "figures")
    summary: dict[str, Any] = json.loads((folder / "figures" / "summary.json").read_text())
    return summary


def reproduced(
    row: str, data: Path, folder: Path, capsys: pytest.CaptureFixture[str], codes: tuple[int, ...] = (0, 1)
) -> str:
    capsys.readouterr()
    # Random weights are out of tolerance, which is exit code 1.
    assert main(["reproduce", row, "--data", str(data), "--output", str(folder / "reproduction")]) in codes
    return capsys.readouterr().out


def test_kitti_from_dropped_connection_to_figures(
    tmp_path: Path,
    archive_server: Any,
    kitti_archives: Path,
    pretrained_models: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(archive_server, kitti_archives)
    archive_server.drop("data_depth_selection.zip", 1)
    data = tmp_path / "data"
    run("prepare", "kitti", data / "kitti")
    summary = train_and_evaluate(data / "kitti" / "train.csv", data / "kitti" / "validation.csv", "kitti", tmp_path)
    assert summary["results"][0]["frames"] > 0
    run("weights", "import", pretrained_models)
    assert "260.44" in reproduced("kitti-validation", data, tmp_path, capsys)
    run("reproduce", "kitti-test", "--data", data, "--output", tmp_path / "reproduction")
    assert list((tmp_path / "reproduction").rglob("*.zip"))


def test_void_from_archives_to_figures(
    tmp_path: Path,
    archive_server: Any,
    void_archives: Path,
    pretrained_models: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve(archive_server, void_archives)
    data = tmp_path / "data"
    run("prepare", "void", data / "void", "--densities", "1500", "150")
    folder = data / "void"
    summary = train_and_evaluate(folder / "void_150_train.csv", folder / "void_150_test.csv", "void", tmp_path)
    assert summary["results"][0]["frames"] > 0
    run("weights", "import", pretrained_models)
    run("evaluate", folder / "void_1500_test.csv", "--weights", "void1500", "void1500-training-pools")
    text = reproduced("void-1500", data, tmp_path, capsys)
    assert "39.80" in text
    # What was left out is named; that nothing could be measured is exit code 2.
    assert "prepare void" in reproduced("void-500", data, tmp_path, capsys, (2,))


def test_nyu_v2_by_hand_to_figures(
    tmp_path: Path,
    nyu_archives: Path,
    pretrained_models: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data"
    run("prepare", "nyu-v2", data / "nyu_v2", "--from", nyu_archives, "--points", "100")
    folder = data / "nyu_v2"
    summary = train_and_evaluate(folder / "train.csv", folder / "test.csv", "void", tmp_path)
    assert summary["results"][0]["frames"] > 0
    run("weights", "import", pretrained_models)
    assert "117.18" in reproduced("nyu-v2", data, tmp_path, capsys)
