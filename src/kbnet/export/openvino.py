"""Export to OpenVINO: float32, or int8 by post-training quantisation on the user's frames."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from kbnet.errors import KBNetError
from kbnet.export.description import FORMAT, describe
from kbnet.export.onnx import inference_copy, onnx_model
from kbnet.export.parity import Parity, Run, check_parity, measure_parity
from kbnet.export.sizes import Sizes
from kbnet.files import file_sha256, read_text, scratch_folder
from kbnet.frame import Frame
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.inputs import NetworkInputs, frame_inputs, input_names
from kbnet.network.siblings.config import NetworkConfig

CALIBRATION_FRAMES = 64
"""Number of calibration frames for int8."""
QUANTISED = (
    r"/decoder/levels\.|/encoder/(image|depth)_(stem|latent)/|"
    r"/encoder/backprojections\.\d/(image|depth|fused)_convolution/(?!Add)|"
    r"/trunk/(down|blocks|up|joined_features)\.|/image_features/(stem|blocks)|/head/upsampling/upsampling\.0/"
)
"""Operators computed in int8, by the beginning of the name: the large convolutions.

Depths and coordinates stay in float: scaffold, sparse-to-dense pools, rays, z, the trunk's stem, the
propagation, the expected error and the output. An int8 scaffold would be clipped to the depth range of the calibration;
the error rose by 130 %.
"""
INFO = "kbnet"
"""Key of the file's runtime information with the text of `kbnet.export.description`."""
BIN = "bin"
"""Key in `INFO` of the SHA-256 of the ``.bin``, which tells that of another export."""


def read_model(framework: Literal["onnx", "ir"], source: Any) -> Any:
    """Read an ``openvino.Model`` from a path or an open file of a known format.

    ``Core.read_model`` would load every reader. TensorFlow's reader loads a protobuf library that later crashes
    TensorBoard's.
    """
    from openvino.frontend import FrontEndManager

    reader = FrontEndManager().load_by_framework(framework)
    return reader.convert(reader.load(source))


def openvino_model(network: DepthNetwork, *, sizes: Sizes = "any") -> Any:
    """Convert a network to OpenVINO in memory, through ONNX.

    Returns:
        An ``openvino.Model`` with dynamic dimensions; inputs and output as in `kbnet.export.onnx.onnx_model`.
    """
    return read_model("onnx", io.BytesIO(onnx_model(network, sizes=sizes)))


def quantise(model: Any, config: NetworkConfig, frames: Iterable[Frame]) -> Any:
    """Quantise a model to int8, with value ranges from calibration frames.

    Args:
        frames: frames similar to those of the use: same camera, scene and number of points.

    Returns:
        A model whose operators in ``QUANTISED`` are int8.

    Raises:
        KBNetError: there are no frames.
        ModuleNotFoundError: nncf is not installed.
    """
    import nncf

    samples = [
        {name: x.numpy() for name, x in frame_inputs(frame, config)._asdict().items() if name in input_names(config)}
        for frame in frames
    ]
    if not samples:
        raise KBNetError("expected frames to calibrate int8 with, got none; name a sequence with frames")
    nncf.set_log_level(logging.ERROR)
    computed = [each for each in model.get_ops() if each.get_type_name() not in ("Constant", "Parameter", "Result")]
    in_float = [name for name in (each.get_friendly_name() for each in computed) if not re.match(QUANTISED, name)]
    with signal_stack_kept(), redirect_stdout(io.StringIO()):  # its progress bars
        return nncf.quantize(
            model,
            nncf.Dataset(samples),
            subset_size=len(samples),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=in_float, validate=False),
        )


def export_openvino(
    network: DepthNetwork,
    path: Path,
    frames: list[Frame],
    *,
    origin: Mapping[str, str],
    sizes: Sizes = "any",
    calibration: Iterable[Frame] | None = None,
) -> Parity:
    """Export a network to OpenVINO and check its depth.

    Args:
        path: an ``.xml`` file; it and its ``.bin`` appear complete and checked, or not at all.
        sizes: image sizes for which the graph must be exact. With int8, ``any`` is the fastest for every size, because
            OpenVINO has no transposed convolution in int8.
        calibration: calibration frames for int8; None: float32.

    Raises:
        KBNetError: the depth differs, or a ``.bin`` that is not of an export would be replaced.
        ModuleNotFoundError: onnx, openvino or nncf is not installed.
    """
    import openvino

    weights = path.with_suffix(".bin")
    if weights.exists() and not (path.is_file() and FORMAT in read_text(path, "replace")):
        raise KBNetError(f"{weights} would be replaced, but is not of an export to {path}; choose another --output")
    precision = "float32" if calibration is None else "int8"
    model = openvino_model(network, sizes=sizes)
    if calibration is not None:
        model = quantise(model, network.config, calibration)
    for key, text in describe(network.config, origin, sizes=sizes, precision=precision).items():
        model.set_rt_info(text, [INFO, key])
    with scratch_folder(path.with_name(f".{path.stem}.partial"), path) as folder:
        try:
            openvino.save_model(model, folder / path.name, compress_to_fp16=False)
            model.set_rt_info(file_sha256(folder / weights.name), [INFO, BIN])
            openvino.save_model(model, folder / path.name, compress_to_fp16=False)
        except RuntimeError as error:  # a full disk, among others
            raise OSError(f"{path} cannot be written ({error}); free some space, or choose another disk") from error
        parity = measure_parity(_run_file(folder / path.name), inference_copy(network), frames, sizes=sizes)
        check_parity(parity, int8=calibration is not None)
        # The .xml first: after a kill it tells the next export that the .bin may be replaced.
        os.replace(folder / path.name, path)
        os.replace(folder / weights.name, weights)
    return parity


def _run_file(path: Path) -> Run:
    import openvino

    with signal_stack_kept():
        compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    # A quantised model has additional names of its inputs.
    names = [next(name for name in NetworkInputs._fields if name in each.get_names()) for each in compiled.inputs]

    def run(inputs: NetworkInputs) -> Tensor:
        return torch.from_numpy(compiled([getattr(inputs, name).numpy() for name in names])[0])

    return run


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Restore the alternate signal stack of this thread at the end of the block.

    OpenVINO's CPU plugin (seen in 2026.4) sets a signal stack while it compiles, and frees its memory without unsetting
    it. The next signal, such as Ctrl-C, would be handled in freed memory and cause a segmentation fault. Linux only;
    elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    sigaltstack = ctypes.CDLL(None).sigaltstack
    before = (ctypes.c_ubyte * 64)()  # stack_t has at most 24 bytes
    sigaltstack(None, before)
    try:
        yield
    finally:
        sigaltstack(before, None)
