"""Lamps of a room: on the ceiling, on the floor and on furniture."""

from __future__ import annotations

import numpy as np

from kbnet.sources.rendered.model_library import ModelLibrary, instance
from kbnet.sources.rendered.primitives import box, turned_body
from kbnet.sources.rendered.room import Lamp, Room


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
