"""The network in OpenVINO on the CPU: float32, bfloat16, or int8 from a file that was calibrated on frames."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from kbnet.export.description import input_names, read_config
from kbnet.export.openvino import INFO, openvino_model, read_model
from kbnet.export.signal_stack import signal_stack_kept
from kbnet.inference.onnxruntime_engine import sizes_of
from kbnet.inference.per_size import PerSize
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet

FloatPrecision = Literal["float32", "bfloat16"]

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


def available() -> bool:
    """Whether what the engine needs is installed."""
    return find_spec("openvino") is not None and find_spec("onnx") is not None


class _Key(NamedTuple):
    batch: int
    height: int
    width: int
    threads: int


class OpenVinoEngine:
    """A `kbnet.inference.engine.Engine`: one compiled model for each of the last four sizes, with torch's threads.

    Args:
        source: a network, converted in memory; or an ``.xml`` file of ``kbnet export``, which is how int8 comes in.
        precision: of the convolutions that are not int8; depth comes out of float32 arithmetic in each case.

    Attributes:
        config: of the network.
        precision: what it computes in; ``int8`` for a file that was quantised.

    Raises:
        ModuleNotFoundError: onnx or openvino is not installed.
        FileNotFoundError: there is no such file, or no ``.bin`` beside it.
        ValueError: kbnet did not export the file.
    """

    name = "openvino"

    def __init__(self, source: KBNet | Path, precision: FloatPrecision = "float32") -> None:
        if not available():
            raise ModuleNotFoundError("engine openvino is not installed: pip install 'kbnet[export]'")
        self.config: KBNetConfig
        self.precision: str = precision
        if isinstance(source, Path):
            read = read_exported(source)
            self.config, quantised = _description(read, source)
            self.precision = "int8" if quantised else precision
            self._models: PerSize[_Key, Any] = PerSize(lambda key: self._compile(read, key, precision))
        else:
            self.config = source.config
            convert = cache(lambda sizes: openvino_model(source, sizes=sizes))
            self._models = PerSize(lambda key: self._compile(convert(sizes_of(key[1:3])), key, precision))
        self._names = input_names(self.config)

    def __call__(
        self, image: Tensor, sparse_depth: Tensor, validity: Tensor, intrinsics: Tensor, scaffold: Tensor | None = None
    ) -> Tensor:
        """As `KBNet.forward`; depth comes back on the device of ``image``."""
        batch, _, height, width = image.shape
        request = self._models[_Key(batch, height, width, torch.get_num_threads())]
        given = [image, sparse_depth, validity, intrinsics, *([] if scaffold is None else [scaffold])]
        if len(given) != len(self._names):
            raise ValueError(f"expected the inputs {', '.join(self._names)}, got {len(given)} of them")
        arrays = [x.detach().float().cpu().contiguous().numpy() for x in given]
        return torch.from_numpy(request.infer(arrays, share_inputs=True)[0]).to(image.device)

    def _compile(self, model: Any, key: _Key, precision: FloatPrecision) -> Any:
        import openvino

        sized = model.clone()
        images = [key.batch, 1, key.height, key.width]
        shapes = {name: images for name in self._names}
        shapes |= {"image": [key.batch, 3, key.height, key.width], "intrinsics": [key.batch, 3, 3]}
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": key.threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            # With a fixed size, what follows from it, such as the viewing rays' grid, is computed once.
            sized.reshape(shapes)
            with signal_stack_kept():
                return openvino.Core().compile_model(sized, "CPU", options).create_infer_request()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(
                f"OpenVINO {openvino.__version__} cannot build the network for {key.width}x{key.height} ({reason}); "
                "choose another size, or engine='torch'"
            ) from error


def read_exported(path: Path) -> Any:
    """The ``openvino.Model`` of an ``.xml`` file and the ``.bin`` beside it.

    Raises:
        FileNotFoundError: one of the two is missing.
        ValueError: they cannot be read.
    """
    for part in (path, path.with_suffix(".bin")):
        if not part.is_file():
            raise FileNotFoundError(f"expected an OpenVINO .xml with its .bin beside it, but there is no {part}")
    try:
        return read_model("ir", str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(f"expected an OpenVINO file, but {path} cannot be read ({reason}); export it again") from error


def _description(model: Any, path: Path) -> tuple[KBNetConfig, bool]:
    """The config inside, and whether the model was quantised."""
    keys = ("format", "config", "precision")
    text = {key: str(model.get_rt_info([INFO, key]).value) for key in keys if model.has_rt_info([INFO, key])}
    return read_config(text, path), text.get("precision") == "int8"
