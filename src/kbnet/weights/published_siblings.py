"""Published checkpoints of VOICED, ScaffNet and FusionNet: mapping of their names to ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import nn

from kbnet.errors import KBNetError
from kbnet.network.siblings.config import VoicedConfig
from kbnet.network.siblings.fusionnet import FusionNet
from kbnet.network.siblings.scaffnet import ScaffNet
from kbnet.network.siblings.voiced import Voiced
from kbnet.weights.published import Checkpoint, fill, tensors_of
from kbnet.weights.published_content import SCAFFNET_GROUPS, content_of

Sibling = Voiced | ScaffNet | FusionNet

_SCAFFNET_GROUPS = dict(zip(("pool.convolutions", "encoder", "decoder"), SCAFFNET_GROUPS, strict=True))
_GROUPS: dict[type[nn.Module], dict[str, str]] = {
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


def fill_sibling(network: Sibling, checkpoint: Checkpoint, *, origin: str = "the checkpoint") -> None:
    """Load the weights of a published checkpoint into a network.

    Args:
        network: network to fill; its config must be that of the checkpoint.
        checkpoint: result of :func:`kbnet.weights.published.read_published`.
        origin: name of the checkpoint in errors.

    Raises:
        KBNetError: the checkpoint is of another network or does not fit.
    """
    config, content = network.config, content_of(checkpoint)
    wanted = {"voiced": "VOICED", "scaffnet": "ScaffNet", "fusionnet": "FusionNet"}[config.system]
    if isinstance(config, VoicedConfig):
        wanted += f" with {config.encoder_layers}-layer encoders"
    if content.words != wanted:
        presets = content.presets if content.system != config.system else []
        remedy = f"; its preset is {' or '.join(presets)}" if presets else ""
        raise KBNetError(f"expected weights of {wanted}, but {origin} holds {content.words}{remedy}")
    names = sibling_names(network)
    groups = tuple(f"{group}_state_dict" for group in _GROUPS[type(network)].values())
    remedy = "is it of another version, or trained with other settings?"
    fill(network, tensors_of(checkpoint, groups), names, origin, remedy)


def sibling_names(network: Sibling) -> dict[str, str]:
    """Our name of every published tensor of a sibling."""
    groups: Mapping[str, str] = _GROUPS[type(network)]
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
