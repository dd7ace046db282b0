"""``python benchmarks/interpolation.py``: time of linear interpolation, triangulated whole and in tiles."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from command import check_at_least, start

from kbnet.cli.error_table import new_table, show_table
from kbnet.points import triangulation
from kbnet.points.interpolation import linear


@dataclass(frozen=True, kw_only=True)
class Command:
    """Interpolate random points with both triangulations, in turn, and print the medians of wall and CPU time.

    Both times are given because another process on the same core lengthens only the first. Fix threads to one
    (OMP_NUM_THREADS=1) to compare.
    """

    points: int = 500_000
    """Number of points."""
    width: int = 4000
    height: int = 3000
    rounds: int = 7
    """Number of turns of each."""

    def run(self) -> None:
        """Measure, compare the results, and print."""
        check_at_least(self, points=3, width=2, height=2, rounds=1)
        generator = np.random.default_rng(0)
        sparse_depth = np.zeros((self.height, self.width), np.float32)
        places = generator.choice(sparse_depth.size, self.points, replace=False)
        sparse_depth.flat[places] = generator.uniform(1, 10, self.points)
        limits = {"whole": self.points, "in tiles": 0}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in limits}
        for _ in range(self.rounds):
            for name, limit in limits.items():
                triangulation.MOST_AT_ONCE = limit
                begin = time.perf_counter(), time.process_time()
                linear(sparse_depth)
                times[name].append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
        medians = {name: np.median(taken, axis=0) for name, taken in times.items()}
        table = new_table(("triangulation",), ("wall s", "CPU s", "CPU x"))
        for name, (wall, cpu) in medians.items():
            table.add_row(name, f"{wall:.2f}", f"{cpu:.2f}", f"{cpu / medians['whole'][1]:.2f}")
        title = f"{self.points:,} points in {self.width}x{self.height} pixels, medians of {self.rounds}"
        show_table(table, [title])


if __name__ == "__main__":
    start(Command)
