"""One frame from an image, a depth map and a camera matrix in files of any name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kbnet.frame import Frame, PriorKind
from kbnet.frames.depth_png import read_depth_png, spread_depth
from kbnet.frames.image_file import read_image, read_intrinsics
from kbnet.frames.prior_files import read_prior


@dataclass(frozen=True)
class SingleFrame:
    """A source of one frame, named after its image.

    Attributes:
        image: 8-bit RGB.
        sparse_depth: 16-bit PNG, metres x 256, 0 = unmeasured.
        intrinsics: K, as text or .npy.
        prior: .npy or 16-bit PNG, or None.
        prior_kind: see `kbnet.Prior`.
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
        """What messages point to."""
        return self.image

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the frame."""
        return (self.name,)

    def __len__(self) -> int:
        return 1

    def frame(self, index: int) -> Frame:
        """Read the frame.

        Raises:
            FileNotFoundError, KBNetError: a file is missing or not as it should be.
        """
        image = read_image(self.image)
        size, where = (image.shape[0], image.shape[1]), f" (frame '{self.name}')"
        return Frame(
            image=image,
            sparse_depth=spread_depth(read_depth_png(self.sparse_depth), size, "sparse_depth", where=where),
            intrinsics=read_intrinsics(self.intrinsics),
            name=self.name,
            prior=None if self.prior is None else read_prior(self.prior, self.prior_kind),
        )
