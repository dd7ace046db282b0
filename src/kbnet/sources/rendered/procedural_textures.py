"""Procedural textures: plaster, wood, tiles, bricks, cloth, carpet, paper and posters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import FloatArray, ImageArray

SIDE = 512
"""Height and width of a procedural texture, pixels; all repeat without seams."""

Generator = np.random.Generator


def octave_noise(generator: Generator, *, coarsest: int = 4, octaves: int = 6, gain: float = 0.6) -> FloatArray:
    """Periodic value noise of several octaves, (SIDE, SIDE), mean 0, standard deviation 1."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for octave in range(octaves):
        cells = min(coarsest << octave, SIDE)
        total += gain**octave * _enlarged(generator.standard_normal((cells, cells)).astype(np.float32))
    return np.asarray((total - total.mean()) / max(float(total.std()), 1e-6), np.float32)


def _enlarged(cells: FloatArray) -> FloatArray:
    """Linear interpolation of periodic cells to (SIDE, SIDE)."""
    for axis in (0, 1):
        count = cells.shape[axis]
        if count == SIDE:
            continue
        place = np.arange(SIDE) * (count / SIDE)
        first = place.astype(int)
        weight = (place - first).astype(np.float32)
        weight = weight * weight * (3 - 2 * weight)
        weight = weight[:, None] if axis == 0 else weight[None]
        cells = cells.take(first, axis) * (1 - weight) + cells.take((first + 1) % count, axis) * weight
    return cells


def _tinted(value: FloatArray, colour: FloatArray, contrast: float) -> FloatArray:
    return np.asarray(colour * (1 + contrast * value[..., None]), np.float32)


def plaster(generator: Generator) -> FloatArray:
    """Painted wall: nearly blank, with faint marks."""
    fine = octave_noise(generator, coarsest=int(generator.choice([2, 8, 32])), octaves=5, gain=0.7)
    return _tinted(fine, _wall_colour(generator), float(generator.choice([0.006, 0.012, 0.02, 0.04])))


def wood(generator: Generator) -> FloatArray:
    """Planks along the columns with grain."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    planks = int(generator.choice([1, 2, 4, 6]))
    plank = np.floor(x * planks).astype(int)
    shade = generator.normal(0, 0.12, planks)[plank]
    along = plank * 0.37 + x * generator.uniform(0.9, 1.1)
    bend = _enlarged(generator.standard_normal((4, 16)).astype(np.float32))
    fibres = _enlarged(generator.standard_normal((8, SIDE)).astype(np.float32))
    coarse = _enlarged(generator.standard_normal((4, 64)).astype(np.float32))
    rings = np.sin(2 * np.pi * (along * generator.integers(8, 30) + generator.uniform(0.1, 0.6) * bend + shade * 9))
    grain = 0.06 * rings * generator.uniform(0.2, 1.5) + 0.06 * fibres + 0.06 * coarse
    colour = np.array([0.62, 0.40, 0.22], np.float32) * generator.uniform(0.35, 1.4)
    colour = colour * (1 - (grey := generator.uniform(0, 0.6))) + colour.mean() * grey
    picture = _tinted((grain + shade).astype(np.float32), colour, float(generator.uniform(0.4, 1.1)))
    if planks > 1:
        joint = (np.abs(x * planks - np.rint(x * planks)) < 0.003 * planks) * 1.0
        length = (y + generator.random(planks)[plank]) % 1
        joint = np.maximum(joint, length < 0.004)
        picture *= (1 - 0.45 * joint[..., None]).astype(np.float32)
    return picture


def tiles(generator: Generator) -> FloatArray:
    """Square or long tiles with joints, some in two colours."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    across, down = int(generator.choice([2, 4, 8])), int(generator.choice([2, 4, 8]))
    row = np.floor(y * down).astype(int)
    shift = float(generator.choice([0.0, 0.0, 0.5]))
    place = x * across + shift * (row % 2)
    column = np.floor(place).astype(int) % across
    picture = _tinted(octave_noise(generator, gain=0.75), _wall_colour(generator), float(generator.uniform(0.01, 0.12)))
    if generator.random() < 0.3:
        other = generator.uniform(0.1, 0.9, 3).astype(np.float32)
        picture = np.where(((row + column) % 2)[..., None] == 0, picture, picture.mean(axis=(0, 1)) * other.mean())
    picture *= (1 + generator.normal(0, 0.05, (down, across))[row, column][..., None]).astype(np.float32)
    width = generator.uniform(0.004, 0.012)
    joint = (np.abs(place - np.rint(place)) / across < width / 2) | (
        np.abs(y * down - np.rint(y * down)) / down < width / 2
    )
    joint_colour = picture.mean(axis=(0, 1)) * np.float32(generator.uniform(0.5, 1.15))
    return np.where(joint[..., None], joint_colour, picture).astype(np.float32)


