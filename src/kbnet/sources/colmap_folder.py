"""Files of a COLMAP model: where they are, which there must be, and whether what they count fits into them.

COLMAP's own reader believes the counts in a file: a damaged one makes it allocate or read for minutes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from kbnet.errors import KBNetError
from kbnet.files import resolved
from kbnet.interruption import handlers_kept

PARTS = ("cameras", "images", "points3D")
RIG_PARTS = ("rigs", "frames")
"""Of COLMAP 3.12 and later, both or neither."""
_POSE = 7 * 8
_SENSOR = 8
_PARAMETERS = (3, 4, 4, 5, 8, 8, 12, 5, 4, 5, 12)
"""Of the camera models in the order of their numbers, as far as they are known here."""


def holds_model(folder: Path) -> bool:
    """Whether a folder holds a model, text or binary."""
    return any(all((folder / f"{part}.{suffix}").is_file() for part in PARTS) for suffix in ("bin", "txt"))


def check_model_files(folder: Path) -> None:
    """Refuse a binary model whose files are cut off, or count more than they hold.

    Raises:
        KBNetError: a file is, or there are rigs without frames.
    """
    suffix = "bin" if all((folder / f"{part}.bin").is_file() for part in PARTS) else "txt"
    rigs, frames = ((folder / f"{part}.{suffix}").is_file() for part in RIG_PARTS)
    if rigs != frames:
        there, missing = ("rigs", "frames") if rigs else ("frames", "rigs")
        raise KBNetError(f"{folder} has {there}.{suffix} but no {missing}.{suffix}; copy or export the model again")
    if suffix == "txt":
        return
    for part in (*PARTS, *(RIG_PARTS if rigs else ())):
        path = folder / f"{part}.bin"
        content = path.read_bytes()
        try:
            end = _skip(content, _RECORDS[part])
        except struct.error:
            end = len(content) + 1
        if end != len(content):
            problem = "is cut off" if end > len(content) else f"has {len(content) - end} bytes too many"
            raise KBNetError(f"{path} {problem}, or its counts are damaged; copy or export the model again")


def find_model(path: Path) -> Path:
    """Folder of the model in a workspace, or the folder itself.

    Raises:
        FileNotFoundError: there is none.
        KBNetError: there are several.
    """
    if holds_model(path):
        return path
    numbered = sorted(folder for folder in (path / "sparse").glob("*") if holds_model(folder))
    if len(numbered) > 1:
        images = {folder: read_reconstruction(folder).num_reg_images() for folder in numbered}
        listed = ", ".join(f"{folder.name}: {count} images" for folder, count in images.items())
        raise KBNetError(
            f"{path / 'sparse'} holds {len(numbered)} models that COLMAP could not join ({listed}); name one of them, "
            f"such as {max(images, key=lambda folder: images[folder])}"
        )
    found = [folder for folder in (*numbered, path / "sparse") if holds_model(folder)]
    if not found:
        raise FileNotFoundError(
            f"expected a COLMAP model (cameras, images and points3D, .bin or .txt) in {path}, its sparse/ or sparse/0, "
            "but there is none; name the folder that has them"
        )
    return found[0]


def find_images(path: Path, images: str | Path | None) -> Path:
    """Folder of the images: the one that is named, or ``images`` in the workspace of the model.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    around = [path, *resolved(path).parents[:2]]
    candidates = [Path(images)] if images else [folder / "images" for folder in around]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"expected the images of the model in {candidates[0]}, but there is no such folder; name it (--images)"
    )


def read_reconstruction(folder: Path) -> Any:
    """Read a model as `pycolmap.Reconstruction`.

    Raises:
        KBNetError: it is damaged.
        ModuleNotFoundError: pycolmap is not installed.
    """
    with handlers_kept():  # its log would show a stack trace
        import pycolmap

    check_model_files(folder)
    try:
        return pycolmap.Reconstruction(folder)
    except (ValueError, RuntimeError, IndexError, KeyError) as error:
        raise KBNetError(f"cannot read the COLMAP model in {folder} ({error}); copy or export it again") from None


def image_file(image: Any) -> str:
    """Name of the file of a `pycolmap.Image`.

    Raises:
        KBNetError: it is no UTF-8, or empty.
    """
    try:
        if PurePosixPath(image.name).name:
            return str(image.name)
        raise KBNetError(
            f"expected the name of a file for image {image.image_id}, got '{image.name}'; export the model again"
        )
    except UnicodeDecodeError as error:
        raise KBNetError(
            f"expected names of images in UTF-8, got other bytes for image {image.image_id} ({error}); rename it, and "
            "export the model again"
        ) from None


def _skip(content: bytes, record: Callable[[bytes, int], int]) -> int:
    """Where the records of a file end."""
    (count,) = struct.unpack_from("<Q", content)
    end = 8
    for _ in range(count):
        end = record(content, end)
        if end > len(content):
            break
    return end


def _camera(content: bytes, at: int) -> int:
    _, model, _, _ = struct.unpack_from("<IiQQ", content, at)
    if not 0 <= model < len(_PARAMETERS):
        return len(content)  # a newer model, which is refused by name; what follows cannot be found
    return at + 24 + 8 * _PARAMETERS[model]


def _image(content: bytes, at: int) -> int:
    name = at + 4 + _POSE + 4
    end = content.find(b"\0", name)
    if end < 0:
        raise struct.error
    (count,) = struct.unpack_from("<Q", content, end + 1)
    return end + 9 + 24 * int(count)


def _point(content: bytes, at: int) -> int:
    (count,) = struct.unpack_from("<Q", content, at + 43)
    return at + 51 + 8 * int(count)


def _rig(content: bytes, at: int) -> int:
    _, count = struct.unpack_from("<II", content, at)
    at += 8 + (_SENSOR if count else 0)
    for _ in range(count - 1):
        (has_pose,) = struct.unpack_from("<B", content, at + _SENSOR)
        at += _SENSOR + 1 + (_POSE if has_pose else 0)
    return at


def _frame(content: bytes, at: int) -> int:
    (count,) = struct.unpack_from("<I", content, at + 8 + _POSE)
    return at + 12 + _POSE + (_SENSOR + 8) * int(count)


_RECORDS: dict[str, Callable[[bytes, int], int]] = {
    "cameras": _camera,
    "images": _image,
    "points3D": _point,
    "rigs": _rig,
    "frames": _frame,
}
