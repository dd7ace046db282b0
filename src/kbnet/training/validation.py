"""Validation during training, and the choice of the best weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.evaluation.ground_truth import Part, evaluate
from kbnet.evaluation.methods import network_method
from kbnet.evaluation.metrics import DepthErrors
from kbnet.frames.open import open_prepared
from kbnet.inference.completer import DepthCompleter
from kbnet.network.kbnet import KBNet
from kbnet.training.config import ValidationConfig


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


def validate(network: KBNet, parts: list[Part], config: ValidationConfig, device: str) -> DepthErrors:
    """Mean errors over all frames of all parts.

    Args:
        network: network to evaluate; not changed.
        parts: result of :func:`open_parts`.
        config: limits and stride.
        device: a torch device.
    """
    completer = DepthCompleter(network, device=device)
    summary = evaluate(parts, [network_method(completer)], limits=config.limits, every=config.every_frames)
    return summary.overall("kbnet")


def is_best(errors: DepthErrors, best: DepthErrors | None) -> bool:
    """Whether at least three of the four errors, rounded to 0.01, are not worse (published system, section 6)."""
    if best is None:
        return True
    return int((np.round(errors.as_array(), 2) <= np.round(best.as_array(), 2)).sum()) >= 3
