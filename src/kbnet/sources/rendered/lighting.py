"""Light of lamps, windows and the sun at points of a room; soft shadows by sampled rays."""

from __future__ import annotations

import numpy as np

from kbnet.frame import FloatArray
from kbnet.sources.rendered.mesh import Int32Array, unit
from kbnet.sources.rendered.model_library import ModelLibrary, instance
from kbnet.sources.rendered.primitives import box, turned_body
from kbnet.sources.rendered.ray_scene import START, Hits, RayScene
from kbnet.sources.rendered.room import Lamp, Room

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
SUN_RADIUS = 0.003
"""Standard deviation of the direction of sun rays, radians."""
FARTHEST = 40.0
"""Length of rays towards the sun, metres."""


class Lighting:
    """The lamps of a room as arrays.

    Irradiance is divided by π here, so that albedo times irradiance is radiance.
    """

    def __init__(self, room: Room) -> None:
        """Take the lamps and the sun of a room."""
        self._lamps = room.lamps or [Lamp((room.size[0] / 2, room.size[1] - 0.2, room.size[2] / 2), (1.0, 1.0, 1.0))]
        self._colours = np.array([lamp.colour for lamp in self._lamps], np.float32)
        self._sun = room.sun

    def unshadowed(self, position: FloatArray, normal: FloatArray) -> FloatArray:
        """Irradiance by each lamp as a factor of its colour, (N, L)."""
        factors = np.empty((len(position), len(self._lamps)), np.float32)
        for index, lamp in enumerate(self._lamps):
            to = np.array(lamp.centre, np.float32) - position
            squared = np.einsum("ni,ni->n", to, to)
            distance = np.sqrt(squared)
            facing = np.maximum(np.einsum("ni,ni->n", to, normal) / np.maximum(distance, 1e-4), 0)
            if lamp.along is None or lamp.up is None:
                factors[:, index] = facing / (squared + np.float32(0.02 + lamp.radius**2))
                continue
            across = np.cross(lamp.along, lamp.up)
            area = float(np.linalg.norm(across))
            leaving = np.abs(to @ (across / area).astype(np.float32)) / np.maximum(distance, 1e-4)
            # Near a window the small-source formula exceeds the sky's own radiance; this bounds it.
            factors[:, index] = area * facing * leaving / (np.pi * squared + area)
        return factors

    def colour(self, factors: FloatArray) -> FloatArray:
        """Irradiance by all lamps, RGB, (N, 3), from :meth:`unshadowed`."""
        total: FloatArray = factors @ self._colours
        return total

    def visibility(
        self, scene: RayScene, hits: Hits, factors: FloatArray, rays: int, generator: np.random.Generator
    ) -> FloatArray:
        """Share of the lamps' light that arrives, (N,), estimated with some rays a point.

        Each ray goes to a random point of a lamp drawn in proportion to its unshadowed light.
        """
        weights = np.cumsum(factors * (self._colours @ LUMINANCE), axis=1)
        arrived: FloatArray = np.zeros(len(factors), np.float32)
        start = hits.position + START * hits.plane
        first = generator.random(len(factors), np.float32)
        for ray in range(rays):
            drawn = ((first + ray / rays) % 1) * weights[:, -1]
            lamp = np.minimum((weights < drawn[:, None]).sum(axis=1), len(self._lamps) - 1)
            to = self._points(lamp, generator) - start
            arrived += ~scene.tree.is_hidden(start, to)
        return arrived * np.float32(1 / rays)

    def sunlight(self, scene: RayScene, hits: Hits, generator: np.random.Generator, rays: int = 1) -> FloatArray:
        """Irradiance by the sun as a factor of its colour, (N,), with some rays a point."""
        factor = np.zeros(len(hits.position), np.float32)
        if self._sun is None:
            return factor
        direction = np.array(self._sun.direction, np.float32)
        facing = hits.normal @ direction
        lit = np.flatnonzero(facing > 0.01)
        start, seen = hits.position[lit] + START * hits.plane[lit], np.zeros(lit.size, np.float32)
        for _ in range(rays):
            jitter = SUN_RADIUS * generator.standard_normal((lit.size, 3), np.float32)
            seen += ~scene.tree.is_hidden(start, np.float32(FARTHEST) * (direction + jitter))
        factor[lit] = facing[lit] * seen / rays
        return factor

    def sun_colour(self) -> FloatArray:
        """RGB irradiance of a surface that faces the sun, (3,)."""
        return np.array(self._sun.colour if self._sun is not None else (0, 0, 0), np.float32)

    def _points(self, lamp: Int32Array, generator: np.random.Generator) -> FloatArray:
        """A random point of each chosen lamp, (N, 3), metres."""
        centre = np.array([one.centre for one in self._lamps], np.float32)[lamp]
        edges = np.array([(one.along or (0, 0, 0), one.up or (0, 0, 0)) for one in self._lamps], np.float32)[lamp]
        radius = np.array([one.radius for one in self._lamps], np.float32)[lamp]
        drawn = generator.random((len(lamp), 2), np.float32) - np.float32(0.5)
        ball = unit(generator.standard_normal((len(lamp), 3), np.float32)) * radius[:, None]
        return np.asarray(centre + ball + np.einsum("nk,nki->ni", drawn, edges), np.float32)


