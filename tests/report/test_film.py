"""Films that play as often and as long as they should, and appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.frame import ImageArray
from kbnet.report.film import write_film


def _pictures(count: int = 6) -> list[ImageArray]:
    """A red square that walks over white."""
    pictures = np.full((count, 32, 48, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        picture[8:24, 4 * index : 4 * index + 16] = (200, 30, 30)
    return list(pictures)


def test_gif_holds_every_picture_and_repeats(tmp_path: Path) -> None:
    write_film(tmp_path / "a.gif", _pictures(), fps=20)
    with Image.open(tmp_path / "a.gif") as film:
        assert (film.n_frames, film.size, film.info["loop"], film.info["duration"]) == (6, (48, 32), 0, 50)
        for index, picture in enumerate(_pictures()):
            film.seek(index)
            assert np.abs(np.asarray(film.convert("RGB")).astype(int) - picture).max() <= 8


def test_mp4_holds_every_picture(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    write_film(tmp_path / "a.mp4", iter(_pictures()), fps=20)
    with av.open(str(tmp_path / "a.mp4")) as film:
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert film.streams.video[0].average_rate == 20
    assert len(shown) == 6
    assert np.abs(shown[2][12:20, 12:20].astype(int) - (200, 30, 30)).max() < 40


def test_equal_pictures_make_equal_mp4s(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    for number in range(3):
        write_film(tmp_path / f"{number}.mp4", _pictures(20), fps=20)
    films = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(films) == 1
    if "libx264" in av.codecs_available:
        assert b" threads=1 " in films.pop(), "the number of cores changes nothing"


def test_film_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"end in .gif or .mp4, got .*a\.avi"):
        write_film(tmp_path / "a.avi", _pictures(), fps=20)


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
def test_film_that_breaks_off_leaves_nothing(tmp_path: Path, name: str) -> None:
    if name.endswith("mp4"):
        pytest.importorskip("av")

    def broken() -> Iterator[ImageArray]:
        yield _pictures()[0]
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        write_film(tmp_path / name, broken(), fps=20)
    assert not list(tmp_path.iterdir())
