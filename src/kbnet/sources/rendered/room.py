"""A room while it is built: its shape, what stands in it, and its lamps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kbnet.sources.rendered.materials import RoomMaterials
from kbnet.sources.rendered.mesh import Mesh


@dataclass(frozen=True)
class Lamp:
    """A source of light: a ball, or a rectangle such as a window.

    Attributes:
        centre: (3,), metres.
        colour: radiant intensity of a ball, or radiance of a rectangle, RGB.
        radius: of the ball, metres.
        along, up: edges of the rectangle, (3,) each, metres; None = a ball.
    """

    centre: tuple[float, float, float]
    colour: tuple[float, float, float]
    radius: float = 0.1
    along: tuple[float, float, float] | None = None
    up: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Sun:
    """Parallel light: direction towards the sun, (3,), and irradiance, RGB."""

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]


@dataclass
class Room:
    """What has been built so far.

    Attributes:
        size: width (x), height (y) and depth (z), metres; one corner of the floor is the origin.
        style: name of what it is used as.
        taken: rectangles of the floor that furniture stands on, (x0, z0, x1, z1), metres.
        solid: bounding boxes of furniture, (low, high), metres.
        wall_taken: spans of each wall that are in use: (wall, from, to, lowest, highest), metres.
        lamps: lamps and windows.
        outdoors: material of what is seen through windows, which has no true depth.
        sky: radiance outdoors.
        focus: places worth looking at, metres.
    """

    size: tuple[float, float, float]
    style: str
    materials: RoomMaterials
    generator: np.random.Generator
    meshes: list[Mesh] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)
    solid: list[tuple[Sequence[float], Sequence[float]]] = field(default_factory=list)
    wall_taken: list[tuple[int, float, float, float, float]] = field(default_factory=list)
    lamps: list[Lamp] = field(default_factory=list)
    sun: Sun | None = None
    outdoors: int = 0
    sky: float = 0.0
    focus: list[tuple[float, float, float]] = field(default_factory=list)

    def wall_length(self, wall: int) -> float:
        """Length of wall 0 (z = 0), 1 (x = width), 2 (z = depth) or 3 (x = 0), metres."""
        return self.size[0] if wall % 2 == 0 else self.size[2]

    def on_wall(self, wall: int, mesh: Mesh, along: float, height: float, gap: float = 0.0) -> Mesh:
        """Move a mesh that faces +z from z = 0 to a wall.

        Args:
            mesh: its x is measured along the wall, its z away from it.
            along: where its x = 0 goes, metres from the wall's left end as seen from inside.
            height: where its y = 0 goes, metres.
            gap: distance from the wall, metres.
        """
        width, _, depth = self.size
        place = ((along, gap), (width - gap, along), (width - along, depth - gap), (gap, depth - along))[wall]
        return mesh.moved((0.0, -np.pi / 2, np.pi, np.pi / 2)[wall], (place[0], height, place[1]))

    def wall_is_free(self, wall: int, start: float, end: float, low: float, high: float) -> bool:
        """Whether a span of a wall, metres, has nothing on it or before it."""
        if start < 0 or end > self.wall_length(wall):
            return False
        return not any(
            wall == other and start < last and first < end and low < top and bottom < high
            for other, first, last, bottom, top in self.wall_taken
        )

    def floor_is_free(self, x0: float, z0: float, x1: float, z1: float) -> bool:
        """Whether a rectangle of the floor, metres, lies within the room and has nothing on it."""
        if x0 < 0 or z0 < 0 or x1 > self.size[0] or z1 > self.size[2]:
            return False
        return not any(x0 < d and a < x1 and z0 < e and b < z1 for a, b, d, e in self.taken)

    def stand(self, mesh: Mesh, *, blocks: bool = True) -> None:
        """Add a mesh that is in its place."""
        self.meshes.append(mesh)
        low, high = mesh.low.tolist(), mesh.high.tolist()
        if blocks:
            self.taken.append((low[0], low[2], high[0], high[2]))
        self.solid.append((low, high))
