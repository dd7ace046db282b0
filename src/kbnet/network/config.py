"""Config of KBNet: everything that defines a network besides its weights. It is stored in every weights file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from kbnet.errors import KBNetError, check_finite_numbers

PRESETS = ("void", "kitti")


def check_depth_range(min_depth: float, max_depth: float) -> None:
    """Check the depth range of a network, metres.

    Raises:
        KBNetError: not 0 < min_depth < max_depth.
    """
    if not 0 < min_depth < max_depth:
        raise KBNetError(f"expected 0 < min_depth < max_depth in metres, got {min_depth} and {max_depth}")


def check_pool_sizes(name: str, sizes: tuple[int, ...]) -> None:
    """Check the windows of a network's pools, pixels.

    Raises:
        KBNetError: the sizes are not ascending odd numbers of at least 3.
    """
    if not sizes or any(size % 2 == 0 or size < 3 for size in sizes) or list(sizes) != sorted(set(sizes)):
        raise KBNetError(f"expected {name} as ascending odd window sizes of at least 3, got {sizes}")


@dataclass(frozen=True)
class KBNetConfig:
    """Architecture, depth range and preprocessing of a KBNet. The defaults are the published VOID network."""

    caps_points: ClassVar[bool] = False
    """As of :class:`kbnet.network.siblings.config.SiblingConfig`."""

    min_pool_sizes: tuple[int, ...] = (15, 17)
    """Windows of the minimum pools over measured points, odd and ascending, pixels."""
    max_pool_sizes: tuple[int, ...] = (23, 27, 29)
    """Windows of the maximum pools, odd and ascending, pixels."""
    min_depth: float = 0.1
    """Nearest depth the network can express, metres."""
    max_depth: float = 8.0
    """Farthest depth the network can express, metres."""
    intrinsics_scaling: Literal["exact", "published"] = "exact"
    """K at lower resolutions. exact: by 2^-l. published: by the ratio of the first halving at every lower level."""
    scaffold: Literal["none", "linear", "continued"] = "none"
    """none: as published. linear: interpolation; nearest point outside the hull. continued: extrapolation there."""
    # continued: planes through the outermost points, outside the convex hull.

    residual: Literal["plain", "affine"] = "plain"
    """Dense head, s: scaffold. plain: s * exp(r). affine: a * s + b."""
    # affine: as in FusionNet; a in 0.25..4, b in metres; two output channels.

    resolution: Literal["full", "half"] = "full"
    """half: the network works at half of width and height; its result is upsampled. Needs a scaffold."""
    outlier_rule: Literal["window", "support"] = "window"
    """window: as published, reject points behind the nearest in a window. support: those without agreeing neighbour."""
    outlier_window: int = 7
    """Window size of the rule window, odd, pixels."""
    outlier_threshold: float = 1.5
    """The rule window rejects a point farther by this than the nearest in its window, metres."""
    image_filters: tuple[int, ...] = (48, 48, 96, 192, 384, 384)
    """Channels of the image branch: full resolution, four backprojection levels, latent."""
    depth_filters: tuple[int, ...] = (16, 16, 32, 64, 128, 128)
    """Channels of the depth branch, in the same order."""
    decoder_filters: tuple[int, ...] = (256, 128, 128, 64, 12)
    """Channels of the decoder, lowest resolution first."""
    weight_init: Literal["xavier", "kaiming"] = "xavier"
    """Initial weights: Xavier normal as published, or Kaiming normal, which preserves the scale of features."""
    normalisation: Literal["none", "batch"] = "none"
    """none: as published. batch: a BatchNorm after every convolution, folded into it for inference."""
    working_side: int = 0
    """Longer side of the frame during completion, about, pixels; the result is of the frame's size. 0 = full size."""
    # kbnet.network.working_size gives the factors: frames of 1.5 times this are reduced, frames of half of it enlarged.
    head: Literal["dense", "propagation"] = "dense"
    """dense: depth or residual per pixel. propagation: the scaffold is propagated along learnt offsets."""
    trunk_filters: tuple[int, ...] = (32, 80, 128, 160)
    """Channels of the trunk at 1/2, 1/4, 1/8, 1/16 of the network's resolution."""
    feature_filters: tuple[int, ...] = (128, 80, 48)
    """Channels of the trunk's decoder at 1/8, 1/4, 1/2; the last is what the head reads."""
    image_features: Literal["none", "efficientnet-lite0"] = "none"
    """Pretrained ImageNet features as further input of the trunk; stored in the weights file."""
    error: Literal["none", "predicted"] = "none"
    """predicted: the propagation network also predicts the expected error of its depth."""
    propagation_steps: int = 4
    """Number of propagation steps."""
    propagation_taps: Literal[9, 25] = 9
    """Positions that depth is sampled from: a grid of 3x3 or 5x5."""
    propagation_reach: float = 12.0
    """Largest learnt offset of a tap, pixels at half of the network's resolution."""

    def __post_init__(self) -> None:
        tuples = ("min_pool_sizes", "max_pool_sizes", "image_filters", "depth_filters", "decoder_filters")
        for name in (*tuples, "trunk_filters", "feature_filters"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_finite_numbers(self)
        for name in ("min_pool_sizes", "max_pool_sizes"):
            check_pool_sizes(name, getattr(self, name))
        check_depth_range(self.min_depth, self.max_depth)
        if self.halvings and self.scaffold == "none":
            raise KBNetError("expected a scaffold for resolution half, got scaffold none; set scaffold to linear")
        if self.outlier_window % 2 == 0 or self.outlier_window < 1 or self.outlier_threshold <= 0:
            raise KBNetError(
                f"expected an odd outlier_window and a positive outlier_threshold, "
                f"got {self.outlier_window} and {self.outlier_threshold}"
            )
        if self.working_side < 0:
            raise KBNetError(f"expected working_side of at least 0 pixels, got {self.working_side}; 0 turns it off")
        counts = {
            "image_filters": 6,
            "depth_filters": 6,
            "decoder_filters": 5,
            "trunk_filters": 4,
            "feature_filters": 3,
        }
        for name, count in counts.items():
            filters = getattr(self, name)
            if len(filters) != count or min(filters) < 1:
                raise KBNetError(f"expected {count} positive channel counts in {name}, got {filters}")

        self._check_propagation()

    def _check_propagation(self) -> None:
        if self.head == "propagation" and (self.scaffold == "none" or self.normalisation == "none"):
            raise KBNetError(
                f"expected a scaffold and normalisation batch for head propagation, got scaffold {self.scaffold} and "
                f"normalisation {self.normalisation}; set scaffold to continued and normalisation to batch"
            )
        if self.head == "propagation" and self.residual != "plain":
            raise KBNetError(
                f"expected residual plain with head propagation, which has no such residual, got {self.residual}"
            )
        if self.head == "dense" and (self.image_features != "none" or self.predicts_error):
            raise KBNetError(
                f"expected head propagation with image_features {self.image_features} and error {self.error}, "
                "got head dense; set head to propagation"
            )
        if self.propagation_steps < 1 or self.propagation_taps not in (9, 25) or self.propagation_reach <= 0:
            raise KBNetError(
                f"expected propagation_steps of at least 1, propagation_taps of 9 or 25 and a positive "
                f"propagation_reach, got {self.propagation_steps}, {self.propagation_taps}, {self.propagation_reach}"
            )

    @property
    def predicts_error(self) -> bool:
        """Whether the network predicts the expected error of its depth."""
        return self.error == "predicted"

    @property
    def has_dense_scaffold(self) -> bool:
        """Whether there is a scaffold, which is known everywhere."""
        return self.scaffold != "none"

    @property
    def halvings(self) -> int:
        """Number of times the input is halved before the network."""
        return int(self.resolution == "half")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> KBNetConfig:
        """Config of a published preset, ``void`` or ``kitti``, with changes.

        Raises:
            KBNetError: no preset of that name.
        """
        if name == "void":
            return cls(**changes)
        if name == "kitti":
            kitti: dict[str, Any] = {
                "min_pool_sizes": (5, 7, 9, 11, 13),
                "max_pool_sizes": (15, 17),
                "min_depth": 1.5,
                "max_depth": 100.0,
            }
            return cls(**(kitti | changes))
        raise KBNetError(f"expected one of the presets {', '.join(PRESETS)}, got '{name}'")

    def to_dict(self) -> dict[str, Any]:
        """Config as plain values, for JSON and TOML."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> KBNetConfig:
        """Config from plain values; the inverse of :meth:`to_dict`.

        Raises:
            KBNetError: a key is unknown, or a value is out of range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in values.items() if name != "trunk"}  # of earlier files; the head has it
        if unknown := sorted(set(values) - known):
            raise KBNetError(
                f"unknown key {', '.join(unknown)} in a network config; known are {', '.join(sorted(known))}"
            )
        return cls(**values)
