"""AugUndo: the way there and back, one camera all the same, probabilities, and draws that can be repeated."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from kbnet.frames.sequence import Sequence
from kbnet.geometry.camera import backproject, viewing_rays
from kbnet.geometry.plane_map import mapped_pixels
from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.points.scaffold import scaffold_from_points
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.augundo import AugUndo, Draw, change_colours, draw, erase, turn_hue
from kbnet.training.augundo_config import AugUndoConfig
from kbnet.training.batch import TripletBatch
from kbnet.training.config import TrainingConfig
from kbnet.training.dataset import SampleKey, TripletDataset
from kbnet.training.loop import train
from kbnet.training.presets import training_preset
from kbnet.training.recipe import apply_layers, from_table, read_recipe_layers, to_table
from kbnet.training.step import StepOptions, TrainingStep

HEIGHT, WIDTH, SAMPLES = 48, 60, 6
INTRINSICS = torch.tensor([[50.0, 0.0, 31.0], [0.0, 46.0, 22.0], [0.0, 0.0, 1.0]])
PLANE = torch.tensor([0.2, -0.15, 0.5])
"""n of the plane n · X = 1, about two metres ahead and slanted, 1/metres."""

CHANGES: dict[str, AugUndoConfig] = {
    "flip_horizontal": AugUndoConfig(flip_horizontal=1.0),
    "flip_vertical": AugUndoConfig(flip_vertical=1.0),
    "both_flips": AugUndoConfig(flip_horizontal=1.0, flip_vertical=1.0),
    "rotation": AugUndoConfig(rotation_degrees=(-40.0, 40.0), rotation_probability=1.0),
    "crop_and_pad": AugUndoConfig(crop_and_pad=(0.7, 0.9), crop_and_pad_probability=1.0),
    "resize_and_pad": AugUndoConfig(resize_and_pad_probability=1.0),
    "resize_and_crop": AugUndoConfig(resize_and_crop=(1.1, 1.4), resize_and_crop_probability=1.0),
}
CHANGES["everything"] = AugUndoConfig(
    flip_horizontal=0.5,
    flip_vertical=0.5,
    rotation_probability=1.0,
    crop_and_pad_probability=1.0,
    resize_and_pad_probability=1.0,
    resize_and_crop_probability=1.0,
)
EXACT = ("flip_horizontal", "flip_vertical", "both_flips")
FILTERS: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}


def plane_depth() -> Tensor:
    """Depth of the plane at every pixel, (B, 1, H, W), metres."""
    return (
        1 / torch.einsum("bihw,i->bhw", viewing_rays(INTRINSICS.expand(SAMPLES, 3, 3), HEIGHT, WIDTH), PLANE)[:, None]
    )


def make_batch(scaffold: Tensor | None = None, share: float = 0.05) -> TripletBatch:
    """Points on the plane at a share of the pixels, and images of noise."""
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(3, SAMPLES, 3, HEIGHT, WIDTH, generator=generator)
    points = plane_depth() * (torch.rand(SAMPLES, 1, HEIGHT, WIDTH, generator=generator) < share)
    validity = (points > 0).float()
    return TripletBatch(
        image=images[0],
        previous_image=images[1],
        next_image=images[2],
        input_image=images[0],
        input_depth=points,
        input_validity=validity,
        sparse_depth=points,
        validity=validity,
        scaffold=scaffold,
        intrinsics=INTRINSICS.expand(SAMPLES, 3, 3),
        T_previous_current=torch.eye(4).expand(SAMPLES, 4, 4),
        T_next_current=torch.eye(4).expand(SAMPLES, 4, 4),
        has_poses=torch.ones(SAMPLES, dtype=torch.bool),
        ground_truth=plane_depth(),
        names=("plane",) * SAMPLES,
        draw_seed=torch.arange(SAMPLES) + 10,
    )


@pytest.mark.parametrize("change", EXACT)
def test_a_flip_is_undone_exactly(change: str) -> None:
    depth = torch.rand(SAMPLES, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    inputs, undo = AugUndo(CHANGES[change])(make_batch(depth))
    undone, seen = undo(inputs[4])
    assert not torch.equal(inputs[4], depth)
    assert torch.equal(undone, depth)
    assert seen.all()


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_undoing_returns_every_seen_pixel_to_its_place(change: str) -> None:
    """Of the maps x and y, the error of the undone value is the error of its place, pixels."""
    x, y = torch.meshgrid(torch.arange(float(WIDTH)), torch.arange(float(HEIGHT)), indexing="xy")
    for ramp in (x, y):
        original = ramp.expand(SAMPLES, 1, HEIGHT, WIDTH)
        inputs, undo = AugUndo(CHANGES[change])(make_batch(original))
        undone, seen = undo(inputs[4])
        error_px = (undone - original).abs()[seen > 0]
        assert error_px.max() < 1
        assert error_px.quantile(0.9) < 1e-3
        assert 0.3 < float(seen.mean()) <= 1
        if change not in (*EXACT, "resize_and_pad"):
            assert float(seen.mean()) < 1


def fitted_plane(depth: Tensor, intrinsics: Tensor, where: Tensor) -> Tensor:
    """n of n · X = 1 by least squares over some pixels of one sample, (3,), 1/metres."""
    points = backproject(depth[None], intrinsics[None])[0][:, where[0]].T
    return torch.linalg.lstsq(points.double(), torch.ones(len(points), 1).double()).solution[:, 0].float()


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_plane_stays_a_plane_for_the_changed_camera_and_points_stay_on_it(change: str) -> None:
    """It may be rolled and mirrored with the camera: its distance, and its slant to the optical axis, stay."""
    batch = make_batch(plane_depth())
    _, points, _, intrinsics, dense = AugUndo(CHANGES[change])(batch)[0]
    for sample in range(SAMPLES):
        plane = fitted_plane(dense[sample], intrinsics[sample], shown(CHANGES[change], batch, sample))
        assert plane.norm() == pytest.approx(float(PLANE.norm()), abs=2e-3)
        assert plane[2] == pytest.approx(float(PLANE[2]), abs=2e-3)
        distance = torch.einsum(
            "ihw,i->hw", backproject(points[sample : sample + 1], intrinsics[sample][None])[0], plane
        )
        measured = points[sample, 0] > 0
        assert measured.sum() > 20
        # A point lies up to 0.71 pixels beside its pixel, which the slant turns into distance.
        rounding = 0.5**0.5 / float(intrinsics[sample, [0, 1], [0, 1]].min())
        off_plane = (distance[measured] - 1).abs()
        assert (off_plane <= rounding * points[sample, 0][measured] * plane[:2].norm() + 1e-4).all()


def shown(config: AugUndoConfig, batch: TripletBatch, sample: int) -> Tensor:
    """Where the changed frame shows the original, not its continued edge, (1, H, W)."""
    one = draw(config, int(batch.draw_seed[sample]), HEIGHT, WIDTH)
    x, y = mapped_pixels(torch.linalg.inv(one.matrix)[None], HEIGHT, WIDTH)[0]
    left, right, top, bottom = one.window
    return ((x >= left) & (x <= right) & (y >= top) & (y <= bottom))[None]


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_angles_between_points_stay(change: str) -> None:
    """Every point is known by its depth; to its pixel it is rounded by at most 0.71 pixels."""
    batch = make_batch()
    _, points, validity, intrinsics, _ = AugUndo(CHANGES[change])(batch)[0]
    assert torch.equal(validity, (points > 0).float())
    for sample in range(SAMPLES):
        depths = points[sample][points[sample] > 0]
        before = directions(batch.input_depth[sample], batch.intrinsics[sample], depths)
        after = directions(points[sample], intrinsics[sample], depths)
        rounding_rad = 0.5**0.5 / float(intrinsics[sample, [0, 1], [0, 1]].min())
        difference_rad = (angles(before) - angles(after)).abs()
        assert difference_rad.max() <= 2 * rounding_rad + 1e-3
        to_axis_rad = (before[:, 2].acos() - after[:, 2].acos()).abs()
        assert to_axis_rad.max() <= rounding_rad + 1e-3


def directions(points: Tensor, intrinsics: Tensor, depths: Tensor) -> Tensor:
    """Unit vectors to the points of these depths, (N, 3)."""
    rays = viewing_rays(intrinsics[None], HEIGHT, WIDTH)[0].flatten(1)
    place = (points.flatten()[None] == depths[:, None]).float().argmax(dim=1)
    return nn.functional.normalize(rays[:, place].T, dim=1)


def angles(units: Tensor) -> Tensor:
    return (units @ units.T).clamp(-1, 1).acos()


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_points_are_never_interpolated(change: str) -> None:
    batch = make_batch(share=0.5)
    points = AugUndo(CHANGES[change])(batch)[0][1]
    for moved, original in zip(points, batch.input_depth, strict=True):
        assert set(moved.unique().tolist()) <= set(original.unique().tolist())
    if change in EXACT:
        assert (points > 0).sum() == (batch.input_depth > 0).sum()


def test_the_resampled_scaffold_is_close_to_that_of_the_moved_points() -> None:
    points = make_batch(share=0.1).input_depth
    inputs, _ = AugUndo(CHANGES["everything"])(make_batch(scaffold_from_points(points, "linear"), share=0.1))
    anew = scaffold_from_points(inputs[1], "linear")
    assert (inputs[4] - anew).abs().mean() < 0.02 * anew.mean()


PROBABILITY = 0.3
SEEN_AS: dict[str, tuple[str, tuple[float, float], Callable[[Draw], float]]] = {
    "brightness": ("brightness", (0.2, 0.6), lambda one: one.brightness),
    "contrast": ("contrast", (1.1, 1.5), lambda one: one.contrast),
    "saturation": ("saturation", (0.0, 0.5), lambda one: one.saturation),
    "hue": ("hue", (0.05, 0.1), lambda one: one.hue_turns),
    "erase": ("erase", (0.1, 0.2), lambda one: 25 * len(one.patches) / (HEIGHT * WIDTH)),
    "rotation": ("rotation_degrees", (10.0, 20.0), lambda one: float(torch.rad2deg(one.matrix[1, 0].asin()))),
    "crop_and_pad": ("crop_and_pad", (0.5, 0.75), lambda one: (one.window[1] - one.window[0] + 1) / WIDTH),
    "resize_and_pad": ("resize_and_pad", (0.5, 0.8), lambda one: float(one.matrix[0, 0])),
    "resize_and_crop": ("resize_and_crop", (1.2, 1.4), lambda one: float(one.matrix[0, 0])),
}
"""By change: the key of its range, a range without the value that changes nothing, and what a draw says of it."""


@pytest.mark.parametrize("change", sorted(SEEN_AS))
def test_each_change_happens_as_often_as_it_says_and_within_its_range(change: str) -> None:
    key, limits, read = SEEN_AS[change]
    config = AugUndoConfig(**{key: limits, f"{change}_probability": PROBABILITY})
    assert_share(config, read, limits)


@pytest.mark.parametrize(("change", "entry"), [("flip_horizontal", 0), ("flip_vertical", 1)])
def test_each_flip_happens_as_often_as_it_says(change: str, entry: int) -> None:
    config = AugUndoConfig(**{change: PROBABILITY})
    assert_share(config, lambda one: float(one.matrix[entry, entry]), (-1.0, -1.0))


def assert_share(config: AugUndoConfig, read: Callable[[Draw], float], limits: tuple[float, float]) -> None:
    """Over 600 draws: that share is within four standard deviations, and the range is used to its ends."""
    draws = 600
    nothing = read(draw(AugUndoConfig(), 0, HEIGHT, WIDTH))
    values = [read(draw(config, seed, HEIGHT, WIDTH)) for seed in range(draws)]
    happened = [value for value in values if value != pytest.approx(nothing)]
    share = len(happened) / draws
    assert share == pytest.approx(PROBABILITY, abs=4 * (PROBABILITY * (1 - PROBABILITY) / draws) ** 0.5)
    low, high = limits
    slack = 0.02 * abs(high)  # whole pixels and patches
    assert low - slack <= min(happened) <= low + 0.1 * (high - low) + slack
    assert high + slack >= max(happened) >= high - 0.1 * (high - low) - slack


def test_switching_one_change_on_leaves_the_draws_of_the_others_alone() -> None:
    ranges = CHANGES["everything"]
    more = replace(ranges, brightness_probability=1.0, erase_probability=1.0, hue_probability=0.5)
    for seed in range(20):
        one, other = (draw(config, seed, HEIGHT, WIDTH) for config in (ranges, more))
        assert torch.equal(one.matrix, other.matrix)
        assert one.window == other.window


def test_a_sample_is_changed_alike_whatever_it_is_batched_with() -> None:
    augundo = AugUndo(
        replace(CHANGES["everything"], hue_probability=1.0, contrast_probability=1.0, erase_probability=1)
    )
    batch = make_batch(plane_depth())
    joint, undo = augundo(batch)
    for sample in (0, SAMPLES - 1):
        alone, undo_alone = augundo(
            replace(batch, **{k: v[sample : sample + 1] for k, v in vars(batch).items() if isinstance(v, Tensor)})
        )
        for together, single in zip(
            (*joint, undo.pixels, undo.seen), (*alone, undo_alone.pixels, undo_alone.seen), strict=True
        ):
            torch.testing.assert_close(together[sample : sample + 1], single, rtol=0, atol=1e-6)


def test_draw_seeds_are_a_function_of_seed_epoch_and_index(write_sequence: Callable[..., Path]) -> None:
    sequence = Sequence(write_sequence())

    def seed_of(seed: int, epoch: int, index: int, probability: float = 1.0) -> int:
        dataset = TripletDataset([(sequence,)], [1], AugmentationConfig(crop=(32, 32)), KBNetConfig(), seed)
        return int(dataset[SampleKey(epoch, index, probability)].draw_seed)

    keys = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert len({seed_of(*key) for key in keys}) == 4
    assert all(seed_of(*key) == seed_of(*key, probability=0.0) for key in keys)


def test_nothing_asked_for_is_no_change_at_all() -> None:
    batch = make_batch(plane_depth())
    inputs, undo = AugUndo(AugUndoConfig())(batch)
    assert all(torch.equal(one, other) for one, other in zip(inputs, batch.network_inputs, strict=True))
    depth, seen = undo(batch.ground_truth)
    assert torch.equal(depth, batch.ground_truth)
    assert seen.all()


def test_switched_off_a_step_is_bit_for_bit_what_it_was() -> None:
    assert not AugUndoConfig().is_on
    torch.manual_seed(0)
    network = KBNet(KBNetConfig(**FILTERS))
    config = TrainingConfig(poses="known")
    plain = TrainingStep(network, None, LossWeights(), StepOptions(known_poses=True))
    assert TrainingStep.of(config, network, None).augundo is None
    batch = make_batch()
    expected, without_seed = plain(batch), TrainingStep.of(config, network, None)(replace(batch, draw_seed=None))
    assert torch.equal(expected.total, without_seed.total)
    assert torch.equal(expected.depth, without_seed.depth)
    assert torch.equal(expected.depth, network(*batch.network_inputs))


class Echo(nn.Module):
    """Gives the scaffold back, and keeps what it was shown."""

    config = KBNetConfig()

    def forward(self, *inputs: Tensor, reduced: bool = False) -> Tensor:
        self.shown = inputs
        return inputs[4]


class Still(nn.Module):
    """In the place of a pose network: keeps the images it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Tensor] = []

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        self.shown += [target, source]
        return torch.eye(4).expand(len(target), 4, 4)


