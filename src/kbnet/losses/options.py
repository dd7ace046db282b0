"""How the loss terms are taken, beyond how much each counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MOST_SCALES = 4
"""A frame of 32 pixels, the smallest, is 4 pixels at the fourth size, and structure is taken over 3."""


@dataclass(frozen=True)
class LossOptions:
    """Named departures from the published losses; the defaults are the published way."""

    reconstruction: Literal["sum", "minimum"] = "sum"
    """sum: both neighbours count, as published. minimum: at every pixel the better match, counted twice."""
    out_of_view: Literal["keep", "drop"] = "keep"
    """What a neighbour did not see. keep: compared with its border, as published. drop: not compared."""
    still: Literal["keep", "drop"] = "keep"
    """drop: no comparison where a neighbour as it is matches at least as well as moved. keep: as published."""
    scales: int = 1
    """Compare images at this many sizes, each half the one before, and take the mean. 1 = as published."""
    robust_sparse_depth: float = 0.0
    """Error of a point, as a part of its depth, where its pull fades: 0.05 = 5 %. 0 = never, as published."""
    adaptive: Literal["none", "residual"] = "none"
    """residual: where images match badly, compare them less and smooth more. none: as published."""

    def __post_init__(self) -> None:
        if not 1 <= self.scales <= MOST_SCALES:
            raise ValueError(f"expected scales in 1..{MOST_SCALES}, got {self.scales}")
        if not 0 <= self.robust_sparse_depth < float("inf"):
            raise ValueError(
                f"expected robust_sparse_depth as a part of a point's depth, such as 0.05, or 0 for none, "
                f"got {self.robust_sparse_depth}"
            )

    @property
    def weighs_by_error(self) -> bool:
        """Whether how well pixels match decides how much they count."""
        return (self.reconstruction, self.still, self.adaptive) != ("sum", "keep", "none")
