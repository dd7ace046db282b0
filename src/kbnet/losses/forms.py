"""How each loss term is computed, where published systems differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

StructureBorder: TypeAlias = Literal["resized", "reflected"]
PriorForm: TypeAlias = Literal["sample", "batch", "crossed"]
SupervisedForm: TypeAlias = Literal["plain", "normalised"]


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
