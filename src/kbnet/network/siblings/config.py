"""Configs of the sibling systems; stored in every weights file.

The class variables define the preparation of the inputs. They have the names of
:class:`kbnet.network.config.KBNetConfig`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from kbnet.errors import KBNetError, check_finite_numbers
from kbnet.network.config import PRESETS, KBNetConfig, check_depth_range, check_pool_sizes


@dataclass(frozen=True)
class SiblingConfig:
    """Common settings of the siblings. There is no working size: frames of any size are completed at full size."""

    system: ClassVar[str]
    """Value of the key ``system`` of a stored config; KBNet has no such key."""
    outlier_rule: ClassVar[Literal["none", "window"]] = "none"
    outlier_window: ClassVar[int] = 7
    outlier_threshold: ClassVar[float] = 1.5
    scaffold: ClassVar[Literal["none", "hull"]] = "none"
    halvings: ClassVar[int] = 0
    working_side: ClassVar[int] = 0
    predicts_error: ClassVar[bool] = False
    has_dense_scaffold: ClassVar[bool] = False
    normalisation: ClassVar[Literal["none", "batch"]] = "none"
    """Of what is trained."""
    caps_points: ClassVar[bool] = False
    """Whether a point or ground truth farther than ``max_depth`` counts as ``max_depth``, in the losses too."""
    reads: ClassVar[tuple[str, ...]]
    """Inputs of :class:`kbnet.network.inputs.NetworkInputs` that the network reads."""

    min_depth: float = 0.1
    """Nearest depth the network can express, metres."""
    max_depth: float = 8.0
    """Farthest depth the network can express, metres."""

    def __post_init__(self) -> None:
        check_finite_numbers(self)
        check_depth_range(self.min_depth, self.max_depth)

    def to_dict(self) -> dict[str, Any]:
        """Config as plain values, for JSON, with the key ``system``."""
        return {"system": self.system, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class VoicedConfig(SiblingConfig):
    """Config of VOICED (Wong, Fei, Tsuei & Soatto, RA-L 2020). The scaffold is interpolated from all points."""

    system: ClassVar[str] = "voiced"
    scaffold: ClassVar[Literal["none", "hull"]] = "hull"
    reads: ClassVar[tuple[str, ...]] = ("image", "validity", "scaffold")

    encoder_layers: Literal[8, 11] = 11
    """Convolutions of each encoder; 11: two at each of the three lowest levels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder_layers not in (8, 11):
            raise KBNetError(f"expected encoder_layers 8 or 11, got {self.encoder_layers}")


@dataclass(frozen=True)
class ScaffNetConfig(SiblingConfig):
    """Config of ScaffNet (Wong, Cicek & Soatto, RA-L 2021); its only input is sparse depth."""

    system: ClassVar[str] = "scaffnet"
    normalisation: ClassVar[Literal["none", "batch"]] = "batch"
    caps_points: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("sparse_depth",)

    max_depth: float = 10.0
    """Farthest depth the network can express, metres. Farther points are set to it."""
    pool_sizes: tuple[int, ...] = (13, 17, 19, 21, 25)
    """Windows of the maximum pools, odd and ascending, pixels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "pool_sizes", tuple(self.pool_sizes))
        check_pool_sizes("pool_sizes", self.pool_sizes)


@dataclass(frozen=True)
class FusionNetConfig(SiblingConfig):
    """Config of FusionNet (Wong, Cicek & Soatto, RA-L 2021) and its inner ScaffNet, whose input has all points."""

    system: ClassVar[str] = "fusionnet"
    outlier_rule: ClassVar[Literal["none", "window"]] = "window"
    has_dense_scaffold: ClassVar[bool] = True
    caps_points: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("image", "sparse_depth", "validity")

    scaffnet: ScaffNetConfig = field(default_factory=ScaffNetConfig)
    """Config of the frozen inner ScaffNet."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.scaffnet, dict):
            object.__setattr__(self, "scaffnet", ScaffNetConfig(**self.scaffnet))
        if not isinstance(self.scaffnet, ScaffNetConfig):
            raise KBNetError(f"expected the config of a ScaffNet as scaffnet, got {self.scaffnet!r}")


PresetName = Literal[
    "void",
    "kitti",
    "voiced-void",
    "voiced-kitti",
    "scaffnet-scenenet",
    "scaffnet-vkitti",
    "fusionnet-void",
    "fusionnet-kitti",
]
"""Names of published settings: KBNet's, then those of the siblings."""

NetworkConfig: TypeAlias = KBNetConfig | VoicedConfig | ScaffNetConfig | FusionNetConfig

_VKITTI = ScaffNetConfig(min_depth=1.5, max_depth=80.0)

SIBLING_PRESETS: dict[str, VoicedConfig | ScaffNetConfig | FusionNetConfig] = {
    "voiced-void": VoicedConfig(),
    "voiced-kitti": VoicedConfig(min_depth=1.5, max_depth=100.0),
    "scaffnet-scenenet": ScaffNetConfig(),
    "scaffnet-vkitti": _VKITTI,
    "fusionnet-void": FusionNetConfig(),
    "fusionnet-kitti": FusionNetConfig(scaffnet=_VKITTI, min_depth=1.5, max_depth=100.0),
}
"""Published settings by name; published files do not contain depth limits and pools."""

_SYSTEMS: dict[str, type[NetworkConfig]] = {
    "kbnet": KBNetConfig,
    **{config.system: config for config in (VoicedConfig, ScaffNetConfig, FusionNetConfig)},
}


def config_from_dict(values: dict[str, Any]) -> NetworkConfig:
    """Config of any system from plain values; the inverse of ``to_dict``.

    Raises:
        KBNetError: a key is unknown, or a value is out of range.
    """
    if "system" not in values:
        return KBNetConfig.from_dict(values)
    rest = {key: value for key, value in values.items() if key != "system"}
    return config_class(values["system"])(**rest)


def config_class(system: str) -> type[NetworkConfig]:
    """The class of config of a system: ``kbnet``, ``voiced``, ``scaffnet`` or ``fusionnet``.

    Raises:
        KBNetError: no system of that name.
    """
    if system not in _SYSTEMS:
        raise KBNetError(f"expected one of the systems {', '.join(_SYSTEMS)}, got '{system}'")
    return _SYSTEMS[system]


def system_of(config: NetworkConfig) -> str:
    """The inverse of :func:`config_class`."""
    return "kbnet" if isinstance(config, KBNetConfig) else config.system


def preset_config(name: str) -> NetworkConfig:
    """Config of a published depth network: ``void`` and ``kitti`` for KBNet, and the presets of the siblings.

    Raises:
        KBNetError: no preset of that name.
    """
    if name in SIBLING_PRESETS:
        return SIBLING_PRESETS[name]
    if name not in PRESETS:
        raise KBNetError(f"expected one of the presets {', '.join((*PRESETS, *SIBLING_PRESETS))}, got '{name}'")
    return KBNetConfig.preset(name, intrinsics_scaling="published")
