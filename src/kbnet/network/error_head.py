"""Error head: the expected error of completed depth, predicted in the same pass."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.network.layers import Convolution
from kbnet.network.sparse_to_dense import local_range

LEAST_RELATIVE_ERROR = 0.002
"""Least expected error, as a share of the depth."""

FIRST_LOGIT = -3.5
"""Initial bias of the output: a new head predicts an error of 3 %."""

_CHANNELS = 24
_WINDOW = 9


class ErrorHead(nn.Module):
    """Prediction of the relative error of depth, trained as the scale b of a Laplace distribution.

    Inputs are the features of the trunk, the local range of the completed ln depth, and its difference from the
    scaffold. No gradient flows into the inputs, so this head does not change the depth.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden = Convolution(channels + 2, _CHANNELS, normalise=True)
        self.output = nn.Conv2d(_CHANNELS, 1, 1)
        nn.init.zeros_(self.output.weight)
        assert self.output.bias is not None
        nn.init.constant_(self.output.bias, FIRST_LOGIT)

    def forward(self, features: Tensor, log_depth: Tensor, log_scaffold: Tensor) -> Tensor:
        """Predict the expected error.

        Args:
            features: features of the trunk, (B, channels, H/2, W/2).
            log_depth: relative ln depth after completion, (B, 1, H, W).
            log_scaffold: relative ln depth of the scaffold, (B, 1, H, W).

        Returns:
            Expected absolute error as a share of the depth, 0.002..1, float32, (B, 1, H/2, W/2).
        """
        u = F.avg_pool2d(log_depth, 2)
        changed = (u - F.avg_pool2d(log_scaffold, 2)).abs()
        cues = torch.cat([local_range(u, _WINDOW), changed], dim=1).to(features.dtype)
        logit = self.output(self.hidden(torch.cat([features, cues], dim=1))).float()
        relative: Tensor = LEAST_RELATIVE_ERROR + (1 - LEAST_RELATIVE_ERROR) * torch.sigmoid(logit)
        return relative
