"""Names in the order of their numbers, in memory and where letters are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.frames.natural_order import in_order, sortable
from kbnet.frames.sequence import Sequence


@pytest.mark.parametrize(
    "names",
    [
        ["1", "2", "10", "11"],
        ["img_9_left", "img_10_left", "img_10_right"],
        ["-1.5", "9.5", "10.25", "10.5", "100"],
        ["rgb_1305031102.9", "rgb_1305031102.95", "rgb_1305031103.1"],
        ["scan.0009", "scan.0010"],
        ["a", "b", "b2", "b10"],
        ["1_9", "2_1", "10_1"],
        ["2.5", "9" * 5000, "1" + "0" * 5000],
        ["0", "0", "1"],
    ],
)
def test_numbers_sort_by_value_and_names_for_files_do_so_letter_by_letter(names: list[str]) -> None:
    assert in_order(reversed(names), str) == names
    padded = sortable(names)
    assert padded == sorted(padded)
    assert len(set(padded)) == len(names)


def test_neighbours_in_a_sequence_are_neighbours_in_number(tmp_path: Path) -> None:
    for folder in ("image", "sparse_depth"):
        (tmp_path / folder).mkdir()
    (tmp_path / "K.txt").write_text("50 0 20 0 50 20 0 0 1")
    for number in range(8, 13):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(tmp_path / "image" / f"{number}.png")
        Image.fromarray(np.full((40, 40), 256, np.uint16)).save(tmp_path / "sparse_depth" / f"{number}.png")
    sequence = Sequence(tmp_path)
    assert sequence.names == ("8", "9", "10", "11", "12")
    assert [sequence.triplet(2, 1).previous_image[0, 0, 0], sequence.triplet(2, 1).next_image[0, 0, 0]] == [9, 11]
