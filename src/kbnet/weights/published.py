"""Published checkpoints of KBNet (published system, section 8), VOICED, ScaffNet and FusionNet: names to ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from kbnet.errors import KBNetError
from kbnet.network.config import PRESETS
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.network.siblings.config import VoicedConfig
from kbnet.network.siblings.fusionnet import FusionNet
from kbnet.network.siblings.scaffnet import ScaffNet
from kbnet.network.siblings.voiced import Voiced
from kbnet.weights.pickle_file import load_pickle
from kbnet.weights.published_content import SCAFFNET_GROUPS, content_of
from kbnet.weights.safetensors_file import DEPTH_FORMAT, NETWORKS, POSE_FORMAT, check_dense, check_finite, misfit

Checkpoint = dict[str, Any]
_DEPTH_GROUPS = ("sparse_to_dense_pool_state_dict", "encoder_state_dict", "decoder_state_dict")
_POSE_GROUPS = ("encoder_state_dict", "decoder_state_dict")
Sibling = Voiced | ScaffNet | FusionNet
_SCAFFNET_GROUPS = dict(zip(("pool.convolutions", "encoder", "decoder"), SCAFFNET_GROUPS, strict=True))
_SIBLING_GROUPS: dict[type[nn.Module], dict[str, str]] = {
    Voiced: {"encoder.image": "encoder_image", "encoder.depth": "encoder_depth", "decoder": "decoder"},
    ScaffNet: _SCAFFNET_GROUPS,
    FusionNet: {
        "encoder.image": "fusionnet_encoder_image",
        "encoder.depth": "fusionnet_encoder_depth",
        "decoder": "fusionnet_decoder",
        **{f"scaffnet.{ours}": theirs for ours, theirs in _SCAFFNET_GROUPS.items()},
    },
}
"""Published group without ``_state_dict`` by our module."""


def read_published(path: Path) -> Checkpoint:
    """Read a published ``.pth`` without running any code in it.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file is damaged, holds more than tensors and plain values, or is no dictionary.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no weights file {path}; check the path")
    try:
        checkpoint = load_pickle(path)
    except Exception as error:  # torch raises many types for damaged and unsafe pickles
        # torch's message is not shown: it recommends unsafe loading.
        raise KBNetError(
            f"expected a checkpoint of tensors in {path}, but it is damaged or holds code, which is never run; "
            "fetch the file again from a source you trust"
        ) from error
    if not isinstance(checkpoint, dict):
        raise KBNetError(f"expected a published checkpoint (a dictionary) in {path}, got a {type(checkpoint).__name__}")
    return checkpoint


def fill_published(network: DepthNetwork, checkpoint: Checkpoint, *, origin: str = "the checkpoint") -> None:
    """Load the weights of a published checkpoint into a network.

    The unused image branch of KBNet's fourth backprojection layer is dropped.

    Args:
        network: network to fill; its config must be that of the checkpoint.
        origin: name of the checkpoint in errors.

    Raises:
        KBNetError: the checkpoint is of another network or does not fit; every name that does not is named, as
            published.
    """
    if isinstance(network, KBNet):
        _check_content(checkpoint, ("kbnet", "unknown"), NETWORKS[DEPTH_FORMAT], origin)
        presets = ", ".join(PRESETS)
        remedy = f"was it trained with another preset (there are {presets}), or is it of another architecture?"
        fill(network, tensors_of(checkpoint, _DEPTH_GROUPS), depth_names(), origin, remedy)
    else:
        assert isinstance(network, Sibling)
        _check_sibling(network, checkpoint, origin)
        groups = tuple(f"{group}_state_dict" for group in _SIBLING_GROUPS[type(network)].values())
        remedy = "is it of another version, or trained with other settings?"
        fill(network, tensors_of(checkpoint, groups), sibling_names(network), origin, remedy)


def fill_pose_network(network: PoseNet, checkpoint: Checkpoint, *, origin: str = "the checkpoint") -> None:
    """Load a published PoseNet checkpoint of KBNet, or of VOICED and FusionNet, into a network.

    The unused projections of blocks with equal shapes are dropped.

    Args:
        network: network to fill, with the encoder ``resnet18``, or ``plain`` for the siblings' checkpoint.
        origin: name of the checkpoint in errors.

    Raises:
        KBNetError: the checkpoint does not fit; every name that does not is named, as published.
    """
    _check_content(checkpoint, ("pose", "plain-pose", "unknown"), NETWORKS[POSE_FORMAT], origin)
    remedy = f"is it of another architecture, not of the encoder {network.encoder_name}?"
    names = plain_pose_names() if network.encoder_name == "plain" else pose_names()
    fill(network, tensors_of(checkpoint, _POSE_GROUPS), names, origin, remedy)


def _check_content(checkpoint: Checkpoint, allowed: tuple[str, ...], wanted: str, origin: str) -> None:
    content = content_of(checkpoint)
    if content.system not in allowed:
        presets = f"; its preset is {' or '.join(content.presets)}" if content.presets else ""
        raise KBNetError(f"expected weights of a {wanted}, but {origin} holds {content.words}{presets}")


