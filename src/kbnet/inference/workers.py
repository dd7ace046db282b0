"""Completion of many sequences by worker processes on one machine or several (Ray Data)."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Completer
from kbnet.inference.numbered_frames import NumberedFrames
from kbnet.inference.output_folder import OutputFolder
from kbnet.interruption import handlers_kept

FRAMES_A_TASK = 64
"""Largest number of frames in one task of a worker; if the worker crashes, its remaining frames are repeated."""
RETRIES = 1
"""Number of repetitions of frames whose worker crashed: first with their task, then each alone."""
OBJECT_STORE_BYTES = 128 * 2**20
"""Shared memory of a cluster started here; it holds only frame numbers, names and weights."""


@dataclass(frozen=True)
class Workers:
    """Worker processes.

    Attributes:
        count: number of workers; None: as many as the cluster, or this machine, has room for.
        threads: threads of each worker; Ray reserves as many CPUs.
        gpus: GPUs of each worker; 0.25: four workers share one. 0: workers use no GPU.
        address: address of a running Ray cluster with shared files; None: a cluster is started here for this run.
    """

    count: int | None = None
    threads: int = 1
    gpus: float = 0.0
    address: str | None = None

    def __post_init__(self) -> None:
        if (self.count is not None and self.count < 1) or self.threads < 1 or self.gpus < 0:
            raise KBNetError(
                f"expected at least 1 worker, 1 thread and 0 GPUs, got {self.count}, {self.threads} and {self.gpus}"
            )


@dataclass
class Outcome:
    """Result of a run.

    Attributes:
        frames: number of frames of all sources.
        errors: one-line error by '<source>/<frame>'.
        warnings: frames by warning.
    """

    frames: int
    completed: int = 0
    skipped: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)

    @property
    def untold(self) -> int:
        """Number of frames without a result so far."""
        return self.frames - self.skipped - self.completed - len(self.errors)


def complete_many(
    outputs: Sequence[OutputFolder],
    make_completer: Callable[[], Completer],
    workers: Workers | None = None,
    *,
    on_frame: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Complete every frame with missing files in worker processes.

    Frames are independent, and a file appears complete or not at all. If a worker is killed, another one repeats its
    current frame. An interrupted run continues when it is started again.

    Args:
        outputs: folders of results of distinct sources that can be pickled.
        make_completer: function that is pickled and called once in each worker.
        workers: number and place of the workers; by default one for each CPU of this machine.
        on_frame: called in this process after every frame with the result so far.

    Returns:
        The result. A frame that fails does not stop the others.

    Raises:
        KBNetError: there is no room for the workers.
        ConnectionError: there is no cluster at the address.
        ModuleNotFoundError: Ray is not installed.
    """
    workers = workers or Workers()
    frames = NumberedFrames(outputs)
    pending = frames.pending()
    outcome = Outcome(len(frames), skipped=len(frames) - len(pending))
    if not pending:
        return outcome
    with warnings.catch_warnings(), _cluster(workers):
        warnings.filterwarnings("ignore", module=r"ray\.")  # about Ray's own deprecated settings
        for alone in (False, True):
            for row in _results(frames, pending, make_completer, workers, alone=alone):
                _count(outcome, row)
                on_frame(outcome)
            pending = _without_word(outcome, pending, frames)
            if not pending:
                break
    outcome.errors |= {frames.name(number): f"its worker died {2 * (RETRIES + 1)} times" for number in pending}
    frames.remove_half_written()
    return outcome


