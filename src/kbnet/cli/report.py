"""``kbnet report``: one HTML page to look at: image, points, depth, errors and the point cloud, frame by frame."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from kbnet.cli.arguments import NetworkArguments, OptionalPreset
from kbnet.cli.known_errors import say
from kbnet.cli.recordings import SourceArguments
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from kbnet.frames.frame_source import FrameSource

MEGABYTE = 1_000_000
BUDGET = 15 * MEGABYTE
"""Beyond this size a page is slow to open and to send."""


@dataclass(frozen=True, kw_only=True)
class Command(NetworkArguments, SourceArguments):
    """Write one HTML page that shows a sequence: image, points, depth, errors, and the point cloud under the mouse.

    Example:  kbnet report SEQUENCE --output report.html

    The page needs no network and no server: open the file in a browser, or send it. Frames are judged by ground truth
    where the source has it, else by sparse points that are held out, as kbnet check does.
    """

    output: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("report.html")
    """The page."""
    preset: OptionalPreset = None
    """Ground truth to judge: 0.2 to 5 m (void) or 0 to 100 m (kitti; the default of weights for beyond 50 m).
    Architecture of a published .pth."""
    frames: int = 20
    """At most so many frames, spread evenly."""
    every: int = 1
    """Take them from every Nth frame."""
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...", help_behavior_hint="")] = ()
    """Show the frames of these names instead."""
    size: int = 640
    """Longer side of what the page holds of a frame, pixels; errors are taken before."""
    share: float = 0.2
    """Share of every frame's points that is held out where there is no ground truth."""
    hold_out: Literal["points", "patches"] = "points"
    """Which: points one by one, or those of patches, which say more about a lidar (kbnet check --help)."""

    def run(self) -> None:
        from kbnet.cli.progress import frame_progress
        from kbnet.evaluation.ground_truth import EVALUATION_LIMITS, FAR_M
        from kbnet.evaluation.point_errors import Judging
        from kbnet.report.figures import shown_frames
        from kbnet.report.page import write_page

        self._check()
        source = self.open_source()
        indices = self._indices(source.names)
        preset = self.preset if Path(self.weights).suffix == ".pth" else None
        completer = self.load(self.weights, preset=preset)
        limits = EVALUATION_LIMITS[self.preset or ("kitti" if completer.config.max_depth > FAR_M else "void")]
        judging = Judging(limits if source.has_ground_truth else None, share=self.share, by=self.hold_out)
        with frame_progress() as progress:
            shown = shown_frames(source, indices, completer, judging)
            figures = write_page(
                self.output,
                progress.track(shown, total=len(indices), description="completing"),
                judging,
                title=f"{source.name}: completed depth",
                about=self._about(source, len(indices)),
                longest=self.size,
            )
        size = self.output.stat().st_size
        say(figures.verdict() or "no error: there is no ground truth, and no point could be held out")
        say(
            f"wrote {len(indices)} of {len(source)} frames to {self.output}: {size / MEGABYTE:.1f} MB "
            f"of at most {BUDGET / MEGABYTE:.0f}; open it in a browser"
        )
        if size > BUDGET:
            warnings.warn(
                f"{self.output} is larger than {BUDGET / MEGABYTE:.0f} MB and slow to open; fewer --frames or a "
                "smaller --size make it smaller",
                stacklevel=2,
            )

    def _check(self) -> None:
        for name, number, least in (("frames", self.frames, 1), ("every", self.every, 1), ("size", self.size, 32)):
            if number < least:
                raise KBNetError(f"expected --{name} of at least {least}, got {number}")
        if self.output.is_dir() or self.output.suffix.lower() not in (".html", ".htm"):
            raise KBNetError(f"expected an .html file to write, got {self.output}; name one, such as report.html")

    def _indices(self, names: tuple[str, ...]) -> list[int]:
        """Of the frames to show."""
        if self.only:
            unknown = [name for name in self.only if name not in names]
            if unknown:
                raise KBNetError(f"there is no frame '{unknown[0]}'; frames are called {names[0]} to {names[-1]}")
            return sorted({names.index(name) for name in self.only})
        import numpy as np

        indices = np.arange(0, len(names), self.every)
        chosen = np.linspace(0, len(indices) - 1, min(self.frames, len(indices)))
        return [int(index) for index in indices[np.rint(chosen).astype(int)]]

    def _about(self, source: FrameSource, count: int) -> list[str]:
        import kbnet

        return [
            f"{count} of {len(source)} frames",
            f"points: {source.points_from}",
            f"weights: {Path(self.weights).name}",
            f"kbnet {kbnet.__version__}",
        ]
