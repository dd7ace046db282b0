"""What every exported network says of itself: its inputs, its config, the preprocessing it expects, its origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kbnet.data.outliers import SUPPORT_SLOPE_PER_RAD, SUPPORT_TOLERANCE
from kbnet.network.config import KBNetConfig

FORMAT = "kbnet-export-1"
OUTPUT = "depth"


def input_names(config: KBNetConfig) -> list[str]:
    """Inputs in order: image, sparse_depth, validity, intrinsics and, where the network has one, scaffold."""
    scaffold = [] if config.scaffold == "none" else ["scaffold"]
    return ["image", "sparse_depth", "validity", "intrinsics", *scaffold]


def describe(config: KBNetConfig, origin: Mapping[str, str]) -> dict[str, str]:
    """Text by key, which travels inside an exported file.

    Args:
        config: of the network.
        origin: where the weights come from, by any keys.

    Returns:
        ``format``; and as JSON ``config``, ``preprocessing`` (from image, depth and K to the inputs) and ``origin``.
    """
    preprocessing: dict[str, Any] = {
        "inputs": input_names(config),
        "image": "RGB, (B, 3, H, W), 8-bit values divided by image_divisor",
        "image_divisor": 255,
        "sparse_depth": "as measured, outliers included, (B, 1, H, W)",
        "depth_unit": "metre",
        "unmeasured": 0,
        "validity": "1 where the outlier rule keeps a point, else 0, (B, 1, H, W)",
        "outlier_rule": config.outlier_rule,
        "outlier_window_px": config.outlier_window,
        "outlier_threshold_m": config.outlier_threshold,
        "outlier_support_tolerance": SUPPORT_TOLERANCE,
        "outlier_support_slope_per_rad": SUPPORT_SLOPE_PER_RAD,
        "intrinsics": "K, (B, 3, 3), pixels; pixel centres on whole numbers",
        "scaffold": config.scaffold,
    }
    return {
        "format": FORMAT,
        "config": json.dumps(config.to_dict()),
        "preprocessing": json.dumps(preprocessing),
        "origin": json.dumps(dict(origin)),
    }


def read_config(metadata: Mapping[str, str], path: object) -> KBNetConfig:
    """The config inside an exported file.

    Args:
        metadata: text by key, as of :func:`describe`.
        path: what messages call the file.

    Raises:
        ValueError: kbnet did not export the file, or a newer one did.
    """
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"expected a network that kbnet exported, but {path} has no '{FORMAT}' inside; make it with kbnet export"
        )
    try:
        return KBNetConfig.from_dict(json.loads(metadata["config"]))
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"the config inside {path} cannot be read ({error}); is it from a newer kbnet?") from error
