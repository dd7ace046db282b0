"""Every change of a training triplet, and that the camera moves along with its pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kbnet.frame import Frame, Triplet
from kbnet.frames.window import crop_triplet
from kbnet.geometry.pose import transform_from_vector
from kbnet.geometry.warp import warp
from kbnet.training.augmentation import (
    AugmentationConfig,
    add_noise,
    augment,
    flip,
    remove_patches,
    remove_points,
)
from kbnet.training.camera_effects import camera_effects, jitter_colour

HEIGHT, WIDTH = 40, 48
KEPT_WHOLE: dict[str, Any] = {"crop": (HEIGHT, WIDTH), "crop_horizontal": "random", "crop_vertical": "random"}


def motion(seed: int) -> NDArray[np.float32]:
    vector = 0.05 * torch.randn(1, 6, generator=torch.Generator().manual_seed(seed))
    return transform_from_vector(vector)[0].numpy()


def make_triplet(*, poses: bool = True) -> Triplet:
    """Noise images and dense points, with ground truth and a skewed, off-centre camera."""
    generator = np.random.default_rng(0)
    image, previous, following = generator.integers(0, 256, (3, HEIGHT, WIDTH, 3), dtype=np.uint8)
    depth = generator.uniform(1, 3, (HEIGHT, WIDTH)).astype(np.float32)
    points = np.where(generator.random(depth.shape) < 0.25, depth, np.float32(0))
    K = np.array([[45, 1.5, 22], [0, 47, 18.25], [0, 0, 1]], np.float32)
    known = {"T_previous_current": motion(1), "T_next_current": motion(2)} if poses else {}
    return Triplet(Frame(image, points, K, ground_truth=depth, name="0007"), previous, following, **known)


def assert_equal(one: Triplet, other: Triplet) -> None:
    for name in ("image", "sparse_depth", "intrinsics", "ground_truth"):
        np.testing.assert_array_equal(getattr(one.frame, name), getattr(other.frame, name), err_msg=name)
    for name in ("previous_image", "next_image"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("T_previous_current", "T_next_current"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-7, err_msg=name)


def reconstruct(triplet: Triplet) -> NDArray[np.float32]:
    """The image at t warped from t-1 by ground truth, (H, W, 3)."""
    frame = triplet.frame
    source = torch.from_numpy(triplet.previous_image.transpose(2, 0, 1).copy())[None].float()
    depth = torch.from_numpy(np.ascontiguousarray(frame.ground_truth))[None, None]
    pose = torch.from_numpy(triplet.T_previous_current)[None]
    return warp(source, depth, torch.from_numpy(frame.intrinsics)[None], pose)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("horizontal", [True, False])
def test_flip_twice_is_the_identity(horizontal: bool) -> None:
    triplet = make_triplet()
    assert_equal(flip(flip(triplet, horizontal=horizontal), horizontal=horizontal), triplet)


@pytest.mark.parametrize("horizontal", [True, False])
def test_a_flipped_triplet_warps_to_the_flipped_reconstruction(horizontal: bool) -> None:
    triplet = make_triplet()
    expected = np.flip(reconstruct(triplet), 1 if horizontal else 0)
    np.testing.assert_allclose(reconstruct(flip(triplet, horizontal=horizontal)), expected, atol=0.05)


def test_crop_moves_the_principal_point_and_keeps_the_poses() -> None:
    triplet = make_triplet()
    cut = crop_triplet(triplet, 3, 5, 32, 40)
    np.testing.assert_array_equal(
        cut.frame.intrinsics, np.array([[45, 1.5, 17], [0, 47, 15.25], [0, 0, 1]], np.float32)
    )
    np.testing.assert_array_equal(cut.frame.image, triplet.frame.image[3:35, 5:45])
    np.testing.assert_array_equal(cut.frame.sparse_depth, triplet.frame.sparse_depth[3:35, 5:45])
    np.testing.assert_array_equal(cut.previous_image, triplet.previous_image[3:35, 5:45])
    np.testing.assert_array_equal(cut.T_previous_current, triplet.T_previous_current)


def test_a_cropped_triplet_warps_to_the_cropped_reconstruction() -> None:
    """Where the source pixel lies inside the crop too."""
    triplet = make_triplet()
    whole, cut = reconstruct(triplet)[4:36, 4:44], reconstruct(crop_triplet(triplet, 4, 4, 32, 40))
    np.testing.assert_allclose(cut[8:-8, 8:-8], whole[8:-8, 8:-8], atol=0.05)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.65, 0.99])
def test_remove_points_removes_that_fraction_and_moves_none(fraction: float) -> None:
    points = make_triplet().frame.sparse_depth
    before = points.copy()
    thinned = remove_points(points, fraction, np.random.default_rng(0))
    assert np.count_nonzero(thinned) == np.count_nonzero(points) - round(fraction * np.count_nonzero(points))
    assert ((thinned == points) | (thinned == 0)).all()
    np.testing.assert_array_equal(points, before)


def test_remove_points_of_an_empty_map_is_empty() -> None:
    assert not remove_points(np.zeros((4, 4), np.float32), 0.5, np.random.default_rng(0)).any()


@pytest.mark.parametrize("distribution", ["gaussian", "uniform"])
def test_noise_has_its_spread_on_points_alone(distribution: Any) -> None:
    points = np.zeros((100, 100), np.float32)
    points[::2] = 5.0
    noisy = add_noise(points, distribution, 0.1, np.random.default_rng(0))
    difference = (noisy - points)[::2]
    assert not noisy[1::2].any()
    assert noisy.dtype == np.float32
    assert difference.std() == pytest.approx(0.1 if distribution == "gaussian" else 0.1 / np.sqrt(3), rel=0.05)
    if distribution == "uniform":
        assert np.abs(difference).max() <= 0.1 + 1e-6


def test_noise_never_unmakes_a_point() -> None:
    points = np.full((50, 50), 0.05, np.float32)
    assert (add_noise(points, "gaussian", 1.0, np.random.default_rng(0)) > 0).all()


def test_unknown_poses_stay_unknown() -> None:
    triplet = make_triplet(poses=False)
    for changed in (flip(triplet, horizontal=True), crop_triplet(triplet, 0, 0, 32, 32)):
        assert changed.T_previous_current is None
        assert changed.T_next_current is None


def test_colour_jitter_changes_what_the_network_sees_and_not_what_the_losses_see() -> None:
    config = AugmentationConfig(colour_jitter=0.4, point_removal_probability=0.0, **KEPT_WHOLE)
    triplet = make_triplet()
    augmented = augment(triplet, config, np.random.default_rng(0))
    assert_equal(augmented.triplet, triplet)
    assert augmented.input_image.dtype == np.uint8
    assert (augmented.input_image != triplet.frame.image).mean() > 0.5


def test_image_shift_moves_what_the_network_sees_against_its_points() -> None:
    triplet = make_triplet()
    config = AugmentationConfig(image_shift=2.0, point_removal_probability=0.0, **KEPT_WHOLE)
    offsets = []
    for seed in range(20):
        sample = augment(triplet, config, np.random.default_rng(seed))
        assert_equal(sample.triplet, triplet)
        inner = sample.input_image[8:-8, 8:-8]
        found = [
            (down, right)
            for down in range(-8, 9)
            for right in range(-8, 9)
            if np.array_equal(inner, np.roll(triplet.frame.image, (down, right), (0, 1))[8:-8, 8:-8])
        ]
        offsets += found
        np.testing.assert_array_equal(sample.input_depth, triplet.frame.sparse_depth)
    assert len(offsets) == 20
    assert 1 < np.std(offsets) < 3


def test_colour_jitter_without_spread_changes_nothing_but_rounding() -> None:
    image = make_triplet().frame.image
    jittered = jitter_colour(image, 0.0, np.random.default_rng(0))
    assert np.abs(jittered.astype(int) - image).max() <= 1


def offsets(config: AugmentationConfig, draws: int = 600) -> Counter[tuple[int, int]]:
    """How often each crop offset (top, left) comes, read off the principal point."""
    triplet, generator = make_triplet(), np.random.default_rng(0)
    crops = [augment(triplet, config, generator).triplet.frame.intrinsics for _ in range(draws)]
    return Counter((round(18.25 - K[1, 2]), round(22.0 - K[0, 2])) for K in crops)


def test_published_void_crops_are_anchored_left_middle_right_and_mostly_centred() -> None:
    counts = offsets(AugmentationConfig(crop=(32, 32)))
    assert {left for _, left in counts} == {0, 8, 16}
    assert {top for top, _ in counts} == {4, 8}
    centred = sum(count for (top, _), count in counts.items() if top == 4)
    assert centred / 600 == pytest.approx(0.85, abs=0.05)  # 0.7 always, and half of 0.3
    assert all(count / 600 == pytest.approx(0.85 / 3, abs=0.06) for (top, _), count in counts.items() if top == 4)


def test_published_kitti_crops_lie_at_the_bottom() -> None:
    counts = offsets(AugmentationConfig(crop=(32, 32), crop_vertical="bottom"), draws=60)
    assert set(counts) == {(8, 0), (8, 8), (8, 16)}


def test_random_crops_reach_every_offset() -> None:
    counts = offsets(AugmentationConfig(crop=(32, 40), crop_horizontal="random", crop_vertical="random"))
    assert set(counts) == {(top, left) for top in range(9) for left in range(9)}


def test_a_frame_smaller_than_the_crop_is_named() -> None:
    with pytest.raises(ValueError, match=r"crop's 64x32 \(width x height\), got 48x40 \(frame '0007'\)"):
        augment(make_triplet(), AugmentationConfig(crop=(32, 64)), np.random.default_rng(0))


def test_probability_zero_leaves_all_but_the_crop_alone() -> None:
    config = AugmentationConfig(
        crop=(32, 32),
        flip_horizontal=1.0,
        flip_vertical=1.0,
        point_removal_probability=1.0,
        noise="gaussian",
        noise_spread=0.5,
        colour_jitter=0.5,
    )
    triplet = make_triplet()
    for seed in range(5):
        augmented = augment(triplet, config, np.random.default_rng(seed), probability=0.0)
        K = augmented.triplet.frame.intrinsics
        assert_equal(augmented.triplet, crop_triplet(triplet, round(18.25 - K[1, 2]), round(22.0 - K[0, 2]), 32, 32))
        np.testing.assert_array_equal(augmented.input_image, augmented.triplet.frame.image)
        np.testing.assert_array_equal(augmented.input_depth, augmented.triplet.frame.sparse_depth)


def test_probability_scales_how_often_points_are_removed() -> None:
    config = AugmentationConfig(point_removal_probability=0.8, **KEPT_WHOLE)
    triplet, generator = make_triplet(), np.random.default_rng(0)
    before = np.count_nonzero(triplet.frame.sparse_depth)
    kept = np.array(
        [np.count_nonzero(augment(triplet, config, generator, 0.5).input_depth) / before for _ in range(400)]
    )
    assert (kept < 1).mean() == pytest.approx(0.4, abs=0.07)
    assert kept[kept < 1].min() >= 0.4 - 0.01
    assert kept[kept < 1].max() <= 0.7 + 0.01


def test_removed_points_stay_in_what_the_losses_see() -> None:
    config = AugmentationConfig(point_removal_probability=1.0, **KEPT_WHOLE)
    triplet = make_triplet()
    augmented = augment(triplet, config, np.random.default_rng(0))
    np.testing.assert_array_equal(augmented.triplet.frame.sparse_depth, triplet.frame.sparse_depth)
    assert np.count_nonzero(augmented.input_depth) < np.count_nonzero(triplet.frame.sparse_depth)


def test_patches_of_points_are_removed_whole() -> None:
    """With a point on every pixel, what is gone is a union of squares; about the drawn share of it all."""
    every = make_triplet()
    full = replace(every, frame=replace(every.frame, sparse_depth=np.ones_like(every.frame.sparse_depth)))
    config = AugmentationConfig(point_removal_probability=1.0, point_removal_patch=8, **KEPT_WHOLE)
    generator = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        gone = augment(full, config, generator).input_depth == 0
        shares.append(gone.mean())
        rows, columns = (
            np.flatnonzero((np.diff(gone.astype(int), axis=axis) != 0).any(axis=1 - axis)) for axis in (0, 1)
        )
        assert len(set(rows % 8)) <= 1
        assert len(set(columns % 8)) <= 1
    assert 0.25 < min(shares) < 0.4
    assert 0.5 < max(shares) < 0.65
    assert np.mean(shares) == pytest.approx(0.45, abs=0.03)


def test_the_last_points_are_not_removed() -> None:
    points = np.zeros((32, 32), np.float32)
    points[3, 4] = 1.5
    generator = np.random.default_rng(0)
    assert all(remove_patches(points, 0.9, 8, generator).any() for _ in range(20))


def test_the_same_generator_gives_the_same_sample() -> None:
    config = AugmentationConfig(
        crop=(32, 32), flip_horizontal=0.5, noise="uniform", noise_spread=0.1, colour_jitter=0.2
    )
    one, two = (augment(make_triplet(), config, np.random.default_rng(5)) for _ in range(2))
    assert_equal(one.triplet, two.triplet)
    np.testing.assert_array_equal(one.input_image, two.input_image)
    np.testing.assert_array_equal(one.input_depth, two.input_depth)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": (16, 64)}, r"crop of at least 32x32 pixels, got height and width \(16, 64\)"),
        ({"point_removal": (0.6, 0.3)}, r"0 <= low <= high < 1 .* \(0\.6, 0\.3\)"),
        ({"point_removal": (0.5, 1.0)}, "0 <= low <= high < 1"),
        ({"flip_vertical": 1.5}, "flip_vertical as a probability"),
        ({"colour_jitter": 1.0}, "colour_jitter in 0..1"),
        ({"point_removal_patch": -8}, "point_removal_patch of at least 0 pixels, got -8"),
        ({"noise_spread": -0.1}, "noise_spread of at least 0 m"),
        ({"image_shift": -1.0}, "image_shift of at least 0 pixels"),
        ({"image_attack_levels": -1.0}, "image_attack_levels of at least 0 levels"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AugmentationConfig(**changes)


def test_camera_effects_are_the_same_for_the_same_generator_and_none_at_probability_0() -> None:
    image = make_triplet().frame.image
    first, second, other = (camera_effects(image, 1.0, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(camera_effects(image, 0.0, np.random.default_rng(0)), image)


def test_zoom_keeps_the_size_of_the_crop_and_changes_the_focal_length() -> None:
    config = AugmentationConfig(crop=(36, 40), zoom=1.2, point_removal_probability=0.0)
    samples = [augment(make_triplet(), config, np.random.default_rng(seed)).triplet.frame for seed in range(5)]
    assert {frame.size for frame in samples} == {(36, 40)}
    focal_lengths = [float(frame.intrinsics[0, 0]) for frame in samples]
    assert len(set(focal_lengths)) > 1
    assert 45 <= min(focal_lengths) <= max(focal_lengths) <= 45 * 1.25


def test_cut_outs_hide_the_points_behind_them() -> None:
    config = AugmentationConfig(**KEPT_WHOLE, cut_and_paste=1.0, point_removal_probability=0.0)
    texture = np.random.default_rng(3).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    hidden = 0
    for seed in range(5):
        frame = augment(make_triplet(), config, np.random.default_rng(seed), texture=lambda _: texture).triplet.frame
        assert frame.ground_truth is not None
        seen = frame.sparse_depth > 0
        np.testing.assert_array_equal(frame.sparse_depth[seen], frame.ground_truth[seen])
        hidden += np.count_nonzero(make_triplet().frame.sparse_depth) - seen.sum()
    assert hidden > 0


@pytest.mark.parametrize("changes", [{"zoom": 0.9}, {"zoom": 5.0}, {"cut_and_paste": 1.5}, {"camera_effects": -0.1}])
def test_impossible_zooms_and_probabilities_are_refused(changes: dict[str, Any]) -> None:
    (name,) = changes
    with pytest.raises(ValueError, match=f"expected {name}"):
        AugmentationConfig(**changes)


def test_flips_keep_intrinsics_where_that_is_asked_for() -> None:
    """As published for FusionNet."""
    triplet = make_triplet()
    whole: dict[str, Any] = {"crop": (HEIGHT, WIDTH), "flip_horizontal": 1.0, "point_removal_probability": 0.0}
    kept = augment(triplet, AugmentationConfig(**whole, flipped_intrinsics="kept"), np.random.default_rng(0)).triplet
    mirrored = augment(triplet, AugmentationConfig(**whole), np.random.default_rng(0)).triplet
    np.testing.assert_array_equal(kept.frame.image, mirrored.frame.image)
    np.testing.assert_array_equal(kept.frame.intrinsics, triplet.frame.intrinsics)
    assert mirrored.frame.intrinsics[0, 2] == WIDTH - 1 - triplet.frame.intrinsics[0, 2]


def test_a_centred_crop_is_always_in_the_middle() -> None:
    triplet = make_triplet()
    centred = AugmentationConfig(crop=(32, 32), crop_horizontal="centre", crop_vertical="centre")
    for seed in range(5):
        cropped = augment(triplet, centred, np.random.default_rng(seed)).triplet
        assert_equal(cropped, crop_triplet(triplet, (HEIGHT - 32) // 2, (WIDTH - 32) // 2, 32, 32))
