"""``python benchmarks/inference.py``: how long one frame takes, by network, frame size and precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Literal

from command import start

if TYPE_CHECKING:
    from torch import Tensor

    from kbnet.completion import DepthCompleter
    from kbnet.network.kbnet import KBNet

FRESH = "fresh"
KITTI_SIZE = "1216x352"
MEASURED_SHARE = {"void": 0.005, "kitti": 0.05}
"""Share of the pixels with a sparse point: 1536 at 640x480, as VOID 1500 has; about what KITTI's scanner leaves."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Time depth completion of one frame at a time.

    Every variant takes its turn in every round, so that a machine that slows down slows all of them. A time starts and
    ends with the device idle. Input lies on the device as tensors; reading files is not timed.
    """

    weights: tuple[str, ...] = ("indoor", FRESH)
    """Bundled weights by name, .safetensors files, or ``fresh``: the published network with random weights, of the
    KITTI preset at 1216x352 and of the VOID preset at other sizes."""
    sizes: tuple[str, ...] = ("640x480", KITTI_SIZE)
    """Frame sizes, width x height, pixels."""
    precisions: tuple[Literal["float32", "bfloat16"], ...] = ("float32", "bfloat16")
    """Number formats of the network's convolutions."""
    rounds: int = 50
    """How often every variant is timed."""
    warmup: int = 5
    """Rounds before that, not timed."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, ..."""
    output: Path = Path("runs/benchmarks/inference.json")
    """JSON to write."""

    def run(self) -> None:
        """Measure, print the table, write the JSON."""
        from measurement import environment, print_table, write_json

        if self.rounds < 2 or self.warmup < 0:
            raise ValueError(
                f"expected rounds of at least 2 and warmup of at least 0, got {self.rounds} and {self.warmup}"
            )
        variants = list(self._variants())
        if not variants:
            raise ValueError("expected at least one of weights, sizes and precisions, got none; see --help")
        measure(variants, self.rounds, self.warmup)
        results = [variant.row(variants[0]) for variant in variants]
        device = variants[0].completer.device
        settings = {"rounds": self.rounds, "warmup": self.warmup, "batch": 1}
        write_json(self.output, {"settings": settings, "environment": environment(device), "results": results})
        print_table(
            ("weights", "size", "precision", "preparation ms", "network ms", "frame ms", "frames/s", "ratio"),
            [
                (
                    *(str(row[key]) for key in ("weights", "size", "precision")),
                    *(f"{row[key]:.2f}" for key in ("preparation_ms", "network_ms", "frame_ms")),
                    f"{row['frames_per_second']:.1f}",
                    f"{row['ratio_to_first']:.2f}",
                )
                for row in results
            ],
            words=3,
        )
        print(
            f"medians of {self.rounds} rounds on {environment(device)['device_name']}; ratio: frame time to the first"
        )
        print("preparation: outliers and interpolation of the sparse points; network: what is left of the frame's time")
        print(f"wrote {self.output}")

    def _variants(self) -> Iterator[Variant]:
        from kbnet.completion import DepthCompleter
        from kbnet.network.weights import load_network

        for size in self.sizes:
            preset = "kitti" if size == KITTI_SIZE else "void"
            frame = None
            for weights in self.weights:
                network = fresh_network(preset) if weights == FRESH else load_network(weights)
                for precision in self.precisions:
                    completer = DepthCompleter(network, device=self.device, precision=precision)
                    if frame is None:
                        frame = tuple(tensor.to(completer.device) for tensor in random_frame(size, preset))
                    name = f"{FRESH} ({preset})" if weights == FRESH else weights
                    yield Variant(name, size, precision, completer, frame)


@dataclass(frozen=True)
class Variant:
    """One line of the table: a completer and the frame it completes, image, sparse depth and K as tensors."""

    weights: str
    size: str
    precision: str
    completer: DepthCompleter
    frame: tuple[Tensor, ...]
    frame_ms: list[float] = field(default_factory=list)
    """Times of whole frames, milliseconds."""
    preparation_ms: list[float] = field(default_factory=list)
    """Times of what comes before the network, milliseconds."""

    def complete(self) -> None:
        """All that a frame takes."""
        image, sparse_depth, intrinsics = self.frame
        self.completer(image, sparse_depth, intrinsics)

    def prepare(self) -> None:
        """The part of it before the network, as :class:`kbnet.DepthCompleter` does it."""
        import torch

        from kbnet.data.outliers import kept_points
        from kbnet.data.scaffold import scaffold_from_points

        config = self.completer.config
        _, sparse_depth, intrinsics = self.frame
        with torch.inference_mode():
            validity = kept_points(
                sparse_depth,
                intrinsics,
                rule=config.outlier_rule,
                window=config.outlier_window,
                threshold=config.outlier_threshold,
            )
            scaffold_from_points(sparse_depth * validity, config.scaffold)

    def row(self, first: Variant) -> dict[str, str | float]:
        """Medians, deciles of the frame's time, frames a second, and how the frame's time compares to the first's."""
        frame_ms, preparation_ms = median(self.frame_ms), median(self.preparation_ms)
        deciles = quantiles(self.frame_ms, n=10, method="inclusive")
        return {
            "weights": self.weights,
            "size": self.size,
            "precision": self.precision,
            "preparation_ms": preparation_ms,
            "network_ms": max(0.0, frame_ms - preparation_ms),
            "frame_ms": frame_ms,
            "frame_ms_first_decile": deciles[0],
            "frame_ms_last_decile": deciles[-1],
            "frames_per_second": 1000 / frame_ms,
            "ratio_to_first": frame_ms / median(first.frame_ms),
        }


def measure(variants: list[Variant], rounds: int, warmup: int) -> None:
    """Time every variant once a round, and add the times of all rounds but the first ``warmup`` to it."""
    from measurement import seconds_taken

    for number in range(warmup + rounds):
        for variant in variants:
            device = variant.completer.device
            frame_ms = 1000 * seconds_taken(variant.complete, device)
            preparation_ms = 1000 * seconds_taken(variant.prepare, device)
            if number >= warmup:
                variant.frame_ms.append(frame_ms)
                variant.preparation_ms.append(preparation_ms)


def fresh_network(preset: str) -> KBNet:
    """The published network of a preset with random weights."""
    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet

    return KBNet(KBNetConfig.preset(preset))


def random_frame(size: str, preset: str) -> tuple[Tensor, Tensor, Tensor]:
    """A frame of noise over a tilted plane: image (1, 3, H, W) uint8, points (1, 1, H, W) metres, K (1, 3, 3).

    Raises:
        ValueError: the size is not written as 640x480.
    """
    import torch

    width_text, _, height_text = size.partition("x")
    if not (width_text.isdecimal() and height_text.isdecimal()):
        raise ValueError(f"expected a size as width x height in pixels, such as 640x480, got '{size}'")
    width, height = int(width_text), int(height_text)
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8, generator=generator)
    plane = torch.linspace(6.0, 2.0, height)[:, None].expand(height, width)
    measured = torch.rand(height, width, generator=generator) < MEASURED_SHARE[preset]
    K = torch.tensor([[0.8 * width, 0, width / 2], [0, 0.8 * width, height / 2], [0, 0, 1]])
    return image, (plane * measured)[None, None], K[None]


if __name__ == "__main__":
    start(Command)
