"""``kbnet prepare nyu-v2``: NYU Depth v2 from its archive, or its raw parts, to lists of frames and sequences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from kbnet.cli.arguments import OptionalFile
from kbnet.cli.known_errors import say
from kbnet.cli.preparation import FromPaths, SplitCount, conclude, transfer_progress
from kbnet.errors import KBNetError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Download NYU Depth v2, or take what you have of it, make sparse points, and list the frames of its splits.

    Writes train.csv and test.csv, which the other commands read, with sparse depth of up to three kinds:
    sparse_depth is made the published way, which picks edges; sparse_depth_corners picks true corners;
    sparse_depth_uniform draws anywhere. Edges and corners each take half a second a frame and core. After an
    interruption, run it again.
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="[FOLDER]")] = Path("data/nyu_v2")
    """Where lists, sparse points, unpacked frames and downloads go."""
    from_: FromPaths = ()
    """What you fetched by hand: nyu_v2.zip, or a folder that holds it; or a folder with training/ and testing/, which
    is used where it lies. Nothing is downloaded then."""
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    """Which lists to write."""
    test_split: OptionalFile = None
    """The official splits.mat; needed where testing/ holds all 1,449 labelled frames."""
    raw: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PART ...", help_behavior_hint="")] = ()
    """Raw parts (http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/<part>.zip), as archives or folders: their
    scenes become sequence folders in FOLDER/raw, and nothing else is done. Depth and colour are paired by time and
    undistorted, depth is brought into the colour camera. Holes stay holes, and the accelerometer is not read."""
    points: int = 1500
    """Sparse points a frame."""
    training_kinds: Annotated[
        tuple[Literal["corners", "uniform"], ...], tyro.conf.arg(metavar="{corners,uniform} ...", help_behavior_hint="")
    ] = ()
    """Sparse points to make for the training split beside the published ones; the test split has all kinds."""
    workers: int = 0
    """Processes that make sparse points; 0 = one a core."""

    def run(self) -> None:
        if self.points < 1:
            raise KBNetError(f"expected at least 1 point a frame, got {self.points}; choose --points 1500 as published")
        if self.raw:
            self._prepare_raw()
            return
        rows: list[SplitCount] = []
        written = 0
        failures: dict[str, str] = {}
        for split in self.splits:
            try:
                row, made = self._prepare(split)
            except (KBNetError, OSError) as error:
                failures[f"{split}.csv"] = str(error)
                continue
            rows.append(row)
            written += made
        conclude(rows, failures, unchanged=not written)

    def _prepare(self, split: Literal["train", "test"]) -> tuple[SplitCount, int]:
        """Make one split; return its row and for how many frames files were made."""
        from kbnet.datasets.nyu_v2.points import prepare_split
        from kbnet.datasets.nyu_v2.splits import TEST_FRAMES, find_data, list_testing, list_training
        from kbnet.points.clustered_points import POINT_KINDS

        with transfer_progress() as on_progress:
            root = find_data(split, self.folder, by_hand=self.from_, on_progress=on_progress)
            sources = list_training(root) if split == "train" else list_testing(root, self.test_split)
            prepared = prepare_split(
                split,
                sources,
                self.folder,
                points=self.points,
                kinds=self.training_kinds if split == "train" else POINT_KINDS,
                workers=self.workers,
                on_progress=on_progress,
            )
        unit = "metres x 256" if prepared.units_per_metre == 256 else "millimetres"
        published = TEST_FRAMES if split == "test" else None
        return SplitCount(split, prepared.frames, published, prepared.path, f"depth in {unit}"), prepared.written

    def _prepare_raw(self) -> None:
        from kbnet.datasets.nyu_v2.raw import prepare_raw

        with transfer_progress() as on_progress:
            scenes = [
                scene
                for part in self.raw
                for scene in prepare_raw(
                    part, self.folder / "raw", points=self.points, workers=self.workers, on_progress=on_progress
                )
            ]
        for scene in scenes:
            state = f"{scene.skipped} left out" if scene.made else "was there already"
            say(f"{scene.folder}: {scene.frames} frames, {state}")
