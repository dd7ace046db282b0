"""Furnished rooms to sequence folders: one camera a folder, several views a room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.frames.sequence_writer import PosedFrame, write_sequence
from kbnet.sources.rendered.catalogue import credits_text, read_models
from kbnet.sources.rendered.config import Part, RoomsConfig
from kbnet.sources.rendered.dropping import drop_things
from kbnet.sources.rendered.furnishing import furnish
from kbnet.sources.rendered.lighting import Lighting, add_lamps
from kbnet.sources.rendered.materials import TexturePool, material_table
from kbnet.sources.rendered.mesh import joined
from kbnet.sources.rendered.model_library import ModelLibrary
from kbnet.sources.rendered.picture import View, cast_view, depth_map, radiance_image
from kbnet.sources.rendered.ray_scene import RayScene, TriangleTree
from kbnet.sources.rendered.room import Room
from kbnet.sources.rendered.room_shell import new_room
from kbnet.sources.rendered.sensor import exposed
from kbnet.sources.rendered.thin_structures import add_thin_structures
from kbnet.sources.rendered.viewpoint import draw_intrinsics, draw_path, draw_views

PHOTOGRAPHS: dict[Part, tuple[str, ...]] = {
    "training": ("astronaut", "coffee", "hubble_deep_field", "rocket"),
    "validation": ("chelsea",),
}
"""Pictures on walls and screens, out of the wheel of scikit-image; all are in the public domain or CC0."""
CAMERA, POOL, ROOM = 0, 1, 2
"""What a stream of random numbers is for: streams are seeded with (seed, part, purpose, index)."""
MOST_ROOMS_WITHOUT_VIEW = 50


def write_rooms_sequence(
    folder: str | Path,
    config: RoomsConfig,
    *,
    overwrite: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> None:
    """Render frames into a folder of the native layout; it appears whole or not at all.

    Args:
        folder: the sequence folder; ``CREDITS.txt`` in it names the creators of the models.
    """
    config.check()
    library = ModelLibrary(read_models(config.models, config.part))
    write_sequence(
        folder,
        rooms_frames(config, library),
        overwrite=overwrite,
        inputs=(config.models,),
        texts=lambda: {"CREDITS.txt": credits_text(library.used.values())},
        on_frame=on_frame,
    )


def intrinsics(config: RoomsConfig) -> FloatArray:
    """K of all frames, (3, 3), pixels; drawn from the seed."""
    width, height = config.size
    return draw_intrinsics((height, width), _generator(config, CAMERA))


def rooms_frames(config: RoomsConfig, library: ModelLibrary) -> Iterator[PosedFrame]:
    """Render frame by frame.

    Yields:
        A frame with ground truth, whose sparse depth is the first density; all densities by name, (H, W), metres;
        and ``T_world_camera``, (4, 4), where poses are asked for.

    Raises:
        KBNetError: rooms have no view that is worth a picture.
    """
    pool = TexturePool(_photographs(config), (*_seed(config), POOL))
    K, size = intrinsics(config), (config.size[1], config.size[0])
    written, empty, index = 0, 0, 0
    while written < config.frames:
        generator = _generator(config, ROOM, index)
        room, scene = build_room(pool, library, generator)
        lighting = Lighting(room)
        draw = draw_path if config.motion else draw_views
        before = written
        for view in draw(room, scene, K, size, config.views, generator):
            if written < config.frames:
                image, depth = _picture(scene, lighting, view, generator)
                densities = _sparse(image, depth, config, generator)
                first = next(iter(densities.values()))
                frame = Frame(image, first, K, depth, name=f"{written:06d}")
                yield PosedFrame(frame, view.T_room_camera if config.motion else None, densities)
                written += 1
        index += 1
        empty = 0 if written > before else empty + 1
        if empty > MOST_ROOMS_WITHOUT_VIEW:
            raise KBNetError(f"no view of {empty} rooms is worth a picture; take another seed or a shorter path")


def build_room(pool: TexturePool, library: ModelLibrary, generator: np.random.Generator) -> tuple[Room, RayScene]:
    """Draw a room, furnish it, light it, and put small things down."""
    room = new_room(pool, generator)
    furnish(room, library)
    add_thin_structures(room)
    add_lamps(room, library)
    furniture = joined(room.meshes)
    things = drop_things(room, library, TriangleTree(furniture.corners))
    return room, RayScene(joined([furniture, *things]), material_table(room.materials), room.outdoors)


def _picture(
    scene: RayScene, lighting: Lighting, view: View, generator: np.random.Generator
) -> tuple[ImageArray, FloatArray]:
    hits, rays = cast_view(scene, view)
    radiance = radiance_image(scene, lighting, view, hits, rays, generator)
    return exposed(radiance, generator), depth_map(hits, view.size)


def _sparse(
    image: ImageArray, depth: FloatArray, config: RoomsConfig, generator: np.random.Generator
) -> dict[str, FloatArray]:
    from kbnet.points.sampling import corner_strength, measure_points, spread_corners

    strength = corner_strength(image)
    densities = {}
    for points in config.points:
        count = round(points * generator.uniform(0.7, 1.2))
        rows, columns = spread_corners(strength, depth > 0, count, generator)
        densities[f"sparse_depth_{points}"] = measure_points(
            depth, rows, columns, generator, range_noise=config.range_noise, outlier_share=config.outlier_share
        )
    return densities


def _photographs(config: RoomsConfig) -> list[ImageArray]:
    """Photographs of one part, RGB, (H, W, 3), uint8, out of scikit-image.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
    """
    try:
        import skimage.data
    except ModuleNotFoundError:
        raise ModuleNotFoundError("scikit-image is needed for pictures in rooms: pip install 'kbnet[demo]'") from None
    return [np.asarray(getattr(skimage.data, name)(), np.uint8) for name in PHOTOGRAPHS[config.part]]


def _generator(config: RoomsConfig, *purpose: int) -> np.random.Generator:
    return np.random.default_rng((*_seed(config), *purpose))


def _seed(config: RoomsConfig) -> tuple[int, int]:
    return config.seed, int(config.part == "validation")
