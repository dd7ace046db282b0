"""The prior is taken where the scaffold explains the images, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kbnet.losses.objective import PRIOR_COLOUR_LIMIT, prior_loss
from kbnet.losses.scene import Scene

HEIGHT, WIDTH, DEPTH, SHIFT_PX, FOCAL_PX = 8, 24, 2.0, 2, 20.0


def wall(depth: Tensor, contrast: float) -> Scene:
    """A camera moving sideways before a wall of noise of so much contrast, which it thinks to be at ``depth``."""
    around = contrast * torch.rand(1, 3, HEIGHT, WIDTH + SHIFT_PX, generator=torch.Generator().manual_seed(0))
    pose = torch.eye(4)[None].clone()
    pose[:, 0, 3] = SHIFT_PX * DEPTH / FOCAL_PX
    K = torch.tensor([[[FOCAL_PX, 0, 11.5], [0, FOCAL_PX, 3.5], [0, 0, 1]]])
    return Scene(around[..., SHIFT_PX:], depth, K, (around[..., :WIDTH],), (pose,))


def joined(*scenes: Scene) -> Scene:
    """One batch of scenes with one neighbour each."""
    arrays = ([one.image, one.depth, one.intrinsics, one.neighbours[0], one.poses[0]] for one in scenes)
    image, depth, K, neighbour, pose = (torch.cat(samples) for samples in zip(*arrays, strict=True))
    return Scene(image, depth, K, (neighbour,), (pose,))


def constant(depth: float) -> Tensor:
    return torch.full((1, 1, HEIGHT, WIDTH), depth)


def loss(depth: float, scaffold: Tensor, contrast: float = 0.2) -> float:
    scene = wall(constant(depth), contrast)
    return float(prior_loss(scene, scene.reconstructions(), scaffold))


def test_a_better_scaffold_pulls_and_a_worse_one_does_not() -> None:
    # Where both look beyond the border they are equally bad, and that counts as good.
    assert loss(3.0, constant(DEPTH)) == pytest.approx(1.0, rel=0.1)
    assert loss(DEPTH, constant(3.0)) < 0.1
    assert loss(3.0, constant(3.0)) == 0


def test_an_unknown_scaffold_does_not_pull() -> None:
    scaffold = constant(DEPTH)
    scaffold[..., : WIDTH // 2] = 0
    assert loss(3.0, scaffold) == pytest.approx(0.5, rel=0.1)


def test_the_prior_begins_once_the_images_match() -> None:
    scene = wall(constant(3.0), 1.0)
    (reconstruction,) = scene.reconstructions()
    assert (scene.image - reconstruction).abs().sum(dim=1).mean() > PRIOR_COLOUR_LIMIT
    assert loss(3.0, constant(DEPTH), contrast=1.0) == 0


def test_only_depth_gets_a_gradient_and_only_where_seen() -> None:
    depth = constant(3.0).requires_grad_()
    scene = wall(depth, 0.2)
    seen = torch.ones_like(depth)
    seen[..., 12:] = 0
    prior_loss(Scene(*list(vars(scene).values())[:5], seen), scene.reconstructions(), constant(DEPTH)).backward()
    assert depth.grad is not None
    assert depth.grad[..., :12].min() >= 0
    assert depth.grad[..., :12].max() > 0
    assert depth.grad[..., 12:].abs().max() == 0


def test_the_published_prior_is_the_mean_where_the_scaffold_is_as_good_by_the_previous_image_alone() -> None:
    scene = wall(constant(3.0), 0.2)
    scaffold = constant(DEPTH)
    scaffold[..., : WIDTH // 2] = 0
    assert float(prior_loss(scene, scene.reconstructions(), scaffold, "batch")) == pytest.approx(1.0)
    blank = torch.full_like(scene.image, 5.0)
    both = replace(scene, neighbours=(*scene.neighbours, blank), poses=(*scene.poses, *scene.poses))
    assert float(prior_loss(both, both.reconstructions(), scaffold, "batch")) == pytest.approx(1.0)
    assert float(prior_loss(both, both.reconstructions(), scaffold)) == 0


def test_samples_begin_together_in_the_published_prior() -> None:
    scene = joined(wall(constant(3.0), 0.2), wall(constant(3.0), 1.0))
    scaffold = constant(DEPTH).expand(2, -1, -1, -1)
    assert float(prior_loss(scene, scene.reconstructions(), scaffold)) > 0
    assert float(prior_loss(scene, scene.reconstructions(), scaffold, "batch")) == 0


def test_the_slip_of_the_published_prior_applies_the_pixels_of_every_sample_to_every_sample() -> None:
    """Two samples that differ from the scaffold by 1 and 3 m; it reconstructs the left half of the first alone."""
    scene = joined(wall(constant(3.0), 0.2), wall(constant(5.0), 0.2))
    scaffold = constant(DEPTH).repeat(2, 1, 1, 1)
    scaffold[0, ..., WIDTH // 2 :] = 0
    scaffold[1] = 0
    one = prior_loss(scene, scene.reconstructions(), scaffold, "batch")
    assert float(one) == pytest.approx((1.0 + 0.0) / 2)
    crossed = prior_loss(scene, scene.reconstructions(), scaffold, "crossed")
    assert float(crossed) == pytest.approx((1.0 + 5.0) / 2)
