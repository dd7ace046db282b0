"""Description inside every exported file: inputs, config, preprocessing and origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from kbnet.errors import KBNetError
from kbnet.export.sizes import Sizes
from kbnet.files import parse_json
from kbnet.network.inputs import input_names
from kbnet.network.siblings.config import NetworkConfig, config_from_dict
from kbnet.points.outlier_rejection import SUPPORT_SLOPE_PER_RAD, SUPPORT_TOLERANCE

FORMAT = "kbnet-export-1"
OUTPUT = "depth"


class Description(NamedTuple):
    """Description of an exported file.

    Attributes:
        sizes: image sizes for which the graph is exact.
        precision: ``float32``, or ``int8`` for a quantised network.
    """

    config: NetworkConfig
    sizes: Sizes
    precision: str


def describe(
    config: NetworkConfig, origin: Mapping[str, str], *, sizes: Sizes = "any", precision: str = "float32"
) -> dict[str, str]:
    """Describe a network as text by key, for an exported file.

    Args:
        origin: origin of the weights, by any keys.

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
    """Read the description of an exported file.

    Raises:
        KBNetError: kbnet did not export the file, or a newer one did.
    """
    if text.get("format") != FORMAT:
        raise KBNetError(
            f"expected a network that kbnet exported, but {path} has no '{FORMAT}' inside; make it with kbnet export"
        )
    try:
        sizes = parse_json(text["preprocessing"]).get("sizes", "any")
        if sizes not in get_args(Sizes):
            raise KBNetError(f"unknown sizes '{sizes}'")
        return Description(config_from_dict(parse_json(text["config"])), sizes, text.get("precision", "float32"))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise KBNetError(f"what {path} says of itself cannot be read ({error}); is it from a newer kbnet?") from error
