"""Many frames of many sequences to files, by worker processes on one machine or several (Ray Data)."""

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
from pathlib import Path
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, ImageArray
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.numbered_frames import NumberedFrames

Completer = Callable[[ImageArray, FloatArray, FloatArray], FloatArray]
"""Image, sparse depth and intrinsics of one frame to dense depth, as a `kbnet.DepthCompleter` does."""

FRAMES_A_TASK = 64
"""At most; what is queued for a worker at a time, and what runs again, as far as it was not done, if it dies."""
RETRIES = 1
"""How often frames whose worker died are given to another one: first with the others of their task, then each alone."""
OBJECT_STORE_BYTES = 128 * 2**20
"""Shared memory of a cluster that is started here. Only numbers of frames, their names and the weights pass through."""


@dataclass(frozen=True)
class Workers:
    """The processes that complete frames.

    Attributes:
        count: how many; None for as many as the cluster, or this machine, has room for.
        threads: of each, which Ray counts as so many CPUs.
        gpus: of each; 0.25 lets four workers share one. 0 hides every GPU from them.
        address: of a running Ray cluster, whose machines see the same files; None starts one here, for this run only.
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
    """What became of the frames of a run.

    Attributes:
        frames: of all sources.
        completed: in this run.
        skipped: were done before.
        errors: by '<source>/<frame>', in one line, why it could not be completed.
        warnings: by what was warned of, the frames.
    """

    frames: int
    completed: int = 0
    skipped: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)

    @property
    def untold(self) -> int:
        """How many frames it says nothing of yet."""
        return self.frames - self.skipped - self.completed - len(self.errors)


def complete_many(
    sources: Sequence[FrameSource],
    output: str | Path,
    make_completer: Callable[[], Completer],
    workers: Workers | None = None,
    *,
    on_frame: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Complete every frame that has no depth file yet, each in one of several processes.

    Frames are independent, and a file appears whole or not at all; so a worker that is killed costs the frame it was
    at, which another one does again, and a run that is cut off goes on when it is started again.

    Args:
        sources: sequences and lists, each of another name.
        output: gets ``<source>/depth/<frame>.png``, 16 bits, metres x 256.
        make_completer: called once in each worker; it is pickled, with all it holds.
        workers: how many, and where; by default, one for each CPU of this machine.
        on_frame: called in this process with what is known so far, once for each frame.

    Returns:
        What became of them. A frame that cannot be completed stops no other.

    Raises:
        KBNetError: two sources have one name, or there is no room for the workers.
        ConnectionError: there is no cluster at the address.
        ModuleNotFoundError: Ray is not installed.
    """
    workers = workers or Workers()
    check_distinct(sources)
    frames = NumberedFrames(sources, Path(output).absolute())
    pending = frames.without_depth()
    outcome = Outcome(len(frames), skipped=len(frames) - len(pending))
    if not pending:
        return outcome
    with warnings.catch_warnings(), _cluster(workers):
        warnings.filterwarnings("ignore", module=r"ray\.")  # its own deprecated settings, which nobody here set
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


def check_distinct(sources: Sequence[FrameSource]) -> None:
    """Raise ValueError if two sources have one name: their depth would go to one folder."""
    places: dict[str, Path] = {}
    for source in sources:
        if source.name in places:
            raise KBNetError(
                f"expected another name for each source, got '{source.name}' for {places[source.name]} and "
                f"{source.folder}; complete those of one name into different outputs"
            )
        places[source.name] = source.folder


class FrameTask:
    """What one worker does with the frames it is given."""

    def __init__(self, frames: NumberedFrames, make_completer: Callable[[], Completer], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._frames = frames
        self._refusal = ""
        try:
            self._completer = make_completer()
        except Exception as error:  # to be told with the frames: Ray would start this worker again and again
            self._refusal = _in_words(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Complete frames one by one; each becomes a row with its name, an error and warnings, one to a line."""
        rows = [self._complete(number) for number in batch["item"]]
        return {name: np.array([row[name] for row in rows], dtype=object) for name in ("frame", "error", "warnings")}

    def _complete(self, number: int) -> dict[str, str]:
        row = {"frame": self._frames.name(number), "error": "", "warnings": ""}
        path = self._frames.depth_file(number)
        if self._refusal or path.is_file():  # by the worker that was killed before it could say so
            return row | {"error": self._refusal}
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                source, index = self._frames[number]
                frame = source.frame(index)
                write_depth_png(path, self._completer(frame.image, frame.sparse_depth, frame.intrinsics))
            row["warnings"] = "\n".join(str(one.message) for one in caught if one.category is UserWarning)
        except Exception as error:  # a bug, too, costs no other frame
            row["error"] = _in_words(error)
        return row


def _in_words(error: Exception) -> str:
    known = isinstance(error, ValueError | OSError | ModuleNotFoundError)
    return str(error) if known else f"{type(error).__name__}: {error}"


def _results(
    frames: NumberedFrames,
    pending: list[int],
    make_completer: Callable[[], Completer],
    workers: Workers,
    *,
    alone: bool,
) -> Iterator[dict[str, str]]:
    """A row for each frame, as they come; with ``alone`` no other shares the fate of one that kills its worker."""
    from ray import data

    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # frames whose worker died every time; the others go on
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    count = _room(workers)
    # Four tasks a worker at the least, so that none waits long for the last one.
    frames_a_task = 1 if alone else min(FRAMES_A_TASK, math.ceil(len(pending) / (4 * count)))
    numbers = data.from_items(pending, override_num_blocks=math.ceil(len(pending) / frames_a_task))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`ray_remote_args")  # max_task_retries has no other place yet
        results = numbers.map_batches(
            FrameTask,
            fn_constructor_args=(frames, make_completer, workers.threads),
            batch_size=None,
            # What waits at a worker dies with it: by default one task more.
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
    """Frames that have no depth and of which no worker lived to tell; those that have it count as completed."""
    if not outcome.untold:
        return []
    left = [
        number
        for number in pending
        if not frames.depth_file(number).is_file() and frames.name(number) not in outcome.errors
    ]
    outcome.completed += outcome.untold - len(left)
    return left


@contextmanager
def _cluster(workers: Workers) -> Iterator[None]:
    """The cluster this process is connected to already; else that of the address; else one of its own."""
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
        if workers.address not in (None, "auto"):  # of a port where nobody listens Ray says nothing for minutes
            host, _, port = str(workers.address).rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        with _silent():
            ray.init(workers.address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # what it raises has no common class
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
    """Nothing on stderr, where Ray's C++ part says that it was told to be silent."""
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
    """How many workers to start: Ray would wait for ever for what the cluster does not have."""
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
