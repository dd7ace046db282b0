"""Times are taken in turn; a fresh process says what a completion needs; the frame is the same for everybody."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import kbnet.environment
from kbnet.benchmark import measurement
from kbnet.benchmark.contenders import contenders
from kbnet.benchmark.inference import Case, CaseTimes, peak_memory_mib
from kbnet.benchmark.made_frame import made_frame, write_made_sequence
from kbnet.benchmark.measurement import Timed, conditions, matrix_product, take_turns
from kbnet.environment import environment
from kbnet.frames.sequence import Sequence
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.weights.depth_network import save_network

CPU = torch.device("cpu")
PRODUCT_SIZE = 128


@pytest.fixture(autouse=True)
def small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices that are multiplied in no time, also where the processor emulates bfloat16."""
    monkeypatch.setitem(measurement.PRODUCT_SIZE, "cpu", PRODUCT_SIZE)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    filters = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    save_network(KBNet(KBNetConfig(**filters)), path)  # type: ignore[arg-type]
    return path


def test_turns_are_taken_and_the_first_ones_not_timed() -> None:
    calls: list[str] = []
    timed = [Timed(lambda: calls.append("a")), Timed(lambda: calls.append("b"))]
    take_turns(timed, CPU, rounds=2, warmup=1)
    assert calls == ["a", "b"] * 3
    assert [len(each.seconds) for each in timed] == [2, 2]


def test_interrupted_turns_keep_what_was_timed() -> None:
    calls: list[int] = []

    def stop_at_the_third() -> None:
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt

    timed = Timed(stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        take_turns([timed], CPU, rounds=5, warmup=0)
    assert len(timed.seconds) == 2


def test_matrix_product_counts_two_operations_a_multiplication() -> None:
    timed, gflop = matrix_product(CPU, torch.float32)
    timed.work()
    assert gflop == pytest.approx(2 * PRODUCT_SIZE**3 / 1e9)


def test_the_record_of_the_commit_leaves_the_checkout_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "a").touch()
    for words in ("init -q", "add a", "commit -qm a"):
        subprocess.run([*git, *words.split()], check=True)
    os.utime(tmp_path / "a", (1, 1))
    index = (tmp_path / ".git" / "index").read_bytes()
    monkeypatch.setattr(kbnet.environment, "__file__", str(tmp_path / "src" / "kbnet" / "environment.py"))
    assert re.fullmatch("[0-9a-f]{40}", str(environment()["git_commit"]))
    assert (tmp_path / ".git" / "index").read_bytes() == index


def test_environment_says_what_a_figure_depends_on() -> None:
    known = conditions(CPU)
    assert known.keys() >= {"versions", "device", "device_name", "threads", "load_average", "tf32_convolutions"}
    assert {"python", "kbnet", "torch", "onnxruntime", "openvino"} <= known["versions"].keys()  # type: ignore[attr-defined]


def test_made_frame_is_the_same_every_time_and_a_sequence_of_them_reads(tmp_path: Path) -> None:
    one, other = made_frame(64, 48, "void"), made_frame(64, 48, "void")
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.sparse_depth, other.sparse_depth)
    write_made_sequence(tmp_path / "made", 3, 64, 48, "void")
    sequence = Sequence(tmp_path / "made")
    assert len(sequence.triplet_indices(1)) == 1
    assert sequence.has_poses
    assert (sequence.image(0) != sequence.image(1)).any()


def test_network_without_a_plain_twin_is_compared_with_itself(small: Path) -> None:
    case = Case(str(small), 40, 32, batch=2)
    network = case.network()
    left_out: dict[str, Exception] = {}
    entrants = list(contenders(network, ["torch"], ["float32", "float16"], CPU, left_out.__setitem__))
    assert [each.engine for each in entrants] == ["torch"]
    assert left_out.keys() == {"torch float16"}
    comparison = CaseTimes(case, network, entrants, CPU, left_out.__setitem__)
    assert comparison.rows() == []
    comparison.measure(rounds=1, warmup=0)
    (row,) = comparison.rows()
    assert row["difference"] < row["tolerance"]
    assert row["times_plain"] is row["share_of_matrix_rate"] is None
    assert row["frames_per_second"] == pytest.approx(2000 / row["frame_ms"])


def test_only_what_was_asked_for_in_vain_or_is_not_installed_is_named(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kbnet.inference.onnxruntime_engine.available", lambda: False)
    network = Case(str(small), 64, 48).network()
    left_out: dict[str, Exception] = {}
    entrants = list(contenders(network, ["torch", "onnxruntime"], [], CPU, left_out.__setitem__))
    assert [each.precision for each in entrants] == ["float32", "bfloat16"]
    assert {name: type(error) for name, error in left_out.items()} == {"onnxruntime": ModuleNotFoundError}


def test_memory_is_that_of_a_process_of_its_own(small: Path) -> None:
    mib = peak_memory_mib(Case(str(small), 64, 48), "torch", "float32", CPU)
    assert mib is not None
    assert 50 < mib < 5000


def test_memory_of_what_fails_is_unknown(small: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert peak_memory_mib(Case(str(small), 64, 48), "torch", "float16", CPU) is None
