"""Furniture of a room: against walls, in rows, free-standing, chairs at tables, pictures, doors and lamps."""

from __future__ import annotations

import numpy as np

from kbnet.sources.rendered.mesh import Mesh, joined
from kbnet.sources.rendered.model_library import ModelLibrary, instance
from kbnet.sources.rendered.primitives import box, quad
from kbnet.sources.rendered.room import Room

SEATS = ("chair", "chair", "chair", "armchair", "stool")
ORDER: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # what stands against walls, what stands free
    "living": (("sofa", "cabinet", "shelf", "armchair", "plant", "cabinet", "floor"), ("coffee table", "table", "rug")),
    "bedroom": (("bed", "bedside", "cabinet", "cabinet", "desk", "shelf", "plant"), ("rug", "chair", "floor")),
    "kitchen": (("kitchen",) * 7 + ("shelf", "floor"), ("table", "stool")),
    "office": (("desk", "desk", "shelf", "cabinet", "shelf", "plant", "desk", "floor"), ("table", "chair", "desk")),
    "bathroom": (("bath",) * 4 + ("kitchen", "shelf"), ("rug",)),
    "corridor": (("cabinet", "shelf", "chair", "plant", "floor"), ("rug", "floor")),
    "hall": (("sofa", "shelf", "cabinet", "desk", "plant", "plant", "chair", "floor", "cabinet"), ("table",) * 5),
    "storage": (("shelf", "shelf", "shelf", "cabinet", "floor", "floor", "desk"), ("floor", "floor", "table", "chair")),
    "empty": (("plant",), ("chair",)),
}
"""Kinds of furniture by style of the room."""


def furnish(room: Room, library: ModelLibrary) -> None:
    """Fill a room with doors, furniture, pictures and lamps."""
    generator = room.generator
    for _ in range(int(generator.integers(0, 3))):
        hang(room, library, ("door",), low=0.0)
    along_walls, free = ORDER[room.style]
    fullness = float(generator.uniform(0.5, 2.0)) if generator.random() < 0.9 else 0.1
    area = room.size[0] * room.size[2]
    repeats = max(1, round(fullness * np.sqrt(area / 12)))
    for _ in range(repeats):
        for kind in along_walls:
            if generator.random() < 0.75 * min(fullness, 1.2):
                stand_at_wall(room, library, kind)
        for kind in free:
            if generator.random() < 0.8 * min(fullness, 1.2):
                stand_free(room, library, kind)
    for _ in range(round(fullness * 2)):
        stand_free(room, library, str(generator.choice(["plant", "floor", "chair", "stool", "lamp", "armchair"])))
    for _ in range(int(generator.integers(0, 5))):
        hang(room, library, ("hung",))
    for _ in range(int(generator.integers(0, 7))):
        hang_picture(room)
    for _ in range(int(generator.integers(0, 3))):
        hang_board(room)


def stand_at_wall(room: Room, library: ModelLibrary, kind: str) -> Mesh | None:
    """Put one model with its back to a wall."""
    mesh = _drawn(room, library, (kind,))
    if mesh is None:
        return None
    generator = room.generator
    (width, height, _), middle = (mesh.high - mesh.low).tolist(), -float(mesh.low[2])
    for _ in range(12):
        wall = int(generator.integers(4))
        length = room.wall_length(wall)
        if width > length - 0.05:
            continue
        along = float(generator.uniform(width / 2, length - width / 2))
        if generator.random() < 0.35:
            along = width / 2 + 0.01 if generator.random() < 0.5 else length - width / 2 - 0.01
        gap = float(generator.uniform(0.0, 0.06)) + middle + 0.02
        placed = room.on_wall(wall, mesh, along, 0.0, gap)
        low, high = placed.low.tolist(), placed.high.tolist()
        if not room.wall_is_free(wall, along - width / 2, along + width / 2, 0.3, height):
            continue
        if room.floor_is_free(low[0], low[2], high[0], high[2]):
            room.stand(placed)
            room.wall_taken.append((wall, along - width / 2, along + width / 2, 0.0, height))
            _remember(room, placed)
            if kind == "desk":
                _seat_before(room, library, placed, wall)
            return placed
    return None


