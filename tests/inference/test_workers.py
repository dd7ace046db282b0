"""Completing many frames in several processes: the same bytes, whatever dies, and nothing twice or half."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kbnet.frame import FloatArray, Frame
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.open import open_frames
from kbnet.inference import workers
from kbnet.inference.completer import DepthCompleter
from kbnet.inference.numbered_frames import NumberedFrames
from kbnet.inference.output_files import NPY
from kbnet.inference.output_folder import output_folders
from kbnet.inference.workers import Outcome, Workers, _cluster, complete_many
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet

ray = pytest.importorskip("ray")

FRAMES = 12


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two machines, as far as Ray knows, with room for one worker each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"USAGE_STATS_ENABLED": "0", "AUTH_MODE": "disabled", "BACKEND_LOG_LEVEL": "fatal"}.items():
            patch.setenv(f"RAY_{name}", value)
        options = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=options)
        try:
            del options["include_dashboard"]
            cluster.add_node(**options)
            yield cluster.address
        finally:
            cluster.shutdown()


@pytest.fixture
def sources(tmp_path: Path) -> list[FrameSource]:
    """Two short sequences."""
    generator = np.random.default_rng(0)
    for name in ("hall", "room"):
        folder = tmp_path / name
        (folder / "image").mkdir(parents=True)
        (folder / "K.txt").write_text("50 0 24\n0 50 20\n0 0 1\n")
        for index in range(FRAMES // 2):
            image = generator.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(image).save(folder / "image" / f"{index:04}.png")
            points = np.where(generator.random((40, 48)) < 0.1, 2.0, 0.0).astype(np.float32)
            write_depth_png(folder / "sparse_depth" / f"{index:04}.png", points)
    return [open_frames(tmp_path / name) for name in ("hall", "room")]


def tiny_network() -> KBNet:
    torch.manual_seed(0)
    return KBNet(KBNetConfig(image_filters=(8,) * 6, depth_filters=(8,) * 6, decoder_filters=(8,) * 5))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def completed_here(sources: list[FrameSource], output: Path, network: KBNet) -> dict[str, bytes]:
    """What one process without Ray writes."""
    completer = DepthCompleter(network)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for one in output_folders(output, sources):
        for index in range(len(one.frames)):
            one.complete(index, completer)
    torch.set_num_threads(threads)
    return files(output)


DEADLY = 3.0
"""Depth of a point, metres, that kills."""


def make_deadly(source: FrameSource, index: int) -> None:
    points = source.frame(index).sparse_depth.copy()
    points[0, 0] = DEADLY
    write_depth_png(source.folder / "sparse_depth" / f"{source.names[index]}.png", points)


def dying_completer(network: KBNet, diary: Path, deaths: int) -> Callable[[], Callable[..., FloatArray]]:
    """Makes completers that kill their process at a deadly frame, so many times, and note every frame they begin.

    All in one function, since what is pickled to workers must not ask them to import this file.
    """
    diary.mkdir(exist_ok=True)
    deadly = DEADLY

    def make() -> Callable[..., FloatArray]:
        completer = DepthCompleter(network)

        def complete(frame: Frame) -> FloatArray:
            (diary / f"begun-{time.monotonic_ns()}-{os.getpid()}").touch()
            died = len(list(diary.glob("died-*")))
            if frame.sparse_depth[0, 0] == deadly and died < deaths:
                (diary / f"died-{died}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return completer(frame)

        return complete

    return make


@pytest.mark.slow
def test_a_killed_worker_costs_the_frame_it_was_at_and_the_files_equal_those_of_one_process(
    sources: list[FrameSource], address: str, tmp_path: Path
) -> None:
    network, output, diary = tiny_network(), tmp_path / "out", tmp_path / "diary"
    make_deadly(sources[0], 3)
    expected = completed_here(sources, tmp_path / "expected", network)
    half_written = output / "hall" / "depth" / ".0001.0123456789ab.partial.png"
    done = output / "room" / "depth" / "0002.png"
    done.parent.mkdir(parents=True)
    half_written.parent.mkdir(parents=True)
    half_written.write_bytes(b"half")
    done.write_bytes(b"done before")
    seen: list[tuple[int, int]] = []

    def note(outcome: Outcome) -> None:
        seen.append((outcome.completed, outcome.skipped))

    make = dying_completer(network, diary, deaths=1)
    outcome = complete_many(output_folders(output, sources), make, Workers(2, address=address), on_frame=note)

    assert (outcome.frames, outcome.completed, outcome.skipped, outcome.errors) == (FRAMES, FRAMES - 1, 1, {})
    assert seen[-1] == (FRAMES - 1, 1)
    assert files(output) == {**expected, "room/depth/0002.png": b"done before"}
    begun = list(diary.glob("begun-*"))
    assert len(begun) == FRAMES - 1 + 1, "only the frame at which the worker died began twice"
    assert len({path.name.rpartition("-")[2] for path in begun}) == 3, "two workers, and one in place of the killed one"

    again = complete_many(output_folders(output, sources), make, Workers(2, address=address))
    assert (again.completed, again.skipped) == (0, FRAMES)


@pytest.mark.slow
def test_frames_that_cannot_be_completed_stop_no_other(
    sources: list[FrameSource], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged image, a frame without points, and a frame that kills every worker: another waits behind it."""
    (tmp_path / "hall" / "image" / "0001.png").write_bytes(b"no image")
    write_depth_png(tmp_path / "room" / "sparse_depth" / "0003.png", np.zeros((40, 48), np.float32))
    make_deadly(sources[1], 4)
    monkeypatch.setattr(workers, "RETRIES", 0)
    network = tiny_network()
    make = dying_completer(network, tmp_path / "diary", deaths=1000)
    outcome = complete_many(output_folders(tmp_path / "out", sources), make, Workers(2, address=address))
    assert sorted(outcome.errors) == ["hall/0001", "room/0004"]
    assert outcome.completed == FRAMES - 2
    assert "cannot be read" in outcome.errors["hall/0001"]
    assert "its worker died 2 times" in outcome.errors["room/0004"]
    assert list(outcome.warnings.values()) == [["room/0003"]]

    outcome = complete_many(
        output_folders(tmp_path / "out", sources), partial(DepthCompleter, network), Workers(2, address=address)
    )
    assert list(outcome.errors) == ["hall/0001"]
    assert outcome.completed == 1
    assert len(files(tmp_path / "out")) == FRAMES - 1


