"""Priors from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Prior, PriorKind
from kbnet.frames.depth_png import read_depth_png
from kbnet.frames.npy_file import read_npy


def read_prior(path: Path, kind: PriorKind) -> Prior:
    """Read the prior of a frame.

    Args:
        path: ``.npy`` of (H, W) numbers, or 16-bit greyscale PNG, of which 0 is unknown. A PNG of the kind ``metric``
            is in metres x 256; of other kinds, any scale will do.
        kind: see `kbnet.Prior`.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is damaged, or no (H, W) map.
    """
    if path.suffix.lower() == ".npy":
        values = np.squeeze(read_npy(path, "a prior"))
        if values.ndim != 2:
            raise KBNetError(f"expected a prior as (H, W) numbers, got shape {values.shape} in {path}; save one frame")
        return Prior(values if np.issubdtype(values.dtype, np.floating) else values.astype(np.float32), kind)
    if path.suffix.lower() != ".png":
        raise KBNetError(f"expected a prior as .npy or 16-bit .png, got {path}; save it as one of these")
    numbers = "metres x 256, 0 = unknown" if kind == "metric" else f"{kind} at any scale, 0 = unknown"
    depth = read_depth_png(path, "prior", values=numbers, remedy="save it as one, or as .npy of (H, W) numbers")
    return Prior(np.where(depth > 0, depth, np.float32(np.nan)), kind)


@dataclass(frozen=True)
class PriorFolder:
    """Priors of the frames of a sequence: ``<folder>/<frame>.npy`` or ``<folder>/<frame>.png``.

    Raises:
        FileNotFoundError: there is no such folder.
    """

    folder: Path
    kind: PriorKind

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise FileNotFoundError(
                f"expected a folder of priors, one .npy or .png for each frame, but there is no folder {self.folder}; "
                "check the path"
            )

    def prior(self, name: str) -> Prior:
        """Read the prior of one frame."""
        return read_prior(self.path(name), self.kind)

    def path(self, name: str) -> Path:
        """Where the prior of one frame is; ``.npy`` comes before ``.png``.

        Raises:
            FileNotFoundError: there is none.
        """
        for suffix in (".npy", ".png"):
            if (path := self.folder / f"{name}{suffix}").is_file():
                return path
        raise FileNotFoundError(
            f"expected a prior of frame '{name}' in {self.folder}, but there is neither {name}.npy nor {name}.png; "
            "make it, or leave out --prior"
        )
