"""Files from which a network is loaded: weights, or exported files. Without torch."""

from __future__ import annotations

from pathlib import Path

from kbnet.inference.engine_names import EngineName
from kbnet.weights.names import find_weights

EXPORTED: dict[str, EngineName] = {".onnx": "onnxruntime", ".xml": "openvino"}
"""Engine of an exported file, by its suffix."""


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
