"""A guard against what OpenVINO leaves behind when it compiles a network."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Give this thread its alternate signal stack back at the end of the block.

    OpenVINO's CPU plugin (seen in 2026.4) sets one while it compiles and frees its memory without taking it back. The
    next signal, such as Ctrl-C, would be handled on memory that belongs to something else by then: a segmentation
    fault. Linux only; elsewhere the block just runs.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    sigaltstack = ctypes.CDLL(None).sigaltstack
    before = (ctypes.c_ubyte * 64)()  # stack_t has 24 bytes at most
    sigaltstack(None, before)
    try:
        yield
    finally:
        sigaltstack(before, None)
