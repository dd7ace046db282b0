"""DepthCompleter: dense metric depth from image, sparse depth and intrinsics."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal, overload

import numpy as np
import torch
from torch import Tensor

from kbnet.errors import KBNetError, expect
from kbnet.frame import NEAR_DEPTH, FloatArray, Frame, ImageArray, Prior
from kbnet.inference.engine import Engine, EngineName, OfProcess, Precision, make_engine, open_engine
from kbnet.inference.given_arrays import Batch, FrameArrays, PointCounts, check_shapes, checked_counts, given_arrays
from kbnet.inference.weights_files import is_exported
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.guided_upsampling import guided_upsampling
from kbnet.network.inputs import blended_with_prior, frame_tensors, with_prior, working_inputs
from kbnet.network.siblings.config import NetworkConfig
from kbnet.network.working_size import enlarged_batch, enlarged_values, enlargement, values_at_cells
from kbnet.points.prior import OUTPUT_POWER
from kbnet.weights.depth_network import load_network

BEYOND_RANGE = 0.1
"""Share of the sparse points beyond the network's depth range above which a warning is given."""


def load(
    source: str | Path,
    *,
    preset: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    engine: EngineName = "auto",
) -> DepthCompleter:
    """Make a depth completer from weights.

    Args:
        source: name of bundled weights (``indoor``) or of local ones (``kitti``, ``void1500`` after their import, see
            ``kbnet weights --help``), a ``.safetensors`` file, a published ``.pth`` file, or an ``.onnx`` or OpenVINO
            ``.xml`` of ``kbnet export``.
        preset: ``void`` or ``kitti``, for a published file only; other files and named weights contain their config.
        device: ``auto`` (a CUDA device if there is one, else the CPU; the CPU for an exported file) or any torch
            device.
        precision: ``float32``, ``bfloat16``, ``float16`` on a CUDA device, or ``auto`` for float32; ``int8`` only with
            a quantised ``.xml``.
        engine: see :func:`kbnet.inference.engine.make_engine`; ``auto`` for the fastest installed engine. An exported
            file has its own.

    Returns:
        A callable; see :class:`DepthCompleter`. Its ``engine`` and ``precision`` are the chosen ones.

    Raises:
        FileNotFoundError: there are no such weights.
        ModuleNotFoundError: the engine is not installed.
        KBNetError: the file is damaged or does not fit, or device, precision or engine is not available.
    """
    return DepthCompleter(open_weights(source, preset=preset), device=device, precision=precision, engine=engine)


def open_weights(source: str | Path, *, preset: str | None = None) -> DepthNetwork | Path:
    """Open weights for :class:`DepthCompleter`: a network, or the absolute path of an exported file.

    Args:
        source, preset: as in :func:`load`.

    Raises:
        FileNotFoundError: there are no such weights.
        KBNetError: the file is damaged, or the preset is missing or not wanted.
    """
    if not isinstance(source, str | Path):
        raise KBNetError(f"expected a name or a file of weights, got {source!r}; 'kbnet weights list' shows the names")
    expect(preset, (str, type(None)), "the name of a preset")
    if not is_exported(source):
        return load_network(source, preset=preset)
    if preset is not None:
        raise KBNetError(f"got preset '{preset}', but {source} carries its own config; leave the preset out")
    return Path(source).absolute()


