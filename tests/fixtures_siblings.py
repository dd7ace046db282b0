"""Checkpoints of VOICED, ScaffNet, FusionNet and their PoseNet with the weights of ``shared/golden/family``."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kbnet.network.build import network_of
from kbnet.network.siblings.config import SIBLING_PRESETS
from kbnet.weights.published import fill_published

Checkpoint = dict[str, Any]

OUTPUTS = ("decoder.output1.conv", "scaffnet_decoder_depth.output0.conv", "fusionnet_decoder.output0.conv")


@pytest.fixture(scope="session")
def family(shared: Path) -> Path:
    return shared / "golden" / "family"


def sibling_checkpoint(layout: Path, seed: int, gain: float, output_factor: float = 1.0) -> Checkpoint:
    """A checkpoint as published, with the names and shapes of the file ``layout`` and weights by the README's rule."""
    checkpoint: Checkpoint = {"train_step": 7, "optimizer_state_dict": {}}
    for group, shapes in json.loads(layout.read_text())["groups"].items():
        checkpoint[group] = {
            name: _draw(f"{group.removesuffix('_state_dict')}.{name}", shape, seed, gain, output_factor)
            for name, shape in shapes.items()
        }
    return checkpoint


def recorded_checkpoint(family: Path, system: str, recording: Any) -> Checkpoint:
    """The checkpoint that a recording was made with; a FusionNet's holds its ScaffNet, drawn by any seed if need be."""
    factor = float(recording["output_factor"])
    layout = family / f"layout_{system}.json"
    checkpoint = sibling_checkpoint(layout, int(recording["seed"]), float(recording["gain"]), factor)
    if system == "fusionnet":
        known = "seed_scaffnet" in recording
        seed = int(recording["seed_scaffnet"]) if known else 33
        gain = float(recording["gain_scaffnet"]) if known else 1.4
        factor = float(recording["output_factor_scaffnet"]) if known else 1.0
        checkpoint = sibling_checkpoint(family / "layout_scaffnet.json", seed, gain, factor) | checkpoint
    return checkpoint


def recorded_network(family: Path, preset: str, recording: Any) -> Any:
    config = SIBLING_PRESETS[preset]
    assert recording["min_max_predict_depth"].tolist() == [config.min_depth, config.max_depth]
    network: Any = network_of(config)
    fill_published(network, recorded_checkpoint(family, config.system, recording))
    return network.eval()


def _draw(key: str, shape: list[int], seed: int, gain: float, output_factor: float) -> Tensor:
    generator = np.random.default_rng([seed, zlib.crc32(key.encode())])
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if len(shape) == 4:
        fan_in_and_out = (shape[0] + shape[1]) * shape[2] * shape[3]
        drawn = generator.standard_normal(shape) * gain * np.sqrt(2 / fan_in_and_out)
        if key.startswith(OUTPUTS):
            drawn = drawn * output_factor
    elif key.endswith(("batch_norm.weight", "running_var")):
        drawn = 1 + 0.2 * generator.random(shape)
    else:
        drawn = 0.1 * generator.standard_normal(shape)
    return torch.from_numpy(drawn.astype(np.float32))