def test_losses_and_the_pose_network_see_the_originals() -> None:
    batch, network, pose_network = make_batch(plane_depth()), Echo(), Still()
    augundo = AugUndo(replace(CHANGES["everything"], brightness_probability=1.0))
    step = TrainingStep(network, pose_network, LossWeights(), augundo=augundo)
    result = step(batch)
    assert not torch.equal(network.shown[0], batch.image)
    assert torch.equal(pose_network.shown[0], batch.image)
    assert torch.equal(pose_network.shown[1], batch.previous_image)
    assert result.terms["sparse_depth"] < 0.005  # metres, at points on the plane that the network gave back
    plain = TrainingStep(Echo(), pose_network, LossWeights())(batch)
    for name in ("colour", "structure"):
        torch.testing.assert_close(result.terms[name], plain.terms[name], rtol=0.05, atol=0)


def test_no_loss_is_taken_where_the_network_did_not_see() -> None:
    augundo = AugUndo(CHANGES["crop_and_pad"])
    batch = make_batch(plane_depth())
    _, undo = augundo(batch)
    unseen = undo.seen == 0
    wrong = replace(
        batch,
        sparse_depth=torch.where(unseen, 5.0, 0.0),
        validity=unseen.float(),
        ground_truth=torch.where(unseen, 7.0, 0.0),
    )
    weights = LossWeights(supervised=1.0)
    result = TrainingStep(Echo(), None, weights, StepOptions(known_poses=True), augundo=augundo)(wrong)
    assert unseen.any()
    assert result.terms["sparse_depth"] == 0
    assert result.terms["supervised"] == 0