def bricks(generator: Generator) -> FloatArray:
    """Courses of bricks with mortar."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    wobble = 0.004 * octave_noise(generator, coarsest=16, octaves=3)
    row = np.floor((y + wobble) * 8).astype(int) % 8
    place = (x + wobble) * 4 + 0.5 * (row % 2)
    column = np.floor(place).astype(int) % 4
    shade = generator.normal(1, 0.18, (8, 4))[row, column].astype(np.float32)
    colour = np.array([0.58, 0.30, 0.22], np.float32) * generator.uniform(0.6, 1.3)
    if generator.random() < 0.3:
        colour = np.full(3, generator.uniform(0.5, 0.9), np.float32)
    picture = _tinted(octave_noise(generator, coarsest=16), colour, 0.14) * shade[..., None]
    beside = np.abs(place - np.rint(place)) / 4 < 0.008
    above = np.abs((y + wobble) * 8 - np.rint((y + wobble) * 8)) / 8 < 0.010
    return np.where((beside | above)[..., None], np.float32(generator.uniform(0.45, 0.8)), picture).astype(np.float32)


def cloth(generator: Generator) -> FloatArray:
    """Woven cloth: plain, striped or checked."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    colour, other = _muted(generator), _muted(generator)
    weight = np.zeros((SIDE, SIDE), np.float32)
    style, count = generator.integers(5), int(generator.choice([2, 4, 8, 16]))
    if style in (1, 3):
        weight = weight + (np.sin(2 * np.pi * x * count) > generator.uniform(-0.8, 0.8))
    if style in (2, 3):
        weight = weight + (np.sin(2 * np.pi * y * count) > generator.uniform(-0.8, 0.8))
    if style == 4:
        weight = (octave_noise(generator, coarsest=int(generator.choice([3, 6, 12])), octaves=2) > 0.6).astype(
            np.float32
        )
    picture = colour + (other - colour) * (weight * 0.5)[..., None]
    weave = np.sin(2 * np.pi * 64 * x) * np.sin(2 * np.pi * 64 * y) * 0.05 + 0.06 * octave_noise(
        generator, coarsest=64, octaves=2
    )
    return np.asarray(picture * (1 + weave[..., None]), np.float32)


def carpet(generator: Generator) -> FloatArray:
    """Speckled carpet, or one with a pattern of mirrored noise."""
    speckle = octave_noise(generator, coarsest=64, octaves=3, gain=1.0)
    picture = _tinted(speckle, 0.8 * _muted(generator), float(generator.uniform(0.05, 0.35)))
    if generator.random() < 0.4:
        pattern = octave_noise(generator, coarsest=8, octaves=2)
        pattern = pattern + pattern[::-1] + pattern[:, ::-1] + pattern[::-1, ::-1]
        other = _muted(generator)
        picture = np.where((pattern > 0.8)[..., None], other * (1 + 0.1 * speckle[..., None]), picture)
    return picture.astype(np.float32)


def stone(generator: Generator) -> FloatArray:
    """Marble or concrete: veins on large patches."""
    noise = octave_noise(generator, coarsest=2, octaves=7, gain=float(generator.uniform(0.5, 0.8)))
    veins = np.exp(-np.abs(octave_noise(generator, coarsest=3, octaves=5)) * 12) * generator.choice([0.0, -1.5, 1.5])
    return _tinted(
        (noise * 0.2 + veins).astype(np.float32), _wall_colour(generator), float(generator.uniform(0.04, 0.18))
    )


def outdoors(generator: Generator) -> FloatArray:
    """What windows show: sky above, trees, houses and ground below; repeats along the horizon."""
    y = np.mgrid[0:SIDE, 0:SIDE][0].astype(np.float32) / SIDE
    sky = np.array([0.55, 0.72, 0.95]) * generator.uniform(0.7, 1.1)
    clouds = np.clip(octave_noise(generator, coarsest=2) * 0.4 + generator.uniform(-0.3, 0.8), 0, 1)
    picture = sky + (np.array([0.95, 0.96, 1.0]) - sky) * np.maximum(clouds, y)[..., None]
    for _ in range(int(generator.integers(0, 6))):
        left, wide = int(generator.integers(0, SIDE - 60)), int(generator.integers(40, 160))
        top = int(SIDE * generator.uniform(0.15, 0.48))
        house = picture[top:, left : left + wide]
        house[:] = generator.uniform(0.15, 0.7) * (1 + generator.uniform(-0.15, 0.15, 3))
        across, down = (int(v) for v in generator.integers(14, 40, 2))
        pane = (np.arange(house.shape[1]) % across > across // 2) & (np.arange(house.shape[0]) % down > down // 2)[
            :, None
        ]
        house[pane] *= generator.uniform(0.3, 1.5)
    outline = generator.uniform(0.3, 0.55) + 0.06 * octave_noise(generator, coarsest=4)[0]
    trees = y + 0.02 * octave_noise(generator, coarsest=32, octaves=3) > outline
    leaves = 1 + 0.35 * octave_noise(generator, coarsest=16, octaves=5)
    picture[trees] = (np.array([0.20, 0.28, 0.12]) * generator.uniform(0.5, 1.5) * leaves[..., None])[trees]
    ground = y > generator.uniform(0.52, 0.6)
    picture[ground] = (generator.uniform(0.2, 0.5, 3) * (1 + 0.1 * leaves[..., None]))[ground]
    return np.asarray(picture, np.float32)


