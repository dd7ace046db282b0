"""Work over the cores keeps its order, passes errors on, and stays at home when there is little of it."""

from __future__ import annotations

import operator
import os
import signal

import pytest

from kbnet.datasets.nyu_v2.points import WORTH_A_PROCESS, map_over_cores
from kbnet.errors import KBNetError


def process_id(_: object) -> int:
    return os.getpid()


def test_map_over_cores_keeps_the_order_in_two_processes() -> None:
    jobs = list(range(2 * WORTH_A_PROCESS))
    assert list(map_over_cores(operator.neg, jobs, workers=2)) == [-job for job in jobs]


def test_map_over_cores_passes_on_what_a_process_raises() -> None:
    jobs: list[object] = [0] * 2 * WORTH_A_PROCESS
    jobs[5] = "five"
    with pytest.raises(TypeError, match="bad operand"):
        list(map_over_cores(operator.neg, jobs, workers=2))


def test_map_over_cores_says_that_a_process_was_killed() -> None:
    jobs = [signal.SIGKILL] * 2 * WORTH_A_PROCESS
    with pytest.raises(KBNetError, match=r"one of 2 processes was killed, .* with fewer --workers"):
        list(map_over_cores(signal.raise_signal, jobs, workers=2))


def test_map_over_cores_starts_no_process_for_little_work() -> None:
    assert set(map_over_cores(process_id, range(WORTH_A_PROCESS), workers=8)) == {os.getpid()}
    assert set(map_over_cores(process_id, range(99), workers=1)) == {os.getpid()}
