"""A folder that grows: the newest whole frame is completed, in order, with the past as long as there are poses."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kbnet.frame import Frame
from kbnet.frames.depth_png import write_depth_png
from kbnet.inference import live
from kbnet.inference.live import LiveFrame, complete_live

POLLS = 2_000
"""A test that waits for more polls has failed."""


class Writer:
    """The other program: writes a sequence folder file by file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "image").mkdir(parents=True)
        (folder / "sparse_depth").mkdir()

    def intrinsics(self) -> None:
        (self.folder / "K.txt").write_text("50 0 24\n0 50 20\n0 0 1\n")

    def image(self, name: str, size: tuple[int, int] = (40, 48), share: float = 1.0) -> None:
        """An image, or the first part of its bytes."""
        content, pixels = io.BytesIO(), np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(content, format="PNG")
        whole = content.getvalue()
        (self.folder / "image" / f"{name}.png").write_bytes(whole[: int(share * len(whole))])

    def depth(self, name: str, size: tuple[int, int] = (40, 48)) -> None:
        depth = np.zeros(size, np.float32)
        depth[::8, ::8] = 2
        write_depth_png(self.folder / "sparse_depth" / f"{name}.png", depth)

    def pose(self, name: str, text: str = "1 0 0 0 0 1 0 0 0 0 1 0.5") -> None:
        (self.folder / "absolute_pose").mkdir(exist_ok=True)
        (self.folder / "absolute_pose" / f"{name}.txt").write_text(text)

    def frame(self, name: str, size: tuple[int, int] = (40, 48)) -> None:
        self.image(name, size)
        self.depth(name, size)

    def posed_frame(self, name: str) -> None:
        self.pose(name)
        self.frame(name)


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    writer = Writer(tmp_path / "walk")
    writer.intrinsics()
    return writer


