"""``kbnet export``: a network as a file that other programs run, checked on frames before it appears."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from kbnet.cli.arguments import PublishedPreset, SparseDepth
from kbnet.cli.known_errors import say
from kbnet.errors import KBNetError
from kbnet.export.sizes import Sizes

if TYPE_CHECKING:
    from kbnet.export.parity import Parity
    from kbnet.frame import Frame
    from kbnet.network.depth_network import DepthNetwork

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}

Source = Annotated[Path | None, tyro.conf.arg(metavar="SEQUENCE|LIST.csv", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Write a network as ONNX, OpenVINO or a torch.export program, checked against the original.

    The file takes any batch of images, with image, sparse depth, validity, intrinsics and, where the network has one,
    scaffold as inputs; it says inside how to make them. See docs/export.md and examples/onnx_depth.py.
    """

    weights: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="WEIGHTS")]
    """Bundled or local weights by name (kbnet weights list), a .safetensors file, or a published .pth (with --preset).
    """
    format: Literal["onnx", "openvino", "torch"]
    """onnx: for ONNX Runtime, TensorRT and others. openvino: an .xml and a .bin. torch: a .pt2 of torch.export."""
    output: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """What to write: .onnx, .xml or .pt2."""
    sizes: Sizes = "any"
    """Images that it takes. Widths and heights that are multiples of 32 take a graph with fewer multiplications."""
    precision: Literal["float32", "int8"] = "float32"
    """int8 is for openvino, and needs --calibration. bfloat16 needs no file of its own: it is chosen where it runs."""
    calibration: Source = None
    """Frames like those to come, which int8 takes its ranges from."""
    check: Source = None
    """Frames to compare on; default: the motorcycle scene that comes with scikit-image."""
    sparse_depth: SparseDepth = None
    """The folder of sparse depth in those sequences, or the column of those lists; default: sparse_depth."""
    preset: PublishedPreset = None

    def run(self) -> None:
        self._check_arguments()
        from kbnet.export.parity import INT8_TOLERANCE, TOLERANCE, frames_to_check
        from kbnet.weights.depth_network import load_network

        network = load_network(self.weights, preset=self.preset)
        frames = frames_to_check(self.check, sparse_depth=self.sparse_depth)
        parity = self._export(network, frames)
        files = [self.output, self.output.with_suffix(".bin")] if self.format == "openvino" else [self.output]
        say(f"wrote {' and '.join(f'{file} ({file.stat().st_size / 1e6:.1f} MB)' for file in files)}")
        where = f"on {', '.join(frame.name for frame in frames)} at {', '.join(parity.sizes)}"
        if self.precision == "int8":
            say(f"depth differs by {parity.mean:.2g} on average (tolerance {INT8_TOLERANCE:g}) {where}")
        else:
            say(f"largest relative difference in depth {parity.largest:.2g} (tolerance {TOLERANCE:g}) {where}")

    def _check_arguments(self) -> None:
        if self.output.suffix != SUFFIXES[self.format]:
            raise KBNetError(f"expected a {SUFFIXES[self.format]} file for {self.format}, got {self.output}; rename it")
        if self.precision == "int8" and self.format != "openvino":
            raise KBNetError(f"int8 is for --format openvino, got {self.format}; leave out --precision")
        if self.precision == "int8" and self.sizes != "any":
            raise KBNetError("an int8 file is fastest as one for any size, also at multiples of 32; leave out --sizes")
        if (self.precision == "int8") != (self.calibration is not None):
            needs = "needs frames" if self.calibration is None else "is for --precision int8"
            raise KBNetError(f"--calibration SEQUENCE {needs}; see kbnet export --help")

    def _export(self, network: DepthNetwork, frames: list[Frame]) -> Parity:
        origin = _origin(self.weights)
        if self.format == "onnx":
            from kbnet.export.onnx import export_onnx

            return export_onnx(network, self.output, frames, origin=origin, sizes=self.sizes)
        if self.format == "torch":
            from kbnet.export.torch_program import export_torch_program

            return export_torch_program(network, self.output, frames, origin=origin, sizes=self.sizes)
        from kbnet.export.openvino import CALIBRATION_FRAMES, export_openvino
        from kbnet.export.parity import spread_frames

        calibration = None
        if self.calibration is not None:
            calibration = spread_frames(self.calibration, CALIBRATION_FRAMES, sparse_depth=self.sparse_depth)
        return export_openvino(network, self.output, frames, origin=origin, sizes=self.sizes, calibration=calibration)


def _origin(weights: str) -> dict[str, str]:
    """Where weights come from: their name and checksum, and whatever their file says."""
    from importlib.metadata import PackageNotFoundError, version

    from kbnet.files import file_sha256
    from kbnet.weights.names import find_weights
    from kbnet.weights.safetensors_file import read_metadata

    path = find_weights(weights)
    notes = read_metadata(path) if path.suffix == ".safetensors" else {}
    try:
        written_by = version("kbnet")
    except PackageNotFoundError:
        written_by = "not installed"
    told = {key: text for key, text in notes.items() if key not in ("config", "format")}
    return {**told, "weights": path.name, "sha256": file_sha256(path), "kbnet": written_by}
