"""``python benchmarks/confidence.py``: whether depth is as far off as ``--confidence`` says, on frames with truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from command import check_at_least, start

from kbnet.cli.error_table import new_table, show_table
from kbnet.cli.evaluate import distinct_names

if TYPE_CHECKING:
    from kbnet.frame import Frame
    from kbnet.frames.frame_source import FrameSource


@dataclass(frozen=True, kw_only=True)
class Command:
    """Rank pixels by confidence: the error of those that are kept, and expected against true error."""

    sources: tyro.conf.Positional[tuple[Path, ...]]
    """Sequence folders and .csv lists of frames, with ground truth between 0.2 and 5 m."""
    sparse_depth: tuple[str, ...] = ("sparse_depth",)
    """Folders of sparse depth in each sequence, or columns of lists."""
    weights: str = "indoor"
    """As kbnet complete takes them."""
    every: int = 10
    """Every Nth frame."""
    pgd_levels: float = 0
    """Change the images by PGD, by so many of 255 levels, with the weights and ground truth in hand."""
    plot: Path | None = None
    """The reliability plot, a .png."""
    fit: bool = False
    """Fit the weights of the cues to these frames instead, and print them."""

    def run(self) -> None:
        """Measure, print the table, draw the plot; or fit."""
        import numpy as np
        from reliability import SHARES, cues_and_errors, draw, fit_weights, measure

        from kbnet.inference.completer import load

        check_at_least(self, every=1, pgd_levels=0)
        completer = load(self.weights)
        if self.fit:
            pairs = [cues_and_errors(source, indices, completer) for _, source, indices in self._open()]
            weights = fit_weights(*(np.concatenate(parts) for parts in zip(*pairs, strict=True)))
            print("CUE_WEIGHTS =", tuple(round(weight, 3) for weight in weights))
            return
        change = self._attack()
        figures = {
            key: measure(map(change, map(source.frame, indices)), completer) for key, source, indices in self._open()
        }
        table = new_table(
            ("sequence", "sparse depth"),
            ("frames", "MAE mm", "expected", "of 80 %", "of 50 %", "nearest 80 %", "nearest 50 %"),
        )
        at = [SHARES.index(0.8), SHARES.index(0.5)]
        for key, one in figures.items():
            kept, near = np.mean(one.kept_mm, axis=0), np.mean(one.near_mm, axis=0)
            values = (kept[0], np.mean(one.expected_mm), *kept[at], *near[at])
            table.add_row(*key, str(len(one.kept_mm)), *(f"{value:.1f}" for value in values))
        show_table(table, ["MAE in mm, mean over frames: of all pixels, of the most confident, of the nearest"])
        if self.plot is not None:
            draw(self.plot, figures)
            print(f"wrote {self.plot}")

    def _attack(self) -> Callable[[Frame], Frame]:
        from studies.attack import attack_image

        from kbnet.weights.depth_network import load_network
        from kbnet.weights.names import find_weights

        if self.pgd_levels == 0:
            return lambda frame: frame
        network = load_network(find_weights(self.weights)).requires_grad_(False)
        return lambda frame: attack_image(frame, network, "pgd", self.pgd_levels)

    def _open(self) -> Iterator[tuple[tuple[str, str], FrameSource, range]]:
        from kbnet.frames.open import open_frames

        for kind in self.sparse_depth:
            for name, path in distinct_names(self.sources).items():
                source = open_frames(path, sparse_depth=kind)
                yield (name, kind), source, range(min(self.every // 2, len(source) - 1), len(source), self.every)


if __name__ == "__main__":
    start(Command)
