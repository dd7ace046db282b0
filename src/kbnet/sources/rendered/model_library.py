"""Models scaled to their real size, with their materials; read when first used."""

from __future__ import annotations

import hashlib
import os
import warnings
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.files import atomic_path
from kbnet.frame import Float64Array, FloatArray
from kbnet.frames.image_file import open_picture
from kbnet.sources.rendered.catalogue import LARGEST_SIDE, Model
from kbnet.sources.rendered.materials import Material, RoomMaterials, linear_colour
from kbnet.sources.rendered.mesh import Mesh, box_uv, joined
from kbnet.sources.rendered.obj_file import MtlMaterial, read_materials, read_obj
from kbnet.sources.rendered.texture_atlas import MipMap, mip_map

LARGEST_TRIANGLES = 40_000
"""Heavier models are skipped."""
HELD_MODELS = 300
"""Models kept in memory."""
REPLACED = {
    **{"sofa": "cloth", "armchair": "cloth", "bed": "cloth", "chair": "wood", "stool": "wood", "table": "wood"},
    **{"desk": "wood", "coffee table": "wood", "cabinet": "wood", "shelf": "wood", "bedside": "wood", "rug": "carpet"},
    **{"door": "wood", "kitchen": "wood"},
}
"""Texture that large plain parts of a kind may get."""
NORMAL_STEPS = 32767
"""Normals are rounded to this many steps from 0 to 1, kept or not, so that both give the same pictures."""
VERSION = 1
"""Other versions of the kept files are not read."""


@dataclass(frozen=True)
class LoadedModel:
    """A model that stands on y = 0, centred on x and z, its back towards -z, metres."""

    mesh: Mesh
    materials: list[MtlMaterial]
    textures: list[MipMap | None]


class ModelLibrary:
    """Loads models of one part; those that cannot be read are named once and skipped."""

    def __init__(self, models: list[Model]) -> None:
        self._kinds: dict[str, list[Model]] = {}
        for model in models:
            self._kinds.setdefault(model.kind, []).append(model)
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._textures: dict[Path, MipMap | None] = {}
        self.broken: set[str] = set()
        self.used: dict[str, Model] = {}

    def draw(self, kinds: tuple[str, ...], generator: np.random.Generator) -> Model | None:
        """A model of any of the kinds; None where there is none."""
        found = [model for kind in kinds for model in self._kinds.get(kind, ()) if model.name not in self.broken]
        return found[generator.integers(len(found))] if found else None

    def load(self, model: Model) -> LoadedModel | None:
        """Triangles of a model; None, with one warning, where its file is broken."""
        if model.name in self._loaded:
            self._loaded.move_to_end(model.name)
            return self._loaded[model.name]
        try:
            mesh, materials = cached_obj(model.path)
            if len(mesh.material) > LARGEST_TRIANGLES:
                raise KBNetError(f"{model.path}: more than {LARGEST_TRIANGLES} triangles")
            mesh = placed_mesh(_without_doubles(mesh), model)
        except (ValueError, OSError) as error:
            self.broken.add(model.name)
            if not str(error).endswith("triangles"):
                warnings.warn(f"skipped model {model.name}: {error}", stacklevel=2)
            return None
        loaded = LoadedModel(mesh, materials, [self._texture(one.texture) for one in materials])
        self._loaded[model.name] = loaded
        if len(self._loaded) > HELD_MODELS:
            self._loaded.popitem(last=False)
        return loaded

    def _texture(self, path: Path | None) -> MipMap | None:
        if path is None:
            return None
        if path not in self._textures:
            try:
                self._textures[path] = mip_map(np.asarray(open_picture(path, "a texture").convert("RGBA")))
            except (OSError, KBNetError):
                self._textures[path] = None
        return self._textures[path]


