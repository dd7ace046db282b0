"""Small things put down on tables, shelves, beds and the floor, where rays find a flat free place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kbnet.frame import FloatArray
from kbnet.sources.rendered.materials import RoomMaterials
from kbnet.sources.rendered.mesh import Mesh, joined
from kbnet.sources.rendered.model_library import ModelLibrary, instance
from kbnet.sources.rendered.primitives import box, grid, quad, tube, turned_body
from kbnet.sources.rendered.ray_scene import TriangleTree
from kbnet.sources.rendered.room import Room

FLATNESS = 0.006
"""Heights under a thing may differ by so much, metres."""
VARIETY = (10, 14)
"""Different models and different procedural things that a room holds; they are repeated."""
CANDIDATES = 1400


def drop_things(room: Room, library: ModelLibrary, scene: TriangleTree) -> list[Mesh]:
    """Small things in place, that stand on what ``scene`` holds and not in each other."""
    generator = room.generator
    amount = int(np.exp(generator.uniform(np.log(10), np.log(180)))) if room.style != "empty" else 6
    things = _things(room, library)
    places, heights, headroom = _places(room, scene, generator)
    put: list[Mesh] = []
    discs = np.zeros((0, 4))
    tries = 0
    for place, height, free in zip(places, heights, headroom, strict=True):
        if len(put) >= amount or tries > 4 * amount:
            break
        tries += 1
        thing = things[generator.integers(len(things))]
        extent = thing.high - thing.low
        radius = float(np.hypot(extent[0], extent[2])) / 2
        if extent[1] > free - 0.01 or (height < 0.02 and generator.random() < 0.75):
            continue
        near = np.hypot(discs[:, 0] - place[0], discs[:, 1] - place[1]) < discs[:, 2] + radius * 0.85
        if (near & (np.abs(discs[:, 3] - height) < 0.3)).any() or not _is_flat(scene, place, height, extent):
            continue
        put.append(thing.moved(float(generator.uniform(0, 2 * np.pi)), (place[0], height + 0.0005, place[1])))
        discs = np.vstack([discs, [place[0], place[1], radius * 0.85, height]])
        room.focus.append((float(place[0]), float(height) + 0.05, float(place[1])))
    return put


def _things(room: Room, library: ModelLibrary) -> list[Mesh]:
    models, made = VARIETY
    generator = room.generator
    things = [MAKERS[generator.integers(len(MAKERS))](room.materials) for _ in range(made)]
    things += [cushion(room.materials), crumpled_cloth(room.materials)]
    for _ in range(models):
        model = library.draw(("small",), generator)
        loaded = library.load(model) if model is not None else None
        if model is not None and loaded is not None:
            things += [instance(loaded, "small", room.materials)] * 2
            library.used[model.name] = model
    return things


def _places(
    room: Room, scene: TriangleTree, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Flat places found by rays downwards from random heights: x and z, height, and free height above, metres."""
    width, height, depth = room.size
    spread = generator.random((CANDIDATES, 2)) * (width, depth)
    if room.focus:
        near = np.array(room.focus)[generator.integers(len(room.focus), size=CANDIDATES)][:, [0, 2]]
        spread = np.where(generator.random((CANDIDATES, 1)) < 0.75, near + generator.normal(0, 0.3, near.shape), spread)
    x, z = spread.clip(0.03, (width - 0.03, depth - 0.03)).T
    start = np.stack([x, generator.uniform(0.25, height - 0.1, CANDIDATES), z], -1).astype(np.float32)
    down = np.broadcast_to(np.array([0, -1, 0], np.float32), start.shape)
    reach, upright = scene.distances(start, down)
    above, _ = scene.distances(start, -down)
    usable = np.flatnonzero((upright > 0.98) & np.isfinite(reach) & (reach > 0.02))
    found = np.stack([x, z], -1)[usable]
    return found, (start[:, 1] - reach)[usable], np.minimum(reach + above, 3)[usable]


def _is_flat(scene: TriangleTree, place: FloatArray, height: float, extent: FloatArray) -> bool:
    half = 0.42 * max(float(extent[0]), float(extent[2]))
    corners = np.array([(-half, -half), (-half, half), (half, -half), (half, half), (0, 0), (half, 0), (-half, 0)])
    start = np.empty((len(corners), 3), np.float32)
    start[:, [0, 2]] = place + corners
    start[:, 1] = height + min(float(extent[1]), 0.2) + 0.01
    reach, _ = scene.distances(start, np.broadcast_to(np.array([0, -1, 0], np.float32), start.shape))
    return bool((np.abs(start[:, 1] - reach - height) < FLATNESS).all())