@pytest.fixture
def at_poll(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Do something when the folder is looked at in vain, one step a time; in time, a poll takes half a second."""
    steps: list[Callable[[], object]] = []
    polls = 0

    def wait(seconds: float) -> None:
        nonlocal polls
        polls += 1
        assert polls < 200, "nothing came"
        if steps:
            steps.pop(0)()

    monkeypatch.setattr(live, "sleep", wait)
    monkeypatch.setattr(live, "monotonic", lambda: 0.5 * polls)
    return lambda *more: steps.extend(more)


def follow(writer: Writer, *, past: bool = False) -> Iterator[LiveFrame[Any]]:
    """Frames of which the result is the name of the completer."""
    return complete_live(writer.folder, lambda frame: "alone", (lambda frame: "past") if past else None)


def test_only_the_newest_frame_is_completed_and_the_others_are_counted(writer: Writer) -> None:
    for name in ("8", "9"):
        writer.frame(name)
    frames = follow(writer)
    first = next(frames)
    assert (first.frame.name, first.dropped) == ("9", 0), "what was there before was not dropped"
    for name in ("10", "11", "12"):
        writer.frame(name)
    newest = next(frames)
    assert (newest.frame.name, newest.dropped) == ("12", 2)
    writer.frame("13")
    assert next(frames).dropped == 0


def test_a_frame_that_comes_late_is_dropped(writer: Writer, at_poll: Callable[..., None]) -> None:
    writer.frame("5")
    frames = follow(writer)
    next(frames)
    at_poll(lambda: writer.frame("4"), lambda: None, lambda: writer.frame("6"))
    newest = next(frames)
    assert (newest.frame.name, newest.dropped) == ("6", 1)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.9])
def test_a_half_written_image_is_waited_for(writer: Writer, at_poll: Callable[..., None], share: float) -> None:
    writer.depth("1")
    writer.image("1", share=share)
    waited = []
    at_poll(lambda: waited.append(1), lambda: writer.image("1"))
    assert next(follow(writer)).frame.name == "1"
    assert waited


def test_depth_and_intrinsics_that_are_not_there_yet_are_waited_for(
    tmp_path: Path, at_poll: Callable[..., None]
) -> None:
    writer = Writer(tmp_path / "new")
    waited = []
    at_poll(
        lambda: writer.image("1"),
        lambda: writer.depth("1"),
        lambda: (writer.folder / "K.txt").write_text("50 0"),
        lambda: waited.append(1),
        writer.intrinsics,
    )
    assert next(follow(writer)).frame.intrinsics[0, 2] == 24
    assert waited


def test_the_newest_whole_frame_is_taken_while_a_newer_one_is_half_written(writer: Writer) -> None:
    frames = follow(writer)
    writer.frame("1")
    writer.frame("2")
    writer.image("3")
    assert next(frames).frame.name == "2"
    writer.depth("3")
    newest = next(frames)
    assert (newest.frame.name, newest.dropped) == ("3", 0), "it was not dropped"


def test_a_frame_that_stays_unreadable_is_told_once(writer: Writer, at_poll: Callable[..., None]) -> None:
    writer.image("1")
    writer.depth("1", (30, 30))
    at_poll(*[lambda: None] * 20, lambda: writer.frame("2"))
    with pytest.warns(UserWarning, match="30x30 but image is 48x40.*'1' is waited for") as told:
        assert next(follow(writer)).frame.name == "2"
    assert len(told) == 1


def test_the_past_is_used_with_poses(writer: Writer, at_poll: Callable[..., None]) -> None:
    writer.posed_frame("1")
    frames = follow(writer, past=True)
    first = next(frames)
    assert (first.result, first.used_past) == ("past", True)
    assert first.frame.T_world_camera is not None
    assert first.frame.T_world_camera[2, 3] == 0.5
    writer.frame("2")
    at_poll(lambda: writer.pose("2", ""), lambda: writer.pose("2"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = next(frames)
    assert (second.frame.name, second.result) == ("2", "past"), "a pose that comes after its frame is waited for"


def test_a_posed_frame_is_preferred_to_a_newer_one_whose_pose_is_to_come(writer: Writer) -> None:
    writer.posed_frame("1")
    writer.frame("2")
    frames = follow(writer, past=True)
    assert next(frames).frame.name == "1"
    writer.pose("2")
    assert next(frames).frame.name == "2"


def test_after_poses_have_stopped_frames_are_completed_alone(writer: Writer, at_poll: Callable[..., None]) -> None:
    writer.posed_frame("1")
    frames = follow(writer, past=True)
    next(frames)
    writer.frame("2")
    writer.frame("3")
    at_poll(*[lambda: None] * 10)
    with pytest.warns(UserWarning, match=r"has no pose; from here on, frames are completed one by one"):
        stopped = next(frames)
    assert (stopped.frame.name, stopped.result, stopped.used_past) == ("3", "alone", False)
    writer.posed_frame("4")
    again = next(frames)
    assert again.result == "alone", "some frame had no pose"
    assert again.frame.T_world_camera is not None


def test_poses_that_appear_later_do_not_bring_the_past(writer: Writer) -> None:
    writer.frame("1")
    frames = follow(writer, past=True)
    first = next(frames)
    assert (first.result, first.frame.T_world_camera) == ("alone", None)
    writer.posed_frame("2")
    second = next(frames)
    assert second.result == "alone"
    assert second.frame.T_world_camera is not None, "the viewer places the camera by it"


def test_a_frame_of_another_size_is_completed(writer: Writer) -> None:
    frames = follow(writer)
    writer.frame("1")
    assert next(frames).frame.size == (40, 48)
    writer.frame("2", (64, 56))
    assert next(frames).frame.size == (64, 56)


def test_latency_counts_from_the_last_file_or_the_start(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.frame("1")
    now = (writer.folder / "sparse_depth" / "1.png").stat().st_ctime + 100
    monkeypatch.setattr(live, "time", lambda: now)

    def complete(frame: Frame) -> None:
        nonlocal now
        now += 3

    frames = complete_live(writer.folder, complete)
    assert next(frames).latency_s == pytest.approx(3), "not the 100 seconds before the start"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        next(complete_live(tmp_path / "nowhere", lambda frame: None))


def test_other_files_are_no_frames(writer: Writer, at_poll: Callable[..., None]) -> None:
    (writer.folder / "image" / "9.png.part").write_bytes(b"")
    (writer.folder / "image" / ".8.png").write_bytes(b"")
    at_poll(lambda: writer.frame("1"))
    assert next(follow(writer)).frame.name == "1"


def test_every_frame_of_a_thread_is_shown_or_dropped_in_order(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written part by part by another thread, while frames are completed."""
    polls = 0

    def wait(seconds: float) -> None:
        nonlocal polls
        polls += 1
        assert polls < POLLS, "nothing came"
        pause.wait(0.005)

    pause, names = threading.Event(), [f"{index}" for index in range(7, 37)]

    def write() -> None:
        for name in names:
            writer.image(name, share=0.5)
            writer.pose(name)
            writer.image(name)
            writer.depth(name)
            pause.wait(0.002)

    monkeypatch.setattr(live, "sleep", wait)
    frames = follow(writer, past=True)
    writer.posed_frame("6")
    shown = [next(frames)]
    thread = threading.Thread(target=write)
    thread.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        while shown[-1].frame.name != names[-1]:
            shown.append(next(frames))
    thread.join()
    numbers = [int(one.frame.name) for one in shown]
    assert numbers == sorted(set(numbers))
    assert [one.dropped for one in shown[1:]] == (np.diff(numbers) - 1).tolist()
    assert all(one.used_past and one.latency_s >= 0 for one in shown)
