"""Thin structures: rods, hanging cables, poles, railings, wire racks."""

from __future__ import annotations

import numpy as np

from kbnet.sources.rendered.mesh import joined
from kbnet.sources.rendered.primitives import box, tube, turned_body
from kbnet.sources.rendered.room import Room


def add_thin_structures(room: Room) -> None:
    """Add a few thin things to a room."""
    generator = room.generator
    for _ in range(int(generator.integers(0, 4))):
        _add_pole(room)
    for _ in range(int(generator.integers(0, 4))):
        _add_cable(room)
    if generator.random() < 0.3:
        _add_railing(room)
    if generator.random() < 0.35:
        _add_rack(room)


def _add_pole(room: Room) -> None:
    """A pole on a foot, or from floor to ceiling, or a pipe along a wall."""
    generator = room.generator
    x, z = (float(v) for v in generator.uniform(0.15, 0.85, 2) * (room.size[0], room.size[2]))
    tall = float(generator.uniform(0.9, 2.1)) if generator.random() < 0.7 else room.size[1]
    radius = float(generator.uniform(0.006, 0.03))
    material = room.materials.plain(mirror=float(generator.choice([0.03, 0.15])))
    if not room.floor_is_free(x - 0.15, z - 0.15, x + 0.15, z + 0.15):
        return
    pole = [tube(np.array([[x, 0, z], [x, tall, z]], np.float32), radius, material, sides=8)]
    if tall < room.size[1]:
        pole.append(turned_body([0.14, 0.14, 0.01], [0, 0.015, 0.03], material).moved(to=(x, 0, z)))
    room.stand(joined(pole))


def _add_cable(room: Room) -> None:
    """A cable that hangs between two points of the walls or ceiling, or down a wall."""
    generator = room.generator
    t = np.linspace(0, 1, 24)[:, None]
    size = np.array(room.size)
    ends = generator.random((2, 3)) * size
    if generator.random() < 0.5:
        ends[1] = ends[0] + generator.normal(0, 0.2, 3)
        ends[:, 1] = (size[1] - 0.01, generator.uniform(0.3, size[1] - 0.4))
    else:
        for end in ends:
            axis = int(generator.choice([0, 2]))
            end[axis] = generator.choice([0.01, size[axis] - 0.01])
            end[1] = generator.uniform(1.2, size[1])
    path = ends[0] + (ends[1] - ends[0]) * t
    path[:, 1] -= float(generator.uniform(0, 0.3)) * 4 * (t * (1 - t))[:, 0]
    path = path.clip(0.01, size - 0.01)
    material = room.materials.plain(light=float(generator.choice([0.02, 0.3, 0.8])))
    room.meshes.append(tube(path.astype(np.float32), float(generator.uniform(0.002, 0.007)), material, sides=5))


def _add_railing(room: Room) -> None:
    """Upright bars between two rails."""
    generator = room.generator
    length, tall = float(generator.uniform(0.6, 1.8)), float(generator.uniform(0.5, 1.1))
    thick = float(generator.uniform(0.008, 0.03))
    material = room.materials.plain() if generator.random() < 0.6 else room.materials.drawn("wood")
    bars = [
        box((x, 0, 0), (x + thick, tall, thick), material) for x in np.arange(0, length, generator.uniform(0.07, 0.16))
    ]
    bars += [box((0, y, 0), (length, y + 0.03, 0.03), material) for y in (0.08, tall)]
    x, z = (float(v) for v in generator.random(2) * np.maximum([room.size[0] - length, room.size[2] - 0.1], 0.01))
    railing = joined(bars).moved(to=(x, 0, z))
    if room.floor_is_free(x, z, x + length, z + 0.05):
        room.stand(railing)


def _add_rack(room: Room) -> None:
    """An open rack of four posts and boards."""
    generator = room.generator
    width, depth, tall = (float(v) for v in generator.uniform((0.4, 0.25, 0.6), (1.2, 0.5, 2.0)))
    post = float(generator.uniform(0.01, 0.04))
    frame = room.materials.plain()
    board = room.materials.drawn("wood") if generator.random() < 0.5 else frame
    parts = [box((x, 0, z), (x + post, tall, z + post), frame) for x in (0, width - post) for z in (0, depth - post)]
    levels = np.linspace(float(generator.uniform(0.05, 0.3)), tall - 0.02, int(generator.integers(2, 6)))
    parts += [box((0, float(y), 0), (width, float(y) + 0.015, depth), board) for y in levels]
    rack = joined(parts).moved(to=(-width / 2, 0, 0))
    wall = int(generator.integers(4))
    length = room.wall_length(wall)
    if width > length - 0.1:
        return
    along = float(generator.uniform(width / 2, length - width / 2))
    placed = room.on_wall(wall, rack, along, 0.0, 0.03)
    low, high = placed.low.tolist(), placed.high.tolist()
    if room.floor_is_free(low[0], low[2], high[0], high[2]) and room.wall_is_free(
        wall, along - width / 2, along + width / 2, 0.3, tall
    ):
        room.stand(placed)
        middle = ((placed.low + placed.high) / 2).tolist()
        room.focus += [(middle[0], float(y), middle[2]) for y in levels]