def test_no_gradient_comes_from_where_the_network_did_not_see() -> None:
    augundo = AugUndo(CHANGES["crop_and_pad"])
    sideways = torch.eye(4)
    sideways[0, 3] = 0.1
    batch = replace(
        make_batch(plane_depth().requires_grad_()),
        T_previous_current=sideways.expand(SAMPLES, 4, 4),
        T_next_current=sideways.inverse().expand(SAMPLES, 4, 4),
    )
    _, undo = augundo(batch)
    # Structure compares 3x3 pixels, so it reaches a little beyond what was seen.
    far_from_seen = nn.functional.max_pool2d(undo.seen, 7, stride=1, padding=3) == 0
    result = TrainingStep(Echo(), None, LossWeights(supervised=1.0), StepOptions(known_poses=True), augundo=augundo)(
        batch
    )
    result.depth.retain_grad()
    result.total.backward()
    assert far_from_seen.any()
    assert not result.depth.grad[far_from_seen].any()
    assert result.depth.grad[undo.seen > 0].abs().mean() > 0


@pytest.mark.gpu
def test_a_gpu_changes_the_input_as_the_cpu_does() -> None:
    augundo = AugUndo(replace(CHANGES["everything"], **{f"{name}_probability": 1.0 for name in (*COLOURS, "erase")}))
    (here, undo), (there, undo_there) = (
        augundo(make_batch(plane_depth())),
        augundo(make_batch(plane_depth()).to(torch.device("cuda"))),
    )
    assert {tensor.device.type for tensor in (*there, undo_there.pixels, undo_there.seen)} == {"cuda"}
    for one, other in zip((here[0], here[3], undo.pixels), (there[0], there[3], undo_there.pixels), strict=True):
        torch.testing.assert_close(other.cpu(), one, rtol=1e-4, atol=1e-3)
    # A place that rounds the other way moves a point by a pixel.
    assert (there[1].cpu() != here[1]).float().mean() < 1e-3


