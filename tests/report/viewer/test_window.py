"""The window: it is served, and the scene does what the controls say."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.sequence import Sequence
from kbnet.report.viewer.completed import Completed
from kbnet.report.viewer.same_origin import LARGEST_MESSAGE
from kbnet.report.viewer.window import LiveWindow, Window

pytest.importorskip("viser")
from websockets.exceptions import ConnectionClosedError


@pytest.fixture
def port() -> int:
    """A port that is free."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def window(sequence: Sequence, completed: Callable[[int], Completed], port: int) -> Iterator[Window]:
    window = Window(sequence, completed, host="127.0.0.1", port=port, points=10_000)
    yield window
    window.stop()


def test_window_is_served(window: Window, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert window.url == f"http://localhost:{port}"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10) as answer:
        assert answer.status == 200
        assert b"<title>Viser</title>" in answer.read()
    assert capsys.readouterr().out == ""


def test_window_begins_with_the_first_frame(window: Window) -> None:
    assert window.shown == 0
    assert window.drawn["dense"].points.shape == (round(0.9 * 40 * 48), 3)
    assert window.drawn["sparse"].points.shape == (30, 3)


def test_window_goes_where_the_slider_says(window: Window) -> None:
    window.controls["frame"].value = 2
    assert window.shown == 2
    assert tuple(window.drawn["pose"].position) == (2.0, 0.0, 0.0)
    assert tuple(window.drawn["pose"].wxyz) == (1.0, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(window.drawn["dense"].points[:, 2], 2.0)


def test_window_shows_and_hides(window: Window) -> None:
    dense = window.drawn["dense"]
    for name in ("dense", "sparse", "camera"):
        assert window.drawn[name].visible
        window.controls[name].value = False
        assert not window.drawn[name].visible
    assert window.drawn["dense"] is dense, "points are not sent again for that"


def test_window_cuts_by_confidence(window: Window) -> None:
    window.controls["keep"].value = 50
    points = window.drawn["dense"].points
    assert len(points) == 20 * 48
    assert (points[:, 1] < 0).all()


def test_window_colours_by_what_is_chosen(window: Window) -> None:
    assert not window.drawn["dense"].colors.any(), "the first image is black"
    window.controls["colours"].value = "expected error"
    colours = window.drawn["dense"].colors
    assert len(np.unique(colours, axis=0)) == 2


def test_window_changes_the_size_of_points(window: Window) -> None:
    window.controls["size"].value = 12.0
    assert window.drawn["dense"].point_size == pytest.approx(0.012)
    assert window.drawn["sparse"].point_size == pytest.approx(0.036)


def test_window_plays_round_and_round(window: Window) -> None:
    window.advance()
    assert window.shown == 0
    window.controls["play"].value = True
    shown = []
    for _ in range(4):
        window.advance()
        shown.append(window.shown)
    assert shown == [1, 2, 0, 1]


def test_window_says_what_it_cannot_show_and_stays(window: Window, sequence: Sequence) -> None:
    (sequence.folder / "image" / "1.png").write_bytes(b"no image")
    window.controls["frame"].value = 1
    assert window.shown == 0
    assert "frame 2 cannot be shown" in window._said.content
    window.controls["frame"].value = 2
    assert window.shown == 2


def test_window_takes_the_next_port_if_one_is_in_use(
    window: Window, sequence: Sequence, completed: Callable[[int], Completed], port: int
) -> None:
    other = Window(sequence, completed, host="127.0.0.1", port=port, points=10_000)
    try:
        assert other.url != window.url
    finally:
        other.stop()


def test_window_bears_a_frame_without_sparse_points(window: Window, sequence: Sequence) -> None:
    write_depth_png(sequence.folder / "sparse_depth" / "1.png", np.zeros((40, 48), np.float32))
    window.controls["frame"].value = 1
    assert window.shown == 1
    assert len(window.drawn["sparse"].points) == 0


def answer(port: int, **headers: str) -> int:
    """Status of the viewer's answer to a request for its page."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_window_refuses_pages_of_other_origins(window: Window, port: int) -> None:
    assert answer(port, Origin=window.url, Host=f"localhost:{port}") == 200
    assert answer(port, Origin="https://example.org") == 403
    assert answer(port, Origin="http://localhost:1", Host=f"localhost:{port}") == 403
    assert answer(port, Host=f"rebound.example.org:{port}") == 403, "a name that an attacker points to this machine"


@pytest.mark.parametrize("request_", [b"\x1b[2J\r\n\r\n", b"GET / HTTP/1.1\r\nHost: [\r\n\r\n"])
def test_what_clients_send_does_not_reach_the_terminal(
    window: Window, port: int, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request_)
        assert b"200 OK" not in client.recv(100)
    assert not caplog.records


def test_websocket_refuses_pages_of_other_origins(window: Window, port: int) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    protocol: Any = [f"viser-v{version('viser')}"]
    with connect(f"ws://localhost:{port}", subprotocols=protocol, origin=cast(Any, window.url)) as own:
        assert own.recv(timeout=10), "the scene"
        own.send(b"0" * (LARGEST_MESSAGE + 1))
        with pytest.raises(ConnectionClosedError, match="too big"):
            list(own)
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://localhost:{port}", subprotocols=protocol, origin=cast(Any, "https://example.org"))


def test_window_shows_the_names_of_files_as_text(
    chromium: Any, sequence: Sequence, completed: Callable[[int], Completed], port: int
) -> None:
    name = "<img src=x onerror=hacked=1>{window.hacked=1}[a](javascript:hacked=1)*b*"

    def renamed(index: int) -> Completed:
        shown = completed(index)
        return replace(shown, frame=replace(shown.frame, name=name))

    window = Window(sequence, renamed, host="127.0.0.1", port=port, points=100)
    page = chromium.new_page()
    try:
        page.goto(window.url)
        page.get_by_text(name).wait_for(timeout=30_000)
        assert page.evaluate("window.hacked === undefined")
        assert page.locator("img[src=x]").count() == 0
    finally:
        page.close()
        window.stop()


def test_live_window_opens_with_the_first_frame_and_shows_the_newest(
    tmp_path: Path, sequence: Sequence, completed: Callable[[int], Completed], port: int
) -> None:
    live = LiveWindow(tmp_path / "walk", host="127.0.0.1", port=port, points=10_000)
    assert live.window is None
    live.stop()
    try:
        for index in range(3):
            frame = replace(completed(index).frame, T_world_camera=sequence.pose(index) if index else None)
            live.show(replace(completed(index), frame=frame))
            assert live.window is not None
            assert live.window.url == f"http://localhost:{port}"
            assert tuple(live.window.drawn["pose"].position) == (float(index), 0.0, 0.0)
            np.testing.assert_allclose(live.window.drawn["dense"].points[:, 2], 3.0 - 0.5 * index)
        assert not live.window.controls["frame"].visible
        assert not live.window.controls["play"].visible
    finally:
        live.stop()