def placed_mesh(mesh: Mesh, model: Model) -> Mesh:
    """Turn and scale a mesh to the model's catalogue size, metres; stand it on y = 0, centred on x and z.

    Without a catalogue size, units are guessed: metres, or centimetres if it would be larger than 12 m.

    Raises:
        KBNetError: the model has no extent, or is larger than a room takes.
    """
    if model.rotation is not None:
        mesh = mesh.transformed(np.array(model.rotation, np.float32).reshape(3, 3))
    extent = mesh.high - mesh.low
    if extent.max() <= 0:
        raise KBNetError(f"{model.path}: expected a body, but all corners are one point")
    if model.size is not None:
        factors = np.array(model.size, np.float32) / np.maximum(extent, 1e-6)
        factors = np.where(extent < 1e-4 * extent.max(), factors[extent.argmax()], factors).astype(np.float32)
    else:
        factors = np.full(3, 0.01 if extent.max() > 12 else 1.0, np.float32)
        if (extent * factors).max() > LARGEST_SIDE:
            raise KBNetError(f"{model.path}: {(extent * factors).max():.1f} m large; more than {LARGEST_SIDE} m")
    mesh = mesh.scaled(factors)
    low, high = mesh.low, mesh.high
    return mesh.moved(to=(-(low[0] + high[0]) / 2, -low[1], -(low[2] + high[2]) / 2))


def instance(loaded: LoadedModel, kind: str, room: RoomMaterials, *, glow: float = 0.0) -> Mesh:
    """The mesh of a model with materials of a room: its own, or others for plain parts.

    Args:
        kind: kind of the model, for the textures that suit it.
        room: takes the materials.
        glow: emission of light or glass-like parts, for lamps.
    """
    generator = room.generator
    replaced = REPLACED.get(kind)
    changes = generator.random() < 0.6
    tint = generator.uniform(0.7, 1.15, 3) if generator.random() < 0.5 else np.ones(3)
    mesh = loaded.mesh
    area = _areas(mesh)
    parts = []
    for index, (material, own) in enumerate(zip(loaded.materials, loaded.textures, strict=True)):
        chosen = np.flatnonzero(mesh.material == index)
        if not chosen.size:
            continue
        part = Mesh(mesh.corners[chosen], mesh.uv[chosen], mesh.normals[chosen], mesh.material[chosen])
        share = float(area[chosen].sum() / area.sum())
        if own is None and changes and share > 0.15 and material.opacity >= 0.5:
            if replaced is not None and generator.random() < 0.75:
                part = Mesh(part.corners, box_uv(part.corners), part.normals, part.material)
                parts.append(part.with_material(room.drawn(replaced)))
            else:
                parts.append(part.with_material(room.plain()))
            continue
        parts.append(part.with_material(room.add(_own_material(material, own, room, tint, glow))))
    return joined(parts)


def _without_doubles(mesh: Mesh) -> Mesh:
    """Leave out triangles that lie exactly on another: which of the two a ray meets would be chance."""
    middle = mesh.corners.mean(axis=1, dtype=np.float64)
    scale = 1e5 / max(float(np.ptp(middle, axis=0).max()), 1e-9)
    x, y, z = np.rint((middle - middle.min(axis=0)) * scale).astype(np.int64).T
    _, first = np.unique((x << 40) | (y << 20) | z, return_index=True)
    first.sort()
    return Mesh(mesh.corners[first], mesh.uv[first], mesh.normals[first], mesh.material[first])


def _own_material(
    material: MtlMaterial, own: MipMap | None, room: RoomMaterials, tint: Float64Array, glow: float
) -> Material:
    kd = linear_colour(material.diffuse)
    if own is not None:
        # Exporters often store a dark Kd beside a texture that already has the colour.
        kd = (max(kd[0], 0.75), max(kd[1], 0.75), max(kd[2], 0.75))
    red, green, blue = (float(min(max(x * t, 0.012), 0.92)) for x, t in zip(kd, tint, strict=True))
    mirror = min(material.specular, 1.0) * 0.12 if material.shininess > 8 else 0.0
    if material.specular > 0.6 and own is None and max(material.diffuse) > 0.35 and material.shininess > 60:
        mirror = 0.25
    bright = glow if min(material.diffuse) > 0.6 or material.opacity < 0.9 else 0.0
    texture = 0 if own is None else room.texture(own)
    opacity = 1.0 if bright else material.opacity
    return Material((red, green, blue), texture, 1.0, mirror, bright, opacity)


def _areas(mesh: Mesh) -> FloatArray:
    cross = np.cross(mesh.corners[:, 1] - mesh.corners[:, 0], mesh.corners[:, 2] - mesh.corners[:, 0])
    area: FloatArray = np.sqrt(np.einsum("ti,ti->t", cross, cross)) / 2
    return area


def cached_obj(path: Path) -> tuple[Mesh, list[MtlMaterial]]:
    """Mesh and materials of an OBJ file, as from :func:`read_obj`, from the user's cache folder if it is there."""
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