@pytest.mark.parametrize("scaffold", ["none", "linear"])
def test_gradients_go_through_the_way_back(scaffold: Any) -> None:
    torch.manual_seed(0)
    batch = make_batch()
    batch = replace(batch, scaffold=scaffold_from_points(batch.input_depth, scaffold))
    network = KBNet(KBNetConfig(**FILTERS, scaffold=scaffold))
    step = TrainingStep(
        network, None, LossWeights(), StepOptions(known_poses=True), augundo=AugUndo(CHANGES["everything"])
    )
    step(batch).total.backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())
    assert network.decoder.output.weight.grad.abs().sum() > 0


def test_the_recipe_trains_and_goes_on_as_if_it_had_never_stopped(
    write_sequence: Callable[..., Path], make_config: Callable[..., TrainingConfig], repository: Path
) -> None:
    """Shrunken: crop, channels, steps."""
    layers = read_recipe_layers(repository / "recipes" / "augundo.toml")
    recipe = apply_layers(training_preset("void"), layers)
    small = make_config(write_sequence(frames=8))
    tiny = replace(
        recipe,
        sequences=small.sequences,
        output=small.output,
        network=replace(recipe.network, **{name: getattr(small.network, name) for name in FILTERS}),
        augmentation=replace(recipe.augmentation, crop=(32, 32)),
        schedule=replace(recipe.schedule, steps=4, decay="steps"),
        batch_size=2,
        workers=0,
        device="cpu",
    )
    train(tiny)
    broken = replace(tiny, output=tiny.output.with_name("broken"))
    train(replace(broken, schedule=replace(broken.schedule, steps=2)))
    train(broken, resume=True)
    one, other = (load_file(run.output / "last.safetensors") for run in (tiny, broken))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    assert from_table(read(tiny.output / "config.toml"), TrainingConfig()).augundo == recipe.augundo
    train(replace(tiny, output=tiny.output.with_name("off"), augundo=AugUndoConfig()))
    off = load_file(tiny.output.with_name("off") / "last.safetensors")
    assert not all(torch.equal(tensor, off[name]) for name, tensor in one.items())


