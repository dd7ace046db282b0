"""Parallel processing of many files on all cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from kbnet.errors import KBNetError

Job = TypeVar("Job")
Result = TypeVar("Result")

WORTH_A_PROCESS = 16
"""Least number of jobs per process; with fewer, the start takes longer than the work."""

_CHUNK = 4


def map_over_cores(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int = 0) -> Iterator[Result]:
    """Do many jobs in parallel processes; few jobs, or one worker, run in this one.

    Args:
        work: a function at the top level of a module; what it raises ends the iteration.
        jobs: its arguments; they and the results travel between processes.
        workers: processes; 0 = one a core.

    Yields:
        Results in the order of the jobs.

    Raises:
        KBNetError: a process was killed.
    """
    processes = min(workers or os.cpu_count() or 1, len(jobs) // WORTH_A_PROCESS)
    if processes < 2:
        yield from map(work, jobs)
        return
    # Forking a process that has threads (progress bars, OpenMP) can hang it.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin)
    try:
        yield from pool.map(work, jobs, chunksize=_CHUNK)
    except BrokenProcessPool:
        raise KBNetError(
            f"one of {processes} processes was killed, most likely for want of memory; run the same command again with "
            "fewer --workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    # Ctrl-C reaches all processes of a terminal; the first one ends the others after the job in hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One core each: read by OpenMP when scikit-learn is first imported, which is after this.
    os.environ["OMP_NUM_THREADS"] = "1"