def stack_of_books(room: RoomMaterials) -> Mesh:
    """Books on top of each other, or one."""
    generator = room.generator
    books, y = [], 0.0
    for _ in range(int(generator.integers(1, 6))):
        half_x, half_z = float(generator.uniform(0.06, 0.12)), float(generator.uniform(0.08, 0.15))
        thick = float(generator.uniform(0.008, 0.045))
        books.append(_book(room, half_x, thick, half_z).moved(float(generator.normal(0, 0.3)), (0, y, 0)))
        y += thick
    return joined(books)


def row_of_books(room: RoomMaterials) -> Mesh:
    """Upright books side by side."""
    generator = room.generator
    books, x = [], 0.0
    turned = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    for _ in range(int(generator.integers(3, 14))):
        thick, tall = float(generator.uniform(0.01, 0.05)), float(generator.uniform(0.16, 0.3))
        deep = float(generator.uniform(0.06, 0.1))
        books.append(_book(room, tall / 2, thick, deep).transformed(turned).moved(to=(x + thick, tall / 2, 0)))
        x += thick + 0.001
    return joined(books).moved(to=(-x / 2, 0, 0))


def _book(room: RoomMaterials, half_x: float, thick: float, half_z: float) -> Mesh:
    cover = room.drawn("paper", tile_m=1.0, mirror=0.03) if room.generator.random() < 0.6 else room.plain()
    pages = room.plain(mirror=0.0, light=0.75)
    board = min(0.003, thick / 4)
    return joined(
        [
            box((-half_x, 0, -half_z), (half_x, board, half_z), cover, fitted=True),
            box((-half_x, thick - board, -half_z), (half_x, thick, half_z), cover, fitted=True),
            box((-half_x, board, -half_z), (-half_x + 0.003, thick - board, half_z), cover, fitted=True),
            box((-half_x + 0.003, board, 0.004 - half_z), (half_x - 0.004, thick - board, half_z - 0.004), pages),
        ]
    )


def bottle(room: RoomMaterials) -> Mesh:
    """A turned body: bottle, can, cup, vase or pot."""
    generator = room.generator
    height = float(np.exp(generator.uniform(np.log(0.06), np.log(0.38))))
    wide = height * float(generator.uniform(0.14, 0.5))
    style = generator.integers(4)
    if style == 0:
        profile = (
            [0.001, wide, wide, wide, 0.35 * wide, 0.3 * wide, 0.35 * wide, 0.001],
            [0, 0, 0.1, 0.6, 0.75, 0.95, 1, 1],
        )
    elif style == 1:
        profile = ([0.001, wide, wide, 0.001], [0, 0, 1, 1])
    elif style == 2:
        profile = ([0.001, 0.7 * wide, wide, wide, 0.93 * wide, 0.6 * wide, 0.001], [0, 0, 0.5, 1, 1, 0.1, 0.08])
    else:
        radii = wide * generator.uniform(0.4, 1.0, 6)
        profile = ([0.001, *radii, 0.001], [0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1])
    mirror = float(generator.choice([0.0, 0.05, 0.1]))
    labelled = generator.random() < 0.4
    material = room.drawn("paper", tile_m=1.0, mirror=mirror) if labelled else room.plain(mirror=mirror)
    return turned_body([float(r) for r in profile[0]], [height * float(h) for h in profile[1]], material)


def carton(room: RoomMaterials) -> Mesh:
    """A closed box: package, appliance or block."""
    x, y, z = (float(v) for v in np.exp(room.generator.uniform(np.log(0.03), np.log(0.3), 3)))
    if room.generator.random() < 0.6:
        return box((-x / 2, 0, -z / 2), (x / 2, y, z / 2), room.drawn("paper", tile_m=1.0), fitted=True)
    return box((-x / 2, 0, -z / 2), (x / 2, y, z / 2), room.plain())


