"""Construction of a depth network of any system from its config."""

from __future__ import annotations

from kbnet.network.depth_network import DepthNetwork
from kbnet.network.kbnet import KBNet
from kbnet.network.siblings.config import FusionNetConfig, NetworkConfig, ScaffNetConfig, VoicedConfig
from kbnet.network.siblings.fusionnet import FusionNet
from kbnet.network.siblings.scaffnet import ScaffNet
from kbnet.network.siblings.voiced import Voiced


def network_of(config: NetworkConfig) -> DepthNetwork:
    """Build a KBNet, VOICED, ScaffNet or FusionNet with initial weights."""
    if isinstance(config, VoicedConfig):
        return Voiced(config)
    if isinstance(config, ScaffNetConfig):
        return ScaffNet(config)
    if isinstance(config, FusionNetConfig):
        return FusionNet(config)
    return KBNet(config)
