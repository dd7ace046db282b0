"""Cluttered rooms, another in every frame: endless true depth to learn edges and surfaces from before real rooms.

In the way of ScaffNet, which learns the shape of scenes from synthetic ones (Wong et al., ICRA 2021). Things, boards,
posts, panels and cupboards stand and hang about a room; half of the surfaces are nearly blank, as painted ones are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from tyro.conf import arg

from kbnet.data.ray_casting import Box, Face, Textures, render, rotation_about_x, rotation_about_y, rotation_about_z
from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.frames.sequence_writer import PosedFrame, write_sequence

SIZE = (480, 640)
"""Height and width, pixels; rendered at half of it and enlarged, as sharp as the pictures of a moving camera."""
FOCAL_LENGTH_PX = 520.0
CONTRASTS = (1.0, 0.3, 0.08, 0.02)
"""Every photograph is a texture at each of these: the last are walls and table tops."""
CROPS = 60
"""Textures cut out of the pictures that the user gives."""
KINDS = (  # share, least and largest half size along x, y and z, metres
    (0.30, (0.03, 0.03, 0.03), (0.35, 0.35, 0.35)),  # things
    (0.20, (0.20, 0.01, 0.15), (0.90, 0.04, 0.50)),  # boards
    (0.15, (0.01, 0.30, 0.01), (0.06, 1.30, 0.06)),  # posts
    (0.15, (0.20, 0.30, 0.01), (0.80, 1.20, 0.05)),  # panels
    (0.20, (0.15, 0.20, 0.15), (0.60, 1.00, 0.50)),  # cupboards
)
LIGHT = (0.75, 0.95, 1.05, 0.55, 0.9, 0.8)
"""Brightness of the six faces of a box."""
LEAST_DEPTH, MEDIAN_DEPTH = 0.25, (0.5, 6.0)
"""Views nearer than this, or with another median, are drawn again, metres."""
LEAST_RELIEF = (0.05, 0.2, 0.2, 0.2)
"""Standard deviation of ln(depth) that a view must have: one in four may be nearly flat."""


@dataclass(frozen=True)
class ClutterConfig:
    """Cluttered rooms; the same values give the same files."""

    frames: int = 500
    """How many frames, each of another room; more frames begin with the same ones."""
    points: Annotated[tuple[int, ...], arg(metavar="INT ...")] = (1500, 500, 150)
    """Sparse points in a frame, give or take: folders sparse_depth_<points>, and the first as sparse_depth."""
    range_noise: float = 0.01
    """Relative standard deviation of the sparse points' depth."""
    outlier_share: float = 0.03
    """Fraction of the sparse points with a wrong depth."""
    textures: Annotated[tuple[Path, ...], arg(metavar="FOLDER ...", help_behavior_hint="")] = ()
    """Folders of images to cut textures from, besides five photographs of scikit-image."""
    seed: int = 0
    """Another seed is other rooms."""

    def check(self) -> None:
        """Refuse what cannot be rendered.

        Raises:
            KBNetError: there are no frames or points, or the seed is negative.
            FileNotFoundError: a folder of textures holds no PNG or JPEG.
        """
        if self.frames < 1 or not self.points or min(self.points) < 12 or self.seed < 0:
            raise KBNetError(
                "expected at least 1 frame, 12 points in each of at least one density, and a seed of at least 0, "
                f"got {self.frames} frames, points {self.points} and seed {self.seed}"
            )
        for folder in self.textures:
            if not _images(folder):
                raise FileNotFoundError(f"expected .png or .jpg images to cut textures from, but {folder} holds none")


def write_clutter_sequence(
    folder: str | Path,
    config: ClutterConfig,
    *,
    overwrite: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> None:
    """Render frames into a folder of the native layout; it appears whole or not at all.

    The frames show no motion: they are for supervised training, in which no loss looks at neighbours.

    Args:
        folder: the sequence folder.
        config: what to render.
        overwrite: replace a sequence that is there.
        on_frame: called after every frame.

    Raises:
        KBNetError: the folder is taken, or a value of the config is out of range.
        FileNotFoundError: a folder of textures holds no image.
        ModuleNotFoundError: scikit-image is not installed.
    """
    config.check()
    frames = (PosedFrame(frame, sparse_depths=densities) for frame, densities in clutter_frames(config))
    write_sequence(folder, frames, overwrite=overwrite, on_frame=on_frame)


def intrinsics() -> FloatArray:
    """K of every frame, (3, 3), float32 pixels."""
    height, width = SIZE
    f = FOCAL_LENGTH_PX
    return np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1]], np.float32)


def clutter_frames(config: ClutterConfig) -> Iterator[tuple[Frame, dict[str, FloatArray]]]:
    """Render frame by frame.

    Yields:
        A frame with ground truth, whose sparse depth is the first density; and all of them by name, (H, W), metres.
    """
    from kbnet.points.sampling import sample_points

    textures = Textures(photographs := _photographs(config))
    half_K = (intrinsics() * [[0.5], [0.5], [1]] - [[0, 0, 0.25], [0, 0, 0.25], [0, 0, 0]]).astype(np.float32)
    for index in range(config.frames):
        generator = np.random.default_rng((config.seed, index))
        image, depth = _view(textures, len(photographs), half_K, LEAST_RELIEF[index % 4], generator)
        grain = generator.normal(0, generator.uniform(0.5, 4), image.shape)
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
        densities = {}
        for points in config.points:
            count = round(points * generator.uniform(0.7, 1.2))
            found = sample_points(
                image,
                depth,
                count,
                generator,
                range_noise=config.range_noise,
                outlier_share=config.outlier_share,
            )
            densities[f"sparse_depth_{points}"] = _doubled_points(found, generator)
        first = next(iter(densities.values()))
        truth = depth.repeat(2, axis=0).repeat(2, axis=1)
        yield Frame(_doubled_image(image), first, intrinsics(), truth, name=f"{index:06d}"), densities


