"""What defines a network: presets, checks, and the way through plain values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kbnet.network.config import KBNetConfig


def test_presets_are_the_published_ones() -> None:
    void, kitti = KBNetConfig.preset("void"), KBNetConfig.preset("kitti")
    assert (void.min_pool_sizes, void.max_pool_sizes) == ((15, 17), (23, 27, 29))
    assert (void.min_depth, void.max_depth) == (0.1, 8.0)
    assert (kitti.min_pool_sizes, kitti.max_pool_sizes) == ((5, 7, 9, 11, 13), (15, 17))
    assert (kitti.min_depth, kitti.max_depth) == (1.5, 100.0)
    assert (void.outlier_window, void.outlier_threshold) == (kitti.outlier_window, kitti.outlier_threshold) == (7, 1.5)


def test_changes_go_over_a_preset() -> None:
    assert KBNetConfig.preset("kitti", min_depth=1.0) == KBNetConfig(
        min_pool_sizes=(5, 7, 9, 11, 13), max_pool_sizes=(15, 17), min_depth=1.0, max_depth=100.0
    )


def test_config_survives_json() -> None:
    config = KBNetConfig.preset("kitti", scaffold="linear", weight_init="kaiming", normalisation="batch")
    assert KBNetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_keys_are_named() -> None:
    with pytest.raises(ValueError, match=r"unknown key colour, pools in a network config; known are .*max_depth"):
        KBNetConfig.from_dict({"pools": 3, "colour": 1, "min_depth": 0.2})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_pool_sizes": (15, 16)}, r"min_pool_sizes as ascending odd .* got \(15, 16\)"),
        ({"max_pool_sizes": (27, 23)}, "max_pool_sizes as ascending"),
        ({"max_pool_sizes": (23, 23)}, "max_pool_sizes as ascending"),
        ({"max_pool_sizes": (1, 3)}, "at least 3"),
        ({"min_pool_sizes": ()}, "min_pool_sizes"),
        ({"min_depth": 0.0}, "0 < min_depth < max_depth"),
        ({"min_depth": 9.0}, "got 9.0 and 8.0"),
        ({"outlier_window": 6}, "odd outlier_window"),
        ({"outlier_threshold": 0.0}, "positive outlier_threshold"),
        ({"image_filters": (8, 8, 8)}, "6 positive channel counts in image_filters"),
        ({"trunk_filters": (8, 8, 8)}, "4 positive channel counts in trunk_filters"),
        ({"feature_filters": (8, 0, 8)}, "3 positive channel counts in feature_filters"),
        ({"head": "propagation"}, "a scaffold and normalisation batch .* got scaffold none and normalisation none"),
        ({"head": "propagation", "scaffold": "linear"}, "got scaffold linear and normalisation none"),
        ({"image_features": "efficientnet-lite0"}, "image_features efficientnet-lite0"),
        ({"error": "predicted"}, "error predicted, got head dense"),
        ({"propagation_steps": 0}, "propagation_steps of at least 1"),
        ({"propagation_taps": 16}, "propagation_taps of 9 or 25"),
        ({"propagation_reach": 0.0}, "positive propagation_reach"),
        ({"decoder_filters": (8, 8, 8, 8, 0)}, "5 positive channel counts in decoder_filters"),
    ],
)
def test_impossible_values_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KBNetConfig(**changes)
