"""Smoothing within surfaces: an à-trous filter that stops at edges (Dammertz et al., HPG 2010)."""

from __future__ import annotations

import numpy as np

from kbnet.frame import FloatArray

PLANE_TOLERANCE = 0.012
"""Distance from a neighbour's plane at which its weight has fallen to 0, relative to depth."""


def smoothed(values: FloatArray, position: FloatArray, normal: FloatArray, depth: FloatArray, steps: int) -> FloatArray:
    """Average neighbours on the same surface.

    Args:
        values: (H, W, C).
        position: what each pixel shows, (H, W, 3), metres.
        normal: unit normals, (H, W, 3).
        depth: along z, (H, W), metres.
        steps: passes over 3×3 neighbours, at distances of 1, 2, 4, ... pixels.
    """
    height, width = depth.shape
    result = values
    scale = 1 / (PLANE_TOLERANCE * depth)
    for step in (1 << index for index in range(steps)):
        total, weights = result.copy(), np.ones((height, width), np.float32)
        for dy in (-step, 0, step):
            for dx in (-step, 0, step):
                if dy == dx == 0:
                    continue
                here = (slice(max(-dy, 0), height - max(dy, 0)), slice(max(-dx, 0), width - max(dx, 0)))
                there = (slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0)))
                mine = normal[here]
                beside = np.abs(np.einsum("yxi,yxi->yx", mine, position[there] - position[here])) * scale[here]
                alike = np.einsum("yxi,yxi->yx", mine, normal[there])
                weight = np.maximum(1 - beside, 0) * np.maximum(alike * 5 - 4, 0)
                weights[here] += weight
                total[here] += weight[..., None] * result[there]
        result = total / weights[..., None]
    return result


def upsampled(
    coarse: FloatArray, position: FloatArray, normal: FloatArray, depth: FloatArray, size: tuple[int, int]
) -> FloatArray:
    """Values of every second pixel to all pixels, (H, W, C), from coarse neighbours on the same surface.

    Args:
        coarse: values of pixels [::2, ::2], (ceil(H / 2), ceil(W / 2), C).
        position: what each pixel shows, (H, W, 3), metres.
        normal: unit normals, (H, W, 3).
        depth: along z, (H, W), metres.
        size: (H, W).
    """
    height, width = size
    rows, columns = np.arange(height) // 2, np.arange(width) // 2
    some, at, facing = coarse, position[::2, ::2], normal[::2, ::2]
    total = np.zeros((height, width, coarse.shape[2]), np.float32)
    weights = np.zeros((height, width), np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            row = np.minimum(rows + dy * (np.arange(height) % 2), coarse.shape[0] - 1)
            column = np.minimum(columns + dx * (np.arange(width) % 2), coarse.shape[1] - 1)
            place = np.ix_(row, column)
            beside = np.abs(np.einsum("yxi,yxi->yx", normal, at[place] - position)) / (2 * PLANE_TOLERANCE * depth)
            alike = np.einsum("yxi,yxi->yx", normal, facing[place])
            weight = np.maximum(1 - beside, 0) * np.maximum(alike, 0) + np.float32(1e-4)
            weights += weight
            total += weight[..., None] * some[place]
    return total / weights[..., None]
