"""Small things put down on tables, shelves, beds and the floor, where rays find a flat free place."""

from __future__ import annotations

import numpy as np

from kbnet.frame import FloatArray
from kbnet.sources.rendered.mesh import Mesh
from kbnet.sources.rendered.model_library import ModelLibrary, instance
from kbnet.sources.rendered.ray_scene import TriangleTree
from kbnet.sources.rendered.room import Room
from kbnet.sources.rendered.small_things import MAKERS, crumpled_cloth, cushion

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
