"""Radiance image and exact depth of a view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kbnet.frame import Float64Array, FloatArray, IntArray
from kbnet.sources.rendered.lighting import Lighting, gathered
from kbnet.sources.rendered.ray_scene import START, Hits, RayScene

SHADOW_RAYS, SUN_RAYS, GATHER_RAYS = 2, 2, 3
"""Rays a pixel towards lamps and the sun; rays a pixel of a half-size image for reflected light."""
SUBPIXELS = np.array([[-0.125, -0.375], [0.375, -0.125], [0.125, 0.375], [-0.375, 0.125]], np.float32)
"""Where the colour of pixels at edges is sampled (rotated grid), pixels from the centre."""
BRIGHTEST = 12.0
"""Radiance of a sample is cut off here, in medians of the picture, so that bright spots do not alias."""
PLANE_TOLERANCE = 0.012
"""Distance from a neighbour's plane at which its weight has fallen to 0, relative to depth."""


@dataclass(frozen=True)
class View:
    """A pinhole camera in a room.

    Attributes:
        K: (3, 3), pixels.
        size: (H, W), pixels.
        T_room_camera: (4, 4), metres; camera axes x right, y down, z forward.
    """

    K: FloatArray
    size: tuple[int, int]
    T_room_camera: Float64Array

    def rays(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Directions in the room through pixels, (N, 3), of length 1 along the camera's z."""
        k = self.K.astype(np.float64)
        directions = np.stack([(x - k[0, 2]) / k[0, 0], (y - k[1, 2]) / k[1, 1], np.ones(len(x))], -1)
        return np.asarray(directions @ self.T_room_camera[:3, :3].T, np.float32)

    @property
    def origin(self) -> FloatArray:
        """Centre of projection, (3,), metres."""
        return np.asarray(self.T_room_camera[:3, 3], np.float32)


def cast_view(scene: RayScene, view: View) -> tuple[Hits, FloatArray]:
    """What the centre of every pixel shows, row by row, and the rays, (H W, 3)."""
    height, width = view.size
    y, x = np.divmod(np.arange(height * width), width)
    rays = view.rays(x.astype(np.float32), y.astype(np.float32))
    return scene.cast(view.origin, rays, 1 / float(view.K[0, 0])), rays


def depth_map(hits: Hits, size: tuple[int, int]) -> FloatArray:
    """Depth along z, (H, W), metres; 0 where the view leaves the room."""
    return np.where(hits.triangle >= 0, hits.distance, 0).astype(np.float32).reshape(size)


def radiance_image(
    scene: RayScene, lighting: Lighting, view: View, hits: Hits, rays: FloatArray, generator: np.random.Generator
) -> FloatArray:
    """Linear RGB of a view, (H, W, 3).

    Args:
        hits: from :func:`cast_view`.
        rays: from :func:`cast_view`.
    """
    light = _irradiance(scene, lighting, view, hits, generator)
    extra = _reflected_and_transmitted(scene, lighting, hits, rays, light)
    image = _radiance(scene, hits, light, extra)
    limit = np.float32(BRIGHTEST) * max(float(np.median(image)), float(image.mean()))
    image = np.minimum(image, limit)
    edges = _edge_pixels(hits, view.size)
    if edges.size:
        width = view.size[1]
        y, x = np.divmod(edges, width)
        place = np.stack([x, y], -1).astype(np.float32)[:, None] + SUBPIXELS
        samples_at = place.reshape(-1, 2)
        samples = scene.cast(view.origin, view.rays(samples_at[:, 0], samples_at[:, 1]), 1 / float(view.K[0, 0]))
        source = _nearest_neighbour(samples, hits, np.repeat(edges, len(SUBPIXELS)), view.size)
        fine = np.minimum(_radiance(scene, samples, light[source], extra[source]), limit)
        image[edges] = fine.reshape(-1, len(SUBPIXELS), 3).mean(axis=1)
    return image.reshape(*view.size, 3)


def _irradiance(
    scene: RayScene, lighting: Lighting, view: View, hits: Hits, generator: np.random.Generator
) -> FloatArray:
    """Direct and once reflected light on every pixel, (H W, 3)."""
    height, width = view.size
    position, normal = hits.position.reshape(height, width, 3), hits.normal.reshape(height, width, 3)
    depth = np.where(hits.triangle >= 0, hits.distance, 1e3).astype(np.float32).reshape(height, width)
    factors = lighting.unshadowed(hits.position, hits.normal)
    seen = lighting.visibility(scene, hits, factors, SHADOW_RAYS, generator)
    seen = smoothed(seen.reshape(height, width, 1), position, normal, depth, 3).reshape(-1, 1)
    sun = lighting.sunlight(scene, hits, generator, rays=SUN_RAYS)
    if sun.any():
        sun = smoothed(sun.reshape(height, width, 1), position, normal, depth, 1).ravel()
    half = (slice(None, None, 2), slice(None, None, 2))
    start = (hits.position + START * hits.plane).reshape(height, width, 3)[half].reshape(-1, 3)
    coarse = gathered(scene, lighting, start, normal[half].reshape(-1, 3), GATHER_RAYS, generator)
    coarse = coarse.reshape(*depth[half].shape, 3)
    coarse = smoothed(coarse, position[half], normal[half], depth[half], 4)
    indirect = upsampled(coarse, position, normal, depth, view.size).reshape(-1, 3)
    direct = lighting.colour(factors) * seen + sun[:, None] * lighting.sun_colour()
    return np.asarray(direct + indirect, np.float32)


def _reflected_and_transmitted(
    scene: RayScene, lighting: Lighting, hits: Hits, rays: FloatArray, light: FloatArray
) -> FloatArray:
    """Radiance of mirrors, glossy surfaces and glass that comes from elsewhere, (N, 3)."""
    extra = np.zeros((len(rays), 3), np.float32)
    table = scene.table
    ambient = light.mean(axis=0) * np.float32(0.5)
    direction = rays / np.sqrt(np.einsum("ni,ni->n", rays, rays))[:, None]
    along = np.einsum("ni,ni->n", direction, hits.normal)
    base, glass = table.mirror.take(hits.material), table.is_glass.take(hits.material)
    base = np.where(glass, 0.06, base)
    share = np.where(base > 0.004, base + (1 - base) * np.clip(1 + along, 0, 1) ** 5, 0).astype(np.float32)
    share[hits.triangle < 0] = 0
    mirrored = np.flatnonzero(share > 0.045)
    if mirrored.size:
        out = direction[mirrored] - 2 * along[mirrored, None] * hits.normal[mirrored]
        found = scene.cast(hits.position[mirrored] + START * hits.plane[mirrored], out, 0.02)
        extra[mirrored] = share[mirrored, None] * _simple_radiance(scene, lighting, found, ambient)
    through = np.flatnonzero(glass & (hits.triangle >= 0))
    if through.size:
        beyond = direction[through]
        start = hits.position[through] + START * beyond
        found = scene.cast(start, beyond, 0.004)
        for _ in range(3):
            again = np.flatnonzero(table.is_glass.take(found.material) & (found.triangle >= 0))
            if not again.size:
                break
            further = scene.cast(found.position[again] + START * beyond[again], beyond[again], 0.004)
            for mine, new in zip(vars(found).values(), vars(further).values(), strict=True):
                mine[again] = new
        tint = np.sqrt(np.minimum(table.colour.take(hits.material[through], 0) + 0.3, 1))
        seen = _simple_radiance(scene, lighting, found, ambient)
        extra[through] += tint * (1 - share[through, None]) * seen
    return extra


def _simple_radiance(scene: RayScene, lighting: Lighting, hits: Hits, ambient: FloatArray) -> FloatArray:
    """Radiance without shadows, for what is seen in mirrors and through glass, (N, 3)."""
    light = lighting.colour(lighting.unshadowed(hits.position, hits.normal)) * np.float32(0.7) + ambient
    return _radiance(scene, hits, light, None)


def _radiance(scene: RayScene, hits: Hits, light: FloatArray, extra: FloatArray | None) -> FloatArray:
    emission = scene.table.emission.take(hits.material)[:, None]
    opaque = np.where(scene.table.is_glass.take(hits.material), np.float32(0.08), np.float32(1))
    opaque[hits.triangle < 0] = 0
    radiance = hits.albedo * (light * opaque[:, None] + emission)
    return radiance if extra is None else radiance + extra


def _edge_pixels(hits: Hits, size: tuple[int, int]) -> IntArray:
    """Pixels beside which the material, the surface or its direction changes."""
    height, width = size
    position, normal = hits.position.reshape(height, width, 3), hits.normal.reshape(height, width, 3)
    material, distance = hits.material.reshape(size), hits.distance.reshape(size)
    marked = np.zeros(size, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        apart = np.abs(np.einsum("yxi,yxi->yx", normal[one], position[other] - position[one]))
        with np.errstate(invalid="ignore"):
            step = apart > 0.02 * np.minimum(distance[one], distance[other])
        turned = np.einsum("yxi,yxi->yx", normal[one], normal[other]) < 0.9
        changed = (material[one] != material[other]) | step | turned
        marked[one] |= changed
        marked[other] |= changed
    return np.flatnonzero(marked)


def _nearest_neighbour(samples: Hits, hits: Hits, pixels: IntArray, size: tuple[int, int]) -> IntArray:
    """Pixel in the 3×3 around each sample's own that shows the most similar surface, (S,)."""
    height, width = size
    y, x = np.divmod(pixels, width)
    best, least = pixels.copy(), np.full(len(pixels), np.inf, np.float32)
    for dy in (0, -1, 1):
        for dx in (0, -1, 1):
            place = np.clip(y + dy, 0, height - 1) * width + np.clip(x + dx, 0, width - 1)
            to = hits.position.take(place, 0) - samples.position
            cost = np.einsum("ni,ni->n", to, to)
            cost += 0.05 * (1 - np.einsum("ni,ni->n", hits.normal.take(place, 0), samples.normal))
            cost += (hits.material.take(place) != samples.material) * np.float32(0.02)
            better = cost < least
            best[better], least[better] = place[better], cost[better]
    return best


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
