"""The page as a file: it holds all it needs, whatever names are in it, and appears whole or not at all."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kbnet.evaluation.point_errors import Judging
from kbnet.report import page
from kbnet.report.figures import ShownFrame
from kbnet.report.page import (
    DEPTH_STEP,
    ERROR_STEP,
    LEAST,
    logarithmic,
    pack_image,
    pack_map,
    pack_numbers,
    write_page,
)

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


def _numbers(text: str) -> NDArray[np.uint16]:
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(2, -1)
    return planes[0] + 256 * planes[1].astype(np.uint16)


def _codes(text: str, height: int, width: int) -> NDArray[np.int64]:
    """The reader of ``web/unpack.js``, one pixel after another."""
    folded = _numbers(text).reshape(height, width).astype(np.int64)
    codes = np.zeros((height + 1, width + 1), np.int64)
    for y in range(height):
        for x in range(width):
            difference = (folded[y, x] >> 1) ^ -(folded[y, x] & 1)
            codes[y + 1, x + 1] = (difference + codes[y + 1, x] + codes[y, x + 1] - codes[y, x]) % 65536
    return codes[1:, 1:]


def test_pack_numbers_keeps_every_number() -> None:
    numbers = np.array([[0, 1, 255], [256, 40000, 65535]], np.uint16)
    np.testing.assert_array_equal(_numbers(pack_numbers(numbers)), numbers.ravel())


@pytest.mark.parametrize("step", [DEPTH_STEP, ERROR_STEP])
def test_pack_map_is_read_back_to_half_a_step(step: float) -> None:
    generator = np.random.default_rng(0)
    depth = generator.uniform(0.002, 200, (7, 9)).astype(np.float32)
    depth[2, 3:] = 0
    codes = _codes(pack_map(depth, step), 7, 9)
    found = np.where(codes > 0, LEAST * np.exp((codes - 1) * step), 0)
    assert ((found == 0) == (depth == 0)).all()
    np.testing.assert_allclose(found, depth, rtol=0.51 * step)


def test_pack_map_of_a_smooth_depth_is_small() -> None:
    y, x = np.mgrid[:120, :160]
    depth = (2 + 0.01 * y + 0.003 * x).astype(np.float32)
    assert len(pack_map(depth, DEPTH_STEP)) < 0.4 * depth.size


def test_logarithmic_tells_unmeasured_from_very_near() -> None:
    assert logarithmic(np.array([0, 1e-6, LEAST, 1.0]), DEPTH_STEP).tolist() == [0, 1, 1, 6909]


def test_pack_image_is_a_jpeg_of_the_size() -> None:
    image = np.full((40, 60, 3), 128, np.uint8)
    start, _, data = pack_image(image, (20, 30)).partition(",")
    assert start == "data:image/jpeg;base64"
    assert base64.b64decode(data)[:2] == b"\xff\xd8"
