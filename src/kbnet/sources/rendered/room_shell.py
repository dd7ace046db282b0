"""Floor, ceiling, walls, windows, curtains, pictures, partitions and beams of a room."""

from __future__ import annotations

import numpy as np

from kbnet.frame import Float64Array
from kbnet.sources.rendered.materials import RoomMaterials, TexturePool
from kbnet.sources.rendered.mesh import Mesh, joined
from kbnet.sources.rendered.primitives import box, grid, quad, wall_with_holes
from kbnet.sources.rendered.room import Lamp, Room, Sun

STYLES = {  # share, least and largest width and depth, metres
    "living": (0.24, (2.8, 3.0), (6.5, 7.0)),
    "bedroom": (0.16, (2.4, 2.6), (4.5, 5.0)),
    "kitchen": (0.14, (2.0, 2.4), (4.5, 5.0)),
    "office": (0.16, (2.2, 2.5), (7.0, 8.0)),
    "bathroom": (0.07, (1.5, 1.9), (3.2, 3.5)),
    "corridor": (0.06, (1.2, 4.0), (2.2, 12.0)),
    "hall": (0.07, (6.0, 6.0), (11.0, 12.0)),
    "storage": (0.06, (2.0, 2.0), (5.0, 6.0)),
    "empty": (0.04, (2.0, 2.5), (6.0, 8.0)),
}
OVERLAP = 0.05
"""Floor, ceiling and walls reach so far beyond each other, so that no light passes between them, metres."""
FLOORS = ("wood", "wood", "wood", "tiles", "carpet", "stone")
WALLS = ("plaster", "plaster", "plaster", "wallpaper", "bricks", "wood")


def new_room(pool: TexturePool, generator: np.random.Generator) -> Room:
    """Draw a style and a size, and build floor, ceiling and walls with windows."""
    names = list(STYLES)
    style = names[generator.choice(len(names), p=[STYLES[name][0] for name in names])]
    _, least, largest = STYLES[style]
    width, depth = (float(x) for x in generator.uniform(least, largest))
    if generator.random() < 0.5:
        width, depth = depth, width
    height = float(generator.uniform(2.3, 2.9) if style != "hall" else generator.uniform(2.8, 4.5))
    room = Room((width, height, depth), style, RoomMaterials(pool, generator), generator)
    wet = style in ("bathroom", "kitchen")
    floor = room.materials.drawn(
        "tiles" if wet and generator.random() < 0.6 else str(generator.choice(FLOORS)),
        tile_m=float(generator.uniform(0.5, 2.2)),
    )
    room.meshes.append(box((-OVERLAP, -0.1, -OVERLAP), (width + OVERLAP, 0, depth + OVERLAP), floor))
    ceiling = box((-OVERLAP, height, -OVERLAP), (width + OVERLAP, height + 0.1, depth + OVERLAP), _ceiling(room))
    room.meshes.append(ceiling)
    kind = "tiles" if style == "bathroom" and generator.random() < 0.7 else str(generator.choice(WALLS))
    plain = room.materials.drawn(kind, tile_m=float(generator.uniform(0.7, 2.0)))
    accent = room.materials.drawn(str(generator.choice(WALLS))) if generator.random() < 0.4 else plain
    _add_outdoors(room)
    for wall in range(4):
        _build_wall(room, wall, accent if wall == 0 else plain)
    _add_structure(room, plain)
    if room.sky > 0.1 and generator.random() < 0.45:
        _add_sun(room)
    return room


def _ceiling(room: Room) -> int:
    kind = room.generator.choice(["plain", "plain", "plaster", "tiles", "wood"])
    if kind == "plain":
        return room.materials.plain(mirror=0.0, light=float(room.generator.uniform(0.55, 0.9)))
    return room.materials.drawn(str(kind), tile_m=1.5, mirror=0.0)


