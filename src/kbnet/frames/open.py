"""A path to the frames that lie there."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from kbnet.errors import KBNetError, expect
from kbnet.frames.frame_files import PATHS, FrameFiles
from kbnet.frames.frame_list import FrameList
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.kinds import CLOUD_SUFFIXES, Kind, kind_of, kinds, open_kind
from kbnet.frames.sequence import Sequence

LISTED_NAMES = 8
"""Names in a folder that a message lists."""
LOOKED_AT, LOOKED_AT_DEEP = 100, 10
"""Names in a folder that are tried as recordings; and in each of as many folders in it."""
EUROC = ({"mav0"}, {"cam0", "imu0"}, {"data", "sensor.yaml"})
"""Names in folders of EuRoC and TUM-VI, of which all are there."""
_UNPACK = "unpack it, and name what comes out"
REMEDIES = (
    dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".zst", ".zstd", ".xz", ".bz2", ".lz4", ".7z", ".rar"), _UNPACK)
    | dict.fromkeys(
        (".svo", ".svo2", ".oni", ".klg", ".sens", ".xef"),
        "with the camera's own program, export images to color/, depth as 16-bit PNG to depth/, and K to K.txt (kbnet "
        "prepare rgbd)",
    )
    | dict.fromkeys(
        CLOUD_SUFFIXES, "name the images too: kbnet complete IMAGES --scans FILE --intrinsics K.txt --poses poses.txt"
    )
    | dict.fromkeys((".pcap", ".lvx", ".lvx2", ".e57"), "with the lidar's own program, export scans as .pcd or .ply")
    | dict.fromkeys((".psx", ".psz", ".xml", ".rcproj"), "export the reconstruction for COLMAP (kbnet prepare colmap)")
)
"""What to do with files that are no recording, by suffix."""


def open_frames(path: str | Path, **options: Any) -> FrameSource:
    """Open a sequence folder, a list of frames, or a recording in place.

    Args:
        path: a sequence folder, a ``.csv`` list of frames, a ROS bag or MCAP file, a COLMAP model, a recording in TUM's
            format, a video, a KITTI drive, or any other kind in `kbnet.sources.kinds`. Which it is, its name and the
            names in it tell.
        options: ``sparse_depth`` of a sequence or list: the folder or column of sparse depth. Of a recording, the flags
            of its ``kbnet prepare`` command as keywords, such as ``depth="/lidar/points"``.

    Returns:
        The frames: ``len(source)``, ``source[i]``, ``source.names``, ``for frame in source``.

    Raises:
        FileNotFoundError: the path, or something it needs, is missing.
        KBNetError: it is no recording, an option does not belong to it, or something in it is not as it should be.
        ModuleNotFoundError: a package that reads this kind is not installed; the message names it.

    Example:
        >>> for frame in kbnet.open_frames("drive.mcap", depth="/lidar/points"):  # doctest: +SKIP
        ...     depth = completer(frame.image, frame.sparse_depth, frame.intrinsics)
    """
    if not isinstance(path, str | Path):
        raise KBNetError(f"expected the path of frames, got {path!r}; name a sequence folder, a list or a recording")
    expect(options.get("sparse_depth", ""), str, "the name of sparse depth")
    kind = recording_kind(path, options.get("sparse_depth"))
    if kind is not None:
        return open_kind(kind.name, path, kind.make_options(options))
    unknown = sorted(set(options) - {"sparse_depth"})
    if unknown and (Path(path).suffix.lower() == ".csv" or _looks_like_sequence(Path(path))):
        raise KBNetError(
            f"{path} is a sequence or list, and its only option is sparse_depth; leave out {', '.join(unknown)}"
        )
    return open_prepared(path, **{name: options[name] for name in options if name not in unknown})


def open_prepared(path: str | Path, *, sparse_depth: str = "sparse_depth") -> FrameSource:
    """Open a sequence folder or a ``.csv`` list of frames, as training and data sets need them.

    Args:
        sparse_depth: the folder of sparse depth inside a sequence, or the column of a list.

    Raises:
        FileNotFoundError: the path, or something it needs, is missing.
        KBNetError: it is a recording of another kind, or something in it is not as it should be.
    """
    kind = recording_kind(path, sparse_depth)
    if kind is not None:
        raise KBNetError(
            f"expected a sequence folder or a .csv list of frames, got {kind.what}: {path}; write it to a sequence "
            f"folder (kbnet prepare {kind.name})"
        )
    path = Path(path)
    if path.suffix.lower() == ".csv":
        return FrameList(path, sparse_depth=sparse_depth)
    if path.exists() and not _looks_like_sequence(path):
        raise FileNotFoundError(_what_there_is(path))
    return Sequence(path, sparse_depth=sparse_depth)


def recording_kind(path: str | Path, *sparse_depth: str | None) -> Kind | None:
    """The kind of a recording; None = a sequence folder, a list, or nothing that is known.

    Args:
        sparse_depth: folders that were asked for; where there is one, ``image`` and ``depth`` lie in a sequence.
    """
    path = Path(path)
    sparse = any(path.glob("sparse_depth*")) or any(
        (path / name).is_dir() for name in ("ground_truth", *sparse_depth) if name
    )
    is_sequence = (path / "image").is_dir() and (sparse or not (path / "depth").is_dir())
    return None if is_sequence or path.suffix.lower() == ".csv" else kind_of(path)


def _looks_like_sequence(path: Path) -> bool:
    return path.is_dir() and ((path / "image").is_dir() or ((path / "K.txt").is_file() and not _recordings_in(path)))


def _recordings_in(folder: Path, most: int = LOOKED_AT) -> list[Path]:
    """Sequences, recordings, drives of KITTI and images beside depth in a folder, among its first names."""

    def is_recording(path: Path) -> bool:
        kind = kind_of(path)
        known = any((path / name).is_dir() for name in ("image", "velodyne", "velodyne_points"))
        known = known or any("depth" in one.name for one in islice(path.glob("*.png"), LOOKED_AT_DEEP))
        return known or (kind is not None and not kind.last)

    return list(filter(is_recording, sorted(folder.iterdir())[:most]))


def _what_there_is(path: Path) -> str:
    """A message that names the kinds of recordings, and what was found."""
    if path.is_file():
        found = f"a file of type '{path.suffix}'" if path.suffix else "a file without suffix"
        if remedy := REMEDIES.get(path.suffix.lower()):
            return f"expected a recording, got {found}: {path}; {remedy}"
    else:
        names = sorted(f"{one.name}/" if one.is_dir() else one.name for one in path.iterdir())
        more = f", ... ({len(names)} in all)" if len(names) > LISTED_NAMES else ""
        found = f"a folder with {', '.join(names[:LISTED_NAMES]) + more if names else 'nothing in it'}"
        if any(one <= {name.rstrip("/") for name in names} for one in EUROC):
            return (
                f"{path} is of EuRoC: images and motion, without depth; run odometry that writes points (OpenVINS, "
                "XIVO), then kbnet prepare video VIDEO_OF_CAM0 OUT --intrinsics K.txt --points points.csv"
            )
        folders = filter(Path.is_dir, sorted(path.iterdir())[:LOOKED_AT_DEEP])
        below = (one for folder in folders for one in _recordings_in(folder, LOOKED_AT_DEEP))
        if inside := _recordings_in(path) or list(below):
            listed = ", ".join(str(one.relative_to(path)) for one in inside[:LISTED_NAMES])
            return f"expected one recording, got a folder that contains {listed}; give the path of one: {inside[0]}"
        if packed := [name for name in names if REMEDIES.get(Path(name).suffix.lower()) == _UNPACK]:
            return f"expected a recording in {path}, got {packed[0]}; {_UNPACK}"
    known = "; ".join(kind.what for kind in kinds())
    return (
        f"expected a recording in {path}, got {found}; what is read: a sequence folder (K.txt, image/, sparse_depth/); "
        f"a .csv list of frames; {known}"
    )


def absolute_files(source: FrameSource, index: int) -> FrameFiles:
    """Where the files of a frame lie, absolute, without ground truth; a sequence names no neighbours here."""
    if isinstance(source, FrameList):
        files = source.files(index)
        here = source.folder.absolute().parent
        absolute: dict[str, Any] = {name: getattr(files, name) and str(here / getattr(files, name)) for name in PATHS}
        return replace(files, **absolute | {"ground_truth": ""})
    assert isinstance(source, Sequence)
    return source.files(index)
