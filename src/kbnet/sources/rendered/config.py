"""Options of rendered rooms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from kbnet.errors import KBNetError, check_finite_numbers
from kbnet.limits import check_count

Part = Literal["training", "validation"]


@dataclass(frozen=True)
class RoomsConfig:
    """Furnished rooms; the same values give the same files."""

    models: Path
    """Folder of OBJ models, searched with its subfolders; Sweet Home 3D catalogues in it give sizes and kinds."""
    frames: int = 500
    """How many frames; more frames begin with the same ones."""
    size: Annotated[tuple[int, int], arg(metavar="WIDTH HEIGHT")] = (640, 480)
    """Width and height, pixels."""
    views: int = 8
    """Frames of one room."""
    motion: bool = False
    """The views of a room lie on a smooth path, and poses are written."""
    points: Annotated[tuple[int, ...], arg(metavar="INT ...")] = (1500, 500, 150)
    """Sparse points in a frame, give or take: folders sparse_depth_<points>, and the first as sparse_depth."""
    range_noise: float = 0.01
    """Relative standard deviation of the sparse points' depth."""
    outlier_share: float = 0.03
    """Fraction of the sparse points with a wrong depth."""
    part: Part = "training"
    """One tenth of the models, and other rooms and textures, are kept for validation."""
    seed: int = 0
    """Another seed is another focal length and other rooms."""

    def check(self) -> None:
        """Refuse what cannot be rendered.

        Raises:
            KBNetError: a number is out of range.
        """
        check_finite_numbers(self)
        if self.frames < 1 or self.views < 1 or self.seed < 0 or not self.points or min(self.points) < 12:
            raise KBNetError(
                "expected at least 1 frame, 1 view, 12 points in each of at least one density, and a seed of at least "
                f"0, got {self.frames} frames, {self.views} views, points {self.points} and seed {self.seed}"
            )
        if min(self.size) < 32:
            raise KBNetError(f"expected a size of at least 32x32 pixels, got {self.size[0]}x{self.size[1]}")
        check_count(self.size[0] * self.size[1], "pixels", "a frame")
        if self.range_noise < 0 or not 0 <= self.outlier_share <= 1:
            raise KBNetError(
                "expected range_noise of at least 0 and outlier_share in 0..1, "
                f"got {self.range_noise} and {self.outlier_share}"
            )
