"""``kbnet demo``: completes a real scene that needs no download, beside interpolation, and writes what came out."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kbnet.cli.arguments import Folder, NetworkArguments
from kbnet.cli.error_table import ERROR_COLUMNS, error_cells, new_table, show_table
from kbnet.cli.known_errors import say
from kbnet.errors import KBNetError
from kbnet.files import read_text

if TYPE_CHECKING:
    from kbnet.evaluation.methods import Method
    from kbnet.evaluation.metrics import DepthErrors
    from kbnet.frame import FloatArray, Frame

TIMED_RUNS = 3


@dataclass(frozen=True, kw_only=True)
class Command(NetworkArguments):
    """Complete a real scene that comes with scikit-image and show the errors beside interpolation.

    The scene is *motorcycle* of the Middlebury stereo benchmark: its left image, sparse points at the strongest corners
    with the true depth there, and true depth to compare. Needs no network connection.
    """

    output: Folder = Path("demo")
    """Folder for the depth map, the point cloud, the picture and the page."""
    points: int = 1500
    """Sparse points to complete from."""

    def run(self) -> None:
        from kbnet.datasets.motorcycle import load_motorcycle
        from kbnet.evaluation.ground_truth import EVALUATION_LIMITS
        from kbnet.evaluation.methods import NETWORK, Method, baseline_methods
        from kbnet.evaluation.point_errors import Judging
        from kbnet.report.figures import show_frame
        from kbnet.report.page import write_page

        frame = load_motorcycle(self.points)
        title = f"{frame.name}: completed depth"
        paths = result_paths(self.output, frame.name)
        check_own(paths, title)
        completer = self.load_network()
        methods = [Method(NETWORK, completer), *baseline_methods(scaffold=True)]
        limits = EVALUATION_LIMITS["void"]
        completed = {method.name: complete(method, frame, limits) for method in methods}

        height, width = frame.size
        say(f"motorcycle, {width}x{height} pixels, {(frame.sparse_depth > 0).sum()} sparse points")
        table = new_table(("method",), (*ERROR_COLUMNS, "ms"))
        for name, (_, errors, milliseconds) in completed.items():
            table.add_row(name, *error_cells(errors, None), f"{milliseconds:.0f}")
        show_table(table, [f"over ground truth between {limits[0]:g} and {limits[1]:g} m"])
        judging = Judging(limits)
        shown = show_frame(frame, 0, completer, judging)
        write_page(paths["page"], [shown], judging, title=title, about=[f"weights: {self.weights}"])
        write_results(paths, frame, completed[methods[0].name][0])  # after the page, by which they are known
        for what, path in paths.items():
            say(f"{what:<14}{path}{' (open it in a browser)' if what == 'page' else ''}")


def complete(method: Method, frame: Frame, limits: tuple[float, float]) -> tuple[FloatArray, DepthErrors, float]:
    """Completed depth, (H, W), metres; its errors; and the milliseconds it took, without the first run."""
    from kbnet.evaluation.metrics import depth_errors

    assert frame.ground_truth is not None
    depth = method.predict(frame)
    started = time.perf_counter()
    for _ in range(TIMED_RUNS):
        depth = method.predict(frame)
    milliseconds = 1000 * (time.perf_counter() - started) / TIMED_RUNS
    errors = depth_errors(depth, frame.ground_truth, min_depth=limits[0], max_depth=limits[1])
    return depth, errors, milliseconds


def result_paths(folder: Path, name: str) -> dict[str, Path]:
    """Where the results are, by what they are."""
    endings = {"depth map": "_depth.png", "point cloud": ".ply", "picture": ".png", "page": ".html"}
    return {what: folder / f"{name}{ending}" for what, ending in endings.items()}


def check_own(paths: dict[str, Path], title: str) -> None:
    """Refuse files in the place of results where there is no page of this title.

    Raises:
        KBNetError: there is one.
    """
    page = paths["page"]
    own = page.is_file() and f"<title>{title}</title>" in read_text(page, "replace")
    if taken := [path for path in paths.values() if os.path.lexists(path) and not own]:
        raise KBNetError(f"{taken[0]} would be replaced, but is not of kbnet demo; choose another --output")


def write_results(paths: dict[str, Path], frame: Frame, depth: FloatArray) -> None:
    """Write depth map, point cloud and picture."""
    from kbnet.frames.depth_png import write_depth_png
    from kbnet.report.picture import write_picture
    from kbnet.report.point_cloud import point_cloud, write_ply

    write_depth_png(paths["depth map"], depth)
    write_ply(paths["point cloud"], *point_cloud(depth, frame.intrinsics, frame.image))
    write_picture(paths["picture"], frame, depth)