def random_room(generator: np.random.Generator, textures: int) -> tuple[list[Box], NDArray[np.float64]]:
    """Draw a room with 14 to 44 things in front of a camera, some of which may be hidden or behind walls.

    Args:
        generator: source of every draw.
        textures: how many textures there are.

    Returns:
        The boxes, and ``T_world_camera``, (4, 4), metres.
    """
    half = np.array([generator.uniform(1.2, 4.0), generator.uniform(1.1, 1.7), generator.uniform(1.2, 4.0)])
    camera = half * generator.uniform((-0.7, -0.5, -0.7), (0.7, 0.3, 0.7))
    yaw = generator.uniform(0, 2 * np.pi)
    walls = tuple(_face(generator, textures, light) for light in LIGHT)
    boxes = [Box((0.0, 0.0, 0.0), _triple(half), walls, hollow=True)]
    for _ in range(generator.integers(14, 45)):
        _, least, largest = KINDS[generator.choice(len(KINDS), p=[kind[0] for kind in KINDS])]
        half_size = generator.uniform(least, largest)
        z = np.exp(generator.uniform(np.log(0.8), np.log(6.0)))
        ahead = z * np.array([generator.uniform(-0.7, 0.7), generator.uniform(-0.5, 0.5), 1.0])
        centre = camera + rotation_about_y(yaw) @ ahead
        if generator.random() < 0.35:
            centre[1] = half[1] - half_size[1]  # on the floor
        turn = yaw + (0.0 if generator.random() < 0.3 else generator.uniform(0, np.pi))
        if (np.abs(rotation_about_y(turn).T @ (camera - centre)) < half_size + LEAST_DEPTH).all():
            continue  # around the camera
        boxes.append(Box(_triple(centre), _triple(half_size), _body(generator, textures), yaw_rad=turn))
    T_world_camera = np.eye(4)
    T_world_camera[:3, 3] = camera
    T_world_camera[:3, :3] = (
        rotation_about_y(yaw + generator.uniform(-0.3, 0.3))
        @ rotation_about_x(np.radians(generator.uniform(-25, 15)))
        @ rotation_about_z(np.radians(generator.normal(0, 6)))
    )
    return boxes, T_world_camera


def _view(
    textures: Textures, count: int, K: FloatArray, relief: float, generator: np.random.Generator
) -> tuple[ImageArray, FloatArray]:
    """A view that shows something, (H / 2, W / 2)."""
    while True:
        boxes, T_world_camera = random_room(generator, count)
        image, depth = render(boxes, textures, K, T_world_camera, (SIZE[0] // 2, SIZE[1] // 2))
        low, high = MEDIAN_DEPTH
        if depth.min() > LEAST_DEPTH and low < np.median(depth) < high and np.log(depth).std() > relief:
            return image, depth


def _photographs(config: ClutterConfig) -> list[ImageArray]:
    """Textures of every contrast, each but the first of a photograph in another tint."""
    from PIL import Image

    from kbnet.data.synthetic import load_photographs

    generator = np.random.default_rng(config.seed)
    photographs = load_photographs()
    if paths := [path for folder in config.textures for path in _images(folder)]:
        for index in generator.choice(len(paths), CROPS):
            picture = np.asarray(Image.open(paths[index]).convert("RGB"))
            side = round(min(picture.shape[:2]) * generator.uniform(0.3, 0.9))
            top, left = (generator.integers(length - side + 1) for length in picture.shape[:2])
            photographs.append(np.rot90(picture[top : top + side, left : left + side], int(generator.integers(4))))
    textures = []
    for photograph in photographs:
        mean = photograph.mean(axis=(0, 1))
        for contrast in CONTRASTS:
            tint = generator.uniform(0.6, 1.4, 3) if contrast < 1 else 1.0
            textures.append(((mean + (photograph - mean) * contrast) * tint).clip(0, 255).astype(np.uint8))
    return textures


def _face(generator: np.random.Generator, textures: int, light: float) -> Face:
    red, green, blue = (float(x) for x in generator.uniform(0.6, 1.25, 3) * light * generator.uniform(0.9, 1.1))
    column, row = (float(x) for x in generator.random(2))
    tile = float(np.exp(generator.uniform(np.log(0.25), np.log(2.5))))
    return Face(int(generator.integers(textures)), tile, (column, row), (red, green, blue))


def _body(generator: np.random.Generator, textures: int) -> tuple[Face, ...]:
    """Six faces of one material, or of six."""
    if generator.random() < 0.5:
        return tuple(_face(generator, textures, light) for light in LIGHT)
    one = _face(generator, textures, 1.0)
    red, green, blue = one.tint
    return tuple(Face(one.texture, one.tile, one.offset, (light * red, light * green, light * blue)) for light in LIGHT)


def _doubled_image(image: ImageArray) -> ImageArray:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((SIZE[1], SIZE[0]), Image.Resampling.BICUBIC))


def _doubled_points(points: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Each point in one of the four pixels that its own becomes."""
    rows, columns = np.nonzero(points)
    doubled = np.zeros(SIZE, np.float32)
    shift = generator.integers(0, 2, (2, rows.size))
    doubled[2 * rows + shift[0], 2 * columns + shift[1]] = points[rows, columns]
    return doubled


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))


def _triple(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
