"""Which pixels count: made images on which the answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kbnet.losses.objective import unsupervised_losses
from kbnet.losses.scene import Scene
from kbnet.losses.weighting import adaptive_weighting, comparison_weight
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


def terms_of(scene: Scene, points: Tensor, *, adaptive: bool) -> dict[str, Tensor]:
    reconstructions = scene.reconstructions()
    weighting = adaptive_weighting(scene, reconstructions, LossWeights()) if adaptive else None
    return unsupervised_losses(scene, reconstructions, points, points, weighting)


def test_trust_by_hand() -> None:
    errors = torch.tensor([1.0, 1.0, 1.0, 9.0, 50.0]).view(1, 1, 1, 5)
    counted = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]).view(1, 1, 1, 5)  # mean 3
    expected = [1 / (1 + 1 / 81)] * 3 + [1 / 2, 1 / (1 + (50 / 9) ** 2)]
    assert comparison_weight(errors, counted).flatten().tolist() == pytest.approx(expected)
    assert torch.equal(comparison_weight(torch.zeros_like(errors), counted), torch.ones_like(errors))
    assert torch.isfinite(comparison_weight(errors, torch.zeros_like(errors))).all()


def test_adaptive_weights_compare_less_and_smooth_more_where_both_neighbours_match_badly() -> None:
    scene = replace(wall(), image=torch.zeros(1, 3, HEIGHT, WIDTH))
    off = torch.full((1, 3, HEIGHT, WIDTH), 0.01)
    off[..., 5, 5] = 0.9
    weighting = adaptive_weighting(scene, (off, off), COLOUR)
    mean = (0.9 + 0.01 * (HEIGHT * WIDTH - 1)) / (HEIGHT * WIDTH)
    doubtful, sure = 1 / (1 + (0.9 / (3 * mean)) ** 2), 1 / (1 + (0.01 / (3 * mean)) ** 2)
    assert weighting.compared[0, :, 5, 5].tolist() == pytest.approx([doubtful] * 2)
    assert weighting.compared[0, :, 0, 0].tolist() == pytest.approx([sure] * 2)
    assert float(weighting.smoothed[0, 0, 5, 5]) == pytest.approx(2 - doubtful)
    one_good = adaptive_weighting(scene, (off, torch.zeros_like(off)), COLOUR)
    assert torch.equal(one_good.smoothed, torch.ones_like(one_good.smoothed))


def test_what_is_not_seen_changes_no_term() -> None:
    scene = wall()
    seen = torch.ones_like(scene.depth)
    seen[..., :, 8:] = 0
    image, depth = scene.image.clone(), scene.depth.clone()
    image[..., 10:] = 0  # structure looks a pixel ahead, and smoothness too
    depth[..., 10:] = 7
    points = torch.ones_like(depth)
    for adaptive in (False, True):
        terms = [
            terms_of(replace(scene, seen=seen), points, adaptive=adaptive),
            terms_of(replace(scene, seen=seen, image=image, depth=depth), points, adaptive=adaptive),
        ]
        for name, term in terms[0].items():
            torch.testing.assert_close(terms[1][name], term, rtol=1e-6, atol=1e-6, msg=f"{name} {adaptive}")
            assert term > 0 or name == "smoothness"
