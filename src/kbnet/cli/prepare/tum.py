"""``kbnet prepare tum``: a recording in the format of the TUM RGB-D benchmark as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from kbnet.cli.arguments import OptionalFile, Switch

if TYPE_CHECKING:
    from kbnet.data.rectification import Camera
    from kbnet.sources.tum_rgbd import TumRecording

BenchmarkCamera = Annotated[
    Literal["freiburg1", "freiburg2", "freiburg3"] | None,
    tyro.conf.arg(metavar="{freiburg1,freiburg2,freiburg3}", help_behavior_hint=""),
]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Make a sequence of a TUM RGB-D recording: images and depth matched by time, the lens's distortion taken out.

    Depth becomes ground truth, and sparse points are taken from it at corners of the image, as a tracker would.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder with rgb.txt, depth.txt and, for poses, groundtruth.txt (camera to world)."""
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Sequence folder to make."""
    points: int = 500
    """Sparse points in a frame."""
    camera: BenchmarkCamera = None
    """The benchmark's camera, with its lens (default: told by the recording's name or groundtruth.txt)."""
    intrinsics: OptionalFile = None
    """For other cameras: the 3x3 matrix K, as text or .npy."""
    distortion: Annotated[tuple[float, ...], tyro.conf.arg(metavar="K1 K2 P1 P2 [K3]", help_behavior_hint="")] = ()
    """With --intrinsics: the lens, radial and tangential, in OpenCV's order (default: none)."""
    depth_factor: float = 5000.0
    """Units of the depth images in one metre; 1000 if they hold millimetres."""
    max_difference: float = 0.02
    """Seconds between an image and its depth."""
    overwrite: Switch = False
    """Replace a sequence folder that is there, with everything in it."""

    def run(self) -> None:
        """Match, rectify and write."""
        from kbnet.cli.preparation import print_points
        from kbnet.cli.progress import frame_progress
        from kbnet.sources.tum_rgbd import open_tum, write_tum_sequence

        if not self.depth_factor > 0:
            raise ValueError(
                f"expected --depth-factor above 0, got {self.depth_factor:g}; 1000 if depth is in millimetres"
            )
        recording = open_tum(self.recording, largest_difference_s=self.max_difference)
        camera = self._camera(recording)
        with frame_progress() as progress:
            task = progress.add_task("writing", total=len(recording.frames))
            posed = write_tum_sequence(
                recording,
                camera,
                self.folder,
                points=self.points,
                depth_factor=self.depth_factor,
                overwrite=self.overwrite,
                on_frame=lambda: progress.advance(task),
            )
        lens = "no distortion" if camera.is_pinhole else f"{camera.model} distortion taken out"
        print(
            f"wrote {len(recording.frames)} frames of {camera.size[1]}x{camera.size[0]} pixels to {self.folder}: "
            f"{recording.images} images, {posed} with a pose, {lens}"
        )
        print_points(self.folder)

    def _camera(self, recording: TumRecording) -> Camera:
        from kbnet.data.rectification import Camera
        from kbnet.frames.image_file import read_image, read_intrinsics
        from kbnet.sources.tum_rgbd import benchmark_camera, find_camera

        if self.intrinsics is None:
            if self.distortion:
                raise ValueError("--distortion goes with --intrinsics; the benchmark's cameras bring their own")
            return benchmark_camera(self.camera) if self.camera else find_camera(recording.folder)
        if self.camera:
            raise ValueError("give --camera or --intrinsics, not both")
        height, width = read_image(recording.frames[0].image).shape[:2]
        return Camera(read_intrinsics(self.intrinsics), (height, width), "radial-tangential", self.distortion)
