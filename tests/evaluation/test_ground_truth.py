"""Streaming evaluation: hand arithmetic, timing without the warm-up, frames left out, constant memory."""

from __future__ import annotations

import csv
import json
import tracemalloc
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import kbnet
from kbnet.evaluation.ground_truth import TIMING, Part, evaluate, run_settings
from kbnet.evaluation.methods import NETWORK, Method, baseline_methods
from kbnet.evaluation.summary import ALL_SEQUENCES, no_formula, read_same_run, write_summary
from kbnet.files import file_sha256
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource

VOID = (0.2, 5.0)
K = np.array([[40, 0, 20], [0, 40, 16], [0, 0, 1]], dtype=np.float32)


@dataclass
class FakeSequence:
    """Frames with constant ground truth, made when asked for; counts how many are alive at once."""

    truths: list[float]
    empty: set[int] = field(default_factory=set)
    folder: Path = Path("fake")
    has_ground_truth: bool = True
    alive: int = 0
    most_alive: int = 0

    def __len__(self) -> int:
        return len(self.truths)

    def frame(self, index: int) -> Frame:
        sparse_depth = np.zeros((32, 40), np.float32)
        if index not in self.empty:
            sparse_depth[::5, ::5] = 1.0
        frame = Frame(
            image=np.zeros((32, 40, 3), np.uint8),
            sparse_depth=sparse_depth,
            intrinsics=K,
            ground_truth=np.full((32, 40), self.truths[index], np.float32),
            name=f"{index:04}",
        )
        self.alive += 1
        self.most_alive = max(self.most_alive, self.alive)
        weakref.finalize(frame, self._gone)
        return frame

    def has_pose(self, index: int) -> bool:
        return False

    def _gone(self) -> None:
        self.alive -= 1


def _part(*truths: float, name: str = "room", **options: Any) -> Part:
    return Part(cast(FrameSource, FakeSequence(list(truths), **options)), name, "sparse_depth")


def _constant(depth: float) -> Method:
    return Method("kbnet", lambda frame: np.full(frame.size, depth, np.float32))


def test_evaluate_gives_mean_and_population_deviation_over_frames() -> None:
    (row,) = evaluate([_part(1.0, 2.0)], [_constant(2.5)], limits=VOID).rows()
    assert row.frames == 2
    assert row.mean.mae_mm == pytest.approx(1000)
    assert row.std.mae_mm == pytest.approx(500)
    assert row.mean.imae_per_km == pytest.approx((600 + 100) / 2)
    assert row.std.irmse_per_km == pytest.approx(250)


def test_evaluate_counts_all_frames_alike_over_sequences() -> None:
    parts = [_part(1.0, name="a"), _part(2.0, 2.0, 2.0, name="b")]
    rows = {row.sequence: row for row in evaluate(parts, [_constant(2.0)], limits=VOID).rows()}
    assert list(rows) == ["a", "b", ALL_SEQUENCES]
    assert rows[ALL_SEQUENCES].frames == 4
    assert rows[ALL_SEQUENCES].mean.mae_mm == pytest.approx(250)


def test_baselines_stand_beside_the_network() -> None:
    rows = evaluate([_part(1.0, 1.5)], [_constant(1.0), *baseline_methods(scaffold=True)], limits=VOID).rows()
    assert [row.method for row in rows] == ["kbnet", "nearest", "linear", "scaffold"]
    assert [row.mean.mae_mm for row in rows] == pytest.approx([250] * 4)


def test_the_baseline_scaffold_rejects_an_outlier_and_extrapolates() -> None:
    inverse = np.broadcast_to(0.5 + 0.01 * np.arange(40, dtype=np.float32), (32, 40))  # a plane
    points = np.zeros((32, 40), np.float32)
    points[6:26:4, 6:34:4] = 1 / inverse[6:26:4, 6:34:4]
    points[14, 18] = 9.0
    frame = Frame(np.zeros((32, 40, 3), np.uint8), points, K, name="0000")
    error = {method.name: np.abs(method.predict(frame) - 1 / inverse) for method in baseline_methods(scaffold=True)}
    assert error["linear"][14, 18] > 7
    assert error["scaffold"][14, 18] < 0.01
    assert error["scaffold"][:, -1].max() < 0.02 < error["linear"][:, -1].max()


@dataclass
class Step(FakeSequence):
    """Ground truth with a vertical edge, 1 m against 2 m; of every ``step``-th row only."""

    step: int = 1

    def frame(self, index: int) -> Frame:
        frame = super().frame(index)
        truth = np.zeros((32, 40), np.float32)
        truth[:: self.step, :20], truth[:: self.step, 20:] = 1.0, 2.0
        return replace(frame, ground_truth=truth)


