"""A small COLMAP workspace of a known scene: points on a wall and a post, seen by a camera that moves to the right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WriteWorkspace = Callable[..., Path]

PARAMETERS = {
    "PINHOLE": [60, 62, 32.5, 25],
    "SIMPLE_RADIAL": [60, 32.5, 25, -0.1],
    "OPENCV": [60, 62, 32.5, 25, -0.2, 0.05, 0.001, -0.002],
    "OPENCV_FISHEYE": [60, 62, 32.5, 25, 0.01, -0.005, 0.002, -0.001],
    "FOV": [60, 62, 32.5, 25, 0.5],
}


def scene_points() -> np.ndarray:
    """(60, 3) in the world: a wall 4 m away, and a post 2 m away before it."""
    generator = np.random.default_rng(0)
    points = np.c_[generator.uniform(-1.2, 1.2, 60), generator.uniform(-0.9, 0.9, 60), np.full(60, 4.0)]
    points[45:, 0], points[45:, 2] = points[45:, 0] / 10, 2
    return points


@pytest.fixture
def colmap_scene() -> np.ndarray:
    """The points of the scene in the world, (60, 3), metres."""
    return scene_points()


@pytest.fixture
def write_workspace(tmp_path: Path) -> WriteWorkspace:
    """Write it with pycolmap and return its folder.

    Image i, of 64x50 pixels, is at x = 0.1 i metres; one unit of the model is ``metres_a_unit``.
    """
    pycolmap = pytest.importorskip("pycolmap")

    def write(
        name: str = "workspace",
        *,
        model: str = "OPENCV",
        text: bool = False,
        metres_a_unit: float = 1.0,
        cameras: int = 1,
        images: int = 4,
        track: int | None = None,
        folder: str = "sparse/0",
    ) -> Path:
        reconstruction = pycolmap.Reconstruction()
        for camera_id in range(1, cameras + 1):
            camera = pycolmap.Camera(camera_id=camera_id, model=model, width=64, height=50, params=PARAMETERS[model])
            reconstruction.add_camera_with_trivial_rig(camera)
        tracks = [pycolmap.Track() for _ in scene_points()]
        keypoints: dict[int, list[np.ndarray]] = {}
        (tmp_path / name / "images" / "left").mkdir(parents=True)
        generator = np.random.default_rng(1)
        for image_id in range(1, images + 1):
            in_camera = scene_points() - [0.1 * (image_id - 1), 0, 0]
            pixels = camera.img_from_cam(in_camera)
            visible = ((pixels >= 0) & (pixels <= [64, 50])).all(axis=1)
            keypoints[image_id] = []
            for index in np.flatnonzero(visible):
                if track is None or image_id <= track:
                    tracks[index].add_element(image_id, len(keypoints[image_id]))
                keypoints[image_id].append(pixels[index])
            picture = generator.integers(0, 256, (50, 64, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / name / "images" / "left" / f"{image_id:03}.png")
            image = pycolmap.Image(
                name=f"left/{image_id:03}.png",
                keypoints=np.array(keypoints[image_id]),
                camera_id=min(image_id, cameras),
                image_id=image_id,
            )
            pose = pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([-0.1 * (image_id - 1), 0, 0]) / metres_a_unit)
            reconstruction.add_image_with_trivial_frame(image, pose)
        for xyz, elements in zip(scene_points() / metres_a_unit, tracks, strict=True):
            if elements.length() > 1:
                reconstruction.add_point3D(xyz, elements)
        reconstruction.update_point_3d_errors()
        (tmp_path / name / folder).mkdir(parents=True)
        (reconstruction.write_text if text else reconstruction.write_binary)(tmp_path / name / folder)
        return tmp_path / name

    return write
