"""Interruption of a run between two steps, after its state is saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPPING_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, what `kill` sends, and what a closed terminal sends."""


class Interrupted(KeyboardInterrupt):
    """The run was interrupted and saved its state first."""


def interrupt_on_stop_signals() -> None:
    """Let SIGTERM and SIGHUP of this process raise KeyboardInterrupt, as Ctrl-C does, so that files are cleaned up.

    Child processes end at once, as before.
    """
    process = os.getpid()

    def interrupt(number: int, frame: object) -> None:
        if os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise KeyboardInterrupt(f"stopped by {signal.Signals(number).name}")

    for number in STOPPING_SIGNALS:
        if number != signal.SIGINT and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Restore what stop signals do at the end of the block: some libraries, when imported, replace it."""
    before = {number: signal.getsignal(number) for number in STOPPING_SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if handler is not None:  # None: not installed from Python
                    signal.signal(number, handler)


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Event that is set by the first Ctrl-C, SIGTERM or SIGHUP; the second one has its usual effect."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in STOPPING_SIGNALS}
    # Under nohup, SIGHUP is ignored, and stays so.
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}

    def ask(number: int, frame: object) -> None:
        asked.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
