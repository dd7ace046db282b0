"""`kbnet view`: it says where to look, serves until it is interrupted, and refuses in one line."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli import view
from kbnet.cli.main import main
from kbnet.inference import live
from kbnet.network.config import KBNetConfig

pytest.importorskip("viser")


def test_view_says_where_to_look_and_ends_with_ctrl_c(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in.config = KBNetConfig()
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(view, "sleep", sleep)
    assert main(["view", str(write_sequence()), "--port", "18080", "--fps", "8"]) == 0
    assert slept == [0.125] * 3
    assert capsys.readouterr().out.startswith("http://localhost:18")


def test_live_prints_a_line_a_frame_and_ends_with_ctrl_c(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in.config = KBNetConfig()
    folder, steps = write_sequence(), iter("ab")

    def sleep(seconds: float) -> None:
        if next(steps) == "b":
            raise KeyboardInterrupt
        for part in ("image", "sparse_depth"):
            for name in ("0003", "0004"):
                shutil.copy(folder / part / "0002.png", folder / part / f"{name}.png")

    monkeypatch.setattr(live, "sleep", sleep)
    assert main(["view", str(folder), "--live", "--port", "18180"]) == 0
    waiting, url, first, second, end = capsys.readouterr().out.splitlines()
    assert waiting.startswith(f"waiting for the first frame in {folder}/image")
    assert url.startswith("http://localhost:18")
    assert re.fullmatch(r"0002: \d+\.\d\d s, 0 dropped", first)
    assert re.fullmatch(r"0004: \d+\.\d\d s, 1 dropped", second)
    assert end == "2 frames shown, 1 dropped"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["nowhere", "--live"], "expected a sequence folder with --live, got nowhere"),
        (["{room}", "--live", "--max-points", "0"], "--max-points and --fps above 0"),
        (["{room}", "--fps", "0"], "--max-points and --fps above 0"),
        (["{room}", "--max-points", "0"], "--max-points and --fps above 0"),
        (["{room}", "--port", "99999"], "--port of 0 to 65535"),
    ],
)
def test_view_refuses_in_one_line(refusal: Callable[[str, list[str]], str], arguments: list[str], message: str) -> None:
    assert message in refusal("view", arguments)
