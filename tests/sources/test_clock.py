"""Times: their unit, and what is nearest, to the very limit."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.sources.clock import nearest_in_time, to_seconds


@pytest.mark.parametrize("unit", [1.0, 1e3, 1e6, 1e9])
def test_times_since_1970_come_out_in_seconds_whatever_their_unit(unit: float) -> None:
    np.testing.assert_allclose(
        to_seconds(np.array([1305031236.25, 1305031236.5]) * unit), [1305031236.25, 1305031236.5]
    )


def test_times_from_the_start_stay_seconds() -> None:
    assert to_seconds(np.array([0.0, 5400.5])).tolist() == [0, 5400.5]
    assert to_seconds(np.array([])).tolist() == []


def test_what_is_as_far_apart_as_allowed_is_near_since_1970_too() -> None:
    """Doubles at 1.7e9 s are 2.4e-7 s apart, so that 20 ms come out as a little more."""
    times = 1700000000 + np.arange(30) / 10
    _, near = nearest_in_time(times, times + 0.02, 0.02)
    assert near.all()
    _, near = nearest_in_time(times, times + 0.0201, 0.02)
    assert not near.any()


def test_of_two_as_near_the_earlier_one_is_taken() -> None:
    index, _ = nearest_in_time(np.array([1.0, 9.0]), np.array([1.5, 0.5]), 1)
    assert index.tolist() == [1, 0]


def test_a_clock_since_boot_is_told_by_its_steps_and_said() -> None:
    frames = 600 + np.arange(40) / 30  # ten minutes after the start
    for unit, name in ((1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds")):
        with pytest.warns(UserWarning, match=f"K taken for {name} since some start".replace("K", "times are")):
            np.testing.assert_allclose(to_seconds(np.rint(frames * unit)), frames, atol=1e-3)
    assert to_seconds(np.array([0.0, 1, 2, 3])).tolist() == [0, 1, 2, 3]
    assert to_seconds(np.array([0.5, 100.25])).tolist() == [0.5, 100.25]


def test_one_measurement_is_never_that_of_all_images() -> None:
    images, scans = 1000 + np.arange(5) / 10, 100 + np.arange(5) / 10
    with pytest.raises(ValueError, match=r"all 5 images would take one of 5 measurements.* another clock"):
        nearest_in_time(images, scans, 1000)
    _, near = nearest_in_time(images, np.array([1000.2]), 1)
    assert near.all()
