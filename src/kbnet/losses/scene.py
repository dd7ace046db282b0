"""A frame with its depth and its neighbours: the input of the photometric losses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from kbnet.geometry.warp import warp


@dataclass(frozen=True)
class Scene:
    """Input of the photometric losses.

    Attributes:
        image: the frame at t, RGB in 0..1, (B, 3, H, W).
        depth: its dense depth, (B, 1, H, W), metres.
        intrinsics: K of all images, (B, 3, 3), pixels.
        neighbours: the S images around it, RGB in 0..1, (B, 3, H, W) each.
        poses: T_neighbour_current of each, (B, 4, 4), metres; empty where no loss compares images.
        seen: weight of every pixel, (B, 1, H, W), such as 1 where ``depth`` is defined. None: equal weights.
    """

    image: Tensor
    depth: Tensor
    intrinsics: Tensor
    neighbours: tuple[Tensor, ...]
    poses: tuple[Tensor, ...]
    seen: Tensor | None = None

    def reconstructions(self) -> tuple[Tensor, ...]:
        """The image at t reconstructed from every neighbour with a pose, (B, 3, H, W) each."""
        return tuple(
            warp(neighbour, self.depth, self.intrinsics, pose)
            for neighbour, pose in zip(self.neighbours, self.poses, strict=False)
        )
