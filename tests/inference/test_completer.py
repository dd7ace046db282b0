"""DepthCompleter: both kinds of input, and everything that is refused."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import warnings
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from kbnet.errors import KBNetError
from kbnet.frame import Frame, Prior
from kbnet.inference import onnxruntime_engine, openvino_engine
from kbnet.inference.completer import DepthCompleter, load
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.weights.depth_network import save_network

HEIGHT, WIDTH = 40, 50
Arrays = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


def make_completer(**changes: Any) -> DepthCompleter:
    torch.manual_seed(0)
    filters = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    network = KBNet(KBNetConfig(**filters, **changes))
    # A fresh scaffold network would be the interpolation itself, whatever the image.
    torch.nn.init.normal_(network.decoder.output.weight, std=0.1)
    return DepthCompleter(network, device="cpu")


@pytest.fixture(params=["none", "linear"])
def completer(request: pytest.FixtureRequest) -> DepthCompleter:
    return make_completer(scaffold=request.param)


def arrays() -> Arrays:
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    depth = generator.uniform(1, 4, (HEIGHT, WIDTH)).astype(np.float32)
    points = np.where(generator.random(depth.shape) < 0.1, depth, np.float32(0))
    return image, points, np.array([[45, 0, 25], [0, 45, 20], [0, 0, 1]], np.float32)


def tensors() -> tuple[Tensor, Tensor, Tensor]:
    image, points, K = arrays()
    return (
        torch.from_numpy(image).permute(2, 0, 1)[None],
        torch.from_numpy(points)[None, None],
        torch.from_numpy(K)[None],
    )


def test_arrays_and_tensors_give_the_same_depth(completer: DepthCompleter) -> None:
    depth = completer(*arrays())
    assert depth.shape == (HEIGHT, WIDTH)
    assert depth.dtype == np.float32
    assert depth.std() > 0
    image, points, K = tensors()
    for same_image in (image, image.float() / 255):
        batched = completer(same_image, points, K)
        assert batched.shape == (1, 1, HEIGHT, WIDTH)
        assert batched.device == image.device
        np.testing.assert_array_equal(batched[0, 0].numpy(), depth)


def test_a_frame_gives_the_depth_of_its_arrays_and_needs_none_beside_it(completer: DepthCompleter) -> None:
    image, points, K = arrays()
    frame: Any = Frame(image, points, K)
    np.testing.assert_array_equal(completer(frame), completer(image, points, K))
    missing: Any = None
    for inputs in ((frame, points, K), (image, missing, K), (image, points, missing)):
        with pytest.raises(KBNetError, match="give all three or a frame"):
            completer(*inputs)


def test_a_batch_equals_its_samples(completer: DepthCompleter) -> None:
    image, points, K = tensors()
    both = completer(torch.cat([image, image.flip(3)]), torch.cat([points, points.flip(3)]), K.expand(2, 3, 3))
    torch.testing.assert_close(both[:1], completer(image, points, K))
    torch.testing.assert_close(both[1:], completer(image.flip(3), points.flip(3), K))


@pytest.mark.gpu
def test_tensors_stay_on_their_device() -> None:
    completer = DepthCompleter(KBNet(make_completer().config), device="cuda")
    assert completer(*tensors()).device.type == "cpu"
    assert completer(*(tensor.cuda() for tensor in tensors())).device.type == "cuda"


def test_an_empty_map_is_warned_of_where_it_was_passed_and_completed_finitely(completer: DepthCompleter) -> None:
    image, points, K = arrays()
    with pytest.warns(UserWarning, match="no measured point in 1 of 1 frames; .* no metric scale") as caught:
        depth = completer(image, np.zeros_like(points), K)
    assert np.isfinite(depth).all()
    assert caught[0].filename == __file__
    image_tensor, points_tensor, K_tensor = tensors()
    both = torch.cat([points_tensor, torch.zeros_like(points_tensor)])
    with pytest.warns(UserWarning, match="no measured point in 1 of 2 frames") as caught:
        completer(image_tensor.repeat(2, 1, 1, 1), both, K_tensor.repeat(2, 1, 1))
    assert caught[0].filename == __file__


def test_inputs_are_left_as_they_were(completer: DepthCompleter) -> None:
    given = arrays()
    copies = [array.copy() for array in given]
    completer(*given)
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_any_memory_layout_and_float_type_will_do(completer: DepthCompleter) -> None:
    image, points, K = arrays()
    expected = completer(image, points, K)
    flipped = tuple(np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1] for array in (image, points, K))
    np.testing.assert_array_equal(completer(*flipped), expected)
    by_column = tuple(np.asfortranarray(array) for array in (image, points, K))
    np.testing.assert_array_equal(completer(*by_column), expected)
    np.testing.assert_array_equal(completer(image, points.astype(np.float64), K.astype(np.float64)), expected)
    image_tensor, points_tensor, K_tensor = tensors()
    doubled = completer(image_tensor, points_tensor.double(), K_tensor.double())
    np.testing.assert_array_equal(doubled[0, 0].numpy(), expected)


def test_read_only_arrays_pass_without_a_warning(completer: DepthCompleter) -> None:
    given = arrays()
    for array in given:
        array.flags.writeable = False
    planes = np.ascontiguousarray(given[0].transpose(2, 0, 1))
    planes.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        completer(*given)
        completer(planes.transpose(1, 2, 0), *given[1:])


def test_masked_depth_is_unmeasured_and_other_masks_are_refused(completer: DepthCompleter) -> None:
    image, points, K = arrays()
    nearest = points == points[points > 0].min()
    without = np.where(nearest, np.float32(0), points)
    np.testing.assert_array_equal(
        completer(image, np.ma.masked_array(points, nearest), K), completer(image, without, K)
    )
    masked: Any = np.ma.masked_array(image, image > 200)
    with pytest.raises(ValueError, match="expected image with a colour at every pixel, got a masked array"):
        completer(masked, points, K)
    with pytest.raises(ValueError, match=r"expected intrinsics as a \(3, 3\) matrix"):
        completer(image, points, np.ma.masked_array(K, K == 0))
    with pytest.raises(ValueError, match="1 values that are NaN, infinite or too large"):
        completer(image, np.where(nearest, 1e300, points.astype(np.float64)), K)


def test_float64_images_in_0_to_1_are_taken_as_tensors(completer: DepthCompleter) -> None:
    image, points, K = tensors()
    np.testing.assert_allclose(completer(image.double() / 255, points, K), completer(image, points, K), rtol=1e-4)


def test_bfloat16_is_close_to_float32() -> None:
    network = KBNet(make_completer().config)
    depth = DepthCompleter(network, device="cpu")(*arrays())
    rough = DepthCompleter(network, device="cpu", precision="bfloat16")(*arrays())
    assert rough.dtype == np.float32
    assert not np.array_equal(rough, depth)
    np.testing.assert_allclose(rough, depth, rtol=0.05)


def spoil_sparse_depth(value: float) -> Callable[[Any, Any, Any], tuple[Any, Any, Any]]:
    def change(image: Any, points: Any, K: Any) -> tuple[Any, Any, Any]:
        points = points.clone() if isinstance(points, Tensor) else points.copy()
        points[..., 3, 4] = value
        return image, points, K

    return change


@pytest.mark.parametrize("make", [arrays, tensors])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil_sparse_depth(float("nan")), "NaN"),
        (spoil_sparse_depth(float("inf")), "infinite"),
        (spoil_sparse_depth(-1.0), "negative"),
        (spoil_sparse_depth(1e13), "too large"),
        (lambda image, points, K: (image, points[..., :-1], K), "sparse_depth"),
        (lambda image, points, K: (image, points > 0, K), "sparse_depth as .*floating-point"),
        (lambda image, points, K: (image, points, K[..., :2, :]), "intrinsics as"),
        (lambda image, points, K: (image, points, K + 0j), "intrinsics as"),
        (lambda image, points, K: (image, points, K + 1e7 * (K[..., 0, 2] == K)), "invertible pinhole intrinsics"),
        (lambda image, points, K: (image, points, 0 * K), "invertible pinhole intrinsics"),
        (lambda image, points, K: (image, points, float("nan") * K), "invertible pinhole intrinsics"),
        (
            lambda image, points, K: (
                (image[:1], points[..., :1, :], K) if image.ndim == 3 else (image[..., :9, :], points, K)
            ),
            "32x32",
        ),
        (lambda image, points, K: (image[..., 0], points, K), "expected image as"),
    ],
)
def test_bad_input_is_named(
    completer: DepthCompleter,
    make: Callable[[], tuple[Any, Any, Any]],
    change: Callable[[Any, Any, Any], tuple[Any, Any, Any]],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        completer(*change(*make()))
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_name_are_refused() -> None:
    with pytest.raises(KBNetError, match="expected a name or a file of weights, got None"):
        load(None)  # type: ignore[arg-type]


class CountReads(TorchDispatchMode):
    """Counts values that are read from tensors one by one: on a GPU each read waits for all work before it."""

    reads = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_checks_of_tensors_read_no_value_one_by_one() -> None:
    completer = make_completer()
    image, points, K = tensors()
    with CountReads() as count:
        completer(image.float() / 255, points, K)
    assert count.reads == 0


@pytest.mark.parametrize("make", [arrays, tensors])
def test_without_validation_depth_is_the_same_and_no_value_is_looked_at(
    completer: DepthCompleter, make: Callable[[], tuple[Any, Any, Any]]
) -> None:
    image, points, K = make()
    expected = completer(image, points, K)
    same = completer(image, points, K, validate=False)
    assert type(same) is type(expected)
    np.testing.assert_array_equal(np.asarray(same), np.asarray(expected))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        completer(image, 0 * points, K, validate=False)
    completer(*spoil_sparse_depth(float("inf"))(image, points, K), validate=False)


def test_points_beyond_the_range_of_the_weights_are_warned_of_where_they_were_passed() -> None:
    for image, points, K in (arrays(), tensors()):
        with pytest.warns(UserWarning, match="more than a tenth of sparse_depth lies beyond 8 m") as caught:
            make_completer()(image, 10 * points, K)  # type: ignore[call-overload]
        assert caught[0].filename == __file__


def test_points_that_are_hardly_in_metres_are_warned_of_where_they_were_passed() -> None:
    for image, points, K in (arrays(), tensors()):
        with pytest.warns(UserWarning, match=r"nearer than 0\.35 m everywhere; check that it is in metres") as caught:
            make_completer()(image, points / 256, K)  # type: ignore[call-overload]
        assert caught[0].filename == __file__


def test_a_projection_matrix_says_what_to_take_of_it(completer: DepthCompleter) -> None:
    image, points, _ = arrays()
    with pytest.raises(ValueError, match="of a 4x4 or 3x4 projection take the upper left 3x3"):
        completer(image, points, np.eye(4, dtype=np.float32))


@pytest.mark.parametrize("odd", [Tensor.to_sparse, lambda x: x.to("meta"), lambda x: x.to(torch.float8_e4m3fn)])
@pytest.mark.parametrize("at", range(3))
def test_tensors_without_plain_values_are_refused(completer: DepthCompleter, odd: Any, at: int) -> None:
    given = [one.float() for one in tensors()]
    given[at] = odd(given[at])
    with pytest.raises(KBNetError, match="expected dense tensors, floats of 16 to 64 bits, got"):
        completer(*given)


def test_a_mix_of_arrays_and_tensors_is_refused(completer: DepthCompleter) -> None:
    image, points, K = arrays()
    with pytest.raises(ValueError, match="all as numpy arrays or all as tensors, got a mix"):
        completer(torch.from_numpy(image), points, K)  # type: ignore[call-overload]


def test_images_that_are_no_arrays_are_refused(completer: DepthCompleter) -> None:
    _, points, K = arrays()
    with pytest.raises(ValueError, match="got a list"):
        completer([[1, 2]], points, K)  # type: ignore[call-overload]


def test_unknown_precision_and_device_are_refused() -> None:
    network = KBNet(make_completer().config)
    with pytest.raises(ValueError, match=r"expected one of auto, float32, .*, got 'float64'"):
        DepthCompleter(network, precision="float64")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="float16 is for CUDA devices, got cpu"):
        DepthCompleter(network, device="cpu", precision="float16")
    for device in ("gpu", "cuda:99"):
        with pytest.raises(ValueError, match=f"usable device, got '{device}' .* use cpu or auto"):
            DepthCompleter(network, device=device)


def test_engine_and_precision_say_what_was_picked(tmp_path: Path) -> None:
    completer = make_completer()
    assert (completer.engine, completer.precision) == ("torch", "float32")
    path = tmp_path / "tiny.safetensors"
    save_network(KBNet(completer.config), path)
    picked = load(path, device="cpu")
    assert picked.engine == ("openvino" if openvino_engine.available() else picked.engine) != "auto"
    assert picked.precision == "float32"


def test_depth_is_the_callers_own_and_may_be_trained_on() -> None:
    completer = make_completer()
    image, points, K = tensors()
    first = completer(image, points, K)
    kept = first.clone()
    completer(image.flip(3), points, K)
    assert torch.equal(first, kept)
    factor = torch.ones(1, requires_grad=True)
    (first * factor).sum().backward()
    assert factor.grad is not None


def test_an_openvino_file_with_what_it_does_not_offer_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.xml"
    with pytest.raises(ValueError, match="carries its own config; leave the preset out"):
        load(missing, preset="void")
    with pytest.raises(ValueError, match=r"expected engine auto or openvino for .*missing\.xml, got torch"):
        load(missing, engine="torch")


def test_config_is_that_of_the_network() -> None:
    assert make_completer(max_depth=5.0).config.max_depth == 5.0


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino"])
def test_a_pickled_completer_gives_the_same_depth(engine: Any) -> None:
    module = {"onnxruntime": onnxruntime_engine, "openvino": openvino_engine}.get(engine)
    if module is not None and not module.available():
        pytest.skip(f"{engine} is not installed")
    precision = "bfloat16" if engine == "torch" else "float32"  # the copy must not round its weights twice
    torch.manual_seed(0)
    network = KBNet(KBNetConfig(image_filters=(8,) * 6, depth_filters=(8,) * 6, decoder_filters=(8,) * 5))
    completer = DepthCompleter(network, device="cpu", engine=engine, precision=precision)
    expected = completer(*arrays())
    copied = pickle.loads(pickle.dumps(completer))
    assert (copied.engine, copied.precision, copied.config) == (engine, precision, completer.config)
    np.testing.assert_array_equal(copied(*arrays()), expected)


def test_other_processes_get_a_completer_in_one_piece() -> None:
    """Of each tensor they would get a file descriptor; forkserver sends at most 250."""
    seen = []

    class Pickler(ForkingPickler):
        def reducer_override(self, value: object) -> Any:
            seen.append(type(value))
            return NotImplemented

    Pickler(io.BytesIO()).dump(make_completer())
    assert not {torch.UntypedStorage, Tensor, torch.nn.Parameter} & set(seen)


@pytest.mark.parametrize(
    ("engine", "threads", "refused"), [("torch", 1, False), ("torch", 2, True), ("openvino", 1, True)]
)
def test_a_forked_process_that_would_wait_for_ever_is_refused(
    engine: str, threads: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    completer = make_completer()
    completer(*arrays())
    monkeypatch.setattr(os, "getpid", lambda: -1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(DepthCompleter, "engine", engine)
    if refused:
        with pytest.raises(KBNetError, match="got one forked from it, which lacks its threads; start processes by"):
            completer(*arrays())
        pickle.loads(pickle.dumps(completer))(*arrays())
    else:
        completer(*arrays())


def test_a_spawned_process_completes_with_the_same_depth() -> None:
    completer = make_completer()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(completer, arrays())
    np.testing.assert_array_equal(found, completer(*arrays()))


LARGE = (131, 203)
"""Odd, and no multiple of the factor of 3 that a working side of 66 makes."""


def plane() -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """A slanted plane with a point in the centre of every fourth cell of 3x3 pixels; last, its true depth."""
    rows, columns = np.mgrid[: LARGE[0], : LARGE[1]]
    truth = (2 + 0.002 * columns + 0.001 * rows).astype(np.float32)
    points = np.zeros(LARGE, np.float32)
    points[1::6, 1::6] = truth[1::6, 1::6]
    image = np.random.default_rng(0).integers(0, 256, (*LARGE, 3), dtype=np.uint8)
    return image, points, np.array([[180, 0, 101], [0, 180, 65], [0, 0, 1]], np.float32), truth


@pytest.mark.parametrize("rule", ["window", "support"])
def test_a_large_plane_is_completed_as_the_same_plane_at_the_working_size(rule: str) -> None:
    image, points, K, truth = plane()
    config = KBNetConfig(scaffold="continued", outlier_rule=rule, working_side=66)
    fresh = DepthCompleter(KBNet(config), device="cpu")
    depth = fresh(image, points, K)
    assert depth.shape == LARGE
    np.testing.assert_allclose(depth[1:-3, 1:-3], truth[1:-3, 1:-3], rtol=3e-3)
    np.testing.assert_allclose(depth, truth, rtol=0.02)
    K_small = np.array([[60, 0, 100 / 3], [0, 60, 64 / 3], [0, 0, 1]], np.float32)
    small = fresh(image[1::3, 1::3].copy(), points[1::3, 1::3].copy(), K_small)
    np.testing.assert_allclose(depth[1::3, 1::3][:43, :67], small[:43, :67], rtol=3e-3)


@pytest.mark.parametrize("scaffold", ["none", "continued"])
def test_a_batch_of_large_frames_equals_its_samples_and_is_finite(scaffold: str) -> None:
    completer = make_completer(scaffold=scaffold, working_side=66)
    image, points, K, _ = plane()
    batch = [torch.from_numpy(x)[None] for x in (image.transpose(2, 0, 1).copy(), points[None], K)]
    both = completer(*(torch.cat([x, x.flip(-1) if x.ndim == 4 else x]) for x in batch))
    assert both.shape == (2, 1, *LARGE)
    assert torch.isfinite(both).all()
    assert (both > 0).all()
    np.testing.assert_allclose(both[0, 0].numpy(), completer(image, points, K), rtol=1e-5)
    torch.testing.assert_close(both[:1], completer(batch[0].float() / 255, *batch[1:]))
    seen: list[tuple[Tensor, ...]] = []
    run = completer.run_network
    completer.run_network = lambda *inputs: run(*(seen.append(inputs) or inputs))
    completer(image, points, K)
    assert seen[0][0].shape == (1, 3, 44, 68)
    assert torch.equal(seen[0][1][0, 0, :, :67], torch.from_numpy(points[1::3, 1::3])[:, :67])


def test_a_small_plane_is_completed_as_a_plane_of_twice_its_size() -> None:
    image, points, K, truth = plane()
    config = KBNetConfig(scaffold="continued", working_side=2 * LARGE[1] + 1)
    completer = DepthCompleter(KBNet(config), device="cpu")
    seen: list[tuple[Tensor, ...]] = []
    run = completer.run_network
    completer.run_network = lambda *inputs: run(*(seen.append(inputs) or inputs))
    depth = completer(image, points, K, prior=Prior(truth, "metric"))
    assert seen[0][0].shape == (1, 3, 2 * LARGE[0], 2 * LARGE[1])
    assert torch.equal(seen[0][1][0, 0, ::2, ::2], torch.from_numpy(points))
    np.testing.assert_allclose(depth, truth, rtol=3e-3)


def test_frames_below_one_and_a_half_working_sides_are_not_reduced() -> None:
    depth = make_completer(scaffold="linear")(*arrays())
    same = make_completer(scaffold="linear", working_side=WIDTH * 2 // 3 + 1)(*arrays())
    np.testing.assert_array_equal(same, depth)


def test_a_large_frame_without_points_is_completed_finitely() -> None:
    image, points, K, _ = plane()
    with pytest.warns(UserWarning, match="no measured point"):
        depth = make_completer(scaffold="continued", working_side=66)(image, np.zeros_like(points), K)
    assert np.isfinite(depth).all()
