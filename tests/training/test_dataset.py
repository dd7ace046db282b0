"""Which sample comes when: a function of seed, epoch and index alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kbnet.frame import Frame
from kbnet.frames.frame_list import FrameFiles, write_frame_list
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import new_sequence
from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.working_size import reduced_frame
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.batch import TripletBatch
from kbnet.training.config import TrainingConfig
from kbnet.training.dataset import BatchPlan, FrameCache, SampleKey, TripletDataset, open_dataset

WriteSequence = Callable[..., Path]
AUGMENTATION = AugmentationConfig(
    crop=(32, 32), flip_horizontal=0.5, colour_jitter=0.3, noise="gaussian", noise_spread=0.1
)


def indices(plan: BatchPlan) -> list[list[int]]:
    return [[key.index for key in batch] for batch in plan]


def equal(one: TripletBatch, other: TripletBatch) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(TripletBatch)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_plan_is_the_same_every_time_and_another_for_another_seed() -> None:
    plans = [indices(BatchPlan(23, 4, seed, range(20))) for seed in (0, 0, 1)]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


def test_every_epoch_is_a_new_permutation() -> None:
    plan = BatchPlan(12, 4, 7, range(9))
    assert plan.steps_per_epoch == 3
    batches = indices(plan)
    epochs = [list(chain(*batches[first : first + 3])) for first in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert [key.epoch for batch in plan for key in batch] == [0] * 12 + [1] * 12 + [2] * 12


def test_what_does_not_fill_a_batch_is_left_for_another_epoch() -> None:
    batches = indices(BatchPlan(11, 4, 0, range(40)))
    for first in range(0, 40, 2):
        epoch = batches[first] + batches[first + 1]
        assert len(set(epoch)) == 8
    assert set(chain(*batches)) == set(range(11))


def test_a_plan_from_the_middle_equals_the_rest_of_the_whole() -> None:
    whole = list(BatchPlan(10, 3, 0, range(17)))
    assert list(BatchPlan(10, 3, 0, range(5, 17))) == whole[5:]


def test_ranks_partition_the_joint_batch() -> None:
    joint = list(BatchPlan(30, 6, 3, range(11)))
    ranks = [list(BatchPlan(30, 2, 3, range(11), rank=rank, processes=3)) for rank in range(3)]
    assert [list(chain(*parts)) for parts in zip(*ranks, strict=True)] == joint


def test_the_augmentation_probability_follows_the_epoch() -> None:
    plan = BatchPlan(4, 2, 0, range(6), probability=lambda epoch: 1 / (1 + epoch))
    assert [batch[0].augmentation_probability for batch in plan] == [1, 1, 1 / 2, 1 / 2, 1 / 3, 1 / 3]


def test_too_few_frames_for_one_step_are_counted() -> None:
    with pytest.raises(ValueError, match=r"at least 8 frames to train on for one step \(2 x batch 4\), got 7"):
        BatchPlan(7, 4, 0, range(1), processes=2)


@pytest.fixture(name="open_wall")
def open_wall_fixture(write_sequence: WriteSequence) -> Callable[..., TripletDataset]:
    def open_one(
        augmentation: AugmentationConfig = AUGMENTATION, seed: int = 0, gap: int = 1, **changes: Any
    ) -> TripletDataset:
        names = changes.pop("sparse_depths", ("sparse_depth",))
        folder = write_sequence(sparse_depths=names, **changes)
        sequences = tuple(Sequence(folder, sparse_depth=name) for name in names)
        return TripletDataset([sequences], [gap], augmentation, KBNetConfig(), seed)

    return open_one


def test_a_sample_depends_on_seed_epoch_and_index_and_on_nothing_else(open_wall: Any) -> None:
    dataset = open_wall()
    key = SampleKey(epoch=2, index=1)
    first = dataset[key]
    dataset[SampleKey(epoch=0, index=3)]
    np.random.seed(1)
    torch.manual_seed(1)
    assert equal(dataset[key], first)
    for other in (SampleKey(epoch=3, index=1), SampleKey(epoch=2, index=2)):
        assert not equal(dataset[other], first)
    dataset.seed = 1
    assert not equal(dataset[key], first)


def test_samples_are_the_frames_that_have_both_neighbours(open_wall: Any) -> None:
    dataset = open_wall(gap=2, frames=7)
    assert len(dataset) == 3
    assert [dataset[SampleKey(0, index)].names for index in range(3)] == [
        ("wall/0002",),
        ("wall/0003",),
        ("wall/0004",),
    ]


def test_one_of_several_densities_is_drawn_for_every_sample(open_wall: Any) -> None:
    augmentation = AugmentationConfig(crop=(32, 32), point_removal_probability=0.0)
    dataset = open_wall(augmentation, sparse_depths=("sparse_depth", "sparse_depth_500", "sparse_depth_150"))
    counts = [int((dataset[SampleKey(epoch, 0)].sparse_depth > 0).sum()) for epoch in range(30)]
    assert {round(20 * count / 32**2) for count in counts} == {1, 2, 3}


def test_all_poses_are_known_only_if_every_sequence_has_them(write_sequence: WriteSequence) -> None:
    known, unknown = Sequence(write_sequence("known")), Sequence(write_sequence("unknown", poses=False))
    for sequences, expected in (([known], True), ([known, unknown], False)):
        dataset = TripletDataset([(one,) for one in sequences], [1] * len(sequences), AUGMENTATION, KBNetConfig(), 0)
        assert dataset.all_poses_known is expected


def test_a_sequence_too_short_for_its_gap_is_named(write_sequence: WriteSequence) -> None:
    sequence = Sequence(write_sequence(frames=4))
    with pytest.raises(ValueError, match=r"at least 5 frames for a gap of 2, got 4 in .*wall"):
        TripletDataset([(sequence,)], [2], AUGMENTATION, KBNetConfig(), 0)


def test_one_missing_pose_leaves_the_motion_of_a_sequence_unknown(write_sequence: WriteSequence) -> None:
    folder = write_sequence()
    (folder / "absolute_pose" / "0002.txt").unlink()
    dataset = TripletDataset([(Sequence(folder),)], [1], AUGMENTATION, KBNetConfig(), 0)
    assert not dataset.all_poses_known


def test_frames_smaller_than_the_crop_are_named_before_any_is_drawn(write_sequence: WriteSequence) -> None:
    sequence = Sequence(write_sequence())
    with pytest.raises(
        ValueError, match=r"crop's 45x36 \(width x height\), got 44x36 \(frame '0000' of .*wall\); choose"
    ):
        TripletDataset([(sequence,)], [1], AugmentationConfig(crop=(36, 45)), KBNetConfig(), 0)


def test_the_supervised_loss_needs_ground_truth(
    write_sequence: WriteSequence, make_config: Callable[..., TrainingConfig]
) -> None:
    sequences = write_sequence("one"), write_sequence("two", truth=False)
    assert len(open_dataset(make_config(*sequences))) == 8
    with pytest.raises(ValueError, match=r"ground_truth in .*two for the supervised loss"):
        open_dataset(make_config(*sequences, losses=LossWeights(supervised=1.0)))


def test_samples_of_a_list_equal_those_of_the_sequence_it_points_to(
    write_sequence: WriteSequence, make_config: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    names = ("sparse_depth", "sparse_depth_500")
    folder = write_sequence(sparse_depths=names)
    path = list_triplets(folder, tmp_path / "lists" / "wall.csv", gap=2)
    changes = {"augmentation": {"flip_horizontal": 0.5, "colour_jitter": 0.3}, "sparse_depth": names}
    listed = open_dataset(make_config(path, **changes))
    expected = open_dataset(make_config(folder, gaps=(2,), **changes))
    assert len(listed) == len(expected) == 2
    assert listed.all_poses_known
    for key in (SampleKey(epoch, index) for epoch in range(3) for index in range(2)):
        assert equal(listed[key], expected[key])


def test_a_list_without_neighbours_is_not_trained_on(
    write_sequence: WriteSequence, make_config: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    path = tmp_path / "test.csv"
    files = (f"wall/{kind}" for kind in ("image/0000.png", "K.txt", "sparse_depth/0000.png"))
    write_sequence()
    write_frame_list(path, [FrameFiles("0000", *files)])
    with pytest.raises(ValueError, match=r"in .*test\.csv, got none; this list is for evaluation"):
        open_dataset(make_config(path))


def list_triplets(folder: Path, path: Path, gap: int) -> Path:
    """Write a list of those frames of a sequence that have neighbours, with two densities, truth and poses."""

    def listed(index: int) -> FrameFiles:
        def at(kind: str, step: int = 0) -> str:
            return str(folder / kind.format(f"{index + step:04}"))

        return FrameFiles(
            f"{index:04}",
            at("image/{}.png"),
            at("K.txt"),
            at("sparse_depth/{}.png"),
            ground_truth=at("ground_truth/{}.png"),
            previous=at("image/{}.png", -gap),
            next=at("image/{}.png", gap),
            pose=at("absolute_pose/{}.txt"),
            previous_pose=at("absolute_pose/{}.txt", -gap),
            next_pose=at("absolute_pose/{}.txt", gap),
            other_sparse_depth={"sparse_depth_500": at("sparse_depth_500/{}.png")},
        )

    frames = len(Sequence(folder))
    assert write_frame_list(path, map(listed, range(gap, frames - gap))) == frames - 2 * gap
    return path


def test_neighbours_that_no_loss_looks_at_are_not_read(write_sequence: WriteSequence) -> None:
    folder = write_sequence()
    arguments = ([(Sequence(folder),)], [1], AugmentationConfig(crop=(36, 44)), KBNetConfig(), 0)
    both, alone = TripletDataset(*arguments)[SampleKey(0, 0)], TripletDataset(*arguments, neighbours=False)
    assert len(alone) == 6  # the first and the last frame too
    for path in sorted((folder / "image").iterdir()):
        if path.stem != both.names[0].rpartition("/")[2]:
            path.write_bytes(b"")
    sample = alone[SampleKey(0, 1)]
    assert torch.equal(sample.image, both.image)
    assert torch.equal(sample.next_image, sample.image)
    assert not sample.has_poses.any()


def test_small_frames_are_enlarged_as_before_completion(write_sequence: WriteSequence) -> None:
    folder = write_sequence()
    network = KBNetConfig(scaffold="linear", working_side=100)
    augmentation = AugmentationConfig(crop=(72, 88), point_removal_probability=0.0)
    sample = TripletDataset([(Sequence(folder),)], [1], augmentation, network, 0, neighbours=False)[SampleKey(0, 1)]
    frame = Sequence(folder).frame(1)
    assert sample.image.shape == (1, 3, 72, 88)
    assert torch.equal(sample.ground_truth[0, 0, ::2, ::2], torch.from_numpy(frame.ground_truth))
    assert sample.validity.sum() == np.count_nonzero(frame.sparse_depth)
    pixel = sample.intrinsics[0] @ torch.linalg.inv(torch.from_numpy(frame.intrinsics)) @ torch.tensor([10.0, 20, 1])
    torch.testing.assert_close(pixel, torch.tensor([20.5, 40.5, 1]))
    with pytest.raises(ValueError, match="got 88x72"):
        TripletDataset([(Sequence(folder),)], [1], AugmentationConfig(crop=(80, 88)), network, 0, neighbours=False)
    with pytest.raises(ValueError, match="got 44x36"):  # images are compared
        TripletDataset([(Sequence(folder),)], [1], augmentation, network, 0)


def test_large_frames_are_reduced_as_before_completion(write_sequence: WriteSequence) -> None:
    folder = write_sequence()
    for path in folder.glob("*/*.png"):  # 72x88
        with Image.open(path) as picture:
            picture.resize((88, 72), Image.Resampling.NEAREST).save(path)
    np.savetxt(folder / "K.txt", [[80, 0, 43.5], [0, 80, 35.5], [0, 0, 1]])
    network = KBNetConfig(scaffold="linear", working_side=44)
    augmentation = AugmentationConfig(crop=(36, 44), point_removal_probability=0.0)
    sample = TripletDataset([(Sequence(folder),)], [1], augmentation, network, 0, neighbours=False)[SampleKey(0, 1)]
    frame = reduced_frame(Sequence(folder).frame(1), 2)
    assert torch.equal(sample.intrinsics[0], torch.from_numpy(frame.intrinsics))
    assert torch.equal(sample.sparse_depth[0, 0], torch.from_numpy(frame.sparse_depth))
    assert torch.equal(sample.image, sample.next_image)
    assert sample.image.shape == (1, 3, 36, 44)


K = np.array([[60, 0, 43.5], [0, 60, 35.5], [0, 0, 1]], np.float32)


class Counting:
    """A source of two frames that counts how often each is read."""

    def __init__(self) -> None:
        self.read = [0, 0]

    def __len__(self) -> int:
        return 2

    def frame(self, index: int) -> Frame:
        self.read[index] += 1
        generator = np.random.default_rng(index)
        depth = generator.uniform(0.5, 9, (72, 88)).astype(np.float32)
        points = np.where(generator.random(depth.shape) < 0.1, depth, np.float32(0))
        image = generator.integers(0, 256, (72, 88, 3), dtype=np.uint8)
        return Frame(image, points, K, depth if index else None, f"{index:04}")


def test_every_frame_is_read_once() -> None:
    source = Counting()
    cache = FrameCache(source, longer_side=0, factor=2)  # type: ignore[arg-type]
    assert len(cache) == 2
    for index in (0, 1, 1, 0, 1):
        assert cache.frame(index).name == f"{index:04}"
    assert source.read == [1, 1]


@pytest.mark.parametrize("index", [0, 1])
def test_cached_frames_are_the_reduced_ones_to_1_256_of_a_metre(index: int) -> None:
    cached = FrameCache(Counting(), longer_side=0, factor=2).frame(index)  # type: ignore[arg-type]
    expected = reduced_frame(Counting().frame(index), 2)
    np.testing.assert_array_equal(cached.image, expected.image)
    np.testing.assert_array_equal(cached.intrinsics, expected.intrinsics)
    np.testing.assert_allclose(cached.sparse_depth, expected.sparse_depth, rtol=0, atol=0.5 / 256 + 1e-6)
    assert ((cached.sparse_depth > 0) == (expected.sparse_depth > 0)).all()
    if expected.ground_truth is None:
        assert cached.ground_truth is None
    else:
        assert cached.ground_truth is not None
        np.testing.assert_allclose(cached.ground_truth, expected.ground_truth, rtol=0, atol=0.5 / 256 + 1e-6)


def test_depth_from_a_file_is_kept_exactly(tmp_path: Path) -> None:
    with new_sequence(tmp_path / "room", K) as writer:
        writer.add(Counting().frame(1), np.eye(4))
    source = Sequence(tmp_path / "room")
    cached = FrameCache(source, longer_side=0, factor=1).frame(0)
    np.testing.assert_array_equal(cached.sparse_depth, source.frame(0).sparse_depth)


@pytest.mark.parametrize(("longer_side", "size"), [(44, (36, 44)), (50, (36, 44)), (88, (72, 88)), (200, (72, 88))])
def test_frames_are_reduced_by_the_whole_number_nearest_to_the_wanted_side(
    longer_side: int, size: tuple[int, int]
) -> None:
    cache = FrameCache(Counting(), longer_side=longer_side, factor=1)  # type: ignore[arg-type]
    assert cache.frame(0).size == size
