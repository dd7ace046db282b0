"""Which scan belongs to which image: names first, then times, and what is missing is said."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import kbnet
from kbnet.sources.point_cloud_file import read_points
from kbnet.sources.scan_pairs import list_images, list_scans, pair_scans


def paths(suffix: str, *stems: str) -> list[Path]:
    return [Path(f"{stem}{suffix}") for stem in stems]


def paired(images: list[Path], scans: list[Path], **options: float) -> list[tuple[str, str]]:
    return [(images[index].stem, scan.stem) for index, scan in pair_scans(images, scans, **options)]


def test_the_same_names_pair_and_images_without_a_scan_are_left_out() -> None:
    images, scans = paths(".png", "000", "001", "002"), paths(".bin", "000", "002", "003")
    assert paired(images, scans) == [("000", "000"), ("002", "002")]


@pytest.mark.parametrize("start", ["", "cam0_"])
def test_numbers_of_another_rate_are_warned_of(start: str, recwarn: pytest.WarningsRecorder) -> None:
    images = paths(".png", *(f"{start}{index:06}" for index in range(9)))
    for honest in (range(0, 9, 3), range(8)):
        pair_scans(images, paths(".bin", *(f"{start}{index:06}" for index in honest)))
    assert not recwarn.list
    with pytest.warns(UserWarning, match="9 images and . 3 files, both counted from 0: copy the missing ones or, if"):
        pair_scans(images, paths(".bin", *(f"{start}{index:06}" for index in range(3))))


@pytest.mark.parametrize("first", [1, 0])
def test_as_many_counted_from_another_number_are_warned_of(first: int) -> None:
    """One frame off, by two programs; a part of a longer recording has fewer."""
    images, scans = (
        paths(suffix, *map(str, range(at, at + 9))) for suffix, at in ((".png", first), (".bin", 1 - first))
    )
    with pytest.warns(UserWarning, match=rf"9 files each, counted from {first} and {1 - first}, .* number both alike"):
        assert len(pair_scans(images, scans)) == 8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pair_scans(images[2:], scans)
        pair_scans(images, paths(".bin", *map(str, range(first + 1, first + 9))))  # the first is missing


def test_files_missing_in_the_middle_do_not_hide_another_number_of_the_first_or_another_rate() -> None:
    images = paths(".png", *map(str, range(9)))
    with pytest.warns(UserWarning, match="hold 9 and 8 files, counted from 0 and 1, of which equal numbers pair"):
        pair_scans(images, paths(".bin", *map(str, (1, 2, 3, 5, 6, 7, 8, 9))))
    with pytest.warns(UserWarning, match="holds 8 images and . 3 files, both counted from 0"):
        pair_scans(images[:4] + images[5:], paths(".bin", "0", "1", "2"))


def test_as_many_times_that_are_shifted_by_two_or_more_are_warned_of() -> None:
    """By one, the end of a recording may have cut off one of two."""
    times = [f"{1.7e9 + 0.1 * index:.1f}" for index in range(11)]
    images, scans = paths(".png", *times), paths(".bin", *times)
    with pytest.warns(UserWarning, match=r"of 9 images and as many .* clocks were 0\.200 s apart"):
        pair_scans(images[:9], scans[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pair_scans(images[:9], scans[1:10])


def test_times_pair_the_nearest_in_any_unit() -> None:
    images = paths(".png", "1305031236.100", "1305031236.200", "1305031236.300")
    for scans in (
        paths(".pcd", "1305031236.190", "1305031236.310", "1305031299.0"),
        paths(".pcd", "1305031236190000000", "1305031236310000000", "1305031299000000000"),
        paths(".pcd", "1305031236190", "1305031236310", "1305031299000"),
    ):
        assert paired(images, scans) == [(images[1].stem, scans[0].stem), (images[2].stem, scans[1].stem)]
    assert len(paired(images, scans, largest_difference_s=0.1)) == 3


def test_one_time_that_is_the_same_by_chance_does_not_part_the_others() -> None:
    images = paths(".png", "1305031236.1", "1305031236.2", "1305031236.3")
    scans = paths(".pcd", "1305031236.11", "1305031236.2", "1305031236.31")
    assert [scan for _, scan in paired(images, scans)] == ["1305031236.11", "1305031236.2", "1305031236.31"]


def test_numbers_of_other_width_pair() -> None:
    assert paired(paths(".png", "000003", "000004"), paths(".bin", "0000000004")) == [("000004", "0000000004")]


def test_only_plain_numbers_are_times() -> None:
    """000001_0 is of KITTI's stereo benchmark, and 10 for Python."""
    scans = paths(".bin", *(f"{index:06}" for index in range(80)))
    for images in (paths(".png", *(f"{index:06}_0" for index in range(8))), paths(".png", "1e1", "2e1", "3e1")):
        with pytest.raises(ValueError, match=r"no image and scan share a name .*not all names are times"):
            pair_scans(images, scans)


def test_nanoseconds_without_leading_zeros_are_refused() -> None:
    """C++ code that writes sec << "." << nsec."""
    images, scans = (
        [f"1700000000.{offset + step * 100_000_000}" for step in range(8)] for offset in (5_000_000, 9_000_000)
    )
    with pytest.raises(ValueError, match=r"without leading zeros \(1700000000\.5000000\)"):
        pair_scans(paths(".png", *images), paths(".bin", *scans))
    cut_off = [f"{1.7e9 + step / 8}" for step in range(8)]
    assert len(paired(paths(".png", *cut_off), paths(".bin", *(f"{1.7e9 + step / 4:.3f}" for step in range(4))))) == 4


def test_no_overlap_is_said_with_both_spans() -> None:
    images, scans = paths(".png", "10.0", "12.5"), paths(".bin", "100.25", "101")
    with pytest.raises(ValueError, match=r"within 0\.05 s: images span 10\.000 to 12\.500 s, scans 100\.250 to 101"):
        pair_scans(images, scans)
    with pytest.raises(ValueError, match=r"share a name \(left\.png and scan\.bin come first\)"):
        pair_scans(paths(".png", "left"), paths(".bin", "scan"))


def test_listing_names_what_is_there_instead(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ["a.jpg", "b.PNG"]
    assert list_images(tmp_path / "a.jpg") == [tmp_path / "a.jpg"]
    with pytest.raises(FileNotFoundError, match=r"point clouds \(\.bin, .*\) in .* which holds \.hidden\.png, a\.jpg"):
        list_scans(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder or file"):
        list_scans(tmp_path / "scans")
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"different names .* got a\.jpg and a\.png|got a\.png and a\.jpg"):
        list_images(tmp_path)


@pytest.mark.parametrize(("suffix", "said"), [(".csv", r".*numpy\.loadtxt.*then "), (".pcd", "")])
def test_scans_without_images_and_scans_of_text_say_what_to_type(suffix: str, said: str, tmp_path: Path) -> None:
    for index in range(2):
        (tmp_path / f"{index}{suffix}").touch()
    with pytest.raises(ValueError, match=f"holds scans without images: {said}kbnet complete IMAGES --scans "):
        kbnet.open_frames(tmp_path)
    if suffix == ".csv":
        with pytest.raises(FileNotFoundError, match=r"which holds 0\.csv, 1\.csv; .*numpy\.loadtxt"):
            list_scans(tmp_path)
        with pytest.raises(ValueError, match=r"got .*0\.csv; .*numpy\.loadtxt"):
            read_points(tmp_path / "0.csv")
