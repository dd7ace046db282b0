"""``python benchmarks/pack_data.py``: sequences in one archive below a size limit, to take to another machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro
from command import start
from packing import MEBIBYTE, Source, choose, write_archive

from kbnet.cli.evaluate import distinct_names
from kbnet.errors import KBNetError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Pack sequence folders into one tar file that stays below a size limit.

    K, poses, every folder of sparse depth and ground truth are kept as they are. Where the limit asks for it, images of
    training sequences are encoded as JPEG; where that is not enough, the largest sequence gives up every second frame,
    then two of three, and so on. Images of held-out sequences are never encoded anew. The archive holds train/<name>/,
    held_out/<name>/ and packed.json, which says what was left out.
    """

    sequences: tyro.conf.Positional[tuple[Path, ...]]
    """Sequence folders to train on."""
    held_out: tuple[Path, ...] = ()
    """Sequence folders to judge by."""
    output: Path
    """The .tar to write."""
    limit_mib: float = 60.0
    """Largest size of the archive, MiB."""
    lowest_quality: int = 75
    """JPEG quality below which frames are left out instead."""

    def run(self) -> None:
        """Choose what fits, pack it, say what was left out."""
        sources = [
            Source(folder, f"{group}/{name.replace('/', '_')}", group == "held_out")
            for group, folders in (("train", self.sequences), ("held_out", self.held_out))
            for name, folder in (distinct_names(folders) if folders else {}).items()
        ]
        if not sources:
            raise KBNetError("expected at least one sequence folder to pack, got none; see --help")
        limit = int(self.limit_mib * MEBIBYTE)
        strides, quality = choose(sources, limit, self.lowest_quality)
        packed = [source.pack(stride, quality) for source, stride in zip(sources, strides, strict=True)]
        write_archive(self.output, packed, limit)
        for one in packed:
            print(one.contents.describe())
        print(f"wrote {self.output}, {self.output.stat().st_size / MEBIBYTE:.1f} of at most {self.limit_mib:g} MiB")


if __name__ == "__main__":
    start(Command)
