"""Validation during training, and the choice of the best weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.evaluation.ground_truth import Part, evaluate
from kbnet.evaluation.methods import NETWORK, Method
from kbnet.evaluation.metrics import DepthErrors
from kbnet.frames.open import open_prepared
from kbnet.inference.completer import DepthCompleter
from kbnet.network.depth_network import DepthNetwork
from kbnet.training.config import BestRule, ValidationConfig

SCALES = np.array([1.0, 1.0, 1.0, 1.0, 100.0])
"""By which errors are multiplied before they are rounded to 0.01."""


def open_parts(paths: tuple[Path, ...], sparse_depth: tuple[str, ...]) -> list[Part]:
    """Open every sequence and list with every folder, or column, of sparse depth.

    Raises:
        FileNotFoundError: a sequence or list, or a file in it, is missing.
        KBNetError: a sequence or list has no ground truth.
    """
    sources = [(open_prepared(path, sparse_depth=name), name) for path in paths for name in sparse_depth]
    for source, _ in sources:
        if not source.has_ground_truth:
            raise KBNetError(
                f"expected ground_truth in {source.folder} to validate with, but there is none; "
                "add the folder (or the column of a list), or leave this source out of --validation.sequences"
            )
    return [Part(source, source.name, name) for source, name in sources]


def validate(network: DepthNetwork, parts: list[Part], config: ValidationConfig, device: str) -> DepthErrors:
    """Mean errors over all frames of all parts."""
    completer = DepthCompleter(network, device=device)
    summary = evaluate(parts, [Method(NETWORK, completer)], limits=config.limits, every=config.every_frames)
    return summary.overall("kbnet")


def is_best(errors: DepthErrors, best: DepthErrors | None, rule: BestRule = "3 of 4") -> bool:
    """Whether enough errors are not worse (published system, section 6; for the siblings their own rules).

    Args:
        rule: how many of which: of 4: without the relative error. All are rounded to 0.01, the relative one to 0.0001.
    """
    if best is None:
        return True
    needed, _, count = rule.partition(" of ")
    found, before = (np.round(one.as_array() * SCALES, 2)[: int(count)] for one in (errors, best))
    return int((found <= before).sum()) >= int(needed)
