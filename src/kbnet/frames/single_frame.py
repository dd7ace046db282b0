"""One frame from an image, a depth map and a camera matrix in files of any name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from kbnet.frame import Frame, PriorKind
from kbnet.frames.image_file import read_image, read_intrinsics
from kbnet.frames.prior_files import read_prior
from kbnet.frames.sequence import with_depth


@dataclass(frozen=True)
class SingleFrame:
    """A source of one frame, named after its image.

    Attributes:
        image: 8-bit RGB.
        sparse_depth: 16-bit PNG, metres x 256, 0 = unmeasured.
        intrinsics: K, as text or .npy.
        prior: .npy or 16-bit PNG, or None.
    """

    image: Path
    sparse_depth: Path
    intrinsics: Path
    prior: Path | None = None
    prior_kind: PriorKind = "depth"

    @property
    def name(self) -> str:
        """That of the image."""
        return self.image.stem

    @property
    def folder(self) -> Path:
        return self.image

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def __len__(self) -> int:
        return 1

    def frame(self, index: int) -> Frame:
        K = read_intrinsics(self.intrinsics)
        frame = with_depth(read_image(self.image), self.sparse_depth, K, None, self.name)
        return frame if self.prior is None else replace(frame, prior=read_prior(self.prior, self.prior_kind))
