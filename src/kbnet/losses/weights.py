"""Weights of the loss terms, and how each is computed where published systems differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from kbnet.errors import KBNetError, check_finite_numbers

StructureBorder: TypeAlias = Literal["resized", "reflected"]
PriorForm: TypeAlias = Literal["sample", "batch", "crossed"]
SupervisedForm: TypeAlias = Literal["plain", "normalised"]


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss term; the defaults are the published ones for VOID."""

    colour: float = 0.15
    """Colour difference between image and reconstruction, both sources."""
    structure: float = 0.95
    """Structural dissimilarity (SSIM), both sources."""
    sparse_depth: float = 2.0
    """Difference to the kept sparse points."""
    smoothness: float = 2.0
    """Edge-aware smoothness."""
    supervised: float = 0.0
    """Difference to ground truth, where a sequence has it. Off as published."""
    gradient: float = 0.0
    """Difference of depth gradients to those of ground truth, where a sequence has it. Off as published."""
    expected_error: float = 0.0
    """Negative log-likelihood of the errors under the predicted ones (Laplace). Off as published."""
    pose_consistency: float = 0.0
    """Distance of T_st · T_ts from the identity, of the pose network's motions. Off as published."""
    prior: float = 0.0
    """Difference to the scaffold where it explains the images at least as well. Off as published."""

    def __post_init__(self) -> None:
        check_finite_numbers(self, "losses.")
        if negative := [name for name, weight in asdict(self).items() if weight < 0]:
            raise KBNetError(f"expected loss weights of at least 0, got a negative {', '.join(negative)}")
        if not any(asdict(self).values()):
            raise KBNetError("expected at least one loss weight above 0, got 0 for all; there is nothing to learn from")

    @property
    def needs_poses(self) -> bool:
        """Whether a term compares images, which needs the camera motion."""
        return self.colour > 0 or self.structure > 0 or self.prior > 0


@dataclass(frozen=True)
class LossForms:
    """How the loss terms are computed. The defaults are KBNet's."""

    structure_border: StructureBorder = "resized"
    """SSIM at the border. resized: windows inside, enlarged to the image. reflected: images padded, as the siblings."""
    points: Literal["compared", "left-out"] = "compared"
    """left-out: kept sparse points do not count in colour and structure, as in VOICED. compared: they do."""
    supervised: SupervisedForm = "plain"
    """plain: metres, or relative to the error of a scaffold. normalised: relative to ground truth, as in ScaffNet."""
    prior: PriorForm = "sample"
    """sample: it begins sample by sample, by both neighbours. batch: all at once, by the previous one, as FusionNet.
    crossed: as batch, and each sample counts at the pixels of all samples, a slip of the published FusionNet."""
