"""``python benchmarks/bundle_weights.py``: trained weights as they are shipped: 16 bits, config and origin inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro
from command import check_at_least, start

from kbnet.errors import KBNetError


@dataclass(frozen=True)
class Command:
    """Copy weights to half precision; kbnet computes with them in float32 as before."""

    weights: tyro.conf.Positional[Path]
    """A .safetensors file that kbnet train wrote."""
    output: tyro.conf.Positional[Path]
    """The .safetensors file to write."""
    earlier_steps: int = 0
    """Training steps behind the initial weights of the run, which are added to its own."""
    licence: str = ""
    """What kbnet weights list says of the licence of the training data, where it restricts the use of the weights."""
    mean_with: tuple[Path, ...] = ()
    """Weights of earlier runs: write the mean of these and ``weights``, each with the same share."""

    def run(self) -> None:
        """Read, round, write."""
        import torch
        from safetensors import safe_open

        from kbnet.network.kbnet import KBNet
        from kbnet.weights.depth_network import load_network, save_network

        check_at_least(self, earlier_steps=0)
        network = load_network(self.weights)
        if not isinstance(network, KBNet):
            raise KBNetError(f"expected weights of a KBNet, got {self.weights}; others are not bundled")
        with safe_open(self.weights, framework="pt") as file:
            notes = {name: text for name, text in file.metadata().items() if name not in ("format", "config")}
        if self.earlier_steps:
            notes["steps"] = str(self.earlier_steps + int(notes.get("steps", 0)))
        if self.licence:
            notes["licence"] = self.licence
        for path in self.mean_with:
            other = load_network(path)
            if other.config != network.config:
                raise KBNetError(f"expected the architecture of {self.weights}, got another in {path}")
            for tensor, added in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
                if tensor.is_floating_point():
                    tensor.add_(added)
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.div_(1 + len(self.mean_with))
        largest = max(float(tensor.abs().max()) for tensor in network.state_dict().values())
        if not largest <= torch.finfo(torch.float16).max:
            raise KBNetError(
                f"expected weights that 16 bits can hold, got {largest:g} in {self.weights}; use it as it is"
            )
        save_network(network, self.output, dtype=torch.float16, notes=notes)
        size, before = (path.stat().st_size / 2**20 for path in (self.output, self.weights))
        print(f"wrote {self.output}, {size:.1f} MiB of {before:.1f}")


if __name__ == "__main__":
    start(Command)
