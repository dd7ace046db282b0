"""What a cheap camera makes of a radiance image: exposure, colour, blur, noise and JPEG."""

from __future__ import annotations

import io

import numpy as np

from kbnet.frame import FloatArray, ImageArray

MOTION_SHARE = 0.13
"""Share of pictures with motion blur."""


def exposed(radiance: FloatArray, generator: np.random.Generator) -> ImageArray:
    """RGB, (H, W, 3), uint8, of linear radiance, (H, W, 3)."""
    from scipy.ndimage import gaussian_filter

    height, width = radiance.shape[:2]
    grey = radiance.mean(axis=2)
    level = np.exp(np.log(grey + 1e-4 * grey.mean() + 1e-9).mean())
    key = 0.20 * 2.0 ** generator.normal(0, 0.55)
    mean_colour = np.maximum(radiance.mean(axis=(0, 1)) / max(float(grey.mean()), 1e-9), 1e-3)
    correction = mean_colour ** -generator.uniform(0.3, 1.0)
    balance = correction * np.exp(generator.normal(0, 0.04, 3))
    linear = radiance * (key / level * balance).astype(np.float32)
    y, x = np.mgrid[0:height, 0:width]
    squared = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2).astype(np.float32)
    linear *= (1 - generator.uniform(0, 0.7) * squared)[..., None]
    if generator.random() < 0.3:
        glow = gaussian_filter(np.maximum(linear - 0.9, 0).mean(axis=2), 0.02 * width)
        linear += np.float32(0.25) * glow[..., None]
    scale = width / 320
    blur = generator.uniform(0.0, 0.55) * scale
    if blur > 0.25:
        linear = gaussian_filter(linear, (blur, blur, 0), truncate=2.5)
    if generator.random() < MOTION_SHARE:
        linear = _motion_blur(linear, generator.uniform(2, 7) * scale, generator.uniform(0, np.pi))
    shot = np.exp(generator.uniform(np.log(0.004), np.log(0.035)))
    noise = generator.standard_normal(linear.shape, np.float32)
    linear = linear + noise * shot * np.sqrt(np.maximum(linear, 0) + 0.02).astype(np.float32) * np.float32(0.6)
    stored = _developed(linear, generator) * 255
    picture = np.clip(stored + generator.random(stored.shape, np.float32) - 0.5, 0, 255).astype(np.uint8)
    return _through_jpeg(picture, int(generator.integers(72, 97)))


def _developed(linear: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Tone curve with a shoulder and a toe, and saturation, 0 to 1."""
    bright = np.maximum(linear, 0) * np.float32(1.25)
    shoulder = bright * (1 + bright / 9) / (1 + bright)
    toned = np.minimum(shoulder * np.float32(1.15), 1) ** np.float32(1 / 2.2)
    contrast = np.float32(generator.uniform(0.0, 0.35))
    toned = toned + contrast * (toned * toned * (3 - 2 * toned) - toned)
    grey = toned.mean(axis=2, keepdims=True)
    return np.asarray(grey + (toned - grey) * np.float32(generator.uniform(0.7, 1.25)), np.float32)


def _motion_blur(linear: FloatArray, length_px: float, angle_rad: float) -> FloatArray:
    """Mean along a short line of whole-pixel steps."""
    count = max(2, round(length_px))
    height, width = linear.shape[:2]
    total = np.zeros_like(linear)
    for step in np.linspace(-length_px / 2, length_px / 2, count):
        rows = np.clip(np.arange(height) + round(step * np.sin(angle_rad)), 0, height - 1)
        columns = np.clip(np.arange(width) + round(step * np.cos(angle_rad)), 0, width - 1)
        total += linear[np.ix_(rows, columns)]
    return total / np.float32(count)


def _through_jpeg(picture: ImageArray, quality: int) -> ImageArray:
    from PIL import Image

    with io.BytesIO() as stored:
        Image.fromarray(picture).save(stored, "JPEG", quality=quality)
        return np.asarray(Image.open(stored))