def read(path: Path) -> dict[str, Any]:
    return tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()


COLOURS = ("brightness", "contrast", "saturation", "hue")
HALF = {f"{name}_probability": 0.5 for name in (*COLOURS, "crop_and_pad")} | {"flip_horizontal": 0.5}
PUBLISHED: dict[str, dict[str, Any]] = {
    "augundo_void1500": {
        "batch, crop": (12, (416, 512)),
        "rates until epoch": {20: 1e-4, 40: 5e-5},
        "augmentation until epoch": {15: 1.0},
        "points dropped": ((0.6, 0.7), 0.5),
        "on": HALF
        | {"erase_probability": 0.5, "flip_vertical": 0.5, "resize_and_pad_probability": 0.5}
        | {"rotation_probability": 0.05, "resize_and_crop_probability": 0.1},
        "rotation": (-25, 25),
    },
    "augundo_kitti": {
        "batch, crop": (8, (320, 768)),
        "rates until epoch": {2: 5e-5, 8: 1e-4, 30: 2e-4, 45: 1e-4, 60: 5e-5},
        "augmentation until epoch": {60: 1.0},
        "points dropped": ((0.6, 0.7), 0.5),
        "on": HALF | {"rotation_probability": 0.05},
        "rotation": (-30, 30),
    },
}
"""Section 10 of the published system."""


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_recipes_are_the_published_facts(name: str, repository: Path) -> None:
    table = read(repository / "recipes" / "published" / f"{name}.toml")
    preset = training_preset(table.get("preset", "void"))
    config = from_table(table, preset)
    augundo, schedule, augmentation = config.augundo, config.schedule, config.augmentation
    assert {
        "batch, crop": (config.batch_size, augmentation.crop),
        "rates until epoch": dict(zip(schedule.learning_rate_epochs, schedule.learning_rates, strict=True)),
        "augmentation until epoch": dict(
            zip(schedule.augmentation_epochs, schedule.augmentation_probabilities, strict=True)
        ),
        "points dropped": (augmentation.point_removal, augmentation.point_removal_probability),
        "on": {key: probability for key, probability in augundo.probabilities.items() if probability},
        "rotation": augundo.rotation_degrees,
    } == PUBLISHED[name]
    assert (config.losses, config.network, config.poses) == (preset.losses, preset.network, "network")
    ranges = {"brightness": (0.5, 1.5), "contrast": (0.5, 1.5), "saturation": (0.5, 1.5), "hue": (-0.1, 0.1)}
    ranges |= {"erase": (0.001, 0.005), "crop_and_pad": (0.9, 1.0), "resize_and_pad": (0.6, 1.0)}
    ranges |= {"resize_and_crop": (1.0, 1.1)}
    assert {key: getattr(augundo, key) for key in ranges} == ranges
    assert augundo.erase_patch == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hue": (0.1, -0.1)}, r"augundo\.hue as two ascending numbers in -0\.5\.\.0\.5, got \(0\.1, -0\.1\)"),
        ({"resize_and_crop": (0.9, 1.1)}, r"augundo\.resize_and_crop as two ascending numbers in 1\.\.10"),
        ({"brightness": (0.5,)}, r"augundo\.brightness as two ascending"),
        ({"flip_vertical": 1.5}, r"augundo\.flip_vertical as a probability in 0\.\.1, got 1\.5"),
        ({"erase_patch": 4}, r"augundo\.erase_patch as an odd number of pixels, got 4"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AugUndoConfig(**changes)


def test_every_setting_goes_through_toml() -> None:
    config = TrainingConfig(augundo=replace(CHANGES["everything"], erase_patch=7, hue=(-0.2, 0.0)))
    assert from_table(tomlkit.parse(tomlkit.dumps(to_table(config))).unwrap(), TrainingConfig()) == config
    assert len(fields(AugUndoConfig)) == 21


IMAGE = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))


