"""What every exported network says of itself: its inputs, its config, the preprocessing it expects, its origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from kbnet.errors import KBNetError
from kbnet.export.sizes import Sizes
from kbnet.network.inputs import input_names
from kbnet.network.siblings.config import NetworkConfig, config_from_dict
from kbnet.points.outlier_rejection import SUPPORT_SLOPE_PER_RAD, SUPPORT_TOLERANCE

FORMAT = "kbnet-export-1"
OUTPUT = "depth"


class Description(NamedTuple):
    """What is read back from an exported file.

    Attributes:
        config: of the network.
        sizes: what images it is exact for.
        precision: ``float32``, or ``int8`` if it was quantised.
    """

    config: NetworkConfig
    sizes: Sizes
    precision: str


def describe(
    config: NetworkConfig, origin: Mapping[str, str], *, sizes: Sizes = "any", precision: str = "float32"
) -> dict[str, str]:
    """Text by key, which travels inside an exported file.

    Args:
        config: of the network.
        origin: where the weights come from, by any keys.
        sizes: what images the graph is exact for.
        precision: ``float32``, or ``int8`` if it was quantised.

    Returns:
        ``format`` and ``precision``; and as JSON ``config``, ``preprocessing`` (from image, depth and K to the inputs)
        and ``origin``.
    """
    preprocessing: dict[str, Any] = {
        "inputs": input_names(config),
        "sizes": sizes,
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
        "scaffold_step": 2**config.halvings,
    }
    return {
        "format": FORMAT,
        "precision": precision,
        "config": json.dumps(config.to_dict()),
        "preprocessing": json.dumps(preprocessing),
        "origin": json.dumps(dict(origin)),
    }


def read_description(text: Mapping[str, str], path: object) -> Description:
    """What an exported file says of itself.

    Args:
        text: by key, as of :func:`describe`.
        path: what messages call the file.

    Raises:
        KBNetError: kbnet did not export the file, or a newer one did.
    """
    if text.get("format") != FORMAT:
        raise KBNetError(
            f"expected a network that kbnet exported, but {path} has no '{FORMAT}' inside; make it with kbnet export"
        )
    try:
        sizes = json.loads(text["preprocessing"]).get("sizes", "any")
        if sizes not in get_args(Sizes):
            raise KBNetError(f"unknown sizes '{sizes}'")
        return Description(config_from_dict(json.loads(text["config"])), sizes, text.get("precision", "float32"))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise KBNetError(f"what {path} says of itself cannot be read ({error}); is it from a newer kbnet?") from error
