"""Limits of one reading: seconds of computing, and memory beyond what the process holds; and of a file written."""

from __future__ import annotations

import faulthandler
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 5
MEMORY = 300 << 20
"""Bytes; the files have a few kilobytes, but libraries are imported and take memory of their own."""


class TooLong(BaseException):
    """A reading took more than `SECONDS`; no handler of errors catches it."""


def _stop(*_: object) -> None:
    raise TooLong


@contextmanager
def limits(memory: int = MEMORY) -> Iterator[None]:
    """Stop what computes too long by `TooLong`, and what takes too much memory by `MemoryError`.

    What does so in a library, out of reach of Python, ends the process with a traceback.
    """
    former = signal.signal(signal.SIGPROF, _stop)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    faulthandler.dump_traceback_later(600, exit=True)
    try:
        yield
    finally:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)  # else it might end the restoring of limits below
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, former)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond a size in bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
