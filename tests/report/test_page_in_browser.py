"""The page as people meet it: opened from a folder, its frames, maps, cloud and charts answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kbnet.evaluation.point_errors import Judging
from kbnet.report.figures import ShownFrame
from kbnet.report.page import DEPTH_STEP, logarithmic, pack_map, write_page

ShownFrameOf = Callable[..., ShownFrame]
OpenPage = Callable[..., Any]
TRUTH, POINTS = Judging((0.2, 5.0)), Judging(None)
ABOUT = ("3 frames of room", "weights: indoor")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pages of this module are."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def room(folder: Path, shown_frame: ShownFrameOf) -> Path:
    """A page of three frames with ground truth."""
    path = folder / "room.html"
    if not path.is_file():
        write_page(
            path, [shown_frame(index, off=0.1 + 0.05 * index) for index in range(3)], TRUTH, title="room", about=ABOUT
        )
    return path


def _seen(page: Any, tmp_path: Path) -> Any:
    """The cloud as it stands on the screen, (H, W, 3)."""
    path = tmp_path / "shot.png"
    page.locator("#view").screenshot(path=path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def _drawn(page: Any) -> Any:
    """The cloud as it is drawn, (H, W, 3): quicker than what stands on the screen."""
    script = """() => {
      const view = document.getElementById("view");
      const copy = Object.assign(document.createElement("canvas"), { width: view.width, height: view.height });
      cloud.draw();
      copy.getContext("2d").drawImage(view, 0, 0);
      return copy.toDataURL();
    }"""
    data = base64.b64decode(page.evaluate(script).partition(",")[2])
    return np.asarray(Image.open(BytesIO(data)).convert("RGB")).astype(int)


def _is_drawn(pixels: Any) -> bool:
    """Whether more than a hundredth of it differs from its corner."""
    return bool((np.abs(pixels - pixels[2, 2]).sum(axis=-1) > 30).mean() > 0.01)


def _map_pixel(page: Any, name: str, x: int, y: int) -> list[int]:
    """RGB of one pixel of a map."""
    script = (
        "([id, x, y]) => [...document.getElementById(id).getContext('2d').getImageData(x, y, 1, 1).data.slice(0, 3)]"
    )
    found: list[int] = page.evaluate(script, [f"map-{name}", x, y])
    return found


def _slide(page: Any, slider: str, value: int) -> None:
    page.evaluate(
        "([id, value]) => { const it = document.getElementById(id); it.value = value;"
        " it.dispatchEvent(new Event('input')); }",
        [slider, value],
    )


def test_page_shows_maps_scales_and_errors(room: Path, open_page: OpenPage) -> None:
    page = open_page(room)
    assert page.title() == "room"
    assert page.locator("#panels figure").count() == 6
    assert page.inner_text("#verdict").startswith("Depth is 7.5 % off at the median pixel with ground truth")
    assert page.inner_text("#about").split("\n")[0].startswith("3 frames of room")
    assert _map_pixel(page, "depth", 1, 20) != _map_pixel(page, "depth", 60, 20)
    assert all("m" in text for text in page.locator("#panels .ticks").all_inner_texts())
    assert [row.split("\t")[0] for row in page.locator("#table tbody tr").all_inner_texts()] == [
        "kbnet",
        "nearest",
        "linear",
    ]
    assert page.locator("#by-frame circle").count() == 3


def test_page_reads_back_what_was_packed(room: Path, open_page: OpenPage) -> None:
    depth = np.random.default_rng(0).uniform(0.01, 90, (11, 13)).astype(np.float32)
    depth[3] = 0
    script = "async ([text, size]) => [...await unpackMap(text, size)]"
    found = open_page(room).evaluate(script, [pack_map(depth, DEPTH_STEP), depth.shape])
    assert found == logarithmic(depth, DEPTH_STEP).ravel().tolist()


def test_page_reads_out_metres_under_the_pointer_in_all_maps(room: Path, open_page: OpenPage) -> None:
    page = open_page(room)
    page.locator("#map-image").hover()
    text = page.inner_text("#readout")
    column = int(text.removeprefix("column ").partition(",")[0])
    assert column == pytest.approx(32, abs=2)
    truth = 1 + 2 * column / 63
    words = ("depth ", "ground truth ", "error ")
    depth, known, error = (float(re.findall(rf"· {word}([\d.]+) m", text)[0]) for word in words)
    assert (depth, known, error) == pytest.approx((truth + 0.1, truth, 0.1), abs=0.004)
    assert page.locator(".cross:visible").count() == 6
    page.mouse.move(5, 5)
    assert page.locator(".cross:visible").count() == 0


def test_page_slider_and_chart_go_to_other_frames(room: Path, open_page: OpenPage) -> None:
    page = open_page(room)
    assert page.inner_text("#name") == "0000"
    before = _map_pixel(page, "image", 6, 20)
    _slide(page, "slider", 2)
    page.wait_for_selector("html[data-frame='2']")
    assert page.inner_text("#name") == "0002"
    red, green, blue = _map_pixel(page, "image", 4, 20)
    assert (red > 200, green < 60, blue < 60) == (True, True, True), "the red bar grows with the frames"
    assert before != _map_pixel(page, "image", 6, 20)
    assert "Frame 0002: kbnet 200.0" in page.inner_text("#frame-errors")
    page.locator("#by-frame .pick").click(position={"x": 3, "y": 50})
    page.wait_for_selector("html[data-frame='0']")


def test_page_plays_through_the_frames_and_stops(room: Path, open_page: OpenPage) -> None:
    page = open_page(room)
    page.click("#play")
    page.wait_for_selector("html[data-frame='1']")
    page.click("#play")
    assert page.get_attribute("#play", "aria-label") == "Play"


def test_cloud_is_drawn_and_turns_under_the_mouse(room: Path, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(room)
    page.locator("#view").scroll_into_view_if_needed()
    before = _seen(page, tmp_path)
    assert _is_drawn(before)
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.4 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"], steps=3)
    page.mouse.up()
    after = _seen(page, tmp_path)
    assert _is_drawn(after)
    assert (np.abs(after - before).sum(axis=-1) > 30).mean() > 0.01
    assert page.inner_text("#bar-length").endswith("m at the centre")


def test_cloud_seen_from_the_camera_lies_as_the_image_does(room: Path, open_page: OpenPage) -> None:
    page = open_page(room)
    _slide(page, "slider", 2)
    page.wait_for_selector("html[data-frame='2']")
    page.click("#camera")
    pixels = _drawn(page)
    red = (pixels[..., 0] > 180) & (pixels[..., 1:].max(axis=-1) < 60)
    other = (np.abs(pixels - pixels[2, 2]).sum(axis=-1) > 60) & ~red
    rows, columns = np.nonzero(red)
    assert columns.max() < np.median(np.nonzero(other)[1]), "red is at the left, as in the image"
    height, width = red.shape
    assert abs(rows.mean() - height / 2) < 0.1 * height
    focal_px = 60 / 48 * height / 1.05
    assert columns.min() == pytest.approx(width / 2 - 32 / 60 * focal_px, abs=0.04 * width)


def test_cloud_answers_to_its_controls(room: Path, open_page: OpenPage) -> None:
    page = open_page(room)
    seen = [_drawn(page)]

    def changed() -> bool:
        seen.append(_drawn(page))
        return bool((np.abs(seen[-1] - seen[-2]).sum(axis=-1) > 30).mean() > 0.001)

    page.select_option("#tint", "depth")
    assert changed()
    assert page.locator("#cloud-scale .ticks").count() == 1
    page.select_option("#which", "truth")
    assert changed()
    page.check("#measured")
    assert changed()
    _slide(page, "confidence", 40)
    assert changed()
    assert page.inner_text("#kept") == "40 %"
    _slide(page, "dot", 4)
    assert changed()
    page.click("#camera")
    assert changed()


def test_page_of_held_out_points_draws_them(folder: Path, shown_frame: ShownFrameOf, open_page: OpenPage) -> None:
    path = folder / "points.html"
    write_page(path, [shown_frame(i, judged="points") for i in range(2)], POINTS, title="room")
    page = open_page(path)
    assert page.locator("#panels figure").count() == 5
    assert "point that it did not see" in page.inner_text("#verdict")
    assert _map_pixel(page, "error", 4, 4) != _map_pixel(page, "error", 8, 8)


def test_page_of_one_frame_without_anything_known_has_no_slider_and_no_charts(
    folder: Path, shown_frame: ShownFrameOf, open_page: OpenPage
) -> None:
    path = folder / "single.html"
    write_page(path, [shown_frame(judged="nothing")], POINTS, title="room")
    page = open_page(path)
    assert page.locator("#panels figure").count() == 4
    assert not page.locator("#slider").is_visible()
    assert not page.locator("#figures").is_visible()
    assert page.locator("#view").is_visible()


def test_page_fits_a_small_screen(room: Path, open_page: OpenPage) -> None:
    page = open_page(room, width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert _is_drawn(_drawn(page))
    first, second = (page.locator("#panels figure").nth(i).bounding_box() for i in range(2))
    assert second["y"] > first["y"] + first["height"] / 2
    assert page.locator("#slider").bounding_box()["width"] > 150


def test_page_without_webgl_says_so_and_shows_the_rest(room: Path, open_page: OpenPage) -> None:
    without = (
        "const original = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return kind.startsWith('webgl') ? null : original.call(this, kind, ...rest); };"
        "console.error = () => {};"
    )
    page = open_page(room, before=without)
    assert "no WebGL" in page.inner_text("#failure")
    assert not page.locator("#view").is_visible()
    _slide(page, "slider", 1)
    page.wait_for_selector("html[data-frame='1']")


def test_names_from_files_are_text(open_page: OpenPage, shown_frame: ShownFrameOf, tmp_path: Path) -> None:
    name = "</script><img src=x onerror=hacked=1><svg onload=hacked=1>&amp;"
    path = tmp_path / "page.html"
    frames = [shown_frame(index, name=f"{index}{name}") for index in range(2)]
    write_page(path, frames, TRUTH, title=name, about=(f"weights: {name}",))
    page = open_page(path)
    page.get_by_text(f"0{name}").first.wait_for(timeout=10_000)
    assert page.title() == name
    assert page.get_by_text(f"weights: {name}").count() > 0
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("window.hacked === undefined")
