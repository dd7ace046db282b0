"""One engine called from several threads: each call gets the depth of its own frame."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
import torch

from kbnet.export.onnx import onnx_model
from kbnet.inference import onnxruntime_engine, openvino_engine
from kbnet.inference.engine import EngineName, make_engine
from kbnet.inference.per_size import PerSize
from kbnet.inference.torch_engine import TorchEngine
from kbnet.network.kbnet import KBNet

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
THREADS = 4

Result = TypeVar("Result")

pytestmark = pytest.mark.usefixtures("frequent_switches", "one_torch_thread")
one_network = pytest.mark.parametrize("network", ["published"], indirect=True)


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """Results are compared bit by bit, and their rounding depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["torch", "onnxruntime", "openvino"])
def name(request: pytest.FixtureRequest) -> EngineName:
    module = {"onnxruntime": onnxruntime_engine, "openvino": openvino_engine}.get(request.param)
    if module is not None and not module.available():
        pytest.skip(f"{request.param} is not installed")
    name: EngineName = request.param
    return name


def in_threads(run: Callable[[int], Result]) -> list[Result]:
    """Results of ``run`` for 0 to 3, each in a thread of its own, started together; the first error is raised."""
    together = threading.Barrier(THREADS)

    def start(index: int) -> Result:
        together.wait()
        return run(index)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(start, range(THREADS)))


@one_network
def test_every_engine_gives_each_thread_the_depth_of_its_frame_at_more_sizes_than_it_keeps(
    name: EngineName, network: KBNet, make_inputs: Callable[..., Any]
) -> None:
    sizes = [(40, 33), (33, 40), (45, 67), (33, 33), (48, 33)]  # of one graph for any size, converted once
    frames = [make_inputs(1, *size, seed=seed, focal_length=60 + seed) for size in sizes for seed in range(3)]
    engine = make_engine(network, engine=name, device=CPU)
    expected = [engine(*inputs) for inputs in frames]
    last_two_sizes, one_of_each_size = list(range(9, 15)), list(range(0, 15, 3))

    def wrong(thread: int) -> list[int]:
        order = [last_two_sizes[(index + thread) % 6] for index in range(60)] + one_of_each_size
        return [index for index in order if not torch.equal(engine(*frames[index]), expected[index])]

    assert in_threads(wrong) == [[]] * THREADS


def test_openvino_requests_are_one_for_each_call_under_way() -> None:
    """One thread makes no second request, and four threads that compute at once have four."""
    created: list[Any] = []
    together: list[threading.Barrier] = []

    class Request:
        def infer(self, inputs: Any, **_: Any) -> list[Any]:
            for barrier in together:
                barrier.wait(10)
            return [inputs]

    class Compiled:
        def create_infer_request(self) -> Request:
            created.append(Request())
            return created[-1]

    run = openvino_engine._Requests(Compiled())
    for frame in range(3):
        assert run(frame) == frame  # type: ignore[arg-type, comparison-overlap]
    assert len(created) == 1
    together.append(threading.Barrier(THREADS))
    assert in_threads(lambda thread: [run(thread) for _ in range(3)]) == [[thread] * 3 for thread in range(THREADS)]  # type: ignore[arg-type, comparison-overlap]
    assert len(created) == THREADS


def test_per_size_builds_once_for_threads_that_ask_at_once() -> None:
    counted: list[int] = []

    def build(key: int) -> object:
        counted.append(key)
        time.sleep(0.02)
        return object()

    built = PerSize(build)
    assert len(set(in_threads(lambda _: built[1]))) == 1
    assert counted == [1]


def test_per_size_gives_what_is_built_while_another_thread_builds() -> None:
    started, finish = threading.Event(), threading.Event()

    def build(key: str) -> str:
        if key == "slow":
            started.set()
            assert finish.wait(10)
        return key

    built = PerSize(build)
    assert built["quick"] == "quick"
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: built["slow"])
        assert started.wait(10)
        assert built["quick"] == "quick"
        assert not slow.done()
        finish.set()
        assert slow.result() == "slow"


def test_per_size_keeps_its_number_under_threads() -> None:
    built: PerSize[int, int] = PerSize(lambda key: key, keep=4)

    def wrong(thread: int) -> list[int]:
        keys = [(index * (thread + 1)) % 7 for index in range(3000)]
        return [key for key in keys if built[key] != key]

    assert in_threads(wrong) == [[]] * THREADS
    assert len(built._built) == 4


def test_per_size_builds_again_after_an_error() -> None:
    failures = [ValueError("too small")]

    def build(key: int) -> int:
        if failures:
            raise failures.pop()
        return key

    built = PerSize(build)
    with pytest.raises(ValueError, match="too small"):
        built[1]
    assert built[1] == 1


@one_network
def test_onnx_models_converted_at_once_are_the_same(network: KBNet) -> None:
    """The exporter changes the state of the process, so two engines must not convert at once."""
    pytest.importorskip("onnx")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: onnx_model(network), range(2))
    assert first == second


@one_network
@pytest.mark.gpu
@pytest.mark.parametrize("own_streams", [False, True])
def test_captured_graphs_give_each_thread_and_stream_the_depth_of_its_frame(
    network: KBNet, make_inputs: Callable[..., Any], own_streams: bool
) -> None:
    sizes = [(64, 96), (45, 67), (64, 64), (32, 64), (96, 64)]
    frames = [
        [None if x is None else x.to(CUDA) for x in make_inputs(1, *size, seed=seed)]
        for seed in range(4)
        for size in sizes
    ]
    expected = [TorchEngine(network, CUDA, "float32")(*inputs) for inputs in frames]
    engine = TorchEngine(network, CUDA, "float32")
    torch.cuda.synchronize()

    def largest_error(thread: int) -> float:
        error = 0.0
        with torch.cuda.stream(torch.cuda.Stream() if own_streams else torch.cuda.default_stream()):
            for index in [(index + 5 * thread) % len(frames) for index in range(len(frames))] * 4:
                error = max(error, ((engine(*frames[index]) / expected[index]) - 1).abs().max().item())
        return error

    # Kernels are searched for anew, so the same bits are not certain; frames differ by far more.
    assert max(in_threads(largest_error)) < 0.01
