"""Recognition of published checkpoints (KBNet, VOICED, ScaffNet, FusionNet, pose networks) by groups and names."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from kbnet.network.config import PRESETS
from kbnet.network.siblings.config import SIBLING_PRESETS

SCAFFNET_GROUPS = ("spatial_pyramid_pool", "scaffnet_encoder", "scaffnet_decoder_depth")
"""Groups of ScaffNet without ``_state_dict``; a FusionNet file has them too."""


class Content(NamedTuple):
    """Content of a published checkpoint.

    Attributes:
        system: system of the depth network; ``pose``: KBNet's pose network; ``plain-pose``: the siblings' pose network.
        words: description for messages, with the variant.
    """

    system: Literal["kbnet", "voiced", "scaffnet", "fusionnet", "pose", "plain-pose", "unknown"]
    words: str

    @property
    def presets(self) -> list[str]:
        """Possible presets of a depth network of this system."""
        if self.system == "kbnet":
            return list(PRESETS)
        return [name for name, config in SIBLING_PRESETS.items() if config.system == self.system]

    @property
    def is_pose_network(self) -> bool:
        """Whether it is a pose network of either kind."""
        return self.system in ("pose", "plain-pose")


def content_of(checkpoint: dict[str, Any]) -> Content:
    """Recognise a checkpoint from `kbnet.weights.published.read_published`."""
    groups = {str(key).removesuffix("_state_dict"): value for key, value in checkpoint.items()}
    if "sparse_to_dense_pool" in groups:
        return Content("kbnet", "KBNet (depth)")
    if "fusionnet_decoder" in groups:
        whole = all(group in groups for group in SCAFFNET_GROUPS)
        return Content("fusionnet", "FusionNet" if whole else "FusionNet without the ScaffNet that it needs inside")
    if "scaffnet_encoder" in groups:
        return Content("scaffnet", "ScaffNet")
    if "encoder_image" in groups:
        deep = any(".conv_block.1." in name for name in _names(groups["encoder_image"]))
        return Content("voiced", f"VOICED with {11 if deep else 8}-layer encoders")
    names = _names(groups.get("encoder"))
    if "conv7.conv.weight" in names:
        return Content("plain-pose", "the seven-layer PoseNet of VOICED and FusionNet (pose)")
    if "conv1.conv.weight" in names:
        return Content("pose", "PoseNet (pose)")
    return Content("unknown", "none of the published networks")


def _names(group: object) -> set[str]:
    return {str(name).removeprefix("module.") for name in group} if isinstance(group, dict) else set()
