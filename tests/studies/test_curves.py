"""Curves: one look a name, yardsticks apart, and a file that is a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studies.curves import COLOURS, AxesStyle, Line, Panel, _looks, write_curves


def panel(title: str, names: list[str], *, is_yardstick: bool = False) -> Panel:
    return Panel(title, [Line(name, [(1, 0.9 + index), (10, 0.5)], is_yardstick) for index, name in enumerate(names)])


def test_names_look_the_same_in_all_panels_and_no_two_alike() -> None:
    names = [f"recipe {number}" for number in range(2 * len(COLOURS) + 1)]
    looks = _looks([panel("one", names[:9]), panel("two", names[3:]), panel("two", ["linear"], is_yardstick=True)])
    assert looks.keys() == {*names, "linear"}
    assert len({(look["color"], str(look["linestyle"])) for look in looks.values()}) == len(looks)
    assert looks["linear"]["color"] not in COLOURS


@pytest.mark.parametrize("zoom", [None, (0.8, 1.2)])
def test_write_curves_draws_every_line(tmp_path: Path, zoom: tuple[float, float] | None) -> None:
    style = AxesStyle("seconds", "ratio", x_scale="log", y_scale="log", x_ticks=(1, 10), level=1.0, zoom=zoom)
    write_curves(tmp_path / "new" / "curves.png", [panel("a", ["x", "y"]), panel("b", ["y", "z"])], style)
    picture = np.asarray(Image.open(tmp_path / "new" / "curves.png").convert("RGB"))
    assert picture.shape[0] == (340 if zoom is None else 680)
    for colour in COLOURS[:3]:
        wanted = np.array(list(bytes.fromhex(colour[1:])))
        assert (np.abs(picture.astype(int) - wanted).max(axis=2) < 8).sum() > 50
