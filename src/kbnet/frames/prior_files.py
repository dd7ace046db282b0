"""Priors from files, and frames of a source with their priors and poses."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Indices
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.frame import Frame, ImageArray, Prior, PriorKind, Triplet
from kbnet.frames.depth_png import read_depth_png
from kbnet.frames.frame_source import FrameSource
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
    if path.suffix == ".npy":
        values = np.squeeze(read_npy(path, "a prior"))
        if values.ndim != 2:
            raise KBNetError(f"expected a prior as (H, W) numbers, got shape {values.shape} in {path}; save one frame")
        return Prior(values if np.issubdtype(values.dtype, np.floating) else values.astype(np.float64), kind)
    if path.suffix != ".png":
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
        """Read the prior of one frame.

        Raises:
            FileNotFoundError, KBNetError: it is missing, damaged, or no (H, W) map.
        """
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


@dataclass(frozen=True)
class FramesWith:
    """The frames of a source, with priors from a folder, and with their poses.

    Attributes:
        source: frames in order.
        priors: where the priors lie; None: frames have none.
        poses: give every frame its ``T_world_camera``.

    Raises:
        KBNetError: a frame has no known pose.
    """

    source: FrameSource
    priors: PriorFolder | None = None
    poses: bool = False

    def __post_init__(self) -> None:
        if self.priors is not None:
            for name in self.source.names:
                self.priors.path(name)
        if not self.poses:
            return
        missing = [name for index, name in enumerate(self.source.names) if not self.source.has_pose(index)]
        if missing:
            raise KBNetError(
                f"expected a pose of every frame to use the past, but {len(missing)} of {len(self)} frames of "
                f"{self.folder} have none, first '{missing[0]}'; add absolute_pose/<frame>.txt, or leave out --use-past"
            )

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def folder(self) -> Path:
        return self.source.folder

    @property
    def points_from(self) -> str:
        return self.source.points_from

    @property
    def names(self) -> tuple[str, ...]:
        return self.source.names

    @property
    def has_ground_truth(self) -> bool:
        return self.source.has_ground_truth

    @property
    def has_poses(self) -> bool:
        return self.source.has_poses

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Frame:
        return self.frame(index)

    def __iter__(self) -> Iterator[Frame]:
        return map(self.frame, range(len(self)))

    def image(self, index: int) -> ImageArray:
        return self.source.image(index)

    def frame(self, index: int) -> Frame:
        """Read one frame, with its prior and its pose.

        Raises:
            FileNotFoundError, KBNetError: a file is missing, damaged, or of another size than the image.
        """
        frame = self.source.frame(index)
        if self.priors is not None:
            frame = replace(frame, prior=self.priors.prior(frame.name))
        return replace(frame, T_world_camera=self.pose(index)) if self.poses else frame

    def has_pose(self, index: int) -> bool:
        return self.source.has_pose(index)

    def pose(self, index: int) -> NDArray[np.float64]:
        return self.source.pose(index)

    def triplet(self, index: int, gap: int) -> Triplet:
        return self.source.triplet(index, gap)

    def triplet_indices(self, gap: int) -> Indices[int]:
        return self.source.triplet_indices(gap)
