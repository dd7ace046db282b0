"""``kbnet prepare void``: VOID from its archives to lists of frames."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from kbnet.cli.preparation import FromPaths, SplitCount, conclude, transfer_progress
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from kbnet.datasets.void.splits import Split


@dataclass(frozen=True, kw_only=True)
class Command:
    """Download VOID, or take the archives or folders you have of it, and list the frames of its splits.

    Writes the lists void_<n>_train.csv and void_<n>_test.csv, which the other commands read, for each density n. After
    an interruption, run it again. On disk a density needs the size of its archive, and once more that of the archive
    where it is downloaded to FOLDER/archives, which you may remove afterwards.
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="[FOLDER]")] = Path("data/void")
    """Where lists, unpacked sequences and downloads go."""
    from_: FromPaths = ()
    """What you fetched by hand: void_1500.zip, void_500.zip, void_150.zip, void_release.zip, or a folder that holds
    some, or what one of them unpacks to (void_1500-0.zip and so on); or an unpacked void_release or void_<n>, which is
    used where it lies. Nothing is downloaded then."""
    densities: tuple[Literal[1500, 500, 150], ...] = (1500, 500, 150)
    """Which densities: sparse points a frame."""

    def run(self) -> None:
        from kbnet.datasets.void.archives import find_density

        rows: list[SplitCount] = []
        failures: dict[str, str] = {}
        found = {density: find_density(density, (*self.from_, self.folder)) for density in self.densities}
        for density, root in found.items():
            failure = "" if root else self._unpack(density)
            made = len(rows)
            for split in ("train", "test"):
                try:
                    rows.append(self._write_list(density, root, split))
                except (KBNetError, OSError) as error:
                    failures[f"void_{density}_{split}.csv"] = failure or str(error)
            if failure and len(rows) == made + 2:
                warnings.warn(f"both lists of void_{density} could be made, but {failure}", stacklevel=2)
        conclude(rows, failures, unchanged=all(found.values()))

    def _unpack(self, density: int) -> str:
        """Unpack a density; return what went wrong, since a part of it may make a split all the same."""
        from kbnet.datasets.void.archives import unpack_density

        with transfer_progress() as on_progress:
            try:
                unpack_density(density, self.folder, by_hand=self.from_, on_progress=on_progress)
            except (KBNetError, OSError) as error:
                return str(error)
        return ""

    def _write_list(self, density: int, root: Path | None, split: Split) -> SplitCount:
        from kbnet.datasets.void.archives import density_folder
        from kbnet.datasets.void.splits import PUBLISHED_SEQUENCES, PUBLISHED_TEST_FRAMES, SKIPPED, index_split
        from kbnet.frames.frame_list import write_frame_list

        frames = index_split(root or density_folder(density, self.folder), split)
        path = self.folder / f"void_{density}_{split}.csv"
        note = f"{frames.sequences} of {PUBLISHED_SEQUENCES[split]} sequences"
        if split == "train":
            note += f", {frames.listed:,} of about 47,000 frames less {SKIPPED} at both ends of each"
        published = PUBLISHED_TEST_FRAMES if split == "test" else None
        return SplitCount(f"void_{density} {split}", write_frame_list(path, frames.frames), published, path, note)