def paper(generator: Generator) -> FloatArray:
    """Printed page, cover or label: lines like text, and blocks of colour."""
    picture = np.full((SIDE, SIDE, 3), 1, np.float32) * generator.uniform(0.3, 0.95, 3).astype(np.float32)
    for _ in range(generator.integers(1, 5)):
        top, left = generator.integers(0, SIDE - 80, 2)
        height, width = generator.integers(40, 320, 2)
        picture[top : top + height, left : left + width] = generator.uniform(0, 1, 3)
    ink = generator.uniform(0, 0.3, 3).astype(np.float32)
    margin = int(generator.integers(24, 120))
    for top in range(margin, SIDE - margin, int(generator.integers(14, 52))):
        words = np.repeat(generator.random(SIDE // 8) < 0.75, 8)
        words[:margin] = words[SIDE - margin - int(generator.integers(0, 120)) :] = False
        picture[top : top + 6, words] = ink
    return picture


def wallpaper(generator: Generator) -> FloatArray:
    """Printed wall: stripes or repeated shapes on a light ground."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    count = int(generator.choice([2, 4, 8]))
    waves = np.sin(2 * np.pi * count * x)
    if generator.random() < 0.6:
        waves = waves * np.sin(2 * np.pi * count * y) + 0.5 * np.sin(4 * np.pi * count * (x + y))
    shape = 1 / (1 + np.exp(-8 * (waves - generator.uniform(-0.3, 0.6))))
    ground, print_ = _wall_colour(generator), _muted(generator)
    contrast = generator.uniform(0.1, 0.8)
    picture = ground + (print_ - ground) * contrast * shape[..., None]
    return np.asarray(picture * (1 + 0.02 * octave_noise(generator, coarsest=32)[..., None]), np.float32)


TEXTURES: dict[str, Callable[[Generator], FloatArray]] = {
    "plaster": plaster,
    "wood": wood,
    "tiles": tiles,
    "bricks": bricks,
    "cloth": cloth,
    "carpet": carpet,
    "stone": stone,
    "paper": paper,
    "wallpaper": wallpaper,
    "outdoors": outdoors,
}


def make_texture(name: str, generator: Generator) -> ImageArray:
    """Draw a texture of a kind, (SIDE, SIDE, 3), uint8."""
    return np.asarray(np.clip(TEXTURES[name](generator), 0.02, 0.98) * 255, np.uint8)


def photograph_crop(photographs: list[NDArray[np.uint8]], generator: Generator) -> ImageArray:
    """Cut a picture for posters, screens and views out of windows, (SIDE, SIDE, 3), uint8."""
    from PIL import Image

    photograph = photographs[generator.integers(len(photographs))]
    side = round(min(photograph.shape[:2]) * generator.uniform(0.4, 1.0))
    top, left = (generator.integers(length - side + 1) for length in photograph.shape[:2])
    cut = Image.fromarray(photograph[top : top + side, left : left + side])
    picture = np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    tint = generator.uniform(0.6, 1.3, 3) if generator.random() < 0.6 else 1.0
    return np.asarray(np.clip(picture * tint, 0, 255), np.uint8)


def _muted(generator: Generator) -> FloatArray:
    """Colour of cloth and print, (3,): most are not strong."""
    colour = generator.uniform(0.05, 0.9, 3)
    strength = generator.choice([0.1, 0.3, 0.8], p=[0.45, 0.4, 0.15])
    return np.asarray(colour.mean() * (1 - strength) + colour * strength, np.float32)


def _wall_colour(generator: Generator) -> FloatArray:
    light = generator.uniform(0.55, 0.95) if generator.random() < 0.85 else generator.uniform(0.15, 0.6)
    saturation = generator.choice([0.02, 0.05, 0.2], p=[0.45, 0.4, 0.15])
    return np.asarray(light * (1 + generator.uniform(-saturation, saturation, 3)), np.float32)
