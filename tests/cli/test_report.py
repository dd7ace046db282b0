"""`kbnet report`: which frames, judged by what, how large, and one clear line where something is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli.main import main
from kbnet.network.config import KBNetConfig


@pytest.fixture
def stand_in(stand_in: Any) -> Any:
    """The stand-in, with the config that says which points it believes."""
    stand_in.config = KBNetConfig()
    return stand_in


def _content(page: Path) -> Any:
    (found,) = re.findall(r'id="content">(.*?)</script>', page.read_text(encoding="utf-8"))
    return json.loads(found)


def test_report_judges_by_ground_truth_and_says_how_large_it_is(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "out" / "room.html"
    assert main(["report", str(write_sequence()), "--output", str(page)]) == 0
    output = capsys.readouterr().out
    assert re.search(r"wrote 3 of 3 frames to .*room\.html: 0\.\d MB of at most 15", output)
    assert "linear interpolation is no worse there" in output
    content = _content(page)
    assert not content["heldOut"]
    assert content["judgedBy"] == "ground truth between 0.2 and 5 m"
    assert [frame["name"] for frame in content["frames"]] == ["0000", "0001", "0002"]


def test_report_without_ground_truth_says_what_the_check_says(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    room, page = str(write_sequence(truth=False)), tmp_path / "room.html"
    assert main(["report", room, "--output", str(page)]) == 0
    assert main(["check", room, "--output", str(tmp_path / "checked")]) == 0
    content = _content(page)
    assert content["heldOut"]
    checked = json.loads((tmp_path / "checked" / "check.json").read_text())["overall"]
    for method, errors in checked.items():
        assert content["overall"][method] == pytest.approx(
            [errors[name] for name in ("mae_mm", "rmse_mm", "median_percent", "off_percent")]
        )


@pytest.mark.parametrize(
    ("arguments", "indices"),
    [
        (["--frames", "3"], [0, 3, 6]),
        (["--every", "3"], [0, 3, 6]),
        (["--every", "2", "--frames", "2"], [0, 6]),
        (["--frames", "1"], [0]),
        (["--only", "0005", "0001"], [1, 5]),
    ],
)
def test_report_shows_the_frames_that_were_asked_for(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, arguments: list[str], indices: list[int]
) -> None:
    page = tmp_path / "room.html"
    assert main(["report", str(write_sequence(frames=7)), "--output", str(page), *arguments]) == 0
    assert [frame["index"] for frame in _content(page)["frames"]] == indices


def test_report_warns_beyond_its_budget(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("kbnet.cli.report.BUDGET", 1000)
    assert main(["report", str(write_sequence()), "--output", str(tmp_path / "room.html")]) == 0
    assert "fewer --frames or a smaller --size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["{room}", "--frames", "0"], "--frames of at least 1, got 0"),
        (["{room}", "--every", "0"], "--every of at least 1, got 0"),
        (["{room}", "--size", "8"], "--size of at least 32, got 8"),
        (["{room}", "--only", "9999"], "there is no frame '9999'; frames are called 0000 to 0002"),
        (["{room}", "--output", "{room}"], "such as report.html"),
        (["{room}", "--output", "{room}/K.txt"], "expected an .html file to write, got"),
    ],
)
def test_report_refuses_in_one_line(
    refusal: Callable[[str, list[str]], str], arguments: list[str], message: str
) -> None:
    assert message in refusal("report", arguments)