def changed(
    image: Tensor, *, brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0, hue: float = 0.0
) -> Tensor:
    """The first sample changed, the second left alone."""
    neutral = (1.0, 1.0, 1.0, 0.0)
    pairs = zip((brightness, contrast, saturation, hue), neutral, strict=True)
    result = change_colours(image, *(torch.tensor(pair) for pair in pairs))
    assert torch.equal(result[1], image[1])
    return result[0]


def test_brightness_multiplies_all_colours_up_to_white() -> None:
    torch.testing.assert_close(changed(IMAGE, brightness=1.5), (1.5 * IMAGE[0]).clamp_max(1))
    torch.testing.assert_close(changed(IMAGE, brightness=0.5), 0.5 * IMAGE[0])


def test_contrast_is_the_distance_to_the_mean_grey() -> None:
    grey = torch.einsum("chw,c->hw", IMAGE[0], torch.tensor([0.299, 0.587, 0.114]))
    torch.testing.assert_close(changed(IMAGE, contrast=0.0), grey.mean().expand(3, 12, 16))
    torch.testing.assert_close(changed(IMAGE, contrast=0.5), (grey.mean() + IMAGE[0]) / 2)


def test_without_saturation_nothing_but_grey_is_left() -> None:
    grey = torch.einsum("chw,c->hw", IMAGE[0], torch.tensor([0.299, 0.587, 0.114]))
    torch.testing.assert_close(changed(IMAGE, saturation=0.0), grey.expand(3, 12, 16))
    doubled = (grey + 2 * (IMAGE[0] - grey)).clamp(0, 1)
    torch.testing.assert_close(changed(IMAGE, saturation=2.0), doubled)


@pytest.mark.parametrize("turns", [0.1, -0.1, 1 / 3, 0.5])
def test_the_hue_turns_as_in_hsv(turns: float) -> None:
    grey = torch.full((1, 3, 1, 16), 0.5)
    image = torch.cat([IMAGE[:1], grey], dim=2)
    turned = turn_hue(image, torch.tensor(turns))
    for before, after in zip(image[0].flatten(1).T.tolist(), turned[0].flatten(1).T.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb((hue + turns) % 1, saturation, value), abs=1e-5)


def test_patches_are_erased_where_they_were_asked_for() -> None:
    centres = torch.tensor([[0, 2, 3], [0, 9, 15]])
    expected = IMAGE.clone()
    expected[0, :, 0:5, 1:6] = 0
    expected[0, :, 7:12, 13:16] = 0
    assert torch.equal(erase(IMAGE, centres, 5), expected)
    assert torch.equal(erase(IMAGE, torch.empty(0, 3, dtype=torch.int64), 5), IMAGE)
