"""What a completer is called with: a frame, the arrays of one, or the tensors of a batch."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame, ImageArray, Prior


class FrameArrays(NamedTuple):
    """Fields of a `kbnet.Frame`, before its checks."""

    image: ImageArray
    sparse_depth: FloatArray
    intrinsics: FloatArray
    prior: Prior | None

    def checked(self) -> FrameArrays:
        """The same, of valid shapes, types and values.

        Raises:
            KBNetError: as `kbnet.Frame`.
        """
        frame = Frame(self.image, self.sparse_depth, self.intrinsics, prior=self.prior)
        return FrameArrays(frame.image, frame.sparse_depth, frame.intrinsics, frame.prior)


class Batch(NamedTuple):
    """Tensors: image (B, 3, H, W), sparse depth (B, 1, H, W), and K (B, 3, 3)."""

    image: Tensor
    sparse_depth: Tensor
    intrinsics: Tensor


def given_arrays(
    image: ImageArray | Tensor | Frame,
    sparse_depth: FloatArray | Tensor | None,
    intrinsics: FloatArray | Tensor | None,
    prior: Prior | None,
) -> FrameArrays | Batch:
    """Sort the arguments of a `kbnet.DepthCompleter`.

    Raises:
        KBNetError: a frame comes with something else, something is missing, arrays and tensors are mixed, or tensors
            come with a prior.
    """
    if isinstance(image, Frame) and sparse_depth is None and intrinsics is None:
        if prior is not None:
            raise KBNetError("expected the prior of a frame in frame.prior, got another as well; leave one out")
        return FrameArrays(image.image, image.sparse_depth, image.intrinsics, image.prior)
    if isinstance(image, Frame) or sparse_depth is None or intrinsics is None:
        raise KBNetError("expected a frame alone, or image, sparse_depth and intrinsics; give all three or a frame")
    if isinstance(image, Tensor) and isinstance(sparse_depth, Tensor) and isinstance(intrinsics, Tensor):
        if prior is not None:
            raise KBNetError("expected arrays or a frame with a prior, got tensors; complete the frames one by one")
        return Batch(image, sparse_depth, intrinsics)
    if isinstance(image, Tensor) or isinstance(sparse_depth, Tensor) or isinstance(intrinsics, Tensor):
        raise KBNetError("expected image, sparse_depth and intrinsics all as numpy arrays or all as tensors, got a mix")
    return FrameArrays(image, sparse_depth, intrinsics, prior)
