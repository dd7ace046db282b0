"""Cut-outs with exact depth, pasted in front of a frame: edges in the image that are edges in depth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kbnet.frame import BoolArray, Float64Array, FloatArray, ImageArray

MOST_CUT_OUTS = 8
CONTRASTS = (0.15, 0.35, 0.6, 0.85, 1.1)
"""Contrast of the texture of a cut-out, relative to that of the picture it comes from."""
NEARNESS = (0.3, 0.92)
"""Depth of a cut-out relative to the median depth behind it."""
LARGEST_SLANT = 0.6
"""Largest relative change of inverse depth over the size of a cut-out."""

Generator = np.random.Generator


def cut_and_paste(
    image: ImageArray, depth: FloatArray, texture: ImageArray, generator: Generator
) -> tuple[ImageArray, FloatArray]:
    """Paste two to eight textured planes of random shape in front of a frame.

    A plane has an inverse depth that is linear in the pixel. It hides what lies behind it, throws a soft shadow, and
    has a soft edge in the image, not in depth.

    Args:
        image: RGB, (H, W, 3), uint8.
        depth: dense depth, (H, W), metres; 0 = unmeasured.
        texture: picture that textures are cut from, (h, w, 3), uint8.

    Returns:
        Image and depth with the cut-outs. A frame without any depth stays as it is.
    """
    from scipy.ndimage import gaussian_filter, shift  # slow to import, and no help text needs it

    colour, pasted = image.astype(np.float32), depth.copy()
    for _ in range(int(generator.integers(2, MOST_CUT_OUTS + 1))):
        mask = _shape(depth.shape, generator)
        behind = pasted[mask & (pasted > 0)]
        if behind.size == 0:
            continue
        plane = _plane(mask, float(np.median(behind)) * generator.uniform(*NEARNESS), generator)
        visible = mask & ((pasted == 0) | (plane < pasted))
        alpha = gaussian_filter(visible.astype(np.float32), generator.uniform(0.3, 0.8))[..., None]
        if generator.random() < 0.6:
            moved = shift(alpha[..., 0], generator.uniform(-6, 6, 2), order=0)
            dark = gaussian_filter(moved, generator.uniform(1, 5)) * generator.uniform(0.1, 0.6)
            colour *= 1 - dark[..., None]
        colour += alpha * (_texture(texture, colour, visible, generator) - colour)
        pasted[visible] = plane[visible]
    return colour.clip(0, 255).astype(np.uint8), pasted


def _shape(size: tuple[int, ...], generator: Generator) -> BoolArray:
    """A random ellipse, polygon, bar, frame or blob; up to half of the image wide, bars down to one pixel."""
    from PIL import Image, ImageDraw

    height, width = size
    extent = np.exp(generator.uniform(np.log(0.06), np.log(0.5))) * width
    centre = generator.uniform((0, 0), (width, height))
    shapes: tuple[Callable[[Generator], Float64Array], ...] = (_ellipse, _polygon, _bar, _bar, _frame, _blob)
    outline = shapes[int(generator.integers(len(shapes)))](generator)
    angle_rad = generator.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle_rad), -np.sin(angle_rad)], [np.sin(angle_rad), np.cos(angle_rad)]])
    canvas = Image.new("1", (width, height))
    drawing = ImageDraw.Draw(canvas)
    corners = outline @ turn.T * extent / 2 + centre
    if len(corners) == 8:  # a frame: the outer rectangle without the inner one
        drawing.polygon([tuple(corner) for corner in corners[:4]], fill=1)
        drawing.polygon([tuple(corner) for corner in corners[4:]], fill=0)
    else:
        drawing.polygon([tuple(corner) for corner in corners], fill=1)
    return np.asarray(canvas)


def _ellipse(generator: Generator) -> Float64Array:
    angle_rad = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([np.cos(angle_rad), generator.uniform(0.3, 1) * np.sin(angle_rad)], axis=1)


def _polygon(generator: Generator) -> Float64Array:
    angle_rad = np.sort(generator.uniform(0, 2 * np.pi, int(generator.integers(3, 7))))
    radius = generator.uniform(0.5, 1, angle_rad.size)
    return np.stack([radius * np.cos(angle_rad), radius * np.sin(angle_rad)], axis=1)


def _bar(generator: Generator) -> Float64Array:
    half_width = np.exp(generator.uniform(np.log(0.01), np.log(0.2)))
    length = generator.uniform(1, 3)
    return np.array([[-length, -half_width], [length, -half_width], [length, half_width], [-length, half_width]])


def _frame(generator: Generator) -> Float64Array:
    aspect, thickness = generator.uniform(0.5, 1), generator.uniform(0.05, 0.3)
    outer = np.array([[-1, -aspect], [1, -aspect], [1, aspect], [-1, aspect]])
    return np.concatenate([outer, outer * (1 - thickness)])


def _blob(generator: Generator) -> Float64Array:
    angle_rad = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    order = np.arange(1, 6)[:, None]
    phase = order * angle_rad + generator.uniform(0, 2 * np.pi, (5, 1))
    radius = 0.7 + (generator.normal(0, 0.25, (5, 1)) / order * np.cos(phase)).sum(axis=0)
    return np.stack([radius * np.cos(angle_rad), radius * np.sin(angle_rad)], axis=1)


def _plane(mask: BoolArray, depth: float, generator: Generator) -> FloatArray:
    """Depth of a slanted plane, (H, W), metres."""
    rows, columns = np.nonzero(mask)
    extent = max(int(np.ptp(rows)), int(np.ptp(columns)), 1)
    along_x, along_y = generator.uniform(-1, 1, 2) * LARGEST_SLANT * generator.random() / extent
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    relative = 1 + along_x * (x - columns.mean()) + along_y * (y - rows.mean())
    plane: FloatArray = (depth / relative.clip(0.4, 2.5)).astype(np.float32)
    return plane


def _texture(picture: ImageArray, colour: FloatArray, mask: BoolArray, generator: Generator) -> FloatArray:
    """A piece of a picture in another contrast and tint, (H, W, 3), float32; half of them in the colours around it."""
    from PIL import Image

    height, width = mask.shape
    rows, columns = (max(8, round(length * generator.uniform(0.3, 1))) for length in picture.shape[:2])
    top, left = (
        int(generator.integers(length - part + 1))
        for length, part in zip(picture.shape[:2], (rows, columns), strict=True)
    )
    piece = Image.fromarray(picture[top : top + rows, left : left + columns]).resize((width, height))
    texture = np.asarray(piece, np.float32)
    if generator.random() < 0.5:
        texture = texture[:, ::-1]
    mean = texture.mean(axis=(0, 1))
    around = colour[mask].mean(axis=0) if mask.any() else mean
    target = around if generator.random() < 0.5 else generator.uniform(10, 245, 3)
    blended = mean + (target - mean) * generator.uniform(0, 1)
    textured: FloatArray = ((texture - mean) * generator.choice(CONTRASTS) + blended).astype(np.float32)
    return textured
