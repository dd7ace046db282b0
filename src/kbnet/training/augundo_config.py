"""Config of AugUndo; :mod:`kbnet.training.augundo` applies it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from kbnet.errors import KBNetError, check_finite_numbers


@dataclass(frozen=True)
class AugUndoConfig:
    """AugUndo: augmentation of the depth network's input that is undone in its depth. The ranges are published.

    By default all are off. Each has its own probability, independent of the schedule of the other augmentation.
    """

    brightness: tuple[float, float] = (0.5, 1.5)
    """Range of the factor of all colours."""
    brightness_probability: float = 0.0
    """Probability of changing brightness."""
    contrast: tuple[float, float] = (0.5, 1.5)
    """Range of the factor of the distance to the image's mean grey."""
    contrast_probability: float = 0.0
    """Probability of changing contrast."""
    saturation: tuple[float, float] = (0.5, 1.5)
    """Range of the factor of the distance to each pixel's own grey."""
    saturation_probability: float = 0.0
    """Probability of changing saturation."""
    hue: tuple[float, float] = (-0.1, 0.1)
    """Range of the rotation of the hue, turns of the colour wheel."""
    hue_probability: float = 0.0
    """Probability of changing the hue."""
    erase: tuple[float, float] = (0.001, 0.005)
    """Range of the share of the image that is made black, in square patches that may overlap."""
    erase_probability: float = 0.0
    """Probability of erasing."""
    erase_patch: int = 5
    """Side of an erased patch, odd, pixels."""
    flip_horizontal: float = 0.0
    """Probability of mirroring left and right."""
    flip_vertical: float = 0.0
    """Probability of mirroring top and bottom."""
    rotation_degrees: tuple[float, float] = (-25.0, 25.0)
    """Range of the angle of a rotation about the centre of the frame; positive is clockwise."""
    rotation_probability: float = 0.0
    """Probability of rotating."""
    crop_and_pad: tuple[float, float] = (0.9, 1.0)
    """Range of the share of width and height that is kept and moved within the frame."""
    crop_and_pad_probability: float = 0.0
    """Probability of cropping and padding."""
    resize_and_pad: tuple[float, float] = (0.6, 1.0)
    """Range of the factor by which the frame is reduced; it is placed at random within its former size."""
    resize_and_pad_probability: float = 0.0
    """Probability of shrinking and padding."""
    resize_and_crop: tuple[float, float] = (1.0, 1.1)
    """Range of the factor by which the frame is enlarged; it is cropped at random to its former size."""
    resize_and_crop_probability: float = 0.0
    """Probability of growing and cropping."""

    def __post_init__(self) -> None:
        for name in _BOUNDS:
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_finite_numbers(self, "augundo.")
        for name, (least, most) in _BOUNDS.items():
            values = getattr(self, name)
            if len(values) != 2 or not least <= values[0] <= values[1] <= most:
                raise KBNetError(
                    f"expected augundo.{name} as two ascending numbers in {least:g}..{most:g}, got {values}"
                )
        for name, probability in self.probabilities.items():
            if not 0 <= probability <= 1:
                raise KBNetError(f"expected augundo.{name} as a probability in 0..1, got {probability}")
        if self.erase_patch < 1 or self.erase_patch % 2 == 0:
            raise KBNetError(f"expected augundo.erase_patch as an odd number of pixels, got {self.erase_patch}")

    @property
    def probabilities(self) -> dict[str, float]:
        """The probability of every change, by key."""
        return {
            name: probability
            for name, probability in dataclasses.asdict(self).items()
            if name.startswith("flip_") or name.endswith("_probability")
        }

    @property
    def is_on(self) -> bool:
        """Whether any probability is above 0."""
        return any(self.probabilities.values())


_BOUNDS = {
    "brightness": (0.0, 10.0),
    "contrast": (0.0, 10.0),
    "saturation": (0.0, 10.0),
    "hue": (-0.5, 0.5),
    "erase": (0.0, 0.5),
    "rotation_degrees": (-180.0, 180.0),
    "crop_and_pad": (0.1, 1.0),
    "resize_and_pad": (0.1, 1.0),
    "resize_and_crop": (1.0, 10.0),
}
"""Allowed limits of every range."""
