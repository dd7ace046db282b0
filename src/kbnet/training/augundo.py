"""AugUndo (ECCV 2024): augmentation of the depth network's input, undone in its depth; losses use original frames.

Photometric losses on rotated, resized or recoloured images would treat lost borders, resampling and colours as depth
errors. Therefore only the input of the depth network is augmented, and its depth is warped back (published system,
section 10). The published facts leave these choices open; ours are:

- Colours change in the order of the config.
- Erased patches are black.
- crop_and_pad moves a window of the frame to another place in it.
- The resizes are about a random point of the frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.geometry.plane_map import look_up, mapped_intrinsics, mapped_pixels, move_points
from kbnet.network.inputs import NetworkInputs
from kbnet.training.augundo_config import AugUndoConfig
from kbnet.training.batch import TripletBatch

LUMA = (0.299, 0.587, 0.114)
"""Share of red, green and blue in grey (ITU-R BT.601)."""


@dataclass(frozen=True)
class Draw:
    """Random augmentation of one sample, on the CPU.

    Attributes:
        brightness, contrast, saturation: factors; 1 = unchanged.
        hue_turns: rotation of the hue, turns; 0 = unchanged.
        patches: row and column of the centre of every erased patch, (P, 2), int64.
        window: kept window of the frame: first and last column, first and last row.
        matrix: A, (3, 3), float64, pixels: the content of pixel p moves to A p.
    """

    brightness: float
    contrast: float
    saturation: float
    hue_turns: float
    patches: Tensor
    window: tuple[int, int, int, int]
    matrix: Tensor


@dataclass(frozen=True)
class Undo:
    """Inverse of an augmentation.

    Attributes:
        pixels: position of every original pixel in the augmented frame, x and y, (B, 2, H, W).
        seen: 1 where the augmented frame contains the pixel, 0 where it is outside, (B, 1, H, W).
    """

    pixels: Tensor
    seen: Tensor

    def __call__(self, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Warp depth of the augmented frame, (B, 1, H, W), metres, to the original frame; return it with ``seen``.

        Where ``seen`` is 0, depth is that of the nearest pixel in the augmented frame and must not be used in a loss.
        """
        return look_up(depth, self.pixels), self.seen


class AugUndo:
    """Augmentation of the depth network's input, on the device of the batch."""

    def __init__(self, config: AugUndoConfig) -> None:
        self.config = config

    def __call__(self, batch: TripletBatch) -> tuple[NetworkInputs, Undo]:
        """Augment the depth network's input; return it with the inverse. Draws depend on ``batch.draw_seed`` only.

        Image and scaffold are resampled, with replicated borders. Points move to the nearest pixel, with their
        validity. K is that of :func:`kbnet.geometry.plane_map.mapped_intrinsics`.
        """
        assert batch.draw_seed is not None, "AugUndo needs the draw_seed of a TripletDataset"
        height, width = batch.image.shape[-2:]
        device = batch.image.device
        draws = [draw(self.config, seed, height, width) for seed in batch.draw_seed.tolist()]
        forth = torch.stack([one.matrix for one in draws])
        back = torch.linalg.inv(forth).float().to(device)
        forth = forth.float().to(device)
        windows = torch.tensor([one.window for one in draws], device=device)[:, :, None, None]

        kept = _inside(mapped_pixels(torch.eye(3, device=device)[None], height, width), windows)
        source = _clamped(mapped_pixels(back, height, width), windows)
        depth, validity = move_points(batch.input_depth * kept, batch.input_validity * kept, forth)
        inputs = NetworkInputs(
            look_up(self._recoloured(batch.input_image, draws), source),
            depth,
            validity,
            mapped_intrinsics(batch.intrinsics, forth),
            None if batch.scaffold is None else look_up(batch.scaffold, source),
        )
        pixels = mapped_pixels(forth, height, width)
        frame = torch.tensor([0, width - 1, 0, height - 1], device=device)[:, None, None]
        return inputs, Undo(pixels, kept * _inside(pixels, frame.expand(len(draws), 4, 1, 1)))

    def _recoloured(self, image: Tensor, draws: list[Draw]) -> Tensor:
        factors = [[one.brightness, one.contrast, one.saturation, one.hue_turns] for one in draws]
        patches = [[sample, *place] for sample, one in enumerate(draws) for place in one.patches.tolist()]
        image = change_colours(image, *image.new_tensor(factors).unbind(dim=1))
        centres = torch.tensor(patches, dtype=torch.int64, device=image.device).view(-1, 3)
        return erase(image, centres, self.config.erase_patch)


