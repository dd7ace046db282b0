"""Engine of OpenVINO on the CPU: float32, bfloat16, or int8 from a calibrated file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from kbnet.errors import KBNetError
from kbnet.export.description import Description, read_description
from kbnet.export.openvino import BIN, INFO, openvino_model, read_model, signal_stack_kept
from kbnet.files import file_sha256
from kbnet.frame import FloatArray
from kbnet.inference.array_engine import ArrayEngine, InputSize, Run, converted_graphs, exported_graphs
from kbnet.inference.weights_files import weights_files
from kbnet.network.depth_network import DepthNetwork

FloatPrecision = Literal["float32", "bfloat16"]

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


def available() -> bool:
    """Whether the packages of the engine are installed."""
    return find_spec("openvino") is not None and find_spec("onnx") is not None


class OpenVinoEngine(ArrayEngine):
    """Engine of OpenVINO.

    Args:
        source: a network, which is converted in memory, or an ``.xml`` file of ``kbnet export``, also with int8.
        precision: precision of the convolutions that are not int8; depth is always computed in float32.

    Attributes:
        precision: precision of the computation; ``int8`` for a quantised file.

    Raises:
        ModuleNotFoundError: onnx or openvino is not installed.
        FileNotFoundError: there is no such file, or no ``.bin`` beside it.
        KBNetError: the file is not from kbnet, or OpenVINO does not support a size.
    """

    name = "openvino"

    def __init__(self, source: DepthNetwork | Path, precision: FloatPrecision = "float32") -> None:
        if not available():
            raise ModuleNotFoundError("engine openvino is not installed: pip install 'kbnet[export]'")
        self._source, self._hint = source, precision
        if isinstance(source, Path):
            model, described = read_exported(source)
            computed = "int8" if described.precision == "int8" else precision
            super().__init__(described.config, computed, exported_graphs(model, described.sizes, source))
        else:
            super().__init__(
                source.config, precision, converted_graphs(lambda sizes: openvino_model(source, sizes=sizes))
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._source, self._hint)

    def _build(self, graph: Any, size: InputSize) -> Run:
        import openvino

        sized = graph.clone()
        of_map = [size.batch, 1, size.height, size.width]
        others = {"image": [size.batch, 3, size.height, size.width], "intrinsics": [size.batch, 3, 3]}
        shapes = {name: others.get(name, of_map) for name in self._names}
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[self._hint],
            "INFERENCE_NUM_THREADS": size.threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Otherwise all processes compute on the first cores, and the other cores are idle.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            sized.reshape(shapes)
            with signal_stack_kept():
                return _Requests(openvino.Core().compile_model(sized, "CPU", options))
        except RuntimeError as error:
            raise KBNetError(
                f"OpenVINO {openvino.__version__} cannot build the network for {size.width}x{size.height} "
                f"({_reason(error)}); choose another size, or engine='torch'"
            ) from error


class _Requests:
    """Inference requests of one compiled network: one for each concurrent call, kept for later calls.

    A request has memory for one frame, so two threads must not share one.
    """

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle = [compiled.create_infer_request()]

    def __call__(self, inputs: dict[str, FloatArray]) -> FloatArray:
        try:
            request = self._idle.pop()  # atomic, like append
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            depth: FloatArray = request.infer(inputs, share_inputs=True, share_outputs=False)[0]
        except RuntimeError as error:
            raise KBNetError(
                f"OpenVINO cannot compute the network ({_reason(error)}); export it again, or choose engine='torch'"
            ) from error
        self._idle.append(request)
        return depth


def read_exported(path: Path) -> tuple[Any, Description]:
    """Read the ``openvino.Model`` of an ``.xml`` file with its ``.bin``, and its description.

    Raises:
        FileNotFoundError: one of the two is missing.
        KBNetError: they cannot be read, are of two exports, or are not from kbnet.
    """
    _, weights = weights_files(path)
    try:
        model = read_model("ir", str(path))
        keys = ("format", "config", "preprocessing", "precision", BIN)
        text = {key: str(model.get_rt_info([INFO, key]).value) for key in keys if model.has_rt_info([INFO, key])}
    except (RuntimeError, ValueError, TypeError) as error:
        raise KBNetError(
            f"expected an OpenVINO file, but {path} cannot be read ({_reason(error)}); export it again"
        ) from error
    if BIN in text and text[BIN] != file_sha256(weights):  # exports of former versions do not say
        raise KBNetError(f"{weights} is not of the same export as {path}; export it again, or copy both files")
    return model, read_description(text, path)


def _reason(error: Exception) -> str:
    return next(reversed(str(error).strip().splitlines()), type(error).__name__)