class FrameTask:
    """Task of a worker: completion of its frames."""

    def __init__(self, frames: NumberedFrames, make_completer: Callable[[], Completer], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._frames = frames
        self._refusal = ""
        try:
            self._completer = make_completer()
        except Exception as error:  # reported with the frames; otherwise Ray would restart this worker repeatedly
            self._refusal = _in_words(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Complete frames one by one; each gives a row with its name, an error, and warnings, one per line."""
        rows = [self._complete(number) for number in batch["item"]]
        return {name: np.array([row[name] for row in rows], dtype=object) for name in ("frame", "error", "warnings")}

    def _complete(self, number: int) -> dict[str, str]:
        row = {"frame": self._frames.name(number), "error": "", "warnings": ""}
        if self._refusal or self._frames.is_done(number):  # by a worker that was killed before it reported
            return row | {"error": self._refusal}
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                output, index = self._frames[number]
                output.complete(index, self._completer)
            texts = dict.fromkeys(str(one.message) for one in caught if one.category is UserWarning)
            row["warnings"] = "\n".join(texts)
        except Exception as error:  # an unexpected error must not stop other frames
            row["error"] = _in_words(error)
        return row


def _in_words(error: Exception) -> str:
    known = isinstance(error, KBNetError | OSError | ModuleNotFoundError)
    return str(error) if known else f"{type(error).__name__}: {error}"


def _results(
    frames: NumberedFrames,
    pending: list[int],
    make_completer: Callable[[], Completer],
    workers: Workers,
    *,
    alone: bool,
) -> Iterator[dict[str, str]]:
    """Yield a row for each finished frame; with ``alone``, every frame has its own task."""
    from ray import data

    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # frames whose worker crashed every time; the others continue
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    count = _room(workers)
    # At least four tasks per worker, so that workers finish at about the same time.
    frames_a_task = 1 if alone else min(FRAMES_A_TASK, math.ceil(len(pending) / (4 * count)))
    numbers = data.from_items(pending, override_num_blocks=math.ceil(len(pending) / frames_a_task))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`ray_remote_args")  # the only way to set max_task_retries
        results = numbers.map_batches(
            FrameTask,
            fn_constructor_args=(frames, make_completer, workers.threads),
            batch_size=None,
            # A crashed worker loses its queued tasks, by default one more.
            compute=data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=1 if alone else None),
            num_cpus=workers.threads,
            num_gpus=workers.gpus,
            max_task_retries=RETRIES,
        )
    yield from results.iter_rows()


def _count(outcome: Outcome, row: dict[str, str]) -> None:
    if row["error"]:
        outcome.errors[row["frame"]] = row["error"]
    else:
        outcome.completed += 1
    for warning in filter(None, row["warnings"].split("\n")):
        outcome.warnings.setdefault(warning, []).append(row["frame"])


def _without_word(outcome: Outcome, pending: list[int], frames: NumberedFrames) -> list[int]:
    """Frames with missing files whose worker crashed without reporting; the others count as completed."""
    if not outcome.untold:
        return []
    left = [number for number in pending if not frames.is_done(number) and frames.name(number) not in outcome.errors]
    outcome.completed += outcome.untold - len(left)
    return left


@contextmanager
def _cluster(workers: Workers) -> Iterator[None]:
    """Use the cluster of this process, else that of the address, else a new one."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    if ray.is_initialized():
        yield
        return
    own: dict[str, Any] = {}
    if workers.address is None:
        processors = workers.threads * (workers.count or max(1, (os.cpu_count() or 1) // workers.threads))
        own = {"num_cpus": processors, "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        if workers.address not in (None, "auto"):  # at a closed port, Ray would wait silently for minutes
            host, _, port = str(workers.address).rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        with _silent(), handlers_kept():  # Ray would end the process by SIGTERM without a word
            ray.init(workers.address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # Ray's errors have no common class
        wanted = f"a Ray cluster at {workers.address}" if workers.address else "room to start Ray on this machine"
        reason = str(error).partition("\n")[0]
        raise ConnectionError(
            f"expected {wanted}, got: {reason}; see to that, then run the same command again"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _silent() -> Iterator[None]:
    """Context without stderr, which suppresses a message of Ray's C++ part."""
    sys.stderr.flush()
    with open(os.devnull, "wb") as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _room(workers: Workers) -> int:
    """Number of workers to start, checked against the cluster, because Ray would wait for missing resources."""
    import ray

    has = ray.cluster_resources()  # type: ignore[no-untyped-call]
    room = int(has.get("CPU", 0) // workers.threads)
    if workers.gpus:
        room = min(room, int(has.get("GPU", 0) / workers.gpus + 1e-6))
    if room < (workers.count or 1):
        raise KBNetError(
            f"expected room for {workers.count or 1} workers with {workers.threads} threads and {workers.gpus:g} GPUs "
            f"each, got {has.get('CPU', 0):g} CPUs and {has.get('GPU', 0):g} GPUs in the cluster; ask for less"
        )
    return workers.count or room
