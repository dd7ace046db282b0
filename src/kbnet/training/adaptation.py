"""Adaptation: a few minutes of training on one video without labels, kept only if it helps at held-out points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomlkit

from kbnet.errors import expect
from kbnet.evaluation.before_after import BeforeAfter, compare_before_after
from kbnet.files import file_sha256
from kbnet.frames.open import open_prepared
from kbnet.inference.completer import load
from kbnet.interruption import Interrupted
from kbnet.training.adaptation_plan import Adaptation, Plan, plan, training_config
from kbnet.training.checkpoint import STATE_FILE, load_state
from kbnet.training.loop import LAST_WEIGHTS, train
from kbnet.training.monitor import ProgressReport
from kbnet.training.recipe import to_table
from kbnet.weights.depth_network import load_network, read_kbnet_config, save_network
from kbnet.weights.names import find_weights


def adapt(
    source: str | Path,
    output: str | Path,
    *,
    on_report: Callable[[ProgressReport], None] | None = None,
    **options: Any,
) -> BeforeAfter:
    """Adapt weights to one video, and write the result if it is better at points that were held out.

    Args:
        source: sequence folder, list of frames, or recording.
        output: ``.safetensors`` file to write; the run folder lies beside it, and the same call resumes a stopped run.
        on_report: called with every report of the training.
        options: fields of `kbnet.training.adaptation_plan.Adaptation`: ``weights``, ``minutes``, ``sparse_depth``,
            ``gap``, ``device``, and ``recording``, the options of `kbnet.open_frames`.

    Returns:
        The comparison before and after; ``better`` says whether the file was written.

    Raises:
        KBNetError: the video, the weights or an option does not fit, or the run folder holds another adaptation.
        FileNotFoundError: a file is missing.
        Interrupted: Ctrl-C; the state is saved.
    """
    for path in (source, output):
        expect(path, (str, Path), "a path")
    asked = Adaptation(Path(source), Path(output), **options)
    with asked.alone():
        planned = plan(asked)
        compared = judge(asked, planned, run_training(asked, planned, on_report))
        if compared.better:
            keep(asked, planned, compared)
    return compared


def run_training(asked: Adaptation, plan: Plan, on_report: Callable[[ProgressReport], None] | None = None) -> Path:
    """Train as planned; a stopped run is resumed.

    Returns:
        The adapted weights, in the run folder.
    """
    state = asked.folder / STATE_FILE
    done = load_state(asked.folder)["step"] if state.is_file() else 0
    if done < plan.steps:
        config = training_config(asked, plan, read_kbnet_config(asked.weights))
        try:
            train(config, resume=state.is_file(), on_report=on_report)
        except Interrupted as stopped:
            text = str(stopped).partition("; go on with")[0]
            raise Interrupted(f"{text}; run the same command again to go on") from stopped
    return asked.folder / LAST_WEIGHTS


def judge(asked: Adaptation, plan: Plan, adapted: Path, *, on_frame: Callable[[], None] = lambda: None) -> BeforeAfter:
    """Compare the initial and the adapted weights at the held-out points."""
    before, after = (load(weights, device=asked.device) for weights in (asked.weights, adapted))
    return compare_before_after(plan.held_out.judged, before, after, on_frame=on_frame)


def keep(asked: Adaptation, plan: Plan, judgement: BeforeAfter) -> None:
    """Write the adapted weights to the requested file, with notes of their origin."""
    frames = len(open_prepared(plan.held_out.training))
    config = training_config(asked, plan, read_kbnet_config(asked.weights))
    before, after = (
        "; ".join(
            f"{kind} {errors.mae_mm:.1f} mm" for (kind, method), errors in judgement.errors.items() if method == which
        )
        for which in ("before", "after")
    )
    weights = find_weights(asked.weights)
    notes = {
        "origin": f"kbnet adapt, {weights.stem} on {asked.source.resolve().name}",
        "adapted_from": f"{weights.name} (sha256 {file_sha256(weights)})",
        "adapted_on": f"{frames} frames of {asked.source.resolve().name}",
        "held_out_mae_before": before,
        "held_out_mae_after": after,
        "steps": str(plan.steps),
        "recipe": tomlkit.dumps(to_table(config.without_folders())),
    }
    save_network(load_network(asked.folder / LAST_WEIGHTS), asked.output, notes=notes)
