"""What a cheap camera and its lighting do to an image: colour, exposure, blur, noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import ImageArray


def jitter_colour(image: ImageArray, spread: float, generator: np.random.Generator) -> ImageArray:
    """Multiply brightness, contrast, saturation and each colour by random factors in 1 - spread .. 1 + spread."""
    brightness, contrast, saturation, *colours = generator.uniform(1 - spread, 1 + spread, 6).astype(np.float32)
    jittered = image * (brightness * np.array(colours, np.float32))
    grey = jittered.mean(axis=2, keepdims=True)
    jittered = grey + saturation * (jittered - grey)
    middle = grey.mean()
    contrasted: ImageArray = (middle + contrast * (jittered - middle)).clip(0, 255).astype(np.uint8)
    return contrasted


def camera_effects(image: ImageArray, probability: float, generator: np.random.Generator) -> ImageArray:
    """A grey image, swapped colours, blur, noise and strong exposure, each with a probability.

    With a third of that probability each, the image is one colour, or heavily blurred. Depth must then come from the
    points.
    """
    from scipy.ndimage import gaussian_filter  # slow to import, and no help text needs it

    changed: NDArray[np.floating] = image.astype(np.float32)
    if generator.random() < probability:
        changed = changed[..., generator.permutation(3)]
    if generator.random() < probability / 2:
        changed = changed.mean(axis=2, keepdims=True).repeat(3, axis=2)
    if generator.random() < probability:
        changed = 255 * (changed / 255) ** np.exp(generator.uniform(-0.8, 0.8)) * generator.uniform(0.5, 1.3)
    if generator.random() < probability:
        spread = generator.uniform(0.3, 1.5)
        changed = gaussian_filter(changed, (spread, spread, 0))
    if generator.random() < probability / 3:
        changed = np.full_like(changed, generator.choice([0, 255, generator.uniform(0, 255)]))
    if generator.random() < probability / 3:
        spread = generator.uniform(4, 16)
        changed = gaussian_filter(changed, (spread, spread, 0))
    if generator.random() < probability:
        changed = changed + generator.normal(0, generator.uniform(1, 12), changed.shape)
    effects: ImageArray = changed.clip(0, 255).astype(np.uint8)
    return effects
