"""Parsed OBJ files kept on disk, since parsing takes longer than rendering a frame."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np

from kbnet.files import atomic_path
from kbnet.sources.rendered.mesh import Mesh
from kbnet.sources.rendered.obj_file import MtlMaterial, read_materials, read_obj

NORMAL_STEPS = 32767
"""Normals are rounded to this many steps from 0 to 1, kept or not, so that both give the same pictures."""
VERSION = 1
"""Other versions of the kept files are not read."""


def cached_obj(path: Path) -> tuple[Mesh, list[MtlMaterial]]:
    """Mesh and materials of an OBJ file, as from :func:`read_obj`, from the user's cache folder if it is there.

    Raises:
        KBNetError: the file has no triangles, or is broken.
    """
    kept = _cache_file(path)
    try:
        with np.load(kept, allow_pickle=False) as found:
            mesh = Mesh(found["corners"], found["uv"], _restored(found["normals"]), found["material"])
            return mesh, read_materials(path, found["names"].tolist(), found["libraries"].tolist())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass
    mesh, names, libraries = read_obj(path)
    normals = np.rint(mesh.normals * NORMAL_STEPS).astype(np.int16)
    try:
        with atomic_path(kept) as partial:
            np.savez(
                partial,
                corners=mesh.corners,
                uv=mesh.uv,
                normals=normals,
                material=mesh.material,
                names=np.array(names, str),
                libraries=np.array(libraries, str),
            )
    except OSError:
        pass  # a full or read-only disk costs time only
    return Mesh(mesh.corners, mesh.uv, _restored(normals), mesh.material), read_materials(path, names, libraries)


def _restored(
    normals: np.ndarray[tuple[int, ...], np.dtype[np.int16]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return normals.astype(np.float32) / np.float32(NORMAL_STEPS)


def _cache_file(path: Path) -> Path:
    """Where a parsed file is kept: ``$XDG_CACHE_HOME/kbnet/models``, named after its path, size and time."""
    status = path.stat()
    text = f"{VERSION} {path.resolve()} {status.st_size} {status.st_mtime_ns}"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "kbnet" / "models" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"
