"""Engine of ONNX Runtime: float32, on the CPU or a CUDA device."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from kbnet.errors import KBNetError
from kbnet.export.description import Description, read_description
from kbnet.export.onnx import onnx_model
from kbnet.frame import FloatArray
from kbnet.inference.array_engine import ArrayEngine, InputSize, Run, converted_graphs, exported_graphs
from kbnet.inference.weights_files import weights_files
from kbnet.network.depth_network import DepthNetwork


def available() -> bool:
    """Whether the packages of the engine are installed."""
    return find_spec("onnxruntime") is not None and find_spec("onnx") is not None


class OnnxRuntimeEngine(ArrayEngine):
    """Engine of ONNX Runtime.

    Args:
        source: a network, which is converted in memory, or an ``.onnx`` file of ``kbnet export``.
        device: the CPU, or a CUDA device with the package onnxruntime-gpu.

    Raises:
        ModuleNotFoundError: onnx or onnxruntime is not installed.
        FileNotFoundError: there is no such file.
        KBNetError: the installed ONNX Runtime does not support the device or an operator, or the file is not from
            kbnet.
    """

    name = "onnxruntime"

    def __init__(self, source: DepthNetwork | Path, device: torch.device) -> None:
        if not available():
            raise ModuleNotFoundError("engine onnxruntime is not installed: pip install 'kbnet[export]'")
        self._source, self._device = source, device
        self._providers = _providers(device)
        if isinstance(source, Path):
            model, described = read_exported(source)
            super().__init__(described.config, "float32", exported_graphs(model, described.sizes, source))
        else:
            super().__init__(source.config, "float32", converted_graphs(lambda sizes: onnx_model(source, sizes=sizes)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._source, self._device)

    def _build(self, graph: bytes, size: InputSize) -> Run:
        import onnxruntime

        options = _quiet_options()
        options.intra_op_num_threads = size.threads
        for name in ("batch", "height", "width"):
            options.add_free_dimension_override_by_name(name, getattr(size, name))
        try:
            session = onnxruntime.InferenceSession(graph, options, providers=self._providers)
        except Exception as error:  # ONNX Runtime's errors have no common class
            raise KBNetError(
                f"ONNX Runtime {onnxruntime.__version__} cannot build the network for {size.width}x{size.height} "
                f"({str(error).splitlines()[0]}); choose engine='torch'"
            ) from error

        def run(inputs: dict[str, FloatArray]) -> FloatArray:
            try:
                depth: FloatArray = session.run(None, inputs)[0]
            except Exception as error:  # as above
                raise KBNetError(
                    f"ONNX Runtime {onnxruntime.__version__} cannot compute it ({str(error).splitlines()[0]}); "
                    "export it again, or choose engine='torch'"
                ) from error
            return depth

        return run


def read_exported(path: Path) -> tuple[bytes, Description]:
    """Read an ``.onnx`` file and its description.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it cannot be read, or is not from kbnet.
    """
    import onnx
    import onnxruntime

    (path,) = weights_files(path)
    content, options = path.read_bytes(), _quiet_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        model = onnx.load_from_string(content)
        _check_self_contained(model, path)
        described = read_description({one.key: one.value for one in model.metadata_props}, path)
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except KBNetError:
        raise
    except Exception as error:  # as above
        reason = str(error).partition("\n")[0]
        raise KBNetError(f"expected an ONNX file, but {path} cannot be read ({reason}); export it again") from error
    return content, described


def _check_self_contained(model: Any, path: Path) -> None:
    """Refuse what reaches beyond the file: tensors in other files, and operators of other libraries."""
    import onnx

    refused = f"expected standard operators and all tensors in {path}, as kbnet export writes it"
    if model.functions:
        raise KBNetError(f"{refused}, got functions")
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        tensors = [*graph.initializer]
        for sparse in graph.sparse_initializer:
            tensors += [sparse.values, sparse.indices]
        for node in graph.node:
            if node.domain not in ("", "ai.onnx"):
                raise KBNetError(f"{refused}, got {node.domain}.{node.op_type}")
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
                graphs += [attribute.g, *attribute.graphs]
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data for tensor in tensors):
            raise KBNetError(f"{refused}, got tensors in other files")


def _quiet_options() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # no messages about its optimisations
    return options


def _providers(device: torch.device) -> list[Any]:
    import onnxruntime

    if device.type == "cpu":
        return ["CPUExecutionProvider"]
    if device.type != "cuda" or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise KBNetError(
            f"the installed onnxruntime does not compute on {device}; install onnxruntime-gpu, or choose engine='torch'"
        )
    return [("CUDAExecutionProvider", {"device_id": device.index or 0, "use_tf32": 0}), "CPUExecutionProvider"]
