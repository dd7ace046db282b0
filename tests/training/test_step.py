"""One step: which motion it uses, which terms it has, and that the truth costs little."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.training.batch import TripletBatch
from kbnet.training.config import TrainingConfig
from kbnet.training.image_attack import ImageAttack
from kbnet.training.step import NARROW_SEEN_PX, StepOptions, TrainingStep, is_faster_in_bfloat16

HEIGHT, WIDTH, DEPTH, SHIFT_PX = 40, 72, 2.0, 2
FILTERS: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
NO_PHOTOMETRY = LossWeights(colour=0.0, structure=0.0)


def sideways(pixels: float) -> Tensor:
    """Motion by which a wall at ``DEPTH`` seen with f = 40 px shifts by so many pixels."""
    transform = torch.eye(4)
    transform[0, 3] = pixels * DEPTH / 40
    return transform.expand(2, 4, 4).clone()


def make_batch() -> TripletBatch:
    """Two samples of a camera before a wall of noise, moving sideways by two pixels a frame."""
    wall = torch.rand(2, 3, HEIGHT, WIDTH + 2 * SHIFT_PX, generator=torch.Generator().manual_seed(0))
    previous, image, following = (wall[..., shift : shift + WIDTH] for shift in (0, SHIFT_PX, 2 * SHIFT_PX))
    points = torch.zeros(2, 1, HEIGHT, WIDTH)
    points[..., ::5, ::5] = DEPTH
    return TripletBatch(
        image=image,
        previous_image=previous,
        next_image=following,
        input_image=image,
        input_depth=points,
        input_validity=(points > 0).float(),
        sparse_depth=points,
        validity=(points > 0).float(),
        scaffold=None,
        intrinsics=torch.tensor([[40.0, 0, 35.5], [0, 40, 19.5], [0, 0, 1]]).expand(2, 3, 3),
        T_previous_current=sideways(SHIFT_PX),
        T_next_current=sideways(-SHIFT_PX),
        has_poses=torch.tensor([True, True]),
        ground_truth=torch.full((2, 1, HEIGHT, WIDTH), DEPTH),
        names=("wall/0", "wall/1"),
    )


class Wall(nn.Module):
    """Knows the depth."""

    config = KBNetConfig()

    def forward(self, image: Tensor, *_: Tensor | None, reduced: bool = False) -> Tensor:
        return torch.full_like(image[:, :1], DEPTH)


class Guess(nn.Module):
    """In the place of a pose network: says that the camera did not move, and counts how often it was asked."""

    asked = 0

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        self.asked += 1
        return torch.eye(4).expand(len(target), 4, 4)


def make_step(**changes: Any) -> TrainingStep:
    options = {name: changes.pop(name) for name in vars(StepOptions()) if name in changes}
    arguments = {"network": Wall(), "pose_network": None, "weights": LossWeights(), **changes}
    return TrainingStep(**arguments, options=StepOptions(**{"known_poses": True, **options}))


def test_the_true_depth_and_motion_reconstruct_the_image_but_for_the_border() -> None:
    batch = make_batch()
    result = make_step()(batch)
    for reconstruction in result.reconstructions:
        inner = (..., slice(SHIFT_PX, -SHIFT_PX))
        torch.testing.assert_close(reconstruction[inner], batch.image[inner], rtol=0, atol=1e-4)
    still = make_step(pose_network=Guess(), known_poses=False)(batch)
    assert result.terms["colour"] < 0.2 * still.terms["colour"]
    assert result.terms["structure"] < 0.2 * still.terms["structure"]
    assert result.terms["sparse_depth"] == 0
    assert result.terms["smoothness"] == 0


def test_the_total_weighs_the_terms() -> None:
    weights = LossWeights(1.0, 2.0, 3.0, 4.0, 5.0)
    torch.manual_seed(0)
    result = make_step(network=KBNet(KBNetConfig(**FILTERS)), weights=weights)(make_batch())
    assert list(result.terms) == ["colour", "structure", "sparse_depth", "smoothness", "supervised"]
    expected = sum(weight * float(term.detach()) for weight, term in enumerate(result.terms.values(), start=1))
    assert float(result.total.detach()) == pytest.approx(expected, rel=1e-5)


def test_mixed_batches_use_known_motion_where_there_is_and_the_pose_network_elsewhere() -> None:
    batch = replace(make_batch(), has_poses=torch.tensor([True, False]))
    first, _ = make_step(pose_network=Guess())(batch).reconstructions
    inner = (..., slice(SHIFT_PX, -SHIFT_PX))
    torch.testing.assert_close(first[0][inner], batch.image[0][inner], rtol=0, atol=1e-4)
    torch.testing.assert_close(first[1], batch.previous_image[1], rtol=0, atol=1e-4)


def test_known_motion_is_not_used_unless_asked_for() -> None:
    batch = make_batch()
    first, second = make_step(pose_network=Guess(), known_poses=False)(batch).reconstructions
    torch.testing.assert_close(first, batch.previous_image, rtol=0, atol=1e-4)
    torch.testing.assert_close(second, batch.next_image, rtol=0, atol=1e-4)


@pytest.mark.parametrize("adaptive_weighting", [False, True])
def test_without_photometric_weights_no_motion_is_asked_for(adaptive_weighting: bool) -> None:
    guess = Guess()
    step = make_step(pose_network=guess, weights=NO_PHOTOMETRY, adaptive_weighting=adaptive_weighting)
    result = step(make_batch())
    assert guess.asked == 0
    assert result.reconstructions == ()
    assert list(result.terms) == ["sparse_depth", "smoothness"]


def test_gradients_reach_both_networks_and_only_the_one_that_is_used() -> None:
    torch.manual_seed(0)
    batch = make_batch()
    for known_poses, used in ((False, True), (True, False)):
        step = make_step(network=KBNet(KBNetConfig(**FILTERS)), pose_network=PoseNet("plain"), known_poses=known_poses)
        step(batch).total.backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in step.network.parameters())
        moved = [parameter.grad.abs().sum() > 0 for parameter in step.pose_network.parameters()]
        assert any(moved) is used


def test_a_batch_of_samples_costs_their_mean() -> None:
    """What lets several processes share a batch."""
    torch.manual_seed(0)
    step = make_step(network=KBNet(KBNetConfig(**FILTERS)), weights=LossWeights(supervised=1.0)).eval()
    batch = replace(make_batch(), ground_truth=make_batch().ground_truth + torch.tensor([0.0, 1.0]).view(2, 1, 1, 1))
    halves = [
        replace(batch, **{k: v[i : i + 1] for k, v in vars(batch).items() if isinstance(v, Tensor)}) for i in range(2)
    ]
    with torch.no_grad():
        joint, apart = step(batch), [step(half) for half in halves]
    for name, term in joint.terms.items():
        torch.testing.assert_close(term, torch.stack([half.terms[name] for half in apart]).mean(), msg=name)


def test_bfloat16_rounds_the_networks_and_not_the_geometry() -> None:
    torch.manual_seed(0)
    network, pose_network = KBNet(KBNetConfig(**FILTERS)), PoseNet("plain")
    full, rough = (
        make_step(network=network, pose_network=pose_network, known_poses=False, bfloat16=bfloat16)(make_batch())
        for bfloat16 in (False, True)
    )
    assert rough.depth.dtype == torch.float32
    assert rough.reconstructions[0].dtype == torch.float32
    assert not torch.equal(rough.depth, full.depth)
    torch.testing.assert_close(rough.depth, full.depth, rtol=0.05, atol=0)
    # With the truth for depth and motion nothing is left to round.
    exact, same = (make_step(bfloat16=bfloat16)(make_batch()).total for bfloat16 in (False, True))
    assert torch.equal(exact, same)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_depth_network_that_sees_few_columns_stays_in_32_bits(narrow: bool) -> None:
    network, batch = with_scaffold(resolution="half")
    if narrow:
        seen = 2 * NARROW_SEEN_PX
        maps = {k: v[..., :seen] for k, v in vars(batch).items() if isinstance(v, Tensor) and v.shape[-1] == WIDTH}
        batch = replace(batch, **maps)
    exact, rough = (make_step(network=network, bfloat16=bfloat16)(batch).depth for bfloat16 in (False, True))
    assert torch.equal(exact, rough) == narrow


def test_unknown_motion_without_a_pose_network_is_no_step() -> None:
    with pytest.raises(AssertionError, match="wall/0, wall/1"):
        make_step()(replace(make_batch(), has_poses=torch.tensor([True, False])))


def with_scaffold(**changes: Any) -> tuple[KBNet, TripletBatch]:
    """A network that changes the scaffold a little, and samples that differ."""
    torch.manual_seed(0)
    network = KBNet(KBNetConfig(scaffold="linear", **changes, **FILTERS))
    torch.nn.init.normal_(network.decoder.output.weight, std=0.1)
    batch = make_batch()
    scaffold = torch.linspace(1.5, 3.0, 2 * WIDTH).view(2, 1, 1, WIDTH).expand(2, 1, HEIGHT, WIDTH)
    return network, replace(batch, scaffold=scaffold)


def test_adaptive_weighting_gives_finite_gradients_and_costs_the_mean_of_its_samples() -> None:
    network, batch = with_scaffold()
    weights = LossWeights(pose_consistency=0.1, prior=0.1)
    step = make_step(network=network, pose_network=PoseNet("plain"), weights=weights, adaptive_weighting=True).eval()
    joint = step(batch)
    assert list(joint.terms) == ["colour", "structure", "sparse_depth", "smoothness", "pose_consistency", "prior"]
    joint.total.backward()
    assert all(torch.isfinite(p.grad).all() for p in step.parameters() if p.grad is not None)
    assert network.decoder.output.weight.grad.abs().max() > 0
    halves = [
        replace(batch, **{k: v[i : i + 1] for k, v in vars(batch).items() if isinstance(v, Tensor)}) for i in range(2)
    ]
    apart = [step(half).terms for half in halves]
    for name, term in joint.terms.items():
        torch.testing.assert_close(term, torch.stack([terms[name] for terms in apart]).mean(), msg=name)
    published = make_step(network=network, pose_network=step.pose_network).eval()(batch)
    changed = {name for name, term in published.terms.items() if term != joint.terms[name]}
    assert changed == {"colour", "structure", "smoothness"}


def test_pose_consistency_asks_the_pose_network_for_the_way_back() -> None:
    guess = Guess()
    result = make_step(pose_network=guess, known_poses=False, weights=LossWeights(pose_consistency=1.0))(make_batch())
    assert guess.asked == 4
    assert result.terms["pose_consistency"] == 0
    # It says that nothing moved; where the motion is known, that is the measure of it.
    known = make_step(pose_network=guess, weights=LossWeights(pose_consistency=1.0))(make_batch())
    expected = 2 * (SHIFT_PX * DEPTH / 40) ** 2
    assert float(known.terms["pose_consistency"]) == pytest.approx(expected)


def test_an_affine_residual_trains() -> None:
    network, batch = with_scaffold(residual="affine")
    step = make_step(network=network, pose_network=PoseNet("plain"))
    step(batch).total.backward()
    assert network.decoder.output.weight.grad.abs().flatten(1).amax(dim=1).min() > 0


def test_frozen_statistics_stay_and_are_what_training_normalises_by() -> None:
    torch.manual_seed(0)
    network = KBNet(KBNetConfig(normalisation="batch", **FILTERS))
    batch = make_batch()
    expected = network.eval()(*batch.network_inputs)
    step = make_step(network=network, weights=NO_PHOTOMETRY, frozen_statistics=True).train()
    statistics = {name: tensor.clone() for name, tensor in network.named_buffers()}
    result = step(batch)
    torch.testing.assert_close(result.depth, expected)
    result.total.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(torch.equal(tensor, statistics[name]) for name, tensor in network.named_buffers())
    moving = make_step(network=network, weights=NO_PHOTOMETRY).train()
    moving(batch)
    assert any(not torch.equal(tensor, statistics[name]) for name, tensor in network.named_buffers())


@pytest.mark.parametrize("training", [True, False])
def test_images_are_attacked_in_training_only_without_traces_in_statistics_and_gradients(training: bool) -> None:
    torch.manual_seed(0)
    network = KBNet(KBNetConfig(normalisation="batch", **FILTERS))
    seen: list[Tensor] = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    step = make_step(network=network, weights=replace(NO_PHOTOMETRY, supervised=1.0), image_attack=ImageAttack(1.0, 4))
    batch = replace(make_batch(), draw_seed=torch.tensor([5, 6]))
    step.train(training)(batch)
    assert len(seen) == 1 + training
    assert torch.equal(seen[-1], batch.input_image) != training
    assert {int(norm.num_batches_tracked) for norm in norms} == {int(training)}, "of the training pass only"
    assert all(norm.training == training for norm in norms)
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("supported", [False, True])
def test_auto_precision_is_bfloat16_where_it_is_faster(supported: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kbnet.training.step.is_faster_in_bfloat16", lambda device: supported)
    config = TrainingConfig(precision="auto", losses=LossWeights(supervised=1.0))
    assert TrainingStep.of(config, KBNet(KBNetConfig(**FILTERS)), None).options.bfloat16 is supported


def test_a_processor_reports_whether_it_is_faster_in_bfloat16() -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if sys.platform == "linux" else ""
    if "flags" not in flags:
        pytest.skip("no flags of an x86 processor here")
    assert is_faster_in_bfloat16("cpu") is ("amx_tile" in flags)
