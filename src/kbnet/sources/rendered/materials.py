"""Materials of one room and the textures they refer to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import BoolArray, FloatArray
from kbnet.sources.rendered.mesh import Int32Array
from kbnet.sources.rendered.procedural_textures import make_texture, photograph_crop
from kbnet.sources.rendered.texture_atlas import LINEAR, MipMap, TextureAtlas, mip_map

POOL = {
    **{"plaster": 12, "wallpaper": 10, "wood": 20, "tiles": 14, "bricks": 5, "cloth": 24, "carpet": 10, "stone": 10},
    **{"paper": 24, "photograph": 24, "outdoors": 12},
}
"""Textures of each kind that one run draws from."""


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        colour: linear RGB, times the texture.
        texture: index in the room's atlas.
        repeats: texture repeats per unit of the mesh's uv.
        mirror: share of light reflected as by a mirror, seen along the normal.
        emission: radiance sent out, times the texture; 0 = none.
        opacity: below 0.5 is glass.
    """

    colour: tuple[float, float, float] = (0.7, 0.7, 0.7)
    texture: int = 0
    repeats: float = 1.0
    mirror: float = 0.0
    emission: float = 0.0
    opacity: float = 1.0


class TexturePool:
    """Textures of a run, each made when it is first drawn: procedural ones and crops of photographs."""

    def __init__(self, photographs: list[NDArray[np.uint8]], seed: tuple[int, ...]) -> None:
        """Take photographs, RGB, (H, W, 3), and the seed of all textures."""
        self._photographs, self._seed = photographs, seed
        self._maps: dict[tuple[str, int], MipMap] = {}

    def draw(self, kind: str, generator: np.random.Generator) -> MipMap:
        """One texture of a kind, a name in ``POOL``."""
        index = int(generator.integers(POOL[kind]))
        if (kind, index) not in self._maps:
            own = np.random.default_rng((*self._seed, list(POOL).index(kind), index))
            drawn = photograph_crop(self._photographs, own) if kind == "photograph" else make_texture(kind, own)
            self._maps[kind, index] = mip_map(drawn)
        return self._maps[kind, index]


@dataclass
class RoomMaterials:
    """Materials and textures of one room, collected while it is built."""

    pool: TexturePool
    generator: np.random.Generator
    materials: list[Material] = field(default_factory=list)
    maps: list[MipMap] = field(default_factory=lambda: [mip_map(np.full((1, 1, 3), 255, np.uint8))])
    _place: dict[int, int] = field(default_factory=dict)

    def add(self, material: Material) -> int:
        """Index of a new material."""
        self.materials.append(material)
        return len(self.materials) - 1

    def texture(self, one: MipMap) -> int:
        """Index of a texture in the room's atlas."""
        if id(one) not in self._place:
            self._place[id(one)] = len(self.maps)
            self.maps.append(one)
        return self._place[id(one)]

    def plain(self, *, mirror: float = 0.03, emission: float = 0.0, light: float | None = None) -> int:
        """New material of one colour; ``light`` sets its brightness, 0 to 1."""
        generator = self.generator
        level = generator.uniform(0.03, 0.85) if light is None else light
        saturation = generator.choice([0.04, 0.2, 0.9], p=[0.55, 0.38, 0.07])
        colour = level * (1 + saturation * generator.uniform(-1, 1, 3)).clip(0.05, 2)
        red, green, blue = (float(x) for x in colour.clip(0.01, 0.95))
        return self.add(Material((red, green, blue), 0, 1.0, mirror, emission))

    def drawn(
        self, kind: str, *, tile_m: float | None = None, mirror: float | None = None, emission: float = 0.0
    ) -> int:
        """New material with a texture of a kind.

        Args:
            kind: name in ``POOL``.
            tile_m: size of one repeat, metres; None = drawn. 1 for meshes whose uv fill the texture once.
            mirror: as in :class:`Material`; None = drawn.
        """
        generator = self.generator
        one = self.pool.draw(kind, generator)
        tile = float(np.exp(generator.uniform(np.log(0.35), np.log(1.8)))) if tile_m is None else tile_m
        red, green, blue = (float(x) for x in generator.uniform(0.85, 1.0, 3) * generator.uniform(0.6, 1.0))
        if mirror is None:
            shiny = kind in ("wood", "tiles", "stone", "paper") and generator.random() < 0.6
            mirror = float(generator.uniform(0.02, 0.07)) if shiny else 0.0
        return self.add(Material((red, green, blue), self.texture(one), 1 / tile, mirror, emission))


@dataclass(frozen=True)
class MaterialTable:
    """The materials of a room as arrays, a row each; and their textures."""

    colour: FloatArray
    texture: Int32Array
    repeats: FloatArray
    mirror: FloatArray
    emission: FloatArray
    is_glass: BoolArray
    has_holes: BoolArray
    atlas: TextureAtlas


def material_table(room: RoomMaterials) -> MaterialTable:
    """Arrays of a room's materials."""
    materials = room.materials
    texture = np.array([one.texture for one in materials], np.int32)
    colour = np.array([one.colour for one in materials], np.float32)
    return MaterialTable(
        colour,
        texture,
        np.array([one.repeats for one in materials], np.float32),
        np.array([one.mirror for one in materials], np.float32),
        np.array([one.emission for one in materials], np.float32),
        np.array([one.opacity < 0.5 for one in materials]),
        np.array([one.has_holes for one in room.maps])[texture],
        TextureAtlas(room.maps),
    )


def linear_colour(stored: tuple[float, float, float]) -> tuple[float, float, float]:
    """Linear RGB of a stored colour, 0 to 1."""
    red, green, blue = (float(LINEAR[round(min(max(x, 0.0), 1.0) * 255)]) for x in stored)
    return red, green, blue
