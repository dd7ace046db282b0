"""``kbnet check``: how far to trust completed depth, by sparse points that are held out; needs no ground truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kbnet.cli.arguments import NetworkArguments, OptionalFolder, PastAndPriorArguments, Switch
from kbnet.cli.error_table import new_table, show_table
from kbnet.cli.known_errors import say
from kbnet.cli.recordings import SourceArguments
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from rich.table import Table

    from kbnet.evaluation.checked_frames import Check, CheckedFrame
    from kbnet.evaluation.point_errors import Band, PointErrors
    from kbnet.frames.frame_source import FrameSource
    from kbnet.inference.completer import DepthCompleter

COLUMNS = ("points", "MAE mm", "RMSE mm", "median %", ">10 % off")
DENSE_PX = 4.0
"""Mean distance of held-out points to the next one, below which --hold-out patches is proposed; as of a lidar."""


@dataclass(frozen=True, kw_only=True)
class Command(NetworkArguments, SourceArguments, PastAndPriorArguments):
    """Hold out some sparse points, complete depth from the others, and report the error at the held-out ones.

    Example:  kbnet check SEQUENCE --output OUT --pictures

    Ground truth is not needed and not read. The held-out points are taken as true: outliers among them count as errors
    of every method, most in the mean, least in the median.
    """

    share: float = 0.2
    """Share of every frame's points that is held out."""
    hold_out: Literal["points", "patches"] = "points"
    """Points one by one, each with its neighbours left, or all those of patches of a sixth of the shorter side, which
    are farther from the others than most pixels: the error is mostly between the two."""
    every: int = 1
    """Check every Nth frame."""
    moved_images: Switch = False
    """Complete with the image moved right, left, down and up by a 160th of its width too: if the error falls, image
    and points do not fit (extrinsics, K, time stamps). It takes five times as long."""
    worst: int = 5
    """How many of the worst frames to name."""
    output: OptionalFolder = None
    """Folder for check.json, frames.csv and table.txt. With it, a stopped run goes on when it is given again."""
    pictures: Switch = False
    """Write OUT/picture/<name>.png of those frames too: image, points that were left, depth, error at the others."""

    def run(self) -> None:
        from kbnet.lock import one_writer

        with one_writer(self.output):
            self._check()

    def _check(self) -> None:
        from kbnet.cli.progress import frame_steps
        from kbnet.evaluation.held_out_points import check_completer
        from kbnet.evaluation.journal import check_no_list, journal
        from kbnet.evaluation.methods import NETWORK

        if self.pictures and self.output is None:
            raise KBNetError("--pictures also needs --output, the folder to write them to; see kbnet check --help")
        if self.worst < 0:
            raise KBNetError(f"expected --worst of at least 0 frames, got {self.worst}")
        check_no_list(self.output, "method,frame,")
        source = self.extended(self.open_source())
        completer = self.load_network()
        settings = self._settings(source)
        engine = {"engine": completer.engine, "precision": completer.precision}
        frames = len(range(0, len(source), max(1, self.every)))
        with (
            journal(None if self.use_past else self.output, {**settings, **engine}) as done,
            frame_steps("checking", frames) as on_frame,
        ):
            if done.earlier:
                say(f"going on after {done.earlier} frames that a stopped run checked")
            found = check_completer(
                source,
                completer,
                share=self.share,
                by=self.hold_out,
                every=self.every,
                use_past=self.use_past,
                moved_images=self.moved_images,
                journal=done,
                on_frame=on_frame,
            )
        worst = found.worst(NETWORK, self.worst)
        self._show(found, worst)
        if self.output is not None:
            self._write(self.output, found, worst, settings)
            if self.pictures:
                self._draw(self.output / "picture", worst, source, completer)

    def _show(self, found: Check, worst: list[CheckedFrame]) -> None:
        from kbnet.evaluation.methods import MOVED_IMAGE
        from kbnet.evaluation.point_errors import verdict

        overall = found.overall()
        notes = [
            f"kbnet: weights {self.weights}" + (f", with the priors of {self.prior}" if self.prior else ""),
            f"held out {self.share:.0%} of the {'points' if self.hold_out == 'points' else 'area'} of "
            f"{len(found.frames)} frames: {sum(len(frame.held_out) for frame in found.frames) / len(found.frames):.0f} "
            f"a frame; {sum(frame.seen for frame in found.frames) / len(found.frames):.0f} were left to complete from",
            "the nearest of these is {:.0f} pixels from a held-out point, {:.0f} from any pixel (medians)".format(
                *found.distance_px()
            ),
            verdict(overall, "point that it did not see"),
            f"over all pixels, also those far from any point, the MAE is roughly {found.all_pixels_mm():.0f} mm",
        ]
        if self.hold_out == "points" and found.distance_px()[0] < DENSE_PX:
            notes.append("points this dense say little about the gaps between them: check with --hold-out patches too")
        if self.moved_images:
            notes.append(_fit(found))
        if change := found.change_percent():
            of_methods = ", ".join(
                f"{name} {percent:.2f} %" for name, percent in change.items() if not name.startswith(MOVED_IMAGE)
            )
            notes.append(f"flicker, mean change of depth between frames at the same points of the scene: {of_methods}")
        if found.unchecked:
            notes.insert(2, f"left out for want of points to hold out: {found.unchecked} frames")
        path = self.output / "table.txt" if self.output else None
        show_table(_table(overall, found.bands(), worst), notes, path)

    def _settings(self, source: FrameSource) -> dict[str, object]:
        from kbnet.files import file_sha256
        from kbnet.inference.weights_files import weights_files

        settings: dict[str, object] = {
            "source": str(source.folder),
            "sparse_depth": source.points_from,
            "weights": {"file": self.weights, "sha256": file_sha256(*weights_files(self.weights))},
            "share": self.share,
            "hold_out": self.hold_out,
            "every": self.every,
            "moved_images": self.moved_images,
        }
        if self.recording_flags:
            settings["options"] = list(self.recording_flags)
        return settings | self.past_and_prior_settings()

    def _write(self, output: Path, found: Check, worst: list[CheckedFrame], settings: Mapping[str, object]) -> None:
        import csv

        from kbnet.evaluation.point_errors import PointErrors
        from kbnet.evaluation.summary import no_formula
        from kbnet.files import atomic_path, write_json

        names = [field.name for field in fields(PointErrors)]
        with (
            atomic_path(output / "frames.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
        ):
            rows = csv.writer(file)
            rows.writerow(["method", "frame", "seen", *names, "change_percent"])
            for frame in found.frames:
                for method, errors in frame.errors.items():
                    change = frame.change_percent.get(method)
                    values = [*asdict(errors).values(), math.nan if change is None else change]
                    cells = ["" if math.isnan(value) else f"{value:.6g}" for value in values]
                    rows.writerow([method, no_formula(frame.name), frame.seen, *cells])
        content = {
            "settings": settings,
            "frames": len(found.frames),
            "unchecked": found.unchecked,
            "overall": _plain(found.overall()),
            "all_pixels_mae_mm": found.all_pixels_mm(),
            "distance_px": dict(zip(("held_out_points", "all_pixels"), found.distance_px(), strict=True)),
            "by_distance": [
                {"from_m": band.low, "to_m": None if math.isinf(band.high) else band.high, **_plain(band.errors)}
                for band in found.bands()
            ],
            "change_percent": found.change_percent(),
            "better_image": found.better_image(),
            "worst": [{"frame": frame.name, **_plain(frame.errors)} for frame in worst],
        }
        write_json(output / "check.json", content)
        say(f"wrote check.json, frames.csv and table.txt to {output}")

    def _draw(self, folder: Path, worst: list[CheckedFrame], source: FrameSource, completer: DepthCompleter) -> None:
        import numpy as np

        from kbnet.points.hold_out import without_points
        from kbnet.report.picture import write_picture

        for checked in worst:
            frame = source.frame(checked.index)
            withheld = np.isin(np.arange(frame.sparse_depth.size), checked.held_out).reshape(frame.size)
            parted = without_points(frame, withheld)
            assert parted is not None
            write_picture(folder / f"{checked.name}.png", parted, completer(parted))
        say(f"drew the {len(worst)} worst frames to {folder}")


def _fit(found: Check) -> str:
    """Whether image and points fit."""
    from kbnet.evaluation.checked_frames import FEWEST_FRAMES

    if better := found.better_image():
        return "image and points do not fit: with the {}, MAE is {:.1f} % less; check extrinsics, K and times".format(
            *better
        )
    if len(found.frames) < FEWEST_FRAMES:
        return f"whether image and points fit: at least {FEWEST_FRAMES} frames are needed, got {len(found.frames)}"
    return "no sign that image and points do not fit: no moved image gives a clearly smaller error"


def _plain(errors: Mapping[str, PointErrors]) -> dict[str, dict[str, float]]:
    return {method: asdict(one) for method, one in errors.items()}


def _table(overall: Mapping[str, PointErrors], bands: list[Band], worst: list[CheckedFrame]) -> Table:
    """All points; the same by distance; the worst frames."""
    from kbnet.evaluation.methods import MOVED_IMAGE

    table = new_table(("points", "method"), COLUMNS)
    groups = [("all", overall)]
    groups += [(_between(band), band.errors) for band in bands if len(bands) > 1]
    groups += [(f"worst: {frame.name}", frame.errors) for frame in worst]
    for name, errors in groups:
        for method, one in errors.items():
            if method.startswith(MOVED_IMAGE) and errors is not overall:
                continue
            cells = (f"{one.mae_mm:.1f}", f"{one.rmse_mm:.1f}", f"{one.median_percent:.2f}", f"{one.off_percent:.1f}")
            table.add_row(name, method, str(one.points), *cells)
        table.add_section()
    return table


def _between(band: Band) -> str:
    return f"{band.low:g} to {band.high:g} m" if math.isfinite(band.high) else f"beyond {band.low:g} m"