def tensors_of(checkpoint: Checkpoint, groups: tuple[str, ...]) -> dict[str, Any]:
    """Tensors of groups as '<group>.<name>', without the prefix 'module.'; a missing group is empty."""
    found = {group: checkpoint.get(group) for group in groups}
    if not any(isinstance(tensors, dict) for tensors in found.values()):
        raise KBNetError(
            f"expected a published checkpoint with the groups {', '.join(groups)}, but it has none of them "
            f"(it has {', '.join(map(str, checkpoint)) or 'nothing'}); was this file saved by another program?"
        )
    return {
        f"{group.removesuffix('_state_dict')}.{str(name).removeprefix('module.')}": tensor
        for group, tensors in found.items()
        if isinstance(tensors, dict)
        for name, tensor in tensors.items()
    }


def fill(
    network: nn.Module, tensors: dict[str, Any], names: Mapping[str, str | None], origin: str, remedy: str
) -> None:
    """Load tensors with published names into a network.

    Args:
        names: our name by published name; None for unused tensors.
        origin, remedy: text before and after the names in an error.

    Raises:
        KBNetError: some do not fit, are not dense, or hold NaN or infinity.
    """
    check_dense(tensors, origin)
    read = {theirs: ours for theirs, ours in names.items() if ours is not None}
    stored = {theirs: tensor for theirs, tensor in tensors.items() if theirs in read or theirs not in names}
    shapes = {ours: tuple(tensor.shape) for ours, tensor in network.state_dict().items()}
    if described := misfit({theirs: shapes[ours] for theirs, ours in read.items()}, stored):
        raise KBNetError(f"{origin} does not fit this {type(network).__name__}: {described}; {remedy}")
    check_finite(stored, origin)
    state: dict[str, Tensor] = {read[theirs]: tensor for theirs, tensor in stored.items()}
    network.load_state_dict(state)


def depth_names() -> dict[str, str | None]:
    """Our name of every published weight of KBNet; None for unused weights."""
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


def pose_names() -> dict[str, str | None]:
    """Our name of every published weight of PoseNet; None for unused weights."""
    names: dict[str, str | None] = {"decoder.conv.2.conv.weight": "head.2.weight"}
    layers = {"encoder.conv1": "stem", "decoder.conv.0": "head.0", "decoder.conv.1": "head.1"}
    for stage in range(4):
        for block in range(2):
            theirs, ours = f"encoder.blocks{stage + 2}.{block}", f"stages.{stage}.{block}"
            layers |= {f"{theirs}.conv1": f"{ours}.first", f"{theirs}.conv2": f"{ours}.second"}
            names[f"{theirs}.projection.conv.weight"] = f"{ours}.projection.weight" if block == 0 else None
    return names | _normalised_names(layers)


def plain_pose_names() -> dict[str, str | None]:
    """Our name of every published weight of the seven-layer PoseNet."""
    layers = {"encoder.conv1": "stem"} | {f"encoder.conv{i + 2}": f"stages.{i}" for i in range(6)}
    return {"decoder.conv.conv.weight": "head.0.weight"} | _normalised_names(layers)


def _normalised_names(layers: Mapping[str, str]) -> dict[str, str | None]:
    """Our names of normalised convolutions by published names."""
    names: dict[str, str | None] = {}
    for theirs, ours in layers.items():
        names[f"{theirs}.conv.weight"] = f"{ours}.convolution.weight"
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            names[f"{theirs}.batch_norm.{name}"] = f"{ours}.normalisation.{name}"
    return names


def _check_sibling(network: Sibling, checkpoint: Checkpoint, origin: str) -> None:
    config, content = network.config, content_of(checkpoint)
    wanted = {"voiced": "VOICED", "scaffnet": "ScaffNet", "fusionnet": "FusionNet"}[config.system]
    if isinstance(config, VoicedConfig):
        wanted += f" with {config.encoder_layers}-layer encoders"
    if content.words != wanted:
        presets = content.presets if content.system != config.system else []
        remedy = f"; its preset is {' or '.join(presets)}" if presets else ""
        raise KBNetError(f"expected weights of {wanted}, but {origin} holds {content.words}{remedy}")


def sibling_names(network: Sibling) -> dict[str, str]:
    """Our name of every published tensor of a sibling."""
    groups: Mapping[str, str] = _SIBLING_GROUPS[type(network)]
    names = {}
    for ours in network.state_dict():
        module = next(module for module in groups if ours.startswith(f"{module}."))
        inner = ours.removeprefix(f"{module}.")
        names[f"{groups[module]}.{_published_name(module, inner, network)}"] = ours
    return names


def _published_name(module: str, inner: str, network: nn.Module) -> str:
    """Published name of a tensor in a group: ``levels.2.1.weight`` is ``conv3.conv_block.1.conv.weight``."""
    layer, tensor = re.fullmatch(r"(.*?)\.?((?:normalisation\.)?\w+)", inner).groups()  # type: ignore[union-attr]
    tensor = tensor.replace("normalisation.", "batch_norm.") if "." in tensor else f"conv.{tensor}"
    if module.endswith("pool.convolutions"):
        named = f"convs.{layer}"
    elif layer == "output":
        named = "output1" if isinstance(network, Voiced) else "output0"
    else:
        _, level, part = layer.split(".")
        if module.endswith("decoder"):
            named = f"deconv{4 - int(level)}.{'deconv.conv' if part == 'up_convolution' else 'conv'}"
        else:
            named = f"conv{int(level) + 1}" + (f".conv_block.{part}" if int(level) else "")
    return f"{named}.{tensor}"
