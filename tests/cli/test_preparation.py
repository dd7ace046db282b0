"""What the commands that prepare data sets show."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbnet.cli.preparation import SplitCount, conclude, print_splits, transfer_progress


def test_splits_are_printed_beside_the_published_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    deep = Path("data/" + "deep/" * 20 + "test.csv")
    print_splits([SplitCount("train", 85898, 85898, Path("train.csv")), SplitCount("test", 3, None, deep, "no truth")])
    head, _, train, test = (line.split() for line in capsys.readouterr().out.splitlines() if line.strip())
    assert head == ["split", "frames", "published", "list", "note"]
    assert train == ["train", "85,898", "85,898", "train.csv"]
    assert test == ["test", "3", "-", str(deep), "no", "truth"]


def test_a_path_with_brackets_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_splits([SplitCount("train", 1, None, Path("data [old]/[bold]/train.csv"))])
    assert "data [old]/[bold]/train.csv" in capsys.readouterr().out


def test_conclude_raises_one_line_for_one_reason_and_prints_several(capsys: pytest.CaptureFixture[str]) -> None:
    conclude([], {}, unchanged=True)
    with pytest.raises(ValueError, match=r"^a\.csv, b\.csv could not be made: gone$"):
        conclude([], {"a.csv": "gone", "b.csv": "gone"}, unchanged=False)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match=r"^a\.csv, b\.csv could not be made, for the 2 reasons above$"):
        conclude([], {"a.csv": "gone", "b.csv": "torn"}, unchanged=False)
    assert capsys.readouterr().out == "a.csv could not be made: gone\nb.csv could not be made: torn\n"


def test_progress_is_a_line_for_each_archive_begun_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with transfer_progress() as progress:
        for done in (1_000_000, 2_000_000):
            progress("downloading a.zip", done, 2_000_000)
        progress("unpacking a.zip", 1, 3)
        progress("downloading b.zip", 1, 0)
    assert capsys.readouterr() == ("", "downloading a.zip (2.0 MB)\nunpacking a.zip\ndownloading b.zip\n")


def test_progress_shows_one_bar_at_a_time_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with transfer_progress() as progress:
        progress("downloading a.zip", 1, 2)
        progress("checking a.zip", 0, 0)
        progress("downloading b.zip", 1, 4)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "25%" in shown.err
    assert "a.zip" not in shown.err.rpartition("downloading b.zip")[0].rpartition("\r")[2]
