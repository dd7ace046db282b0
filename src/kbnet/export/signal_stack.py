"""Restoration of the alternate signal stack after OpenVINO compiles a network."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Restore the alternate signal stack of this thread at the end of the block.

    OpenVINO's CPU plugin (seen in 2026.4) sets a signal stack while it compiles, and frees its memory without unsetting
    it. The next signal, such as Ctrl-C, would be handled in freed memory and cause a segmentation fault. Linux only;
    elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    sigaltstack = ctypes.CDLL(None).sigaltstack
    before = (ctypes.c_ubyte * 64)()  # stack_t has at most 24 bytes
    sigaltstack(None, before)
    try:
        yield
    finally:
        sigaltstack(before, None)