def gathered(
    scene: RayScene,
    lighting: Lighting,
    start: FloatArray,
    normal: FloatArray,
    rays: int,
    generator: np.random.Generator,
) -> FloatArray:
    """Irradiance by light that one surface has reflected, RGB, (N, 3): cosine-distributed rays.

    Light reflected more than once is added as a constant.
    """
    start = np.repeat(start, rays, axis=0)
    direction = unit(
        np.repeat(normal, rays, axis=0) * np.float32(1.001)
        + unit(generator.standard_normal((len(start), 3), np.float32))
    )
    hits = scene.cast(start, direction, 0.3)
    factors = lighting.unshadowed(hits.position, hits.normal)
    seen = lighting.visibility(scene, hits, factors, 1, generator)
    light = lighting.colour(factors) * seen[:, None]
    light += lighting.sunlight(scene, hits, generator)[:, None] * lighting.sun_colour()
    inside = (hits.triangle >= 0)[:, None]
    further = np.float32(0.45) * (light * inside).mean(axis=0)
    reflected = (hits.albedo * (light + further) * inside).reshape(-1, rays, 3)
    ceiling = np.float32(12) * reflected.mean()
    return np.asarray(np.minimum(reflected, ceiling).mean(axis=1), np.float32)


def add_lamps(room: Room, library: ModelLibrary) -> None:
    """Add lamps, lit or not; a room without daylight has one that is lit."""
    generator = room.generator
    width, _, depth = room.size
    bright_day = room.sky > 1 and any(lamp.along is not None for lamp in room.lamps)
    count = 1 + int(generator.integers(0, 3)) + int(width * depth > 25) * 2
    lit_share = 0.45 if bright_day else 1.0
    strength = float(np.exp(generator.uniform(np.log(1.0), np.log(6.0))))
    warmth = float(generator.uniform(0, 1))
    colour = np.array([1.0, 0.92 - 0.2 * warmth, 0.9 - 0.5 * warmth])
    style = str(generator.choice(["model", "panel", "spot", "bulb", "hidden"]))
    for index in range(count):
        along = (index + 0.5) / count if count > 1 else 0.5
        place = np.array([along, 0.5] if width > depth else [0.5, along]) + generator.normal(0, 0.06, 2)
        x, z = (float(v) for v in place.clip(0.1, 0.9) * (width, depth))
        lit = index == 0 or generator.random() < lit_share
        if bright_day and generator.random() > lit_share:
            lit = False
        intensity = colour * strength * (1.0 if lit else 0.0)
        y = _ceiling_lamp(room, library, style, x, z, lit=lit)
        if lit:
            r, g, b = (float(v) for v in intensity)
            room.lamps.append(Lamp((x, y, z), (r, g, b), 0.12 if style != "panel" else 0.3))
    if generator.random() < 0.5:
        _standing_lamp(room, library)


def _ceiling_lamp(room: Room, library: ModelLibrary, style: str, x: float, z: float, *, lit: bool) -> float:
    """Add the lamp's body; returns the height of its light, metres."""
    generator, height = room.generator, room.size[1]
    glow = room.materials.plain(emission=12.0 if lit else 0.0, light=0.85)
    if style == "model":
        model = library.draw(("ceiling",), generator)
        loaded = library.load(model) if model is not None else None
        if model is not None and loaded is not None and loaded.mesh.high[1] < height - 1.5:
            mesh = instance(loaded, "ceiling", room.materials, glow=3.0 if lit else 0.0)
            tall = float(mesh.high[1])
            room.meshes.append(mesh.moved(to=(x, height - tall, z)))
            library.used[model.name] = model
            return height - tall - 0.15
    if style == "panel":
        half_x, half_z = (0.6, 0.15) if generator.random() < 0.5 else (0.3, 0.3)
        room.meshes.append(box((x - half_x, height - 0.03, z - half_z), (x + half_x, height, z + half_z), glow))
        return height - 0.35
    if style == "spot":
        body = turned_body([0.001, 0.05, 0.05], [0, 0, 0.02], glow)
        room.meshes.append(body.moved(to=(x, height - 0.015, z)))
        return height - 0.18
    if style == "bulb":
        drop = float(generator.uniform(0.2, 0.8))
        wire = room.materials.plain(light=0.05)
        room.meshes.append(box((x - 0.004, height - drop, z - 0.004), (x + 0.004, height, z + 0.004), wire))
        bulb = turned_body([0.001, 0.03, 0.045, 0.03, 0.015], [0, 0.01, 0.05, 0.09, 0.12], glow)
        room.meshes.append(bulb.moved(to=(x, height - drop - 0.1, z)))
        return height - drop - 0.25
    return height - 0.2


def _standing_lamp(room: Room, library: ModelLibrary) -> None:
    """Light a lamp model that stands on the floor or on a low piece of furniture."""
    generator = room.generator
    model = library.draw(("lamp",), generator)
    loaded = library.load(model) if model is not None else None
    tops = [place for place in room.focus if 0.35 < place[1] < 1.1]
    if model is None or loaded is None or not tops:
        return
    x, y, z = tops[generator.integers(len(tops))]
    lit = generator.random() < 0.6
    mesh = instance(loaded, "lamp", room.materials, glow=3.0 if lit else 0.0)
    tall = float(mesh.high[1])
    if tall > 0.9 or y + tall > room.size[1]:
        return
    room.stand(mesh.moved(float(generator.uniform(0, 6)), (x, y, z)), blocks=False)
    library.used[model.name] = model
    if lit:
        strength = float(np.exp(generator.uniform(np.log(0.2), np.log(1.2))))
        room.lamps.append(Lamp((x, y + tall + 0.1, z), (strength, 0.75 * strength, 0.45 * strength), 0.1))
