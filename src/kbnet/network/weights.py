"""Weights files: safetensors with the network's config inside; and the published ``.pth`` layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from kbnet.atomic import atomic_path
from kbnet.network.config import PRESETS, KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.published import depth_state_from_published, read_published

ASSETS = Path(__file__).parent.parent / "assets"
FORMAT = "kbnet-1"


def save_network(
    network: KBNet, path: Path, *, dtype: torch.dtype = torch.float32, notes: dict[str, str] | None = None
) -> None:
    """Write a network's weights and config; the file appears whole or not at all.

    Args:
        network: what to save.
        path: a ``.safetensors`` file.
        dtype: of the stored weights; float16 halves the file.
        notes: where the weights come from (recipe, steps, data), readable by any safetensors reader.
    """
    tensors = {
        # BatchNorm counts its steps in whole numbers, which float16 could not hold.
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in network.state_dict().items()
    }
    metadata = {**(notes or {}), "format": FORMAT, "config": json.dumps(network.config.to_dict())}
    with atomic_path(path) as temporary:
        temporary.write_bytes(serialise(tensors, metadata))


def load_network(source: str | Path, *, preset: str | None = None) -> KBNet:
    """Read a network.

    Args:
        source: the name of bundled weights, a ``.safetensors`` file written by :func:`save_network`, or a published
            ``.pth`` file.
        preset: ``void`` or ``kitti``; a published file does not say which it is, every other file does.

    Returns:
        The network in float32, on the CPU, in evaluation mode.

    Raises:
        FileNotFoundError: there is no such file, nor bundled weights of that name.
        ValueError: the file is damaged, of another architecture, or the preset is missing or not wanted.
    """
    path = _find(source)
    if path.suffix == ".pth":
        if preset is None:
            raise ValueError(
                f"expected a preset with published weights, which do not carry one; "
                f"add preset='void' (--preset void on the command line) or 'kitti' for {path}"
            )
        config = KBNetConfig.preset(preset, intrinsics_scaling="published")
        return _build(config, depth_state_from_published(read_published(path)), path)
    if preset is not None:
        raise ValueError(f"got preset '{preset}', but {path} carries its own config; leave the preset out")
    return _load_safetensors(path)


def bundled_weights() -> list[str]:
    """Names of the weights that ship with this package."""
    return sorted(path.stem for path in ASSETS.glob("*.safetensors"))


def _find(source: str | Path) -> Path:
    path = Path(source)
    if path.suffix in (".safetensors", ".pth"):
        if not path.is_file():
            raise FileNotFoundError(f"no weights file {path}; check the path")
        return path
    if str(source) in bundled_weights():
        return ASSETS / f"{source}.safetensors"
    raise FileNotFoundError(
        f"expected a .safetensors or .pth file or bundled weights ({', '.join(bundled_weights()) or 'none here'}), "
        f"got '{source}'"
    )


def _load_safetensors(path: Path) -> KBNet:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 -- not a dict
    except SafetensorError as error:
        raise ValueError(
            f"expected a safetensors file, but {path} is truncated or damaged ({error}); fetch it again"
        ) from error
    if metadata.get("format") != FORMAT or "config" not in metadata:
        raise ValueError(
            f"expected weights with a kbnet config inside, but {path} has none (format '{metadata.get('format')}'); "
            "was it written by kbnet train?"
        )
    try:
        config = KBNetConfig.from_dict(json.loads(metadata["config"]))
    except (ValueError, TypeError) as error:
        raise ValueError(f"the config inside {path} cannot be read ({error}); is it from a newer kbnet?") from error
    return _build(config, state, path)


def _build(config: KBNetConfig, state: dict[str, torch.Tensor], path: Path) -> KBNet:
    network = KBNet(config)
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if wrong := sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)):
        described = ", ".join(f"{name} (expected {expected.get(name)}, got {found.get(name)})" for name in wrong)
        if path.suffix == ".pth":
            remedy = f"choose the preset it was trained with ({', '.join(PRESETS)})"
        else:
            remedy = "its weights and the config inside it disagree: fetch it again"
        raise ValueError(f"{path} does not fit this network: {described}; {remedy}")
    network.load_state_dict(state)
    return network.eval()
