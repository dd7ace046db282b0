"""The picture of a frame: whole, of the expected layout, for any frame that can be completed."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kbnet.frame import FloatArray, Frame

pytest.importorskip("matplotlib")

from kbnet.report.picture import write_picture


def _frame(height: int = 48, width: int = 64, *, points: int = 40, truth: bool = True) -> tuple[Frame, FloatArray]:
    generator = np.random.default_rng(0)
    depth = np.tile(np.linspace(1, 3, width, dtype=np.float32), (height, 1))
    sparse_depth = np.zeros_like(depth)
    at = generator.choice(depth.size, points, replace=False)
    sparse_depth.flat[at] = depth.flat[at]
    frame = Frame(
        image=generator.integers(0, 256, (height, width, 3), dtype=np.uint8),
        sparse_depth=sparse_depth,
        intrinsics=np.array([[50, 0, 32], [0, 50, 24], [0, 0, 1]], dtype=np.float32),
        ground_truth=depth if truth else None,
    )
    return frame, depth + np.float32(0.1)


def _open(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
    return picture


def test_write_picture_shows_the_image_and_the_depth_in_colour(tmp_path: Path) -> None:
    frame, depth = _frame(truth=False)
    path = tmp_path / "pictures" / "a.png"
    write_picture(path, frame, depth)
    picture = np.asarray(_open(path).convert("RGB"))
    third = picture.shape[1] // 3
    left_edge, right_edge = picture[200, 2 * third + 20], picture[200, 3 * third - 20]
    assert left_edge[0] > 200, "near is yellow"
    assert right_edge[0] < 100, "far is purple"
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


def test_write_picture_colours_points_apart_where_the_depth_is_far_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scales: list[tuple[float, float]] = []

    def note(axes: Any, *arrays: Any, vmin: float, vmax: float, **style: Any) -> None:
        scales.append((vmin, vmax))

    monkeypatch.setattr("matplotlib.axes.Axes.scatter", note)
    frame, depth = _frame(truth=False)
    write_picture(tmp_path / "a.png", frame, depth + 50)
    ((low, high),) = scales
    points = frame.sparse_depth[frame.sparse_depth > 0]
    assert low <= np.percentile(points, 5) < np.percentile(points, 95) < 50 < high


def test_write_picture_has_three_panels_in_a_row_or_four_in_a_square_or_a_stack(tmp_path: Path) -> None:
    sizes = {}
    for name, options in {
        "row": {"truth": False},
        "square": {"truth": True},
        "stack": {"truth": True, "height": 40, "width": 128},
    }.items():
        write_picture(tmp_path / f"{name}.png", *_frame(**options))  # type: ignore[arg-type]
        sizes[name] = _open(tmp_path / f"{name}.png").size
    assert sizes["row"][0] > 2.5 * sizes["row"][1]
    assert 1 < sizes["square"][0] / sizes["square"][1] < 1.4
    assert sizes["stack"][0] < sizes["stack"][1]


def test_write_picture_draws_frames_that_are_empty_or_flat(tmp_path: Path) -> None:
    frame, depth = _frame(points=0)
    write_picture(tmp_path / "empty.png", frame, np.zeros_like(depth))
    write_picture(tmp_path / "flat.png", frame, np.ones_like(depth))
    assert {file.name for file in tmp_path.iterdir()} == {"empty.png", "flat.png"}


def test_write_picture_refuses_depth_of_another_size_and_writes_nothing(tmp_path: Path) -> None:
    frame, depth = _frame()
    with pytest.raises(ValueError, match=r"depth is 60x48 .* but image is 64x48"):
        write_picture(tmp_path / "a.png", frame, depth[:, :60])
    assert not list(tmp_path.iterdir())


def test_write_picture_names_the_extra_when_matplotlib_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_matplotlib(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named '{name}'")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kbnet\[report\]'"):
        write_picture(tmp_path / "a.png", *_frame())


def test_write_picture_leaves_pyplot_alone(tmp_path: Path) -> None:
    import sys

    before = "matplotlib.pyplot" in sys.modules
    write_picture(tmp_path / "a.png", *_frame())
    assert ("matplotlib.pyplot" in sys.modules) == before
