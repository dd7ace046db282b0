"""The native layout: one folder a sequence, its frames sorted by name, numbers by value."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, FloatArray, Frame, ImageArray, check_pose
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.frames.depth_png import read_depth_png, spread_depth
from kbnet.frames.frame_files import FrameFiles
from kbnet.frames.frame_source import ConsecutiveFrames, PoseMemory, with_pose_and_prior
from kbnet.frames.image_file import read_image, read_intrinsics, read_numbers
from kbnet.frames.kinds import IMAGE_SUFFIXES
from kbnet.frames.natural_order import in_order
from kbnet.frames.prior_files import PriorFolder

_OTHER_DEPTH = "put 16-bit PNG there, metres x 256; of other depth or scans: kbnet prepare rgbd or lidar"


class Sequence(ConsecutiveFrames):
    """A folder of consecutive frames of one camera, listed once and read frame by frame.

    ::

        K.txt  image/<name>.png|jpg  sparse_depth/<name>.png  [ground_truth/<name>.png]  [absolute_pose/<name>.txt]

    Attributes:
        names: the frames' names (file names without suffix), sorted.
        intrinsics: pinhole matrix K, (3, 3), float32 pixels.
        has_ground_truth: whether the sequence has the folder ``ground_truth``.
        has_poses: whether every frame has a pose in ``absolute_pose``.
    """

    priors: PriorFolder | None = None

    def __init__(self, folder: str | Path, *, sparse_depth: str = "sparse_depth") -> None:
        """List the folder and read K.

        Args:
            sparse_depth: the folder of sparse depth maps inside it, such as ``sparse_depth_500``.

        Raises:
            FileNotFoundError: the folder, its images, K.txt or sparse depth maps are missing.
            KBNetError: K.txt holds no pinhole matrix, or two images share a name.
        """
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f"expected a sequence folder, but there is no folder {folder}; check the path")
        self.name = self.folder.resolve().name
        self._images = _list_images(self.folder)
        self.names = tuple(path.stem for path in self._images)
        if not (self.folder / "K.txt").is_file():
            raise FileNotFoundError(
                f"expected K.txt (the 9 numbers of the 3x3 intrinsics) in {folder}, but there is none; "
                "write the camera's calibration there"
            )
        self.intrinsics = read_intrinsics(self.folder / "K.txt")
        self._sparse_depth = _find_sparse_depth(self.folder, sparse_depth, self.names)
        self.points_from = sparse_depth
        self.has_ground_truth = (self.folder / "ground_truth").is_dir()
        poses = {path.stem for path in (self.folder / "absolute_pose").glob("[!.]*.txt")}
        without, alone = set(self.names) - poses, poses - set(self.names)
        self.has_poses = not without
        if without and alone:
            warnings.warn(
                f"{len(without)} of {len(self.names)} images of {folder} have no pose, first {min(without)}, and "
                f"{len(alone)} of {len(poses)} poses no image, first {min(alone)}.txt: name both alike",
                stacklevel=2,
            )
        self._poses = PoseMemory(len(self.names), self._read_pose)

    def __repr__(self) -> str:
        return f"Sequence('{self.folder}', sparse_depth='{self._sparse_depth.name}', {len(self)} frames)"

    def image(self, index: int) -> ImageArray:
        """Image of one frame: RGB, (H, W, 3), uint8."""
        return read_image(self._images[index])

    def sparse_depth(self, index: int) -> FloatArray:
        """Sparse depth of one frame, (H, W), float32 metres; 0 = unmeasured."""
        return read_depth_png(depth_path(self._sparse_depth, self.names[index]))

    def frame(self, index: int) -> Frame:
        """Read one frame, with its ground truth and pose if there are files of them.

        A K that is not of its size is warned of.

        Raises:
            FileNotFoundError, KBNetError: a file is missing, unreadable, or does not fit the others.
        """
        depth = depth_path(self._sparse_depth, self.names[index])
        frame = read_frame(self.folder, self._images[index], depth, self.intrinsics)
        return with_pose_and_prior(frame, self, index)

    def pose(self, index: int) -> Float64Array:
        """Read where the camera was.

        Returns:
            ``T_world_camera``, (4, 4), float64, metres: a point x in the camera is ``T_world_camera @ x`` in the world.

        Raises:
            FileNotFoundError: the frame has no pose file.
            KBNetError: the file is not a rigid 3x4 or 4x4 transform.
        """
        return self._poses.pose(index)

    def has_pose(self, index: int) -> bool:
        """Whether there is a file of where the camera was."""
        return self._pose_path(index).is_file()

    def files(self, index: int, gap: int | None = None) -> FrameFiles:
        """Where the files of a frame lie, absolute, without ground truth.

        Args:
            gap: name the neighbours this many frames away too, and their poses if there is a file of all three.
        """
        around = [index] if gap is None else [index, index - gap, index + gap]
        found: dict[str, Path] = dict(
            zip(("image", "previous", "next"), (self._images[i] for i in around), strict=False)
        )
        if all(map(self.has_pose, around)):
            found |= dict(zip(("pose", "previous_pose", "next_pose"), map(self._pose_path, around), strict=False))
        sparse_depth = depth_path(self._sparse_depth, self.names[index])
        found |= {"intrinsics": self.folder / "K.txt", "sparse_depth": sparse_depth}
        columns: dict[str, Any] = {column: str(path.absolute()) for column, path in found.items()}
        return FrameFiles(self.names[index], **columns)

    def _read_pose(self, index: int) -> Float64Array:
        return read_pose(self._pose_path(index))

    def _pose_path(self, index: int) -> Path:
        return pose_path(self.folder, self.names[index])


def read_frame(folder: Path, image_path: Path, sparse_depth_path: Path, intrinsics: FloatArray) -> Frame:
    """Read a frame of a sequence folder by its files; its name is that of the image.

    Args:
        intrinsics: K, (3, 3), pixels.
    """
    name, truth = image_path.stem, depth_path(folder / "ground_truth", image_path.stem)
    truth_path = truth if truth.is_file() else None
    frame = with_depth(read_image(image_path), sparse_depth_path, intrinsics, truth_path, name, of=f" of {folder}")
    warn_of_far_centre(frame.intrinsics, frame.size, of=str(folder / "K.txt"))
    return frame


def with_depth(
    image: ImageArray, sparse_depth: Path, intrinsics: FloatArray, truth: Path | None, name: str, *, of: str = ""
) -> Frame:
    """A frame of an image and depth maps in files, which may be smaller than the image; ``of`` is for messages."""
    size = (image.shape[0], image.shape[1])

    def read(path: Path, what: str) -> FloatArray:
        return spread_depth(read_depth_png(path), size, what, where=f" (frame '{name}'{of})")

    ground_truth = None if truth is None else read(truth, "ground_truth")
    return Frame(image, read(sparse_depth, "sparse_depth"), intrinsics, ground_truth, name)


def depth_path(folder: Path, name: str) -> Path:
    """Where the depth of a frame is: ``<name>.png``, or ``<name>.PNG`` if that is there alone."""
    path, capitals = folder / f"{name}.png", folder / f"{name}.PNG"
    return capitals if capitals.is_file() and not path.is_file() else path


def pose_path(folder: Path, name: str) -> Path:
    """Where the pose of a frame of a sequence folder is."""
    return folder / "absolute_pose" / f"{name}.txt"


def read_pose(path: str | Path, what: str = "a camera-to-world pose") -> Float64Array:
    """Read where a camera was, or another rigid transform.

    Args:
        path: text of 3x4 or 4x4 numbers, camera to world, metres; ``#`` begins a comment.
        what: what it should hold, for the error message.

    Returns:
        ``T_world_camera``, (4, 4), float64, metres.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file is not a rigid 3x4 or 4x4 transform.
    """
    return pose_of_numbers(read_numbers(path, what), path, what)


def pose_of_numbers(numbers: Float64Array, path: str | Path, what: str) -> Float64Array:
    """As :func:`read_pose`, of the numbers in a file."""
    if numbers.size not in (12, 16):
        raise KBNetError(f"expected {what} as 3x4 or 4x4 numbers, got {numbers.size} in {path}; write it row by row")
    T_world_camera = np.eye(4)
    T_world_camera[: numbers.size // 4] = numbers.reshape(-1, 4)
    check_pose(T_world_camera, what, where=f" in {path}")
    return T_world_camera


def _list_images(folder: Path) -> list[Path]:
    if not (folder / "image").is_dir():
        names = _subfolders(folder)
        remedy = "name a sequence folder, and put its frames into image/"
        if any("depth" in name.lower() for name in names):
            remedy = "call folders of colour and depth images color/ and depth/ (kbnet prepare rgbd)"
        raise FileNotFoundError(
            f"expected a folder image/ in {folder}, but its folders are: {', '.join(names) or 'none'}; {remedy}"
        )
    images = in_order(
        (path for path in (folder / "image").glob("[!.]*") if path.suffix.lower() in IMAGE_SUFFIXES),
        lambda path: path.stem,
    )
    if not images:
        raise FileNotFoundError(f"expected PNG or JPEG files in {folder / 'image'}, got none; put the frames there")
    for first, second in pairwise(images):
        if first.stem == second.stem:
            raise KBNetError(
                f"expected one image a frame, got {first.name} and {second.name} in {folder / 'image'}; "
                "remove one of them"
            )
    return images


def _find_sparse_depth(folder: Path, name: str, frames: tuple[str, ...]) -> Path:
    if not (folder / name).is_dir():
        others = [other for other in _subfolders(folder) if other.startswith("sparse_depth")]
        remedy = f"choose {' or '.join(others)} with --sparse-depth" if others else _OTHER_DEPTH
        raise FileNotFoundError(f"expected sparse depth in {folder / name}, but there is no such folder; {remedy}")
    present = {path.name for path in (folder / name).iterdir()}
    missing = [frame for frame in frames if present.isdisjoint((f"{frame}.png", f"{frame}.PNG"))]
    if missing:
        raise FileNotFoundError(
            f"expected a sparse depth PNG for every image, but {len(missing)} of {len(frames)} are missing, "
            f"first {folder / name / missing[0]}.png; add them, or remove the images without"
        )
    return folder / name


def _subfolders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