def draw(config: AugUndoConfig, seed: int, height: int, width: int) -> Draw:
    """Draw the augmentation of one sample of the given size, pixels.

    Random numbers of a change are drawn even if it is off, so switching it on does not affect the other changes.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))

    def value(limits: tuple[float, float], probability: float, otherwise: float) -> float:
        happens, drawn = uniform() < probability, uniform(*limits)
        return drawn if happens else otherwise

    brightness = value(config.brightness, config.brightness_probability, 1.0)
    contrast = value(config.contrast, config.contrast_probability, 1.0)
    saturation = value(config.saturation, config.saturation_probability, 1.0)
    hue_turns = value(config.hue, config.hue_probability, 0.0)
    erased_share = value(config.erase, config.erase_probability, 0.0)

    mirrored_x, mirrored_y = uniform() < config.flip_horizontal, uniform() < config.flip_vertical
    kept_share = value(config.crop_and_pad, config.crop_and_pad_probability, 1.0)
    columns, shift_x = _crop_and_pad(width, kept_share, uniform(), uniform())
    rows, shift_y = _crop_and_pad(height, kept_share, uniform(), uniform())
    shrink = value(config.resize_and_pad, config.resize_and_pad_probability, 1.0)
    shrunk = _scale_about(shrink, uniform(-0.5, width - 0.5), uniform(-0.5, height - 0.5))
    growth = value(config.resize_and_crop, config.resize_and_crop_probability, 1.0)
    grown = _scale_about(growth, uniform(-0.5, width - 0.5), uniform(-0.5, height - 0.5))
    angle_rad = math.radians(value(config.rotation_degrees, config.rotation_probability, 0.0))
    matrix = (
        _turn(angle_rad, (width - 1) / 2, (height - 1) / 2)
        @ grown
        @ shrunk
        @ _flip(mirrored_x, mirrored_y, height, width)
        @ _affine(1, 0, 0, 1, shift_x, shift_y)
    )
    patches = _patches(erased_share, config.erase_patch, height, width, generator)
    return Draw(brightness, contrast, saturation, hue_turns, patches, (*columns, *rows), matrix)


def _crop_and_pad(size: int, share: float, at: float, to: float) -> tuple[tuple[int, int], int]:
    """First and last pixel of the kept window along one axis, and its shift, in whole pixels."""
    room = size - max(1, round(share * size))
    first, then = round(at * room), round(to * room)
    return (first, first + size - room - 1), then - first


def _patches(share: float, size_px: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Centres of patches that cover the share of the frame, each inside it if possible, (P, 2)."""
    count = round(share * height * width / size_px**2)
    places = [
        torch.randint(*_inner(size, size_px), (count,), generator=generator, dtype=torch.int64)
        for size in (height, width)
    ]
    return torch.stack(places, dim=1)


def _inner(size: int, patch: int) -> tuple[int, int]:
    """First centre of a patch inside the frame, and the one after the last."""
    margin = min(patch, size - 1) // 2
    return margin, size - margin


def _affine(a: float, b: float, c: float, d: float, offset_x: float, offset_y: float) -> Tensor:
    """Affine matrix of [a b; c d] and an offset, (3, 3)."""
    return torch.tensor([[a, b, offset_x], [c, d, offset_y], [0, 0, 1]], dtype=torch.float64)


