"""From an augmented triplet to tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kbnet.frame import Frame, Triplet
from kbnet.network.config import KBNetConfig
from kbnet.points.interpolation import linear
from kbnet.training.augmentation import AugmentedTriplet
from kbnet.training.batch import join_samples, make_sample


def augmented(*, poses: bool = True, truth: bool = True) -> AugmentedTriplet:
    """A 36x40 frame whose points lie at 2 m, but for one at 5 m beside the first; the network misses the second row."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (4, 36, 40, 3), dtype=np.uint8)
    points = np.zeros((36, 40), np.float32)
    points[4:32:4, 4:36:4] = 2.0
    points[4, 5] = 5.0
    seen = points.copy()
    seen[8] = 0
    pose = np.eye(4, dtype=np.float32)
    pose[0, 3] = 0.1
    frame = Frame(
        images[0], points, np.diag([50, 50, 1]).astype(np.float32), np.full_like(points, 2.0) if truth else None
    )
    known = {"T_previous_current": pose, "T_next_current": np.linalg.inv(pose)} if poses else {}
    return AugmentedTriplet(Triplet(frame, images[1], images[2], **known), images[3], seen)


def test_a_sample_has_a_batch_of_one_and_images_in_0_to_1() -> None:
    given = augmented()
    sample = make_sample(given, KBNetConfig(), "room/0001")
    assert sample.names == ("room/0001",)
    frame = given.triplet.frame
    for tensor, image in (
        (sample.image, frame.image),
        (sample.previous_image, given.triplet.previous_image),
        (sample.next_image, given.triplet.next_image),
        (sample.input_image, given.input_image),
    ):
        np.testing.assert_allclose(tensor[0].permute(1, 2, 0).numpy(), image / 255, atol=1e-6)
    np.testing.assert_array_equal(sample.T_previous_current[0].numpy(), given.triplet.T_previous_current)
    assert sample.has_poses.tolist() == [True]
    assert sample.scaffold is None


def test_as_published_validity_keeps_the_points_that_were_removed_from_the_input() -> None:
    sample = make_sample(augmented(), KBNetConfig(), "")
    assert not sample.input_depth[0, 0, 8].any()
    assert sample.input_validity[0, 0, 8].sum() == 8
    assert torch.equal(sample.input_validity, sample.validity)
    assert sample.sparse_depth[0, 0, 4, 5] == 5
    assert sample.validity[0, 0, 4, 5] == 0


@pytest.mark.parametrize("rule", ["window", "support"])
def test_with_a_scaffold_the_network_sees_in_training_what_it_will_see_later(rule: Any) -> None:
    given = augmented()
    sample = make_sample(given, KBNetConfig(scaffold="linear", outlier_rule=rule), "")
    expected = (given.input_depth > 0) & (given.input_depth < 5)
    np.testing.assert_array_equal(sample.input_validity[0, 0].numpy(), expected)
    assert sample.scaffold is not None
    np.testing.assert_array_equal(sample.scaffold[0, 0].numpy(), linear(given.input_depth * expected))
    assert sample.validity[0, 0, 8].sum() == 8


def test_what_a_sequence_does_not_have_is_marked() -> None:
    sample = make_sample(augmented(poses=False, truth=False), KBNetConfig(), "")
    assert sample.has_poses.tolist() == [False]
    assert torch.equal(sample.T_next_current, torch.eye(4)[None])
    assert not sample.ground_truth.any()


def test_samples_are_joined_in_their_order() -> None:
    samples = [
        make_sample(augmented(poses=poses), KBNetConfig(scaffold="linear"), str(poses)) for poses in (True, False)
    ]
    batch = join_samples(samples)
    assert batch.names == ("True", "False")
    assert batch.has_poses.tolist() == [True, False]
    assert batch.image.shape == (2, 3, 36, 40)
    assert batch.scaffold is not None
    assert batch.scaffold.shape == (2, 1, 36, 40)


def test_a_batch_moves_with_all_its_tensors_and_keeps_its_names() -> None:
    batch = make_sample(augmented(), KBNetConfig(), "room/0001").to(torch.device("meta"))
    assert batch.names == ("room/0001",)
    assert batch.scaffold is None
    assert {tensor.device.type for tensor in vars(batch).values() if isinstance(tensor, torch.Tensor)} == {"meta"}


def test_a_batch_is_pinned_with_all_its_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinning needs a GPU's driver, so it is replaced by a copy."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
    batch = make_sample(augmented(), KBNetConfig(), "wall/0")
    pinned = batch.pin_memory()
    assert pinned.names == batch.names
    for name, value in vars(batch).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(getattr(pinned, name), value)
            assert getattr(pinned, name).data_ptr() != value.data_ptr()