def _at(column: int) -> Method:
    """The depth of `Step` with its edge at another column."""
    depth = np.where(np.arange(40) < column, 1, 2).astype(np.float32)
    return Method("kbnet", lambda frame: np.tile(depth, (frame.size[0], 1)))


def _step_part(step: int = 1) -> Part:
    return Part(cast(FrameSource, Step([0.0, 0.0], step=step)), "room", "sparse_depth")


def test_boundary_f1_is_the_mean_over_frames_that_have_one() -> None:
    parts = [_step_part(), _part(1.5, 1.5, name="flat")]
    summary = evaluate(parts, [_at(22)], limits=VOID, boundaries=True)
    step, flat, overall = summary.rows()
    assert (step.boundary_f1, step.boundary_f1_std, step.boundary_frames) == (1.0, 0.0, 2)
    assert (flat.boundary_f1, flat.boundary_f1_std, flat.boundary_frames) == (None, None, 0)
    assert (overall.boundary_f1, overall.boundary_frames, overall.frames) == (1.0, 2, 4)


@pytest.mark.parametrize(("step", "frames"), [(1, 2), (2, 2), (3, 0)])
def test_boundary_f1_takes_ground_truth_at_half_of_the_pixels(step: int, frames: int) -> None:
    (row,) = evaluate([_step_part(step)], [_at(30)], limits=VOID, boundaries=True).rows()
    assert row.boundary_frames == frames
    assert row.boundary_f1 == (0.0 if frames else None)


def test_boundary_f1_is_measured_only_where_it_is_asked_for(tmp_path: Path) -> None:
    (row,) = evaluate([_step_part()], [_at(20)], limits=VOID, table=tmp_path / "frames.csv").rows()
    assert (row.boundary_f1, row.boundary_frames) == (None, 0)
    assert "boundary" not in (tmp_path / "frames.csv").read_text()


def test_table_has_boundary_f1_beside_the_errors(tmp_path: Path) -> None:
    path = tmp_path / "frames.csv"
    parts = [_step_part(), _part(1.5, name="flat")]
    evaluate(parts, [_at(20)], limits=VOID, boundaries=True, table=path)
    with path.open(newline="") as file:
        assert [row["boundary_f1"] for row in csv.DictReader(file)] == ["1", "1", ""]


def test_time_leaves_the_first_frame_of_each_method_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("kbnet.evaluation.ground_truth.time", SimpleNamespace(perf_counter=lambda: clock.now))

    def method(name: str, warm_up: float, then: float) -> Method:
        seconds = iter([warm_up, then, then])

        def predict(frame: Frame) -> FloatArray:
            clock.now += next(seconds)
            return np.ones(frame.size, np.float32)

        return Method(name, predict)

    methods = [method("slow start", 10.0, 0.5), method("steady", 0.25, 0.25)]
    slow, steady = evaluate([_part(1.0, 1.0, 1.0)], methods, limits=VOID).rows()
    assert (slow.milliseconds, slow.frames_per_second) == (500, 2)
    assert (steady.milliseconds, steady.frames_per_second) == (250, 4)
    assert (slow.frames, slow.timed_frames, slow.total_seconds) == (3, 2, 1.0)


def test_a_single_frame_has_errors_but_no_time() -> None:
    (row,) = evaluate([_part(1.0)], [_constant(1.0)], limits=VOID).rows()
    assert row.frames == 1
    assert row.milliseconds is None
    assert row.total_seconds is None
    assert row.frames_per_second is None


