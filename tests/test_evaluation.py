"""Streaming evaluation: hand arithmetic, timing without the warm-up, frames left out, constant memory."""

from __future__ import annotations

import csv
import json
import tracemalloc
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from kbnet.data.sequence import Sequence
from kbnet.evaluation import (
    Method,
    Part,
    baseline_methods,
    evaluate,
    network_method,
)
from kbnet.frame import FloatArray, Frame
from kbnet.summary import ALL_SEQUENCES, write_summary

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

    def _gone(self) -> None:
        self.alive -= 1


def _part(*truths: float, name: str = "room", **options: Any) -> Part:
    return Part(cast(Sequence, FakeSequence(list(truths), **options)), name, "sparse_depth")


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
    rows = evaluate([_part(1.0, 1.5)], [_constant(1.0), *baseline_methods()], limits=VOID).rows()
    assert [row.method for row in rows] == ["kbnet", "nearest", "linear"]
    assert [row.mean.mae_mm for row in rows] == pytest.approx([250, 250, 250])


def test_time_leaves_the_first_frame_of_each_method_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("kbnet.evaluation.time", SimpleNamespace(perf_counter=lambda: clock.now))

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


def test_a_single_frame_has_errors_but_no_time() -> None:
    (row,) = evaluate([_part(1.0)], [_constant(1.0)], limits=VOID).rows()
    assert row.frames == 1
    assert row.milliseconds is None
    assert row.frames_per_second is None


def test_time_waits_for_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    waited: list[object] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)

    def network(kind: str) -> Any:
        def complete(image: Any, sparse_depth: FloatArray, intrinsics: Any) -> FloatArray:
            return np.ones_like(sparse_depth)

        complete.device = SimpleNamespace(type=kind)  # type: ignore[attr-defined]
        return complete

    for kind, waits in (("cpu", 0), ("cuda", 2)):
        evaluate([_part(1.0, 1.0)], [network_method(network(kind))], limits=VOID)
        assert len(waited) == waits


def test_frames_without_ground_truth_in_range_are_left_out_with_one_warning() -> None:
    with pytest.warns(UserWarning, match=r"2 of 4 frames of room .* no ground truth between 0\.2 and 5 m") as warned:
        (row,) = evaluate([_part(1.0, 0.0, 9.0, 1.0)], [_constant(1.0)], limits=VOID).rows()
    assert row.frames == 2
    assert len(warned) == 1


def test_frames_without_a_point_are_left_out_for_interpolation_only() -> None:
    with pytest.warns(UserWarning, match="1 of 3 frames of room .* no sparse point") as warned:
        rows = evaluate([_part(1.0, 1.0, 1.0, empty={1})], [_constant(1.0), *baseline_methods()], limits=VOID).rows()
    assert {row.method: row.frames for row in rows} == {"kbnet": 3, "nearest": 2, "linear": 2}
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
        assert cast(FakeSequence, part.sequence).most_alive <= 2
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


def test_summary_is_strict_json_with_settings_and_versions(tmp_path: Path) -> None:
    path = tmp_path / "new" / "summary.json"
    write_summary(path, evaluate([_part(1.0)], [_constant(2.0)], limits=VOID), {"weights": "indoor"})
    content = json.loads(path.read_text())
    assert content["settings"] == {"weights": "indoor"}
    assert set(content["versions"]) == {"python", "kbnet", "torch", "numpy", "scipy"}
    (row,) = content["results"]
    assert row["mean"]["mae_mm"] == pytest.approx(1000)
    assert row["milliseconds"] is None


@pytest.mark.filterwarnings("ignore:.*no ground truth between")
@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda: _part(1.0, has_ground_truth=False), "expected a folder ground_truth/ in fake"),
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
