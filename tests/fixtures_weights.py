"""Published weights as fixtures: archives in exactly the published layout."""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

Checkpoint = dict[str, Any]

MEMBERS = ("kitti/kbnet-kitti.pth", "kitti/posenet-kitti.pth", "void/kbnet-void1500.pth", "void/posenet-void1500.pth")


@pytest.fixture(scope="session")
def pretrained_models(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """``pretrained_models.zip`` made of the recorded checkpoints, so that VOID's weights give the recorded results.

    KITTI's have other pools, and so other random weights behind those.
    """
    import torch

    from kbnet.weights.published import read_published

    depth, pose = (shared / "golden" / name for name in ("kbnet-void-seed1.pth", "posenet-seed3.pth"))
    folder = tmp_path_factory.mktemp("pretrained_models")
    kitti = read_published(depth)
    generator = torch.Generator().manual_seed(0)
    kitti["sparse_to_dense_pool_state_dict"]["module.pool_convs.0.conv.weight"] = (
        torch.randn(8, 7, 1, 1, generator=generator) / 3
    )
    torch.save(kitti, folder / "kbnet-kitti.pth")
    files = (folder / "kbnet-kitti.pth", pose, depth, pose)
    return _zipped(folder / "pretrained_models.zip", files)


@pytest.fixture(scope="session")
def random_pretrained_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of fresh networks, which needs nothing beside the checkout."""
    import torch

    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet
    from kbnet.network.pose_net import PoseNet

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("random_pretrained_models")
    files = []
    for member in MEMBERS:
        preset = "kitti" if "kitti" in member else "void"
        network = PoseNet() if "posenet" in member else KBNet(KBNetConfig.preset(preset))
        files.append(folder / Path(member).name)
        torch.save(published_checkpoint(network), files[-1])
    return _zipped(folder / "pretrained_models.zip", tuple(files))


def published_checkpoint(network: Any) -> Checkpoint:
    """The weights of a KBNet or PoseNet under their published names, without those that nothing reads."""
    from kbnet.network.kbnet import KBNet
    from kbnet.weights.published import depth_names, pose_names

    names = depth_names() if isinstance(network, KBNet) else pose_names()
    state = network.state_dict()
    checkpoint: Checkpoint = {"train_step": 1234, "optimizer_state_dict": {}}
    for theirs, ours in names.items():
        if ours is not None:
            group, _, name = theirs.partition(".")
            tensors = checkpoint.setdefault(f"{group}_state_dict", OrderedDict())
            tensors[f"module.{name}"] = state[ours]
    return checkpoint


def _zipped(archive: Path, files: tuple[Path, ...]) -> Path:
    with zipfile.ZipFile(archive, "w") as target:  # stored: random numbers do not get smaller
        for member, file in zip(MEMBERS, files, strict=True):
            target.write(file, member)
    return archive
