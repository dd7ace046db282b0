"""What reproducing the published table needs, as fixtures: weights under the published names, and two lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def published_data(tmp_path: Path, kbnet_home: Path) -> Path:
    """A folder of data sets with four test frames of VOID 1500, 2 m ahead, and three of KITTI, without ground truth.

    Weights void1500 and kitti, of small random networks, are in ``kbnet_home``.
    """
    from kbnet.frames.depth_png import write_depth_png
    from kbnet.frames.frame_list import FrameFiles, write_frame_list
    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet
    from kbnet.weights.depth_network import save_network

    small = {"image_filters": (4,) * 6, "depth_filters": (4,) * 6, "decoder_filters": (4,) * 5}
    for name, preset in (("void1500", "void"), ("kitti", "kitti")):
        network = KBNet(KBNetConfig.preset(preset, **small))
        save_network(network, kbnet_home / "weights" / f"{name}.safetensors")

    data = tmp_path / "data"
    depth = np.full((40, 48), 2, np.float32)
    points = np.zeros_like(depth)
    points[::4, ::4] = 2
    for name, count, truth in (("void/void_1500_test", 4, True), ("kitti/test", 3, False)):
        folder = data / name
        folder.mkdir(parents=True)
        Image.fromarray(np.zeros((40, 48, 3), np.uint8)).save(folder / "image.png")
        (folder / "K.txt").write_text("50 0 24 0 50 20 0 0 1")
        write_depth_png(folder / "points.png", points)
        write_depth_png(folder / "truth.png", depth)
        image, intrinsics, sparse_depth, ground_truth = (
            str(folder / file) for file in ("image.png", "K.txt", "points.png", "truth.png")
        )
        frames = [
            FrameFiles(f"{index:010}", image, intrinsics, sparse_depth, ground_truth=ground_truth if truth else "")
            for index in range(count)
        ]
        write_frame_list(data / f"{name}.csv", frames)
    return data