def papers(room: RoomMaterials) -> Mesh:
    """Loose sheets."""
    generator = room.generator
    sheets = []
    for index in range(int(generator.integers(1, 6))):
        sheet = room.drawn("paper", tile_m=1.0, mirror=0.0)
        page = quad((-0.105, 0, 0.148), (0.21, 0, 0), (0, 0, -0.297), sheet)
        x, z = (float(v) for v in generator.normal(0, 0.05, 2))
        sheets.append(page.moved(float(generator.uniform(0, 6.3)), (x, 0.001 + 0.0008 * index, z)))
    return joined(sheets)


def crumpled_cloth(room: RoomMaterials) -> Mesh:
    """A cloth that lies in folds."""
    generator = room.generator
    side, count = float(generator.uniform(0.2, 0.7)), 22
    x, z = np.meshgrid(np.linspace(-side / 2, side / 2, count), np.linspace(-side / 2, side / 2, count))
    y = np.zeros_like(x)
    for _ in range(5):
        kx, kz = generator.normal(0, 12, 2)
        y += generator.uniform(0.004, 0.02) * np.sin(kx * x + kz * z + generator.uniform(0, 6))
    y -= y.min()
    shift = 0.04 * np.sin(8 * z + generator.uniform(0, 6))
    uv = np.stack([x, z], -1) * 2
    points = np.stack([x + shift, y + 0.002, z], -1)
    material = room.drawn("cloth", tile_m=float(generator.uniform(0.3, 1)))
    return grid(points.astype(np.float32), material, uv.astype(np.float32))


def cushion(room: RoomMaterials) -> Mesh:
    """A soft cushion."""
    generator = room.generator
    side, thick, count = float(generator.uniform(0.3, 0.55)), float(generator.uniform(0.05, 0.09)), 14
    x, z = np.meshgrid(np.linspace(-1, 1, count), np.linspace(-1, 1, count))
    bulge = ((1 - x**4) * (1 - z**4)) ** 0.5
    pinch = 1 - 0.12 * (1 - np.abs(x * z))
    sheets = []
    material = room.drawn("cloth", tile_m=float(generator.uniform(0.3, 1)))
    uv = (np.stack([x, z], -1) * side).astype(np.float32)
    for sign in (-1, 1):
        points = np.stack([x * pinch * side / 2, thick + sign * thick * bulge, z * pinch * side / 2], -1)
        sheets.append(grid(points.astype(np.float32), material, uv))
    return joined(sheets)


def cable(room: RoomMaterials) -> Mesh:
    """A cable in loops."""
    generator = room.generator
    t = np.linspace(0, 1, 60)
    x = np.cumsum(np.cos(np.cumsum(generator.normal(0, 0.5, 60)))) * 0.02
    z = np.cumsum(np.sin(np.cumsum(generator.normal(0, 0.5, 60)))) * 0.02
    radius = float(generator.uniform(0.0025, 0.006))
    path = np.stack([x - x.mean(), radius + 0 * t, z - z.mean()], -1).astype(np.float32)
    return tube(path, radius, room.plain(light=float(generator.choice([0.03, 0.8]))), sides=5)


def rods(room: RoomMaterials) -> Mesh:
    """Pencils, sticks or pipes that lie, or stand in a pot."""
    generator = room.generator
    parts = []
    length, radius = float(np.exp(generator.uniform(np.log(0.12), np.log(0.5)))), float(generator.uniform(0.003, 0.012))
    standing = generator.random() < 0.5
    for _ in range(int(generator.integers(2, 8))):
        material = room.plain()
        if standing:
            lean = generator.normal(0, 0.03, 2)
            ends = [(0, 0.005, 0), (lean[0] * 2, length, lean[1] * 2)]
        else:
            turn = generator.uniform(0, 6.3)
            shift = generator.normal(0, 0.04, 2)
            step = np.array([np.cos(turn), 0, np.sin(turn)]) * length / 2
            middle = np.array([shift[0], radius, shift[1]])
            ends = [tuple(middle - step), tuple(middle + step)]
        parts.append(tube(np.array(ends, np.float32), radius, material, sides=6))
    if standing:
        tall = length * 0.6
        parts.append(turned_body([0.03, 0.035, 0.032, 0.028], [0, tall, tall, 0.01], room.plain()))
    return joined(parts)


MAKERS: tuple[Callable[[RoomMaterials], Mesh], ...] = (
    *(stack_of_books, stack_of_books, row_of_books, bottle, bottle, bottle, carton, carton, papers, crumpled_cloth),
    *(cable, rods),
)
