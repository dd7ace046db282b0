"""``python benchmarks/fusion.py``: how far fused depth lies from fused ground truth, beside fused interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from command import check_at_least, check_limits, start

from kbnet.cli.error_table import new_table, show_table
from kbnet.cli.evaluate import distinct_names
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from kbnet.frame import FloatArray, Frame
    from kbnet.frames.frame_source import FrameSource
    from kbnet.inference.completer import DepthCompleter

TRUTH = "ground truth"
NEAR_MM = 50.0
"""Distance within which a place counts as found."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Fuse depth of kbnet, linear interpolation and ground truth; measure distances between the surfaces, both ways.

    Only pixels with ground truth are fused, so that no method is blamed for what the sensor did not see.
    """

    sources: tyro.conf.Positional[tuple[Path, ...]]
    """Sequence folders and .csv lists of frames, with poses and ground truth."""
    sparse_depth: tuple[str, ...] = ("sparse_depth",)
    """Folders of sparse depth in each sequence, or columns of lists."""
    weights: str = "indoor"
    """As kbnet complete takes them."""
    every: int = 1
    """Every Nth frame."""
    voxel: float = 0.02
    """As of kbnet fuse, metres."""
    keep: tuple[float, ...] = (1.0, 0.8)
    """Shares of pixels to keep, as of kbnet fuse; of kbnet and of interpolation alike."""
    seen: int = 2
    """As of kbnet fuse."""
    kind: Literal["cloud", "mesh"] = "cloud"
    """What is fused."""
    limits: tuple[float, float] = (0.2, 5.0)
    """Ground truth that is fused, metres."""

    def run(self) -> None:
        """Fuse, measure, print the table."""
        import kbnet
        from kbnet.frames.open import open_frames

        check_at_least(self, every=1, seen=1)
        check_limits(self.limits)
        if self.voxel <= 0:
            raise KBNetError(f"expected a positive --voxel in metres, got {self.voxel:g}")
        if not self.keep or not all(0 < share <= 1 for share in self.keep):
            raise KBNetError(f"expected --keep as shares above 0 and up to 1, got {self.keep}")
        completer = kbnet.load(self.weights)
        columns = ("places", "mean mm", "median mm", f"< {NEAR_MM:g} mm", f"truth < {NEAR_MM:g} mm")
        table = new_table(("sequence", "sparse depth", "method"), columns)
        for name, path in distinct_names(self.sources).items():
            for kind in self.sparse_depth:
                for method, figures in self._measure(open_frames(path, sparse_depth=kind), completer).items():
                    table.add_row(name, kind, method, *figures)
                table.add_section()
        notes = [
            "distance from each fused place to the nearest of ground truth; share of them that is near; share of "
            "ground truth that has a fused place near"
        ]
        show_table(table, notes)

    def _measure(self, source: FrameSource, completer: DepthCompleter) -> dict[str, tuple[str, ...]]:
        from scipy.spatial import cKDTree

        fused = self._fuse(source, completer)
        truth = cKDTree(fused.pop(TRUTH))
        found = {}
        for method, places in fused.items():
            there, back = 1000 * truth.query(places)[0], 1000 * cKDTree(places).query(truth.data)[0]
            found[method] = (
                str(len(places)),
                *(f"{figure:.1f}" for figure in (there.mean(), sorted(there)[len(there) // 2])),
                *(f"{100 * (away < NEAR_MM).mean():.1f} %" for away in (there, back)),
            )
        return found

    def _fuse(self, source: FrameSource, completer: DepthCompleter) -> dict[str, FloatArray]:
        """Points, or corners of the mesh, in the world, (N, 3), metres, by method."""
        import numpy as np

        from kbnet.report.fusion.surface import Surface
        from kbnet.report.fusion.view import DepthView, confident_pixels, posed_frames
        from kbnet.report.fusion.voxel_cloud import VoxelCloud

        indices = posed_frames(source, self.every)
        fused: dict[str, VoxelCloud | Surface] = {}
        for index in indices:
            frame, pose = source.frame(index), source.pose(index)
            truth = frame.ground_truth
            if truth is None:
                raise KBNetError(f"expected ground truth of frame {frame.name} of {source.folder}, got none")
            judged = (truth > self.limits[0]) & (truth < self.limits[1])
            depths = {TRUTH: truth}
            for method, (depth, error) in _completed(completer, frame).items():
                for keep in self.keep:
                    name = f"{method}, best {keep:.0%}" if keep < 1 else method
                    depths[name] = np.where(confident_pixels(depth, error, keep), depth, np.float32(0))
            for name, depth in depths.items():
                if name not in fused:
                    fused[name] = VoxelCloud(self.voxel) if self.kind == "cloud" else Surface(self.voxel)
                shown = np.where(judged, depth, np.float32(0))
                fused[name].add(DepthView(frame.image, shown, frame.intrinsics, pose))
        seen = min(self.seen, len(indices))
        return {
            name: one.points(seen)[0] if isinstance(one, VoxelCloud) else one.mesh(seen)[0]
            for name, one in fused.items()
        }


def _completed(completer: DepthCompleter, frame: Frame) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Depth and expected error, by the network and by interpolation of all points."""
    from kbnet.inference.confidence import complete_with_confidence, expected_error, inlier_depth
    from kbnet.points.interpolation import linear

    interpolated = linear(frame.sparse_depth)
    believed = inlier_depth(completer, frame.sparse_depth, frame.intrinsics)
    return {
        "linear": (interpolated, expected_error(interpolated, believed, frame.intrinsics)),
        "kbnet": complete_with_confidence(completer, frame),
    }


if __name__ == "__main__":
    start(Command)