def stand_free(room: Room, library: ModelLibrary, kind: str) -> Mesh | None:
    """Put one model anywhere on the floor; tables get chairs."""
    mesh = _drawn(room, library, (kind,))
    if mesh is None:
        return None
    generator = room.generator
    for _ in range(12):
        yaw = float(generator.integers(4)) * np.pi / 2
        if generator.random() < 0.4:
            yaw += float(generator.normal(0, 0.4)) if kind != "table" else float(generator.normal(0, 0.05))
        turned = mesh.moved(yaw)
        half = (turned.high - turned.low)[[0, 2]] / 2
        space = np.array([room.size[0], room.size[2]]) - 2 * half - 0.1
        if (space < 0).any():
            continue
        x, z = (float(v) for v in half + 0.05 + generator.random(2) * space)
        placed = turned.moved(to=(x, 0.0, z))
        low, high = placed.low.tolist(), placed.high.tolist()
        if kind == "rug" or room.floor_is_free(low[0], low[2], high[0], high[2]):
            room.stand(placed, blocks=kind != "rug")
            _remember(room, placed)
            if kind in ("table", "coffee table"):
                _seats_around(room, library, placed, yaw, SEATS if kind == "table" else ("armchair", "sofa"))
            return placed
    return None


def _seats_around(room: Room, library: ModelLibrary, table: Mesh, yaw: float, kinds: tuple[str, ...]) -> None:
    """Chairs of one model on the sides of a table."""
    generator = room.generator
    model = library.draw((str(generator.choice(kinds)),), generator)
    loaded = library.load(model) if model is not None else None
    if model is None or loaded is None:
        return
    seat = instance(loaded, model.kind, room.materials)
    library.used[model.name] = model
    middle = (table.low + table.high) / 2
    reach = (table.high - table.low)[[0, 2]] / 2
    for side in range(4):
        if generator.random() < 0.3:
            continue
        angle = side * np.pi / 2
        out = np.array([np.sin(angle), np.cos(angle)])
        count = 2 if reach[1 - side % 2 if side % 2 == 0 else 1] > 0.65 else 1
        for offset in np.linspace(-0.35, 0.35, count) if count > 1 else (0.0,):
            along = np.array([out[1], -out[0]])
            pulled = float(generator.uniform(-0.1, 0.5))
            place = middle[[0, 2]] + out * (np.abs(out) @ reach + pulled) + along * offset
            facing = angle + np.pi + float(generator.normal(0, 0.25))
            _stand_if_free(room, seat.moved(facing, (float(place[0]), 0.0, float(place[1]))), table)


def _seat_before(room: Room, library: ModelLibrary, desk: Mesh, wall: int) -> None:
    seat = _drawn(room, library, ("chair", "armchair", "stool"))
    if seat is None:
        return
    generator = room.generator
    away = np.array([[0, 1], [-1, 0], [0, -1], [1, 0]])[wall]
    middle = ((desk.low + desk.high) / 2)[[0, 2]]
    reach = np.abs(away) @ (desk.high - desk.low)[[0, 2]] / 2
    place = middle + away * (reach + generator.uniform(-0.1, 0.5))
    facing = np.arctan2(-away[0], -away[1]) + generator.normal(0, 0.5)
    _stand_if_free(room, seat.moved(float(facing), (float(place[0]), 0.0, float(place[1]))), desk)


def _stand_if_free(room: Room, mesh: Mesh, table: Mesh) -> None:
    """Add a seat that may reach under its table, but not into anything else."""
    own = (float(table.low[0]), float(table.low[2]), float(table.high[0]), float(table.high[2]))
    kept = list(room.taken)
    room.taken = [one for one in kept if not np.allclose(one, own)]
    low, high = mesh.low.tolist(), mesh.high.tolist()
    free = room.floor_is_free(low[0], low[2], high[0], high[2])
    room.taken = kept
    if free:
        room.stand(mesh)


def hang(room: Room, library: ModelLibrary, kinds: tuple[str, ...], low: float | None = None) -> None:
    """Put one model on a wall, at the height of the catalogue or at ``low``, metres."""
    generator = room.generator
    model = library.draw(kinds, generator)
    loaded = library.load(model) if model is not None else None
    if model is None or loaded is None:
        return
    mesh = instance(loaded, model.kind, room.materials)
    width, height, _ = (mesh.high - mesh.low).tolist()
    bottom = model.elevation if low is None else low
    for _ in range(8):
        wall = int(generator.integers(4))
        along = float(generator.uniform(0, room.wall_length(wall)))
        if bottom + height < room.size[1] and room.wall_is_free(
            wall, along - width / 2, along + width / 2, bottom, bottom + height
        ):
            gap = -float(mesh.low[2]) if low is None else 0.02
            placed = room.on_wall(wall, mesh, along, bottom, gap)
            room.stand(placed, blocks=low is not None)
            room.wall_taken.append((wall, along - width / 2, along + width / 2, bottom, bottom + height))
            library.used[model.name] = model
            return


