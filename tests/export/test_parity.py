from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kbnet.export.parity import measure_parity
from kbnet.export.sizes import Sizes
from kbnet.frame import Frame
from kbnet.network.kbnet import KBNet


@pytest.fixture
def seen(network: KBNet) -> tuple[list[tuple[Tensor, ...]], Callable[[tuple[Tensor, ...]], Tensor]]:
    """Inputs that an export was given, and that export: the network itself."""
    given: list[tuple[Tensor, ...]] = []

    def run(inputs: tuple[Tensor, ...]) -> Tensor:
        given.append(inputs)
        with torch.no_grad():
            return network(*inputs)

    return given, run


@pytest.mark.parametrize(
    ("sizes", "shapes"),
    [("any", [(1, 44, 70), (2, 33, 47)]), ("multiples-of-32", [(1, 32, 64), (2, 32, 64)])],
)
def test_frames_are_compared_whole_and_as_crops_with_their_own_camera(
    network: KBNet,
    frame: Frame,
    seen: tuple[list[tuple[Tensor, ...]], Callable[..., Tensor]],
    sizes: Sizes,
    shapes: object,
) -> None:
    given, run = seen
    assert measure_parity(run, network, [frame], sizes=sizes).largest == 0
    assert [(len(image), *image.shape[2:]) for image, *_ in given] == shapes
    for image, points, _, intrinsics, *_ in given:
        height, width = image.shape[-2:]
        top, left = 44 - height, 70 - width
        assert torch.equal(points[-1, 0], torch.from_numpy(frame.sparse_depth[top:, left:].copy()))
        assert intrinsics[-1, 0, 2] == frame.intrinsics[0, 2] - left
        assert intrinsics[-1, 1, 2] == frame.intrinsics[1, 2] - top
    pair = given[1][3]
    assert torch.equal(pair[0], torch.from_numpy(frame.intrinsics))


def test_depth_that_is_not_finite_is_refused(network: KBNet, frame: Frame) -> None:
    with pytest.raises(ValueError, match="not finite on frame '0000'"):
        measure_parity(lambda inputs: inputs[1] * float("nan"), network, [frame])
