"""A frame between its neighbours: what depth and motion say that the neighbours show of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.geometry.camera import halved_intrinsics
from kbnet.geometry.warp import in_view, warp


@dataclass(frozen=True)
class Scene:
    """What a comparison of images needs.

    Attributes:
        image: the frame at t, RGB in 0..1, (B, 3, H, W).
        depth: its dense depth, (B, 1, H, W), metres.
        intrinsics: K of all images, (B, 3, 3), pixels.
        neighbours: the S images around it, RGB in 0..1, (B, 3, H, W) each.
        poses: T_neighbour_current of each, (B, 4, 4), metres; empty where no loss compares images.
        seen: weight of every pixel, (B, 1, H, W), such as 1 where ``depth`` is known at all; None = all alike.
    """

    image: Tensor
    depth: Tensor
    intrinsics: Tensor
    neighbours: tuple[Tensor, ...]
    poses: tuple[Tensor, ...]
    seen: Tensor | None = None

    def reconstructions(self) -> tuple[Tensor, ...]:
        """The image warped from every neighbour whose pose is there, (B, 3, H, W) each."""
        return tuple(
            warp(neighbour, self.depth, self.intrinsics, pose)
            for neighbour, pose in zip(self.neighbours, self.poses, strict=False)
        )

    def in_view(self) -> Tensor:
        """1 where a neighbour saw the pixel, else 0, (B, S, H, W)."""
        return torch.cat([in_view(self.depth, self.intrinsics, pose) for pose in self.poses], dim=1)

    def halved(self) -> Scene:
        """The same at half the size, every pixel the mean of four; seen where all four are."""
        return replace(
            self,
            image=F.avg_pool2d(self.image, 2),
            depth=F.avg_pool2d(self.depth, 2),
            intrinsics=halved_intrinsics(self.intrinsics),
            neighbours=tuple(F.avg_pool2d(neighbour, 2) for neighbour in self.neighbours),
            seen=None if self.seen is None else -F.max_pool2d(-self.seen, 2),
        )