def hang_picture(room: Room) -> None:
    """Hang a framed picture, a poster, a mirror or a screen."""
    generator = room.generator
    width, height = (float(x) for x in np.exp(generator.uniform(np.log(0.2), np.log(1.2), 2)))
    bottom = float(generator.uniform(1.0, 1.6))
    wall = int(generator.integers(4))
    along = float(generator.uniform(0, room.wall_length(wall)))
    if bottom + height > room.size[1] - 0.1 or not room.wall_is_free(
        wall, along - width / 2, along + width / 2, bottom, bottom + height
    ):
        return
    drawn = generator.random()
    if drawn < 0.1:
        picture = room.materials.plain(mirror=0.9, light=0.03)
    elif drawn < 0.2:
        picture = room.materials.drawn("photograph", tile_m=1.0, mirror=0.05, emission=0.8)
    else:
        picture = room.materials.drawn(
            str(generator.choice(["photograph", "photograph", "outdoors", "paper"])),
            tile_m=1.0,
            mirror=float(generator.choice([0.0, 0.05])),
        )
    thick, rim = float(generator.uniform(0.003, 0.04)), float(generator.uniform(0.01, 0.05))
    parts = [quad((-width / 2, 0, thick + 0.002), (width, 0, 0), (0, height, 0), picture)]
    if generator.random() < 0.75:
        frame = room.materials.plain() if generator.random() < 0.5 else room.materials.drawn("wood")
        outer = thick + rim / 2
        parts.append(box((-width / 2, 0, 0), (width / 2, height, thick), frame))
        for x in (-width / 2 - rim, width / 2):
            parts.append(box((x, -rim, 0), (x + rim, height + rim, outer), frame))
        for y in (-rim, height):
            parts.append(box((-width / 2, y, 0), (width / 2, y + rim, outer), frame))
    room.meshes.append(room.on_wall(wall, joined(parts), along, bottom, 0.001))
    room.wall_taken.append((wall, along - width / 2, along + width / 2, bottom, bottom + height))


def hang_board(room: Room) -> None:
    """Hang a plain shelf board on a wall; small things may be dropped on it."""
    generator = room.generator
    width, depth = float(generator.uniform(0.4, 1.6)), float(generator.uniform(0.15, 0.35))
    wall, count = int(generator.integers(4)), int(generator.integers(1, 4))
    along, bottom = float(generator.uniform(0, room.wall_length(wall))), float(generator.uniform(0.7, 1.5))
    if not room.wall_is_free(wall, along - width / 2, along + width / 2, bottom - 0.1, bottom + 0.5):
        return
    material = room.materials.drawn("wood") if generator.random() < 0.6 else room.materials.plain()
    for index in range(count):
        y = bottom + 0.33 * index
        if y < room.size[1] - 0.3:
            board = box((-width / 2, y, 0), (width / 2, y + 0.02, depth), material)
            room.meshes.append(room.on_wall(wall, board, along, 0.0))
            middle = ((room.meshes[-1].low + room.meshes[-1].high) / 2).tolist()
            room.focus.append((middle[0], middle[1] + 0.02, middle[2]))
    room.wall_taken.append((wall, along - width / 2, along + width / 2, bottom, bottom + 0.33 * count))


def _drawn(room: Room, library: ModelLibrary, kinds: tuple[str, ...]) -> Mesh | None:
    for _ in range(4):
        model = library.draw(kinds, room.generator)
        if model is None:
            return None
        loaded = library.load(model)
        if loaded is not None and loaded.mesh.high[1] < room.size[1]:
            library.used[model.name] = model
            mesh = instance(loaded, model.kind, room.materials)
            return mesh.scaled([float(room.generator.uniform(0.93, 1.07))] * 3)
    return None


def _remember(room: Room, mesh: Mesh) -> None:
    middle = ((mesh.low + mesh.high) / 2).tolist()
    room.focus.append((middle[0], float(mesh.high[1]), middle[2]))
