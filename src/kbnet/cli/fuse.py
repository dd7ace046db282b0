"""``kbnet fuse``: the depth of a whole sequence as one cloud or mesh."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from kbnet.cli.arguments import NetworkArguments, OptionalFile, OptionalMetres, Switch
from kbnet.cli.known_errors import say
from kbnet.cli.recordings import SourceArguments
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kbnet.frame import FloatArray, ImageArray
    from kbnet.frames.frame_source import FrameSource
    from kbnet.report.fusion.view import DepthView


@dataclass(frozen=True, kw_only=True)
class Command(NetworkArguments, SourceArguments):
    """Put the depth of all frames of a sequence together, by its poses: one cloud, or one mesh.

    Of a cloud:  kbnet fuse SEQUENCE --output room.ply

    Of a mesh:   kbnet fuse SEQUENCE --output room.ply --mesh

    Frames need a pose, camera to world. Pixels of low confidence and places that only one frame saw are left out. The
    file is a binary PLY in metres, in the axes of the world.
    """

    output: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """The .ply file to write."""
    mesh: Switch = False
    """Triangles of the surface the frames agree on, in place of points (needs Open3D: the extra fuse)."""
    turntable: OptionalFile = None
    """Write this .gif or .mp4 too: the cloud, or the corners of the mesh, turning."""
    voxel: OptionalMetres = None
    """Size of the smallest detail, metres; default: about 1.5 % of the median depth."""
    keep: float = 0.8
    """Share of each frame's pixels to keep: those of the least expected error relative to their depth."""
    seen: int = 2
    """Leave out places that fewer frames saw."""
    farthest: float = float("inf")
    """Leave out depth from here on, metres."""
    every: int = 1
    """Fuse every Nth frame."""

    def run(self) -> None:
        from kbnet.evaluation.pose_fit import warn_of_misread_poses
        from kbnet.report.fusion.view import posed_frames
        from kbnet.report.point_cloud import WORLD_AXES, write_ply

        self._check()
        source = self.open_source()
        if self.output.exists() and os.path.exists(source.points_from) and self.output.samefile(source.points_from):
            raise KBNetError(f"{self.output} has the points of {self.sequence}; choose another --output")
        indices = posed_frames(source, self.every)
        warn_of_misread_poses(source)
        seen = min(self.seen, len(indices))
        points, colours, triangles, voxel = self._fuse(self._views(source, indices), seen)
        if not len(points):
            raise KBNetError(
                f"nothing is left of {len(indices)} frames: no place was seen by {seen} of them, with --keep "
                f"{self.keep:g} nearer than {self.farthest:g} m; choose a smaller --seen or a larger --keep or --voxel"
            )
        write_ply(self.output, points, colours, triangles, axes=WORLD_AXES)
        what = f"{len(points)} points" if triangles is None else f"{len(triangles)} triangles"
        say(f"fused {len(indices)} of {len(source)} frames: {what}, voxels of {voxel:g} m, in {self.output}")
        if self.turntable is not None:
            from kbnet.report.turntable import write_fused_turntable

            index = indices[len(indices) // 2]
            write_fused_turntable(self.turntable, points, colours, voxel, source.pose(index))
            say(f"wrote {self.turntable}")

    def _check(self) -> None:
        """Refuse what cannot be meant, before anything is read."""
        from kbnet.report.film import check_film_name

        if self.turntable is not None:
            check_film_name(self.turntable)
        if self.output.suffix.lower() != ".ply":
            raise KBNetError(f"expected a .ply file to write, got {self.output}; clouds and meshes are both PLY")
        if not 0 < self.keep <= 1:
            raise KBNetError(f"expected --keep between 0 and 1, a share of the pixels, got {self.keep:g}; 1 keeps all")
        if self.seen < 1:
            raise KBNetError(f"expected --seen of at least 1 frame, got {self.seen}; 1 keeps all that was seen")
        if not (self.voxel is None or self.voxel > 0) or not self.farthest > 0:
            name, value = (
                ("--farthest", self.farthest) if self.voxel is None or self.voxel > 0 else ("--voxel", self.voxel)
            )
            raise KBNetError(f"expected {name} of more than 0 m, got {value:g}; it is in metres")

    def _views(self, source: FrameSource, indices: list[int]) -> Iterator[DepthView]:
        from kbnet.cli.progress import frame_progress
        from kbnet.inference.confidence import complete_with_confidence
        from kbnet.report.fusion.view import views

        complete = partial(complete_with_confidence, self.load_network())
        found = views(source, indices, complete, keep=self.keep, farthest=self.farthest)
        with frame_progress() as progress:
            yield from progress.track(found, total=len(indices), description="fusing")

    def _fuse(
        self, found: Iterator[DepthView], seen: int
    ) -> tuple[FloatArray, ImageArray, NDArray[np.int32] | None, float]:
        """Points or corners, their colours, triangles of a mesh, and the size of voxels, metres."""
        from kbnet.report.fusion.surface import Surface
        from kbnet.report.fusion.voxel_cloud import VoxelCloud, fitting_voxel

        first = next(found)
        voxel = self.voxel or fitting_voxel(first.depth)
        cloud = Surface(voxel) if self.mesh else VoxelCloud(voxel)
        for view in chain([first], found):
            cloud.add(view)
        if isinstance(cloud, Surface):
            return *cloud.mesh(seen), voxel
        return *cloud.points(seen), None, voxel
