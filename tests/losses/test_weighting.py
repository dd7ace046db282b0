"""Which pixels count: made images on which the answer is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from kbnet.losses.objective import scene_losses
from kbnet.losses.options import LossOptions
from kbnet.losses.scene import Scene
from kbnet.losses.weighting import Weighting, trust, weigh
from kbnet.losses.weights import LossWeights

HEIGHT, WIDTH, DEPTH, SHIFT_PX, FOCAL_PX = 12, 16, 2.0, 2, 20.0
COLOUR = LossWeights(colour=1.0, structure=0.0)


def noise(width: int = WIDTH) -> Tensor:
    return torch.rand(1, 3, HEIGHT, width, generator=torch.Generator().manual_seed(0))


def wall() -> Scene:
    """A camera that moves sideways before a wall of noise, by two pixels a frame, and knows depth and motion."""
    around = noise(WIDTH + 2 * SHIFT_PX)
    previous, image, following = (around[..., shift : shift + WIDTH] for shift in (0, SHIFT_PX, 2 * SHIFT_PX))
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[:, 0, 3] = torch.tensor([1, -1]) * SHIFT_PX * DEPTH / FOCAL_PX
    K = torch.tensor([[[FOCAL_PX, 0, 7.5], [0, FOCAL_PX, 5.5], [0, 0, 1]]])
    depth = torch.full((1, 1, HEIGHT, WIDTH), DEPTH)
    return Scene(image, depth, K, (previous, following), (poses[:1], poses[1:]))


def losses(scene: Scene, reconstructions: tuple[Tensor, ...] | None = None, **options: Any) -> dict[str, float]:
    reconstructions = scene.reconstructions() if reconstructions is None else reconstructions
    nothing = torch.zeros_like(scene.depth)
    terms = scene_losses(scene, reconstructions, nothing, nothing, COLOUR, LossOptions(**options))
    return {name: float(term) for name, term in terms.items()}


def halves(left: float, right: float) -> Tensor:
    """A grey image of two halves."""
    image = torch.full((1, 3, HEIGHT, WIDTH), left)
    image[..., WIDTH // 2 :] = right
    return image


def test_nothing_is_weighed_by_default() -> None:
    scene = wall()
    assert weigh(scene, scene.reconstructions(), COLOUR, LossOptions()) == Weighting()
    assert weigh(scene, (), COLOUR, LossOptions(still="drop", adaptive="residual")) == Weighting()


def test_the_minimum_takes_the_better_neighbour_at_every_pixel_and_counts_it_twice() -> None:
    scene = replace(wall(), image=torch.zeros(1, 3, HEIGHT, WIDTH))
    first, second = halves(0.1, 0.4), halves(0.3, 0.2)
    assert losses(scene, (first, second))["colour"] == pytest.approx(3 * (0.25 + 0.25))
    better = losses(scene, (first, second), reconstruction="minimum")
    assert better["colour"] == pytest.approx(3 * 2 * (0.1 + 0.2) / 2)
    alike, twice = losses(scene, (first, first)), losses(scene, (first, first), reconstruction="minimum")
    assert twice == pytest.approx(alike)


def test_what_a_neighbour_did_not_see_is_not_compared_with_it() -> None:
    scene = wall()
    assert losses(scene)["colour"] > 0.01
    assert losses(scene, out_of_view="drop")["colour"] == pytest.approx(0, abs=1e-4)
    compared = weigh(scene, scene.reconstructions(), COLOUR, LossOptions(out_of_view="drop")).compared
    assert compared is not None
    expected = torch.ones(1, 2, HEIGHT, WIDTH)
    expected[:, 0, :, -SHIFT_PX:] = 0
    expected[:, 1, :, :SHIFT_PX] = 0
    assert torch.equal(compared, expected)


def test_the_minimum_is_over_neighbours_that_saw_the_pixel() -> None:
    scene = wall()
    perfect_where_unseen = tuple(scene.image + 0.1 * (1 - seen) for seen in (scene.in_view() == 0).float().split(1, 1))
    options = {"reconstruction": "minimum", "out_of_view": "drop"}
    assert losses(scene, perfect_where_unseen, **options)["colour"] == pytest.approx(2 * 0.3, rel=1e-5)


def test_a_standing_camera_compares_nothing_and_a_moving_one_what_moves() -> None:
    moving = wall()
    still = replace(moving, neighbours=(moving.image, moving.image), poses=(torch.eye(4)[None],) * 2)
    assert losses(still, still="drop")["colour"] == 0
    compared = weigh(moving, moving.reconstructions(), COLOUR, LossOptions(still="drop")).compared
    assert compared is not None
    assert compared[..., SHIFT_PX:-SHIFT_PX].mean() == 1
    # Something moves along with the camera: it stands still in all three images.
    for image in (moving.image, *moving.neighbours):
        image[..., 4:8, 6:10] = 0.5
    compared = weigh(moving, moving.reconstructions(), COLOUR, LossOptions(still="drop")).compared
    assert compared is not None
    assert compared[..., 4:8, 6:10].max() == 0


def test_trust_by_hand() -> None:
    errors = torch.tensor([1.0, 1.0, 1.0, 9.0, 50.0]).view(1, 1, 1, 5)
    counted = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]).view(1, 1, 1, 5)  # mean 3
    expected = [1 / (1 + 1 / 81)] * 3 + [1 / 2, 1 / (1 + (50 / 9) ** 2)]
    assert trust(errors, counted).flatten().tolist() == pytest.approx(expected)
    assert torch.equal(trust(torch.zeros_like(errors), counted), torch.ones_like(errors))
    assert torch.isfinite(trust(errors, torch.zeros_like(errors))).all()


def test_adaptive_weights_compare_less_and_smooth_more_where_both_neighbours_match_badly() -> None:
    scene = replace(wall(), image=torch.zeros(1, 3, HEIGHT, WIDTH))
    off = torch.full((1, 3, HEIGHT, WIDTH), 0.01)
    off[..., 5, 5] = 0.9
    weighting = weigh(scene, (off, off), COLOUR, LossOptions(adaptive="residual"))
    assert weighting.compared is not None
    assert weighting.smoothed is not None
    mean = (0.9 + 0.01 * (HEIGHT * WIDTH - 1)) / (HEIGHT * WIDTH)
    doubtful, sure = 1 / (1 + (0.9 / (3 * mean)) ** 2), 1 / (1 + (0.01 / (3 * mean)) ** 2)
    assert weighting.compared[0, :, 5, 5].tolist() == pytest.approx([doubtful] * 2)
    assert weighting.compared[0, :, 0, 0].tolist() == pytest.approx([sure] * 2)
    assert float(weighting.smoothed[0, 0, 5, 5]) == pytest.approx(2 - doubtful)
    one_good = weigh(scene, (off, torch.zeros_like(off)), COLOUR, LossOptions(adaptive="residual"))
    assert one_good.smoothed is not None
    assert torch.equal(one_good.smoothed, torch.ones_like(one_good.smoothed))


def test_several_sizes_are_averaged_and_the_camera_shrinks_with_the_image() -> None:
    scene = wall()
    full, half = losses(scene), losses(scene.halved())
    both = losses(scene, scales=2)
    for name in ("colour", "structure"):
        assert both[name] == pytest.approx((full[name] + half[name]) / 2)
    assert both["smoothness"] == full["smoothness"]
    # Two pixels are one at half the size: the wall still fits, but for the border.
    small = scene.halved()
    assert small.image.shape == (1, 3, HEIGHT // 2, WIDTH // 2)
    first, second = small.reconstructions()
    torch.testing.assert_close(first[..., :-1], small.image[..., :-1], rtol=0, atol=1e-5)
    torch.testing.assert_close(second[..., 1:], small.image[..., 1:], rtol=0, atol=1e-5)


def test_what_is_not_seen_changes_no_term() -> None:
    scene = wall()
    seen = torch.ones_like(scene.depth)
    seen[..., :, 8:] = 0
    image, depth = scene.image.clone(), scene.depth.clone()
    image[..., 10:] = 0  # structure looks a pixel ahead, and smoothness too
    depth[..., 10:] = 7
    points = torch.ones_like(depth)
    for options in (LossOptions(), LossOptions("minimum", "drop", "drop", robust_sparse_depth=0.1)):
        terms = [
            scene_losses(one, one.reconstructions(), points, points, LossWeights(), options)
            for one in (replace(scene, seen=seen), replace(scene, seen=seen, image=image, depth=depth))
        ]
        for name, term in terms[0].items():
            torch.testing.assert_close(terms[1][name], term, rtol=1e-6, atol=1e-6, msg=f"{name} {options}")
            assert term > 0 or name == "smoothness" or options.out_of_view == "drop"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": 0}, r"scales in 1\.\.4, got 0"),
        ({"scales": 5}, r"scales in 1\.\.4, got 5"),
        ({"robust_sparse_depth": -0.1}, "robust_sparse_depth as a part .* got -0.1"),
        ({"robust_sparse_depth": float("nan")}, "robust_sparse_depth"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LossOptions(**options)
