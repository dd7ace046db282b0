"""Files from which a network is loaded, weights or exported files, and the record of them. Without torch."""

from __future__ import annotations

from pathlib import Path

from kbnet.files import file_sha256
from kbnet.inference.engine_names import EngineName
from kbnet.weights.names import find_weights

EXPORTED: dict[str, EngineName] = {".onnx": "onnxruntime", ".xml": "openvino"}
"""Engine of an exported file, by its suffix."""

Origin = dict[str, str | None]
"""What depth is made with: weights, preset, precision, and the sparse points and prior of one frame."""


def is_exported(source: str | Path) -> bool:
    """Whether a source of weights is an exported file, by its suffix."""
    return Path(source).suffix in EXPORTED


def weights_files(source: str | Path) -> tuple[Path, ...]:
    """Files that `kbnet.load` reads for a source: one, or an ``.xml`` and its ``.bin``.

    Raises:
        FileNotFoundError: a file is missing.
    """
    if not is_exported(source):
        return (find_weights(source),)
    path = Path(source)
    files = (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)
    for file in files:
        if not file.is_file():
            halves = "an OpenVINO .xml with its .bin beside it" if len(files) == 2 else "an exported network"
            raise FileNotFoundError(f"expected {halves}, but there is no {file}; check the path")
    return files


def network_origin(weights: str | Path, *, preset: str | None, precision: str) -> Origin:
    """Record of a network. The engine is not included: float32 engines differ by less than a depth PNG resolves.

    Args:
        weights, preset, precision: as in `kbnet.load`.
    """
    own = "that of the file" if is_exported(weights) else "float32"
    same = ("auto", "float32", "int8") if is_exported(weights) else ("auto",)
    return {
        "weights": file_sha256(*weights_files(weights)),
        "preset": preset,
        "precision": own if precision in same else precision,
    }
