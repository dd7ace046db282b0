"""``kbnet prepare colmap``: a COLMAP model and its images as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from kbnet.cli.arguments import OptionalFolder, Switch

if TYPE_CHECKING:
    from kbnet.frame import Frame

OptionalNumber = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Make a sequence of a COLMAP model: its images without distortion, the points each image saw, and the poses.

    Text and binary models are read. COLMAP's unit of length is arbitrary: --scale makes it metres.
    """

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Folder with cameras, images and points3D (.bin or .txt), or the workspace with sparse/0 and images/."""
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Sequence folder to make."""
    images: OptionalFolder = None
    """Folder of the images (default: images/ in the workspace)."""
    scale: float = 1.0
    """Metres in one unit of the model: a length in the world divided by the same length in the model."""
    camera: OptionalNumber = None
    """Id of the camera whose images to take, if the model has several."""
    longest_side: OptionalNumber = None
    """Shrink larger images until their longer side has so many pixels."""
    min_track: int = 3
    """Leave out points seen by fewer images."""
    max_error: float = 2.0
    """Leave out points with a larger mean reprojection error, pixels."""
    overwrite: Switch = False
    """Replace a sequence folder that is there, with everything in it."""

    def run(self) -> None:
        """Read the model, rectify and write."""
        import numpy as np

        from kbnet.cli.progress import frame_progress
        from kbnet.sources.colmap import ColmapModel, PointFilter, write_colmap_sequence

        if self.longest_side is not None and self.longest_side < 32:
            raise ValueError(f"expected --longest-side of at least 32 pixels, got {self.longest_side}")
        model = ColmapModel(
            self.model,
            images=self.images,
            camera_id=self.camera,
            points=PointFilter(self.min_track, self.max_error),
            scale=self.scale,
        )
        points: list[int] = []
        with frame_progress() as progress:
            task = progress.add_task("writing", total=len(model))

            def count(frame: Frame) -> None:
                points.append(int((frame.sparse_depth > 0).sum()))
                progress.advance(task)

            write_colmap_sequence(
                model, self.folder, longest_side=self.longest_side, overwrite=self.overwrite, on_frame=count
            )
        low, middle, high = np.percentile(model.depths(), [5, 50, 95])
        print(
            f"wrote {len(model)} frames to {self.folder}: {int(np.median(points))} points a frame, {middle:.2f} m away "
            f"({low:.2f} to {high:.2f} m) if one unit of the model is {self.scale:g} m"
        )
