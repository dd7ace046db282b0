"""Wavefront OBJ and MTL files to triangles and their materials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.files import read_text
from kbnet.frame import FloatArray
from kbnet.sources.rendered.mesh import Int32Array, Mesh, plane_normals, unit


@dataclass(frozen=True)
class MtlMaterial:
    """Entry of an MTL file.

    Attributes:
        diffuse: Kd, RGB, 0 to 1, as stored (not linear).
        specular: mean of Ks, 0 to 1.
        shininess: Ns.
        opacity: d.
        texture: map_Kd; None = none, or its file is missing.
    """

    diffuse: tuple[float, float, float] = (0.7, 0.7, 0.7)
    specular: float = 0.0
    shininess: float = 10.0
    opacity: float = 1.0
    texture: Path | None = None


def read_obj(path: Path) -> tuple[Mesh, list[str], list[str]]:
    """Read the triangles of an OBJ file; polygons become fans.

    Returns:
        The mesh, in the file's own units; the names of its materials, in the order of the mesh's indices; and the
        names of its MTL files.

    Raises:
        KBNetError: the file has no triangles, or is broken.
    """
    lines = read_text(path, encoding="latin-1").splitlines()
    positions = _numbers(lines, "v ", 3, path)
    tokens, material, names, libraries = _faces(lines)
    if not tokens or not len(positions):
        raise KBNetError(f"{path}: expected vertices and faces, found {len(positions)} and {len(tokens) // 3}")
    index = _indices(tokens, path)
    corners = _pick(positions, index[:, 0], path).reshape(-1, 3, 3)
    uv = np.zeros((len(index), 2), np.float32)
    if (index[:, 1] > 0).any() and len(coordinates := _numbers(lines, "vt ", 2, path)):
        uv = _pick(coordinates, np.clip(index[:, 1], 1, len(coordinates)), path) * np.array([1, -1], np.float32)
    normals = np.repeat(plane_normals(corners), 3, axis=0)
    if (index[:, 2] > 0).all() and len(given := _numbers(lines, "vn ", 3, path)):
        own = unit(_pick(given, index[:, 2], path))
        normals = np.where((np.abs(own).sum(axis=1) > 0)[:, None], own, normals)
    if not np.isfinite(corners).all() or not np.isfinite(uv).all():
        raise KBNetError(f"{path}: expected finite coordinates, found nan or infinity; export the model again")
    mesh = Mesh(corners, uv.reshape(-1, 3, 2), normals.reshape(-1, 3, 3), material)
    whole = np.flatnonzero(np.abs(plane_normals(corners)).sum(axis=1) > 0)
    mesh = Mesh(mesh.corners[whole], mesh.uv[whole], mesh.normals[whole], mesh.material[whole])
    return mesh, names, libraries


def read_materials(path: Path, names: list[str], libraries: list[str]) -> list[MtlMaterial]:
    """Materials of an OBJ file by name; one that is missing, or whose MTL file is missing, is grey."""
    known: dict[str, MtlMaterial] = {}
    for library in libraries:
        if (path.parent / library).is_file():
            known |= read_mtl(path.parent / library)
    return [known.get(name, MtlMaterial()) for name in names]


def read_mtl(path: Path) -> dict[str, MtlMaterial]:
    """Read the materials of an MTL file by name; numbers that cannot be read keep their defaults."""
    entries: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in read_text(path, encoding="latin-1").splitlines():
        key, _, value = line.strip().partition(" ")
        if key == "newmtl":
            current = entries.setdefault(value.strip(), {})
        else:
            current[key.lower()] = value.strip()
    return {name: _material(entry, path.parent) for name, entry in entries.items()}


def _material(entry: dict[str, str], folder: Path) -> MtlMaterial:
    default = MtlMaterial()
    texture = folder / entry["map_kd"].split()[-1] if entry.get("map_kd") else None
    if texture is not None and not texture.is_file():
        texture = folder / entry["map_kd"]
    return MtlMaterial(
        _triple(entry.get("kd"), default.diffuse),
        sum(_triple(entry.get("ks"), (0.0, 0.0, 0.0))) / 3,
        _triple(entry.get("ns"), (default.shininess,) * 3)[0],
        _triple(entry.get("d"), (1.0, 1.0, 1.0))[0],
        texture if texture is not None and texture.is_file() else None,
    )


def _triple(text: str | None, default: tuple[float, float, float]) -> tuple[float, float, float]:
    try:
        values = [float(word) for word in (text or "").split()[:3]]
    except ValueError:
        return default
    if not values:
        return default
    return (values[0], values[1], values[2]) if len(values) == 3 else (values[0],) * 3


def _numbers(lines: list[str], key: str, count: int, path: Path) -> FloatArray:
    rows = [line.split()[1 : 1 + count] for line in lines if line.startswith(key)]
    try:
        return np.array(rows, np.float32).reshape(-1, count)
    except ValueError:
        raise KBNetError(f"{path}: expected {count} numbers in each line '{key.strip()}'; the file is broken") from None


def _faces(lines: list[str]) -> tuple[list[str], Int32Array, list[str], list[str]]:
    tokens: list[str] = []
    material: list[int] = []
    names: dict[str, int] = {}
    libraries: list[str] = []
    current = -1
    for line in lines:
        if line.startswith("f "):
            words = line.split()
            if current < 0:
                current = names.setdefault("", len(names))
            for k in range(2, len(words) - 1):
                tokens += (words[1], words[k], words[k + 1])
                material.append(current)
        elif line.startswith("usemtl"):
            current = names.setdefault(line[6:].strip(), len(names))
        elif line.startswith("mtllib"):
            libraries.append(line[6:].strip())
    return tokens, np.array(material, np.int32), list(names), libraries


def _indices(tokens: list[str], path: Path) -> Int32Array:
    """One-based indices of position, texture coordinate and normal, (3 T, 3); 0 = none."""
    slashes = tokens[0].count("/")
    text = " ".join(tokens).replace("//", "/0/").replace("/", " ")
    try:
        found = np.array(text.split(), np.int32)
        if found.size == len(tokens) * (slashes + 1):
            found = found.reshape(len(tokens), -1)
        else:
            found = np.array([[int(x or 0) for x in (token + "//").split("/")[:3]] for token in tokens], np.int32)
    except (ValueError, OverflowError):
        raise KBNetError(f"{path}: expected whole numbers in its faces; the file is broken") from None
    return np.pad(found, ((0, 0), (0, 3 - found.shape[1])))


def _pick(values: FloatArray, index: Int32Array, path: Path) -> FloatArray:
    if index.min() < 1 or index.max() > len(values):
        raise KBNetError(f"{path}: a face refers to element {index.min()} or {index.max()} of {len(values)}")
    picked: FloatArray = values[index - 1]
    return picked
