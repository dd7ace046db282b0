from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kbnet.data.clutter import ClutterConfig, clutter_frames, intrinsics, write_clutter_sequence
from kbnet.frames.sequence import Sequence


def test_the_same_values_give_the_same_frames_and_more_frames_begin_with_them() -> None:
    (few, _), (many, _) = (next(iter(clutter_frames(ClutterConfig(frames=frames, seed=3)))) for frames in (1, 2))
    np.testing.assert_array_equal(few.image, many.image)
    np.testing.assert_array_equal(few.sparse_depth, many.sparse_depth)
    other, _ = next(iter(clutter_frames(ClutterConfig(frames=1, seed=4))))
    assert (few.image != other.image).any()


def test_points_without_noise_lie_on_the_truth_in_about_the_number_asked_for() -> None:
    config = ClutterConfig(frames=2, points=(400, 50), range_noise=0, outlier_share=0)
    for frame, densities in clutter_frames(config):
        assert frame.ground_truth is not None
        assert (frame.ground_truth > 0).all()
        for name, points in densities.items():
            measured = points > 0
            asked = int(name.removeprefix("sparse_depth_"))
            assert 0.69 * asked <= measured.sum() <= 1.21 * asked
            np.testing.assert_array_equal(points[measured], frame.ground_truth[measured])


def test_neighbouring_pixels_on_a_wall_lie_on_one_plane() -> None:
    """K fits the depth: inverse depth of a plane is linear in the pixels, whatever the camera's turn."""
    frame, _ = next(iter(clutter_frames(ClutterConfig(frames=1))))
    assert frame.ground_truth is not None
    inverse = 1 / frame.ground_truth[::2, ::2].astype(np.float64)
    bend = np.abs(np.diff(inverse, 2, axis=1)) / inverse[:, 1:-1]
    assert np.median(bend) < 1e-5
    np.testing.assert_array_equal(frame.intrinsics, intrinsics())


def test_a_sequence_has_every_density_and_reads_back(tmp_path: Path) -> None:
    write_clutter_sequence(tmp_path / "rooms", ClutterConfig(frames=1, points=(300, 40)))
    for name in ("sparse_depth", "sparse_depth_300", "sparse_depth_40"):
        frame = Sequence(tmp_path / "rooms", sparse_depth=name).frame(0)
        assert (frame.sparse_depth > 0).any()
        assert frame.ground_truth is not None


@pytest.mark.parametrize("values", [{"frames": 0}, {"points": ()}, {"points": (3,)}, {"seed": -1}])
def test_what_cannot_be_rendered_is_refused(values: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected at least 1 frame"):
        write_clutter_sequence(tmp_path / "rooms", ClutterConfig(**values))  # type: ignore[arg-type]


def test_a_folder_without_textures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds none"):
        write_clutter_sequence(tmp_path / "rooms", ClutterConfig(textures=(tmp_path,)))
