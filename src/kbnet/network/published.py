"""The published checkpoint layout: which of its names is which of ours (published system, section 8)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Group = dict[str, Tensor]

_DEPTH_GROUPS = ("sparse_to_dense_pool_state_dict", "encoder_state_dict", "decoder_state_dict")
_POSE_GROUPS = ("encoder_state_dict", "decoder_state_dict")


def read_published(path: Path) -> dict[str, Any]:
    """Read a published ``.pth`` without running any code in it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, holds more than tensors and plain values, or is no dictionary.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no weights file {path}; check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's doubts about a file that is refused anyway, if they are founded
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged and for unsafe pickles
        # Its own message is left out: it advises to load such a file unsafely.
        raise ValueError(
            f"expected a checkpoint of tensors in {path}, but it is damaged or holds code, which is never run; "
            "fetch the file again from a source you trust"
        ) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f"expected a published checkpoint (a dictionary) in {path}, got a {type(checkpoint).__name__}")
    return checkpoint


def depth_state_from_published(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """State dict of :class:`kbnet.network.kbnet.KBNet` from a published KBNet checkpoint.

    The image branch of the fourth backprojection layer, which nothing reads, is left behind.

    Raises:
        ValueError: a key has no counterpart, or a group is missing.
    """
    return _rename(_flatten(checkpoint, _DEPTH_GROUPS), _depth_names())


def pose_state_from_published(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """State dict of :class:`kbnet.network.pose_net.PoseNet` from a published PoseNet checkpoint.

    The projections of blocks that keep their shape, which nothing reads, are left behind.

    Raises:
        ValueError: a key has no counterpart, or a group is missing.
    """
    return _rename(_flatten(checkpoint, _POSE_GROUPS), _pose_names())


def _flatten(checkpoint: dict[str, Any], groups: tuple[str, ...]) -> Group:
    """All tensors under '<group>.<name>', without the 'module.' of every name."""
    if missing := [group for group in groups if not isinstance(checkpoint.get(group), dict)]:
        raise ValueError(
            f"expected a published checkpoint with the groups {', '.join(groups)}, but {', '.join(missing)} "
            f"is missing (it has {', '.join(map(str, checkpoint))}); was this file saved by another program?"
        )
    return {
        f"{group.removesuffix('_state_dict')}.{name.removeprefix('module.')}": tensor
        for group in groups
        for name, tensor in checkpoint[group].items()
    }


def _rename(tensors: Group, names: dict[str, str | None]) -> Group:
    if unknown := sorted(tensors.keys() - names.keys()):
        raise ValueError(
            f"the checkpoint holds {', '.join(unknown)}, which this network does not have: "
            "it is of another architecture"
        )
    return {ours: tensor for theirs, tensor in tensors.items() if (ours := names[theirs]) is not None}


def _depth_names() -> dict[str, str | None]:
    names: dict[str, str | None] = {
        "sparse_to_dense_pool.conv.conv.weight": "pool.convolution.weight",
        "encoder.conv0_image.conv.weight": "encoder.image_stem.weight",
        "encoder.conv0_depth.conv.weight": "encoder.depth_stem.weight",
        "encoder.conv5_image.conv_block.0.conv.weight": "encoder.image_latent.weight",
        "encoder.conv5_depth.conv_block.0.conv.weight": "encoder.depth_latent.weight",
        "decoder.output0.conv.weight": "decoder.output.weight",
    }
    for i in range(3):
        names[f"sparse_to_dense_pool.pool_convs.{i}.conv.weight"] = f"pool.pool_convolutions.{i}.weight"
    for level in range(4):
        theirs, ours = f"encoder.calibrated_backprojection{level + 1}", f"encoder.backprojections.{level}"
        unread = level == 3
        names[f"{theirs}.conv_image.conv_block.0.conv.weight"] = None if unread else f"{ours}.image_convolution.weight"
        names[f"{theirs}.conv_depth.conv_block.0.conv.weight"] = f"{ours}.depth_convolution.weight"
        names[f"{theirs}.proj_depth.conv.weight"] = f"{ours}.depth_projection.weight"
        names[f"{theirs}.conv_fused.conv.weight"] = f"{ours}.fused_convolution.weight"
    for level in range(5):
        theirs, ours = f"decoder.deconv{4 - level}", f"decoder.levels.{level}"
        names[f"{theirs}.deconv.conv.conv.weight"] = f"{ours}.up_convolution.weight"
        names[f"{theirs}.conv.conv.weight"] = f"{ours}.convolution.weight"
    return names


def _pose_names() -> dict[str, str | None]:
    names: dict[str, str | None] = {"decoder.conv.2.conv.weight": "head.2.weight"}
    layers = {"encoder.conv1": "stem", "decoder.conv.0": "head.0", "decoder.conv.1": "head.1"}
    for stage in range(4):
        for block in range(2):
            theirs, ours = f"encoder.blocks{stage + 2}.{block}", f"stages.{stage}.{block}"
            layers |= {f"{theirs}.conv1": f"{ours}.first", f"{theirs}.conv2": f"{ours}.second"}
            names[f"{theirs}.projection.conv.weight"] = f"{ours}.projection.weight" if block == 0 else None
    for theirs, ours in layers.items():
        names[f"{theirs}.conv.weight"] = f"{ours}.convolution.weight"
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            names[f"{theirs}.batch_norm.{name}"] = f"{ours}.normalisation.{name}"
    return names
