"""The page as a file: it holds all it needs, whatever names are in it, and appears whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbnet.evaluation.point_errors import Judging
from kbnet.report import page
from kbnet.report.figures import ShownFrame
from kbnet.report.page import write_page

ShownFrameOf = Callable[..., ShownFrame]
TRUTH, POINTS = Judging((0.2, 5.0)), Judging(None)


def _write(path: Path, *frames: ShownFrame, judging: Judging = TRUTH, **options: Any) -> str:
    write_page(path, frames, judging, title="room", **options)
    return path.read_text(encoding="utf-8")


def _json(text: str, script: str) -> Any:
    (found,) = re.findall(rf'<script type="application/json" id="{script}">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def test_page_holds_every_frame_and_asks_for_nothing_else(tmp_path: Path, shown_frame: ShownFrameOf) -> None:
    text = _write(tmp_path / "page.html", shown_frame(0), shown_frame(1))
    assert [_json(text, f"frame-{i}")["name"] for i in range(2)] == ["0000", "0001"]
    assert [frame["name"] for frame in _json(text, "content")["frames"]] == ["0000", "0001"]
    assert "default-src 'none'" in text
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:)|@import|url\((?!data:)""", text.partition("<body>")[0])
    assert not re.search(r"<(?:script|link|img|iframe)[^>]*\s(?:src|href)=", text)
    assert "{{" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert "MIT License" in text


def test_page_survives_names_that_look_like_markup(tmp_path: Path, shown_frame: ShownFrameOf) -> None:
    name = "</script><script>alert(1)</script><!-- &"
    write_page(tmp_path / "page.html", [shown_frame(name=name)], TRUTH, title=name, about=(name,))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in text
    assert _json(text, "frame-0")["name"] == name
    assert "<title>&lt;/script&gt;" in text


def test_page_stores_large_frames_smaller_and_says_their_size(tmp_path: Path, shown_frame: ShownFrameOf) -> None:
    frame = _json(_write(tmp_path / "page.html", shown_frame(), longest=32), "frame-0")
    assert (frame["size"], frame["stored"]) == ([48, 64], [24, 32])
    small = _json(_write(tmp_path / "page.html", shown_frame(), longest=640), "frame-0")
    assert small["stored"] == [48, 64]


def test_page_holds_truth_as_a_map_and_held_out_points_as_points(tmp_path: Path, shown_frame: ShownFrameOf) -> None:
    dense = _json(_write(tmp_path / "page.html", shown_frame()), "frame-0")
    assert "truth" in dense
    assert "judged" not in dense
    text = _write(tmp_path / "page.html", shown_frame(judged="points"), judging=POINTS)
    points = _json(text, "frame-0")
    assert "judged" in points
    assert "truth" not in points
    assert _json(text, "content")["heldOut"]


def test_page_leaves_points_out_beyond_a_number(
    tmp_path: Path, shown_frame: ShownFrameOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = _json(_write(tmp_path / "page.html", shown_frame()), "frame-0")
    monkeypatch.setattr(page, "MOST_POINTS", 10)
    some = _json(_write(tmp_path / "page.html", shown_frame()), "frame-0")
    assert len(some["sparse"]) < len(every["sparse"])
    assert some["points"] == every["points"] == np.count_nonzero(shown_frame().frame.sparse_depth)


def test_page_that_fails_midway_leaves_an_older_one_alone(tmp_path: Path, shown_frame: ShownFrameOf) -> None:
    path = tmp_path / "page.html"
    path.write_text("older")

    def frames() -> Iterator[ShownFrame]:
        yield shown_frame()
        raise ValueError("a bad file")

    with pytest.raises(ValueError, match="a bad file"):
        write_page(path, frames(), TRUTH, title="room")
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_page_itself_is_light(tmp_path: Path, shown_frame: ShownFrameOf) -> None:
    assert len(_write(tmp_path / "page.html", shown_frame())) < 700_000, "most of it is three.js"