class Queue:
    """A device that computes on its own time, in front of a clock that only moves while somebody waits for it.

    It stands in for the depth that a network returns at once on a GPU; copying it to memory waits until it is there.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.pending = 0.0

    def __getitem__(self, index: object) -> Queue:
        return self

    def cpu(self) -> Any:
        import torch

        self.now += self.pending
        self.pending = 0.0
        return torch.ones(1, 32, 40)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> tuple[Queue, Any]:
    """Such a device, and a completer whose network takes 0.25 s to queue work that takes 4 s, the first time 9 s."""
    from kbnet.inference.completer import DepthCompleter
    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet

    queue = Queue()
    seconds = iter([9.0, *[4.0] * 99])

    def forward(*_: object) -> Any:
        queue.now += 0.25
        queue.pending += next(seconds)
        return queue

    completer = DepthCompleter(KBNet(KBNetConfig()), device="cpu")
    completer.run_network = forward
    monkeypatch.setattr("kbnet.evaluation.ground_truth.time", SimpleNamespace(perf_counter=lambda: queue.now))
    return queue, completer


def test_time_waits_for_the_device(queue: tuple[Queue, Any]) -> None:
    (row,) = evaluate([_part(1.0, 1.0, 1.0)], [Method(NETWORK, queue[1])], limits=VOID).rows()
    assert (row.milliseconds, row.timed_frames) == (4250, 2)


@pytest.mark.gpu
def test_time_waits_for_the_gpu() -> None:
    import torch

    from kbnet.inference.completer import DepthCompleter
    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet

    completer = DepthCompleter(KBNet(KBNetConfig()), device="cuda")
    # A kernel of some hundred million cycles, a tenth of a second or more, behind which the depth has to wait.
    run = completer.run_network
    completer.run_network = lambda *inputs: torch.cuda._sleep(400_000_000) or run(*inputs)
    parts = [_part(*[1.0] * 4)]
    (honest,) = evaluate(parts, [Method(NETWORK, completer)], limits=VOID).rows()
    assert honest.milliseconds is not None
    assert honest.milliseconds > 100
    assert honest.timed_frames == 3


def test_frames_without_ground_truth_in_range_are_left_out_with_one_warning() -> None:
    with pytest.warns(UserWarning, match=r"2 of 4 frames of room .* no ground truth between 0\.2 and 5 m") as warned:
        (row,) = evaluate([_part(1.0, 0.0, 9.0, 1.0)], [_constant(1.0)], limits=VOID).rows()
    assert row.frames == 2
    assert len(warned) == 1


def test_frames_without_a_point_are_left_out_for_interpolation_only() -> None:
    methods = [_constant(1.0), *baseline_methods(scaffold=True)]
    with pytest.warns(UserWarning, match="1 of 3 frames of room .* no sparse point") as warned:
        rows = evaluate([_part(1.0, 1.0, 1.0, empty={1})], methods, limits=VOID).rows()
    assert {row.method: row.frames for row in rows} == {"kbnet": 3, "nearest": 2, "linear": 2, "scaffold": 2}
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate([_part(1.0, empty={0})], [_constant(1.0)], limits=VOID)


def test_every_nth_frame_is_read_and_reported() -> None:
    seen = []
    (row,) = evaluate(
        [_part(*[1.0] * 7)], [_constant(1.0)], limits=VOID, every=3, on_frame=lambda: seen.append(1)
    ).rows()
    assert row.frames == len(seen) == 3


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        part = _part(*[1.0] * count)
        tracemalloc.start()
        evaluate([part], [_constant(1.5)], limits=VOID, table=tmp_path / "frames.csv")
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert cast(FakeSequence, part.source).most_alive <= 2
        return highest

    peak(5)
    assert peak(400) - peak(100) < 50_000, "one frame holds 14 kB"


def test_table_has_a_row_a_frame_and_method(tmp_path: Path) -> None:
    path = tmp_path / "frames.csv"
    evaluate([_part(1.0, 2.0)], [_constant(2.5), *baseline_methods()], limits=VOID, table=path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["method"]) for row in rows] == [
        (frame, method) for frame in ("0000", "0001") for method in ("kbnet", "nearest", "linear")
    ]
    assert float(rows[0]["mae_mm"]) == pytest.approx(1500)
    assert rows[0]["seconds"] == ""
    assert float(rows[3]["seconds"]) > 0


def test_summary_is_strict_json_with_what_it_takes_to_repeat_the_run(tmp_path: Path) -> None:
    path = tmp_path / "new" / "summary.json"
    write_summary(path, evaluate([_part(1.0)], [_constant(2.0)], limits=VOID), {"weights": "indoor"})
    content = json.loads(path.read_text())
    assert content["settings"] == {"weights": "indoor"}
    assert set(content["versions"]) == {"python", "kbnet", "torch", "numpy", "scipy", "onnxruntime", "openvino"}
    assert content["command"]
    assert datetime.fromisoformat(content["finished"]).tzinfo is not None
    assert content["git_commit"] is None or len(content["git_commit"].removesuffix("-dirty")) == 40
    assert content["threads"] >= 1
    assert all(content[name] for name in ("platform", "cpu"))
    assert isinstance(content["gpus"], list)
    (row,) = content["results"]
    assert row["mean"]["mae_mm"] == pytest.approx(1000)
    assert row["milliseconds"] is None


def test_rows_of_the_same_run_come_back(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    parts = [_part(1.0, 1.5), _step_part()]
    summary = evaluate(parts, [_constant(2.0), *baseline_methods()], limits=VOID, boundaries=True)
    write_summary(path, summary, {"every": 1, "pools": (15, 17)})
    assert read_same_run(path, {"every": 1, "pools": (15, 17)}) == summary.rows()
    assert read_same_run(path, {"every": 2, "pools": (15, 17)}) == []


def test_rows_written_without_boundary_f1_come_back(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    summary = evaluate([_part(1.0)], [_constant(2.0)], limits=VOID)
    write_summary(path, summary, {})
    content = json.loads(path.read_text())
    for name in ("boundary_f1", "boundary_f1_std", "boundary_frames"):
        del content["results"][0][name]
    path.write_text(json.dumps(content))
    assert read_same_run(path, {}) == summary.rows()


def test_rows_of_another_version_do_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_summary(path, evaluate([_part(1.0)], [_constant(2.0)], limits=VOID), {})
    content = json.loads(path.read_text())
    content["versions"]["kbnet"] = "0.0.1"
    path.write_text(json.dumps(content))
    assert read_same_run(path, {}) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": {}, "results": [{}]}', "\xff"])
def test_no_rows_come_back_from_another_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_bytes(text.encode("latin-1"))
    assert read_same_run(tmp_path / "summary.json", {}) == []
    assert read_same_run(tmp_path / "missing.json", {}) == []


def test_settings_hold_checksums_of_weights_and_lists_and_the_network(tmp_path: Path) -> None:
    from kbnet.network.config import KBNetConfig

    for name in ("weights.safetensors", "list.csv"):
        (tmp_path / name).write_bytes(b"abc")
    config = KBNetConfig.preset("kitti", intrinsics_scaling="published")
    completer: Any = SimpleNamespace(config=config, device="cuda:1", engine="torch", precision="bfloat16")
    settings: Any = run_settings(
        [_part(1.0, name="list", folder=tmp_path / "list.csv"), _part(1.0, name="room")],
        {"kbnet": (tmp_path / "weights.safetensors", completer)},
        limits=VOID,
        every=3,
    )
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "list.csv") == abc
    weights = settings["weights"]["kbnet"]
    assert (weights["sha256"], weights["device"], weights["precision"]) == (abc, "cuda:1", "bfloat16")
    assert KBNetConfig.from_dict(weights["network"]) == config
    assert [source["sha256"] for source in settings["sources"]] == [abc, None]
    assert (settings["limits_m"], settings["every"], settings["timing"]) == ([0.2, 5.0], 3, TIMING)


@pytest.mark.filterwarnings("ignore:.*no ground truth between")
@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            lambda: _part(1.0, has_ground_truth=False),
            "fake has none; .*kbnet check fake; .*kbnet complete fake --output",
        ),
        (lambda: _part(9.0, 0.0), r"no frame of room could be judged between 0\.2 and 5 m"),
    ],
)
def test_evaluate_refuses_what_cannot_be_judged_and_writes_nothing(
    tmp_path: Path, part: Callable[[], Part], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate([part()], [_constant(1.0)], limits=VOID, table=tmp_path / "frames.csv")
    assert not list(tmp_path.iterdir())


def test_evaluate_names_the_frame_whose_depth_is_not_dense() -> None:
    with pytest.raises(ValueError, match=r"kbnet on frame 0000 of room: depth is zero"):
        evaluate([_part(1.0)], [_constant(0.0)], limits=VOID)


def test_evaluate_refuses_a_stride_of_zero() -> None:
    with pytest.raises(ValueError, match="stride of at least 1"):
        evaluate([_part(1.0)], [_constant(1.0)], limits=VOID, every=0)


@pytest.mark.parametrize(("max_depth", "judged"), [(10.0, 1), (80.0, 2)])
def test_evaluate_of_a_completer_takes_the_limits_that_fit_its_weights(max_depth: float, judged: int) -> None:
    class Constant:
        config = SimpleNamespace(max_depth=max_depth)

        def __call__(self, frame: Frame) -> FloatArray:
            return np.ones_like(frame.sparse_depth)

    source: Any = FakeSequence([1.0, 50.0])
    source.name = "fake"
    completer: Any = Constant()
    summary = kbnet.evaluate(source, completer, baselines=False)
    assert [(row.method, row.frames) for row in summary.rows()] == [("kbnet", judged)]


def test_names_that_a_spreadsheet_would_compute_are_text() -> None:
    names = ["=cmd|' /c calc'!A0", "@SUM(1)", "+1+A1", "-x", "-1.5", "000012", "a=1"]
    assert [no_formula(name) for name in names] == [*(f"'{name}" for name in names[:4]), *names[4:]]