class DepthCompleter(OfProcess):
    """Depth completer: a callable with a network. It is thread-safe and can be pickled.

    Args:
        network: a depth network, which is copied and folded for inference, or an exported file.
        device, precision: as in :func:`load`.
        engine: as in :func:`load`; the default torch starts without delay and does not open exported files.

    Attributes:
        config: config of the network.
        device: device of the computation.
        run_network: function that runs the network, with the arguments of `KBNet.forward`.
    """

    def __init__(
        self,
        network: DepthNetwork | Path,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        engine: EngineName = "torch",
    ) -> None:
        expect(network, (DepthNetwork, Path), "a depth network or the path of an exported file; kbnet.load opens names")
        for name, value in (("device", device), ("precision", precision), ("engine", engine)):
            expect(value, str, f"the name of a{'n' * (name == 'engine')} {name}")
        self.device = find_device("cpu" if device == "auto" and isinstance(network, Path) else device)
        self.config: NetworkConfig
        if isinstance(network, Path):
            opened = open_engine(network, engine=engine, device=self.device, precision=precision)
            self._engine: Engine = opened
            self.config = opened.config
        else:
            self._engine = make_engine(network, engine=engine, device=self.device, precision=precision)
            self.config = network.config
        self.run_network: Callable[..., Tensor] = self._engine

    @property
    def engine(self) -> str:
        """Name of the engine, never ``auto``."""
        return self._engine.name

    @property
    def precision(self) -> str:
        """Precision of the network's convolutions, never ``auto``."""
        return self._engine.precision

    @overload
    def __call__(self, image: Frame, *, return_error: Literal[False] = False, validate: bool = True) -> FloatArray: ...
    @overload
    def __call__(
        self, image: Frame, *, return_error: Literal[True], validate: bool = True
    ) -> tuple[FloatArray, FloatArray]: ...
    @overload
    def __call__(
        self,
        image: ImageArray,
        sparse_depth: FloatArray,
        intrinsics: FloatArray,
        *,
        prior: Prior | None = None,
        return_error: Literal[False] = False,
        validate: bool = True,
    ) -> FloatArray: ...
    @overload
    def __call__(
        self,
        image: ImageArray,
        sparse_depth: FloatArray,
        intrinsics: FloatArray,
        *,
        prior: Prior | None = None,
        return_error: Literal[True],
        validate: bool = True,
    ) -> tuple[FloatArray, FloatArray]: ...
    @overload
    def __call__(
        self,
        image: Tensor,
        sparse_depth: Tensor,
        intrinsics: Tensor,
        *,
        return_error: Literal[False] = False,
        validate: bool = True,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        image: Tensor,
        sparse_depth: Tensor,
        intrinsics: Tensor,
        *,
        return_error: Literal[True],
        validate: bool = True,
    ) -> tuple[Tensor, Tensor]: ...

    def __call__(
        self,
        image: ImageArray | Tensor | Frame,
        sparse_depth: FloatArray | Tensor | None = None,
        intrinsics: FloatArray | Tensor | None = None,
        *,
        prior: Prior | None = None,
        return_error: bool = False,
        validate: bool = True,
    ) -> FloatArray | Tensor | tuple[FloatArray, FloatArray] | tuple[Tensor, Tensor]:
        """Complete depth of one frame (arrays, or a `kbnet.Frame`) or a batch (tensors).

        A frame with a longer side of at least 1.5 times ``config.working_side`` is completed at an integer fraction of
        its size, with the points of :func:`kbnet.network.working_size.working_points`. Its depth is upsampled along
        the edges of the image. A frame of at most half that side is enlarged first, up to four times.

        Args:
            image: RGB, (H, W, 3) uint8; as tensor (B, 3, H, W), uint8 or float in 0..1; or a frame alone.
            sparse_depth: depth along z, (H, W) float metres, 0 = unmeasured; as tensor (B, 1, H, W).
            intrinsics: K, (3, 3), pixels; as tensor (B, 3, 3).
            prior: dense depth of another source for the scaffold, with arrays; that of a frame is ``frame.prior``. See
                :func:`kbnet.points.prior.corrected_prior`.
            return_error: return the expected absolute error too, for weights that predict it.
            validate: check the inputs, and warn about an empty sparse map and points beyond the depth range. For
                tensors, this synchronises once with the device. Without it, invalid inputs give undefined depth.

        Returns:
            Dense depth in metres, float32: (H, W) for arrays; (B, 1, H, W) for tensors, on their device.
            It is finite everywhere, also without any point (with a warning). With ``return_error``: a pair of depth
            and its expected absolute error, metres, of the same shape, at most the depth.

        Raises:
            KBNetError: shapes, types or values are not as above, these weights predict no error, or they have no
                scaffold for a prior.
        """
        if return_error and not self.config.predicts_error:
            raise KBNetError(
                "expected weights that predict their error (network.error predicted), but these do not; "
                "use kbnet.inference.confidence.complete_with_confidence"
            )
        self.check_process(self.engine)
        given = given_arrays(image, sparse_depth, intrinsics, prior)
        if isinstance(given, Batch):
            maps = self._complete_batch(given, validate=validate)
            return (maps[:, :1], maps[:, 1:]) if return_error else maps[:, :1]
        if validate and not isinstance(image, Frame):
            given = given.checked()
        depth, *expected_error = self._complete_frame(given, validate=validate)
        return (depth, expected_error[0]) if return_error else depth

    def _complete_batch(self, batch: Batch, *, validate: bool) -> Tensor:
        """Output of the network, (B, 1 or 2, H, W), metres, on the device of the batch."""
        if validate:
            check_shapes(*batch)
        batch = Batch(batch.image, batch.sparse_depth.float(), batch.intrinsics.float())
        if validate:
            self._warn(checked_counts(*batch, self.config.max_depth))
        return self._complete(*batch).to(batch.image.device)

    def _complete_frame(self, given: FrameArrays, *, validate: bool) -> FloatArray:
        """Output of the network, (1 or 2, H, W), metres."""
        tensors = frame_tensors(given.image, given.sparse_depth.astype(np.float32), given.intrinsics.astype(np.float32))
        if validate:
            self._warn(PointCounts.of(tensors[1], self.config.max_depth))
        maps: FloatArray = self._complete(*tensors, given.prior)[0].cpu().numpy()
        return maps

    @torch.no_grad()
    def _complete(self, image: Tensor, sparse_depth: Tensor, intrinsics: Tensor, prior: Prior | None = None) -> Tensor:
        """Output of the network: depth, and its expected error if it is predicted, (B, 1 or 2, H, W), metres."""
        image, sparse_depth, intrinsics = (x.to(self.device) for x in (image, sparse_depth, intrinsics))
        times = enlargement((image.shape[-2], image.shape[-1]), self.config.working_side)
        image, sparse_depth, intrinsics = enlarged_batch(image, sparse_depth, intrinsics, times)
        inputs, factor = working_inputs(image, sparse_depth, intrinsics, self.config)
        corrected = None
        if prior is not None:
            there = prior.mapped(lambda values: values_at_cells(enlarged_values(values, times), factor))
            inputs, corrected = with_prior(inputs, there, self.config)
        depth = self.run_network(*inputs)
        if prior is not None and corrected is not None and prior.own_weight is None:
            depth = torch.cat([blended_with_prior(depth[:, :1], corrected, OUTPUT_POWER), depth[:, 1:]], dim=1)
        if factor == 1:
            return depth if times == 1 else depth[..., ::times, ::times].contiguous()
        return guided_upsampling(depth.log(), inputs.image, image, factor, in_blocks=True).exp_()

    def _warn(self, counts: PointCounts) -> None:
        """Warn about missing, near and far points at the caller of :meth:`__call__`."""
        if counts.empty:
            warnings.warn(
                f"sparse_depth holds no measured point in {counts.empty} of {counts.frames} frames; "
                "the completed depth there has no metric scale to go by",
                stacklevel=4,
            )
        if counts.near and counts.near == counts.points:
            warnings.warn(NEAR_DEPTH, stacklevel=4)
        if counts.beyond > BEYOND_RANGE * counts.points:
            warnings.warn(
                f"more than a tenth of sparse_depth lies beyond {self.config.max_depth:g} m, which these weights are "
                "not made for: for streets, use the weights 'outdoor'; else check that depth is in metres",
                stacklevel=4,
            )


def find_device(name: str) -> torch.device:
    """Torch device of a name; ``auto``: a CUDA device if there is one, else the CPU.

    Raises:
        KBNetError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise KBNetError(f"expected a usable device, got '{name}' ({reason}); use cpu or auto") from error
    return device