def _build_wall(room: Room, wall: int, material: int) -> None:
    generator, length, height = room.generator, room.wall_length(wall), room.size[1]
    holes: list[tuple[float, float, float, float]] = []
    if generator.random() < 0.45:
        count = int(generator.integers(1, 4)) if length > 4 else 1
        sill = 0.05 if generator.random() < 0.25 else float(generator.uniform(0.6, 1.1))
        head = min(height - 0.15, float(generator.uniform(1.9, 2.5)))
        wide = float(generator.uniform(0.6, 2.0))
        for index in range(count):
            centre = length * (index + 0.5) / count + float(generator.uniform(-0.2, 0.2))
            if centre - wide / 2 > 0.15 and centre + wide / 2 < length - 0.15 and wide < length / count - 0.2:
                holes.append((centre - wide / 2, centre + wide / 2, sill, head))
    room.meshes.append(room.on_wall(wall, wall_with_holes(length, height, holes, material, overlap=OVERLAP), 0, 0))
    frame = room.materials.plain(light=float(generator.choice([0.8, 0.75, 0.3, 0.05])))
    for hole in holes:
        _build_window(room, wall, hole, frame, material)
    if generator.random() < 0.75:
        skirting = room.materials.plain(light=float(generator.uniform(0.2, 0.85)))
        high = float(generator.uniform(0.05, 0.14))
        spans = [0.0, *(x for hole in holes if hole[2] < high for x in hole[:2]), length]
        for start, end in zip(spans[::2], spans[1::2], strict=True):
            room.meshes.append(room.on_wall(wall, box((start, 0, 0), (end, high, 0.015), skirting), 0, 0))
    if generator.random() < 0.15:
        rail = box((0, height - 0.12, 0), (length, height, 0.06), frame)
        room.meshes.append(room.on_wall(wall, rail, 0, 0))


def _build_window(room: Room, wall: int, hole: tuple[float, float, float, float], frame: int, material: int) -> None:
    generator = room.generator
    x0, x1, y0, y1 = hole
    thick = float(generator.uniform(0.08, 0.3))
    reveal = [
        box((x0 - 0.05, y0 - 0.05, -thick), (x1 + 0.05, y0, 0.0), frame),
        box((x0 - 0.05, y1, -thick), (x1 + 0.05, y1 + 0.05, -0.002), material),
        box((x0 - 0.05, y0, -thick), (x0, y1, -0.002), material),
        box((x1, y0, -thick), (x1 + 0.05, y1, -0.002), material),
        box((x0 - 0.04, y0 - 0.03, -0.02), (x1 + 0.04, y0, float(generator.uniform(0.02, 0.2))), frame),
    ]
    bar, back = float(generator.uniform(0.03, 0.07)), -thick * 0.7
    columns, rows = int(generator.integers(1, 4)), int(generator.integers(1, 4))
    for x in np.linspace(x0, x1 - bar, columns + 1):
        reveal.append(box((x, y0, back), (x + bar, y1, back + 0.04), frame))
    for y in np.linspace(y0, y1 - bar, rows + 1):
        reveal.append(box((x0, y, back), (x1, y + bar, back + 0.04), frame))
    room.meshes.append(room.on_wall(wall, joined(reveal), 0, 0))
    room.wall_taken.append((wall, x0 - 0.1, x1 + 0.1, y0 - 0.1, y1 + 0.1))
    if room.sky > 0.1:
        panel = quad((x0, y0, 0.01), (x1 - x0, 0, 0), (0, y1 - y0, 0), 0)
        corners = room.on_wall(wall, panel, 0, 0).corners[0]
        sky = room.sky * generator.uniform(0.5, 0.9) * np.array([0.85, 0.97, 1.15])
        room.lamps.append(_window_lamp(corners.astype(float), sky))
    if generator.random() < 0.45:
        _add_curtains(room, wall, hole)


def _window_lamp(corners: Float64Array, colour: Float64Array) -> Lamp:
    start, second, third = corners
    centre = (start + third) / 2
    return Lamp(_triple(centre), _triple(colour), 0.0, _triple(second - start), _triple(third - second))


