"""The whole loop on a scene that anybody can render: training without labels must find depth."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbnet.evaluation.ground_truth import Part, evaluate
from kbnet.evaluation.methods import Method
from kbnet.frames.sequence import Sequence
from kbnet.inference.completer import DepthCompleter
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.sources.rendered.synthetic import SyntheticConfig, write_synthetic_sequence
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.config import ScheduleConfig, TrainingConfig
from kbnet.training.loop import train
from kbnet.weights.depth_network import load_network

NETWORK = KBNetConfig(
    min_pool_sizes=(5, 9),
    max_pool_sizes=(13, 17),
    image_filters=(8, 16, 16, 32, 32, 32),
    depth_filters=(8, 8, 8, 16, 16, 16),
    decoder_filters=(32, 32, 16, 16, 8),
    weight_init="kaiming",
)
"""The published network but for fewer channels and windows that fit a small frame."""


def mae_mm(network: KBNet, sequence: Sequence) -> float:
    part = Part(sequence, sequence.name, "sparse_depth")
    summary = evaluate([part], [Method("kbnet", DepthCompleter(network))], limits=(0.2, 5.0), every=4)
    return summary.overall("kbnet").mae_mm


@pytest.mark.slow
def test_training_without_labels_on_the_synthetic_room_finds_depth(tmp_path: Path) -> None:
    write_synthetic_sequence(tmp_path / "room", SyntheticConfig(frames=12, width=96, height=72, points=60))
    config = TrainingConfig(
        sequences=(tmp_path / "room",),
        output=tmp_path / "run",
        network=NETWORK,
        augmentation=AugmentationConfig(crop=(72, 96)),
        schedule=ScheduleConfig(
            learning_rates=(1e-3,), learning_rate_epochs=(1000,), augmentation_epochs=(1000,), steps=90
        ),
        pose_encoder="plain",
        batch_size=2,
        gaps=(2,),
        gradient_clip=1.0,
        workers=0,
    )
    weights = train(config)
    room = Sequence(tmp_path / "room")
    untrained, trained = mae_mm(KBNet(NETWORK), room), mae_mm(load_network(weights), room)
    print(untrained, trained)
    assert trained < 0.4 * untrained
