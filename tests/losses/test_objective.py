"""The named terms and their weighted total."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kbnet.losses.objective import LEAST_SCAFFOLD_ERROR, supervised_loss, unsupervised_losses, weighted_total
from kbnet.losses.photometric import colour_loss, structure_loss
from kbnet.losses.scene import Scene
from kbnet.losses.weights import LossForms, LossWeights


def maps() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Depth, image and two reconstructions."""
    generator = torch.Generator().manual_seed(0)
    depth = 1 + torch.rand(1, 1, 6, 6, generator=generator)
    return depth, *torch.rand(3, 1, 3, 6, 6, generator=generator)


def scene(depth: Tensor, image: Tensor) -> Scene:
    return Scene(image, depth, torch.eye(3)[None], (), ())


def test_photometric_terms_are_summed_over_both_sources() -> None:
    depth, image, first, second = maps()
    terms = unsupervised_losses(scene(depth, image), (first, second), depth, torch.ones_like(depth))
    assert float(terms["colour"]) == pytest.approx(float(colour_loss(image, (first,)) + colour_loss(image, (second,))))
    structure = structure_loss(image, (first,)) + structure_loss(image, (second,))
    assert float(terms["structure"]) == pytest.approx(float(structure))
    assert float(terms["sparse_depth"]) == 0


def test_terms_that_need_no_motion_remain_without_reconstructions() -> None:
    depth, image, _, _ = maps()
    assert list(unsupervised_losses(scene(depth, image), (), depth, depth)) == ["sparse_depth", "smoothness"]


def test_weighted_total_by_hand() -> None:
    names = ("colour", "structure", "sparse_depth", "smoothness", "supervised")
    terms = {name: torch.tensor(float(index)) for index, name in enumerate(names, start=1)}
    assert float(weighted_total(terms, LossWeights(0.1, 0.2, 0.3, 0.4, 0.5))) == pytest.approx(5.5)


def test_published_weights() -> None:
    assert LossWeights() == LossWeights(colour=0.15, structure=0.95, sparse_depth=2.0, smoothness=2.0, supervised=0.0)


def test_supervised_loss_counts_pixels_with_ground_truth_only() -> None:
    ground_truth = torch.tensor([[0.0, 2.0], [4.0, 0.0]]).view(1, 1, 2, 2)
    assert float(supervised_loss(torch.full((1, 1, 2, 2), 2.5), ground_truth)) == pytest.approx((0.5 + 1.5) / 2)


def test_supervised_loss_with_a_scaffold_is_the_part_of_its_error_that_is_left() -> None:
    """Each sample is divided by the error of its own interpolation, which counts as at least a little."""
    ground_truth = torch.tensor([[2.0, 4.0, 0.0], [5.0, 5.0, 5.0]]).view(2, 1, 1, 3)
    scaffold = torch.tensor([[3.0, 6.0, 9.0], [5.0, 5.0, 5.0]]).view(2, 1, 1, 3)
    depth = torch.tensor([[2.5, 4.5, 7.0], [5.1, 5.1, 5.1]]).view(2, 1, 1, 3)
    first = (0.5 + 0.5) / (1 + 2 + (2 + 4) * LEAST_SCAFFOLD_ERROR)
    second = 0.3 / (15 * LEAST_SCAFFOLD_ERROR)
    assert float(supervised_loss(depth, ground_truth, scaffold)) == pytest.approx((first + second) / 2, rel=1e-4)
    nothing = torch.zeros_like(ground_truth)
    depth.requires_grad_()
    empty = supervised_loss(depth, nothing, nothing)
    empty.backward()
    assert float(empty.detach()) == 0
    assert depth.grad is not None
    assert torch.isfinite(depth.grad).all()


def test_supervised_loss_with_a_scaffold_does_not_depend_on_the_unit() -> None:
    depth, *_ = maps()
    truth, scaffold = depth + 0.3, depth.flip(-1)
    torch.testing.assert_close(
        supervised_loss(7 * depth, 7 * truth, 7 * scaffold), supervised_loss(depth, truth, scaffold)
    )


def test_all_terms_are_finite_where_nothing_is_measured() -> None:
    depth, image, first, second = maps()
    depth.requires_grad_()
    nothing = torch.zeros(1, 1, 6, 6)
    terms = unsupervised_losses(scene(depth, image), (first, second), nothing, nothing)
    terms["supervised"] = supervised_loss(depth, nothing)
    weighted_total(terms, LossWeights(supervised=1.0)).backward()
    assert depth.grad is not None
    assert torch.isfinite(depth.grad).all()
    assert float(terms["supervised"].detach()) == 0


def test_negative_weights_are_named() -> None:
    with pytest.raises(ValueError, match="a negative colour, smoothness"):
        LossWeights(colour=-1.0, smoothness=-0.1)


@pytest.mark.parametrize(("weights", "needed"), [((0, 0), False), ((0.1, 0), True), ((0, 0.1), True)])
def test_motion_is_needed_where_images_are_compared(weights: tuple[float, float], needed: bool) -> None:
    assert LossWeights(*weights).needs_poses is needed


@pytest.mark.parametrize("weights", [(float("nan"),), (0.1, float("inf"))])
def test_weights_that_are_no_numbers_are_named(weights: tuple[float, ...]) -> None:
    with pytest.raises(
        ValueError, match=r" losses\.(colour as a finite number, got nan|structure as a finite number, got inf)"
    ):
        LossWeights(*weights)


def test_weights_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one loss weight above 0"):
        LossWeights(0, 0, 0, 0)


def test_points_that_are_left_out_cost_no_colour_and_no_structure() -> None:
    depth, image, first, second = maps()
    arguments = (scene(depth, image), (first, second), depth, torch.ones_like(depth), None)
    terms = unsupervised_losses(*arguments, LossForms(points="left-out"))
    assert (float(terms["colour"]), float(terms["structure"])) == (0, 0)
    assert float(unsupervised_losses(*arguments)["colour"]) > 0


def test_the_normalised_supervised_loss_is_over_all_pixels() -> None:
    ground_truth = torch.tensor([[0.0, 2.0], [4.0, 0.0]]).view(1, 1, 2, 2)
    loss = supervised_loss(torch.full((1, 1, 2, 2), 2.5), ground_truth, form="normalised")
    assert float(loss) == pytest.approx((0.5 / 2 + 1.5 / 4) / 4)