def _add_curtains(room: Room, wall: int, hole: tuple[float, float, float, float]) -> None:
    """Folded cloth on both sides of a window, and its rod."""
    generator = room.generator
    x0, x1, y0, y1 = hole
    cloth = room.materials.drawn("cloth", tile_m=float(generator.uniform(0.2, 1.0)))
    low = 0.03 if generator.random() < 0.6 else y0 - 0.1
    top = min(y1 + 0.12, room.size[1] - 0.03)
    open_share = float(generator.uniform(0.1, 0.5))
    meshes = []
    for side in (0, 1):
        wide = (x1 - x0 + 0.3) * open_share
        start = x0 - 0.2 if side == 0 else x1 + 0.2 - wide
        along = np.linspace(0, 1, 40)
        folds = 0.035 * np.sin(2 * np.pi * along * wide * generator.uniform(7, 11) + generator.uniform(0, 6))
        x = np.broadcast_to(start + along * wide, (2, 40))
        y = np.array([[low], [top]]) + np.zeros((2, 40))
        z = 0.07 + folds * np.array([[1.2], [0.8]])
        uv = np.stack([along * wide * 1.8 + 0 * y, -y], -1)
        meshes.append(grid(np.stack([x, y, z], -1).astype(np.float32), cloth, uv.astype(np.float32)))
    meshes.append(box((x0 - 0.3, top, 0.06), (x1 + 0.3, top + 0.025, 0.085), room.materials.plain()))
    room.meshes.append(room.on_wall(wall, joined(meshes), 0, 0))


def _add_structure(room: Room, material: int) -> None:
    """Partitions, pillars and beams, in some rooms."""
    generator = room.generator
    width, height, depth = room.size
    parts: list[Mesh] = []
    if generator.random() < 0.2 and min(width, depth) > 3:
        at, reach = float(generator.uniform(0.3, 0.7)), float(generator.uniform(0.25, 0.55))
        thick = float(generator.uniform(0.08, 0.2))
        if generator.random() < 0.5:
            parts.append(box((at * width, 0, 0), (at * width + thick, height, reach * depth), material))
        else:
            parts.append(box((0, 0, at * depth), (reach * width, height, at * depth + thick), material))
    if generator.random() < 0.15:
        x, z = generator.uniform(0.2, 0.8, 2) * (width, depth)
        half = float(generator.uniform(0.1, 0.3))
        parts.append(box((x - half, 0, z - half), (x + half, height, z + half), material))
    for part in parts:
        room.stand(part)
    if generator.random() < 0.15:
        beam = room.materials.drawn("wood")
        for z in np.arange(0.4, depth, float(generator.uniform(0.6, 1.5))):
            room.meshes.append(box((0, height - 0.18, z), (width, height, z + 0.12), beam))


def _add_outdoors(room: Room) -> None:
    """What is seen through the windows: a photograph, or a blank sky; dark at night."""
    generator = room.generator
    room.sky = float(np.exp(generator.uniform(np.log(1.5), np.log(10)))) if generator.random() < 0.65 else 0.02
    if generator.random() < 0.25:
        room.outdoors = room.materials.plain(emission=room.sky, light=0.9)
    else:
        room.outdoors = room.materials.drawn("outdoors", tile_m=1.0, mirror=0.0, emission=room.sky * 1.5)


def _add_sun(room: Room) -> None:
    generator = room.generator
    azimuth, elevation = generator.uniform(0, 2 * np.pi), np.radians(generator.uniform(20, 55))
    direction = (np.cos(elevation) * np.cos(azimuth), np.sin(elevation), np.cos(elevation) * np.sin(azimuth))
    strength = float(np.exp(generator.uniform(np.log(3), np.log(12))))
    colour = strength * np.array([1.1, 1.0, 0.85])
    room.sun = Sun(_triple(np.array(direction)), _triple(colour))


def _triple(values: Float64Array) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
