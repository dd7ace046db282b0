"""`kbnet view`: it says where to look, serves until it is interrupted, and refuses in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli import view
from kbnet.cli.main import main
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["{room}", "--fps", "0"], "--max-points and --fps above 0"),
        (["{room}", "--max-points", "0"], "--max-points and --fps above 0"),
    ],
)
def test_view_refuses_in_one_line(refusal: Callable[[str, list[str]], str], arguments: list[str], message: str) -> None:
    assert message in refusal("view", arguments)
