"""Training images changed by an attack, so that small changes of an image change depth less (Madry et al., ICLR 2018).

One step of FGSM from a random start (Wong et al., ICLR 2020): the colours move along the sign of the gradient of the
error of depth.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kbnet.network.depth_network import DepthNetwork
from kbnet.network.inputs import NetworkInputs

STEP_SHARE = 1.25
"""Length of the step, of the largest change (Wong et al.)."""
LEAST_DEPTH_M = 1e-3


class ImageAttack:
    """Attack on the images of a batch.

    Args:
        probability: of attacking a sample.
        levels: upper end of the range from which the largest change of a colour is drawn, of 255 levels.
    """

    def __init__(self, probability: float, levels: float) -> None:
        self.probability = probability
        self.levels = levels

    def __call__(
        self, network: DepthNetwork, inputs: NetworkInputs, truth: Tensor, draw_seeds: Tensor, *, reduced: bool
    ) -> NetworkInputs:
        """Inputs with attacked images. Draws depend on ``draw_seeds`` only; the statistics of BatchNorm stay.

        Args:
            truth: (B, 1, H, W), metres; 0 = unmeasured. Samples without ground truth are not attacked.
            draw_seeds: seed of each sample, (B,), int64, at least 0.
            reduced: the inputs are at the network's resolution.
        """
        image = inputs.image
        drawn = [self._draw(seed, image.shape[1:]) for seed in draw_seeds.tolist()]
        chosen = [index for index, (largest, _) in enumerate(drawn) if largest > 0 and bool((truth[index] > 0).any())]
        if not chosen:
            return inputs
        rows = torch.tensor(chosen, device=image.device)
        largest = torch.tensor([drawn[index][0] for index in chosen], device=image.device)[:, None, None, None]
        start = torch.stack([drawn[index][1] for index in chosen]).to(image.device) * largest
        taken = NetworkInputs._make(None if value is None else value[rows] for value in inputs)
        slope = _slope(network, taken._replace(image=taken.image + start), truth[rows], reduced=reduced)
        change = start + STEP_SHARE * largest * slope.sign()
        change = torch.minimum(torch.maximum(change, -largest), largest)
        return inputs._replace(image=image.index_copy(0, rows, (taken.image + change).clamp(0, 1)))

    def _draw(self, seed: int, shape: torch.Size) -> tuple[float, Tensor]:
        """Largest change of the colours, 0 for no attack, and the start as a part of it, -1..1."""
        generator = torch.Generator().manual_seed(seed)
        attacked, share = torch.rand(2, generator=generator).tolist()
        largest = share * self.levels / 255 if attacked < self.probability else 0.0
        return largest, 2 * torch.rand(shape, generator=generator) - 1


def _slope(network: DepthNetwork, inputs: NetworkInputs, truth: Tensor, *, reduced: bool) -> Tensor:
    """Gradient of the mean absolute error of ln depth with respect to the image, (B, 3, H, W)."""
    image = inputs.image.requires_grad_()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and module.training]
    for norm in norms:
        norm.eval()
    depth = network(*inputs._replace(image=image), **({"reduced": True} if reduced else {}))[:, :1].float()
    for norm in norms:
        norm.train()
    error = depth.clamp_min(LEAST_DEPTH_M).log() - truth.clamp_min(LEAST_DEPTH_M).log()
    slope: Tensor
    (slope,) = torch.autograd.grad(error[truth > 0].abs().mean(), image)
    return slope