def _flip(mirrored_x: bool, mirrored_y: bool, height: int, width: int) -> Tensor:
    x, y = (-1 if mirrored else 1 for mirrored in (mirrored_x, mirrored_y))
    return _affine(x, 0, 0, y, width - 1 if mirrored_x else 0, height - 1 if mirrored_y else 0)


def _scale_about(factor: float, x: float, y: float) -> Tensor:
    return _affine(factor, 0, 0, factor, (1 - factor) * x, (1 - factor) * y)


def _turn(angle_rad: float, x: float, y: float) -> Tensor:
    """Rotation matrix about a pixel; clockwise, because y points down."""
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return _affine(cosine, -sine, sine, cosine, x - cosine * x + sine * y, y - sine * x - cosine * y)


def _inside(pixels: Tensor, limits: Tensor) -> Tensor:
    """Mask, (B, 1, H, W), of pixels (B or 1, 2, H, W) within first and last column and row (B, 4, 1, 1)."""
    x, y = pixels.unbind(dim=1)
    first_x, last_x, first_y, last_y = limits.unbind(dim=1)
    inside = (x >= first_x) & (x <= last_x) & (y >= first_y) & (y <= last_y)
    return inside[:, None].to(pixels.dtype)


def _clamped(pixels: Tensor, limits: Tensor) -> Tensor:
    first, last = limits[:, 0::2], limits[:, 1::2]
    return pixels.maximum(first.to(pixels.dtype)).minimum(last.to(pixels.dtype))


def change_colours(
    image: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue_turns: Tensor
) -> Tensor:
    """Change brightness, then contrast, saturation and hue; values are clipped to 0..1.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        brightness: factor of all colours, (B,).
        contrast: factor of the distance to the mean grey of the image, (B,).
        saturation: factor of the distance to the grey of each pixel, (B,).
        hue_turns: rotation of the hue, (B,), turns; 0 = unchanged.

    Returns:
        (B, 3, H, W); unchanged for factors of 1 and a rotation of 0.
    """
    brightness, contrast, saturation, hue_turns = (
        values[:, None, None, None] for values in (brightness, contrast, saturation, hue_turns)
    )
    image = (image * brightness).clamp(0, 1)
    image = torch.lerp(_grey(image).mean(dim=(2, 3), keepdim=True), image, contrast).clamp(0, 1)
    image = torch.lerp(_grey(image), image, saturation).clamp(0, 1)
    return torch.where(hue_turns == 0, image, turn_hue(image, hue_turns))


def turn_hue(image: Tensor, turns: Tensor) -> Tensor:
    """Rotate the hue (HSV); the largest and smallest of a pixel's three values are unchanged.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        turns: rotation, turns, (B, 1, 1, 1); a third of a turn changes red to green.

    Returns:
        (B, 3, H, W).
    """
    red, green, blue = image.chunk(3, dim=1)
    largest, smallest = image.amax(dim=1, keepdim=True), image.amin(dim=1, keepdim=True)
    chroma = largest - smallest
    divisor = torch.where(chroma > 0, chroma, 1.0)
    sixths = torch.where(
        largest == red,
        (green - blue) / divisor,
        torch.where(largest == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    # The wheel has six parts. Each colour is full in two, absent in two, and linear in the two between.
    position = (image.new_tensor([5.0, 3.0, 1.0])[:, None, None] + sixths + 6 * turns) % 6
    return largest - chroma * torch.minimum(position, 4 - position).clamp(0, 1)


def erase(image: Tensor, centres: Tensor, size_px: int) -> Tensor:
    """Make square patches black.

    Args:
        image: RGB, (B, 3, H, W).
        centres: sample, row and column of the centre of every patch, (P, 3), int64.
        size_px: side of a patch, odd, pixels.

    Returns:
        (B, 3, H, W).
    """
    erased = torch.zeros_like(image[:, :1])
    sample, row, column = centres.unbind(dim=1)
    erased[sample, 0, row, column] = 1.0
    return image * (1 - F.max_pool2d(erased, size_px, stride=1, padding=size_px // 2))


def _grey(image: Tensor) -> Tensor:
    return (image * image.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)
