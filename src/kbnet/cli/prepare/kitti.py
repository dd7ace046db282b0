"""``kbnet prepare kitti``: KITTI depth completion from its archives to lists of frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from kbnet.cli.arguments import OptionalFile
from kbnet.cli.known_errors import say
from kbnet.cli.preparation import FromPaths, SplitCount, conclude, transfer_progress
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from kbnet.datasets.kitti.archives import KittiFolder
    from kbnet.datasets.kitti.splits import Selection

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Download KITTI depth completion, or take what you have of it, and list the frames of its splits.

    Writes train.csv, validation.csv and test.csv, which the other commands read. validation and test need
    data_depth_selection.zip (2 GB). train needs data_depth_annotated.zip, data_depth_velodyne.zip, the raw drives that
    the annotations name and the calibrations of their dates (some 190 GB); with --from, it is made of the drives that
    are there. After an interruption, run it again. An archive that you put into FOLDER/archives counts as downloaded;
    all may be removed once they are unpacked.
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="[FOLDER]")] = Path("data/kitti")
    """Where lists, unpacked files and downloads go."""
    from_: FromPaths = ()
    """What you have: archives, folders of archives, or folders with unpacked data (kitti_raw_data,
    kitti_depth_completion, or what the archives hold), which is used where it lies. Nothing is downloaded then."""
    splits: tuple[Split, ...] = ("train", "validation", "test")
    """What to prepare."""
    standing: Literal["drop", "keep"] = "drop"
    """Training frames of a standing car: slower than 0.3 m/s by its own measurement (OXTS)."""
    standing_list: OptionalFile = None
    """Take the standing frames from this list instead: a path, or '<drive> <frame>', a line."""

    def run(self) -> None:
        from kbnet.datasets.kitti.archives import KittiFolder

        if self.standing == "keep" and self.standing_list:
            raise KBNetError("expected --standing keep or --standing-list, got both; leave one out")
        rows: list[SplitCount] = []
        failures: dict[str, str] = {}
        with transfer_progress() as on_progress:
            kitti = KittiFolder(self.folder, by_hand=self.from_, on_progress=on_progress)
            for split in ("validation", "test", "train"):
                if split not in self.splits:
                    continue
                try:
                    rows.append(self._list_train(kitti) if split == "train" else self._list_selection(kitti, split))
                except (KBNetError, OSError) as error:
                    failures[f"{split}.csv"] = str(error)
        for archive in kitti.missing:
            say(f"missing: {archive.url}")
        if kitti.missing and "train.csv" not in failures:
            failures["the rest of train.csv"] = kitti.what_is_missing()
        conclude(rows, failures, unchanged=not kitti.written)

    def _list_selection(self, kitti: KittiFolder, split: Selection) -> SplitCount:
        from kbnet.datasets.kitti.splits import PUBLISHED_SELECTION, index_selection
        from kbnet.frames.frame_list import write_frame_list

        path = self.folder / f"{split}.csv"
        count = write_frame_list(path, index_selection(kitti.selection(split), split))
        return SplitCount(split, count, PUBLISHED_SELECTION, path, "no ground truth" if split == "test" else "")

    def _list_train(self, kitti: KittiFolder) -> SplitCount:
        from kbnet.datasets.kitti import splits as published
        from kbnet.datasets.kitti.standing import by_list, by_speed, never
        from kbnet.frames.frame_list import write_frame_list

        is_standing = (
            never if self.standing == "keep" else by_list(self.standing_list) if self.standing_list else by_speed
        )
        files = kitti.train()
        train = published.index_train(files, kitti.folder / "intrinsics", is_standing)
        path = self.folder / "train.csv"
        count = write_frame_list(path, train.frames)
        aside = published.count_annotated(files.ground_truth, "val")
        note = (
            f"of {train.annotated:,} annotated ({published.OFFICIAL_TRAIN_FRAMES:,} published)\n"
            f"in {len(files.drives)} of {len(published.train_drives(files.ground_truth))} drives,\n"
            f"less {train.standing:,} of a standing car ({published.PUBLISHED_STANDING:,} published)\n"
            f"and {train.lone:,} without both neighbours;\n"
            f"kept aside: {aside:,} of the val drives ({published.OFFICIAL_VAL_FRAMES:,} published)"
        )
        left_out = published.PUBLISHED_STANDING if self.standing == "drop" else 0
        return SplitCount("train", count, published.OFFICIAL_TRAIN_FRAMES - left_out, path, note)