@pytest.mark.slow
def test_what_the_workers_cannot_have_is_said(sources: list[FrameSource], address: str, tmp_path: Path) -> None:
    make = partial(DepthCompleter, tiny_network())
    with pytest.raises(ValueError, match="expected room for 3 workers with 1 threads and 0 GPUs each, got 2 CPUs"):
        complete_many(output_folders(tmp_path / "out", sources), make, Workers(3, address=address))
    outcome = complete_many(
        output_folders(tmp_path / "out", sources), partial(make, device="nonsense"), Workers(2, address=address)
    )
    assert len(outcome.errors) == FRAMES
    assert all("expected a usable device, got 'nonsense'" in error for error in outcome.errors.values())


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere"])
def test_a_cluster_that_is_not_there_is_said_in_one_line(
    sources: list[FrameSource], tmp_path: Path, address: str
) -> None:
    with pytest.raises(ConnectionError, match=f"^expected a Ray cluster at {address}, got: .*; see to that, then"):
        complete_many(
            output_folders(tmp_path / "out", sources),
            partial(DepthCompleter, tiny_network()),
            Workers(1, address=address),
        )


@pytest.mark.parametrize("changes", [{"count": 0}, {"threads": 0}, {"gpus": -1.0}])
def test_workers_are_at_least_one_with_one_thread(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least 1 worker"):
        Workers(**changes)  # type: ignore[arg-type]


def test_a_task_that_was_pickled_writes_all_kinds_of_files_and_leaves_done_frames_alone(
    sources: list[FrameSource], tmp_path: Path
) -> None:
    """As in a worker, without a cluster."""
    outputs = output_folders(tmp_path / "out", sources, [NPY])
    frames = NumberedFrames(outputs)
    task = workers.FrameTask(
        *pickle.loads(pickle.dumps((frames, partial(DepthCompleter, tiny_network())))), torch.get_num_threads()
    )
    rows = task({"item": frames.pending()[:-1]})
    assert list(rows["frame"]) == [frames.name(number) for number in range(FRAMES - 1)]
    assert not any(rows["error"])
    assert frames.pending() == [FRAMES - 1]
    assert (tmp_path / "out" / "hall" / "npy" / "0000.npy").is_file()
    near = np.full((40, 48), 0.25, np.float32)
    write_depth_png(sources[1].folder / "sparse_depth" / f"{sources[1].names[-1]}.png", near)
    (said,) = task({"item": [FRAMES - 1]})["warnings"]
    assert said.count("nearer than 0.35 m everywhere") == 1
    done = outputs[0].path(NPY, 0)
    done.write_bytes(b"done")
    task({"item": [0]})
    assert done.read_bytes() == b"done"


def test_ray_does_not_take_over_sigterm(address: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with _cluster(Workers(address=address)):
        assert ray.is_initialized()
        assert signal.getsignal(signal.SIGTERM) is before
