"""Virtual KITTI 2 with the lidar pixels of KITTI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from kbnet.errors import KBNetError
from kbnet.frames.kinds import Opened, register


@dataclass(frozen=True, kw_only=True)
class VkittiArguments:
    """Make a sequence of Virtual KITTI 2, with sparse points made as for the published ScaffNet.

    Example:  kbnet prepare vkitti vkitti street --masks data_depth_velodyne/train --date 2011_09_26 --every 10

    Each frame of the variation clone is paired with every drive: its depth at the pixels where the drive's lidar
    measured becomes sparse depth, all of it ground truth. The sky is unmeasured. A frame is written once for each drive
    and camera, which takes much space; --every takes fewer frames.
    """

    masks: Annotated[Path, arg(metavar="FOLDER")]
    """Lidar depth of KITTI: the folder of its drives (train of data_depth_velodyne.zip), or one drive."""
    date: Annotated[str, arg(metavar="DATE", help_behavior_hint="")] = ""
    """Drives of one date, such as 2011_09_26; the dates differ in the size of their frames."""
    every: int = 1
    """Take every Nth frame."""


def unpacked(path: Path, archive: str) -> Path:
    """Where an archive (``rgb``, ``depth``, ``textgt``) is unpacked: a folder of its name in ``path``, or ``path``."""
    own = path / f"vkitti_2.0.3_{archive}"
    return own if own.is_dir() else path


def is_vkitti(path: Path) -> bool:
    """Whether a folder holds the unpacked images or depth."""
    return any(
        next(unpacked(path, archive).glob("Scene[0-9]*/clone/frames"), None) is not None for archive in ("depth", "rgb")
    )


@register(
    "vkitti",
    "Virtual KITTI 2 (folder with Scene01/clone and so on, or with vkitti_2.0.3_rgb and vkitti_2.0.3_depth)",
    is_vkitti,
    VkittiArguments,
    path_help="Folder where vkitti_2.0.3_rgb.tar, vkitti_2.0.3_depth.tar and, for poses, vkitti_2.0.3_textgt.tar.gz "
    "are unpacked, together or each in a folder of its name.",
)
def open_vkitti(path: Path, options: VkittiArguments) -> Opened:
    """List scenes and drives; errors are those of `kbnet.sources.vkitti.VkittiFrames`."""
    from kbnet.sources.vkitti import VirtualScene, VkittiFrames

    if options.every < 1:
        raise KBNetError(f"expected --every of at least 1, got {options.every}")
    roots = [unpacked(path, archive) for archive in ("rgb", "depth", "textgt")]
    scenes = [
        VirtualScene(clone.parent.name, *(root / clone.parent.name / clone.name for root in roots))
        for clone in sorted(roots[1].glob("Scene[0-9]*/clone"))
    ]
    return VkittiFrames(path, scenes, _drives(options), every=options.every)


def _drives(options: VkittiArguments) -> list[Path]:
    masks = options.masks.resolve()
    drives = [masks] if (masks / "proj_depth").is_dir() else sorted(masks.glob(f"{options.date}*_sync"))
    if not drives:
        raise FileNotFoundError(
            f"expected drives {options.date or '<date>'}_drive_<number>_sync in {options.masks}, got none; name the "
            "folder train of data_depth_velodyne.zip (--masks)"
        )
    return drives
