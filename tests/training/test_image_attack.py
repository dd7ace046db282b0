"""Attacks on the images of a training batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kbnet.network.inputs import NetworkInputs
from kbnet.training.image_attack import ImageAttack

LEVELS = 3.0
LARGEST = LEVELS / 255


class Brightness(nn.Module):
    """Depth is 1 m plus the sum of the colours: the error of a depth above the truth rises with each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, image: Tensor, *_: Tensor | None, reduced: bool = False) -> Tensor:
        return 1 + self.gain * image.sum(1, keepdim=True)


def attacked(probability: float, seeds: tuple[int, ...], truth: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Images before and after an attack on samples with a depth of 1 m."""
    image = 0.2 + 0.6 * torch.rand(len(seeds), 3, 8, 8, generator=torch.Generator().manual_seed(0))
    truth = torch.ones(len(seeds), 1, 8, 8) if truth is None else truth
    inputs = NetworkInputs(image, truth, truth, torch.eye(3).expand(len(seeds), 3, 3))
    changed = ImageAttack(probability, LEVELS)(Brightness(), inputs, truth, torch.tensor(seeds), reduced=False)
    return image, changed.image


def test_the_attack_raises_the_error_by_a_small_change_of_the_colours() -> None:
    before, after = attacked(1.0, tuple(range(20)))
    change = (after - before).amax(dim=(1, 2, 3))
    assert bool((after >= before - LARGEST / 8).all()), "colours move the way in which the error rises"
    assert bool((change <= LARGEST + 1e-6).all())
    assert float(change.max()) > 0.8 * LARGEST
    assert float(change.min()) < 0.3 * LARGEST, "the largest change is drawn for each sample"


def test_the_share_of_attacked_samples_and_the_change_depend_on_the_seeds_only() -> None:
    seeds = tuple(range(100))
    before, after = attacked(0.3, seeds)
    changed = (after != before).any(dim=3).any(dim=2).any(dim=1)
    assert 20 <= int(changed.sum()) <= 40
    assert torch.equal(after, attacked(0.3, seeds)[1])


def test_samples_without_ground_truth_are_not_attacked() -> None:
    truth = torch.ones(2, 1, 8, 8)
    truth[1] = 0
    before, after = attacked(1.0, (1, 2), truth)
    assert not torch.equal(after[0], before[0])
    assert torch.equal(after[1], before[1])
