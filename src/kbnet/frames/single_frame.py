"""One frame from an image, a depth map and a camera matrix in files of any name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from kbnet.frame import Frame, PriorKind, warn_of_near_depth
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.frames.frame_source import NamedFrames
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
        return self._frame

    @cached_property
    def _frame(self) -> Frame:
        K = read_intrinsics(self.intrinsics)
        frame = with_depth(read_image(self.image), self.sparse_depth, K, None, self.name)
        warn_of_far_centre(K, frame.size, of=str(self.intrinsics))
        warn_of_near_depth(frame.sparse_depth)
        return frame if self.prior is None else replace(frame, prior=read_prior(self.prior, self.prior_kind))


def depth_text(frames: NamedFrames) -> str:
    """How far away the points of the first frame are, for people: that shows another unit than metres x 256."""
    depth = frames.frame(0).sparse_depth
    low, middle, high = np.percentile(depth[depth > 0], [5, 50, 95]) if depth.any() else (0, 0, 0)
    where = getattr(frames, "points_from", None) or getattr(frames, "sparse_depth", "")
    return f"{where}, read as metres x 256: {middle:.2f} m away ({low:.2f} to {high:.2f} m)"
