"""Plan of an adaptation: held-out points, losses, and as many steps as fit into the time."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kbnet.errors import KBNetError
from kbnet.files import file_sha256, parse_json, read_json, scratch_folder, write_json
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.open import absolute_files, open_prepared, recording_kind
from kbnet.frames.sequence import Sequence
from kbnet.interruption import Interrupted
from kbnet.lock import one_writer
from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.points.hold_out import PATCHES_PER_SIDE
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.config import ScheduleConfig, TrainingConfig
from kbnet.training.dataset import trained_size
from kbnet.training.held_out import HeldOut, hold_out
from kbnet.training.loop import train
from kbnet.training.neighbour_gap import Gap, choose_gap
from kbnet.training.recordings import write_recordings
from kbnet.weights.depth_network import read_kbnet_config
from kbnet.weights.names import find_weights

RECORD = "adaptation.json"
"""File in the run folder with the request and the plan, from which a run is resumed."""

CROP = (240, 320)
"""Largest height and width of the crop, pixels."""

OWN_POINTS, ACCUMULATED_POINTS = 2.0, 0.2
"""Weights of the error at a frame's points, metres, and of the error at accumulated points relative to the scaffold."""

NEAR, LARGEST_ROOM = 8.0, 30.0
"""For networks with a larger depth range than LARGEST_ROOM, the first weight is multiplied by NEAR / range; metres."""

FEW_STEPS = 100
"""Fewer steps than this have raised the error (docs/training.md)."""

PILOT_STEPS = 8
"""Steps for the measurement of the time per step; the first two are not timed."""


@dataclass(frozen=True)
class Adaptation:
    """Request of an adaptation.

    Attributes:
        source: sequence folder, list of frames, or recording.
        output: ``.safetensors`` file to write.
        weights: name or file of the initial weights.
        sparse_depth: folders in the sequence, or columns of the list.
        gap: frames to the neighbours whose points are accumulated; None: chosen from the camera positions.
        recording: options of a recording, as those of `kbnet.open_frames`.
    """

    source: Path
    output: Path
    weights: str = "indoor"
    sparse_depth: tuple[str, ...] = ("sparse_depth",)
    minutes: float = 5.0
    gap: int | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    recording: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.output.suffix != ".safetensors":
            raise KBNetError(f"expected a .safetensors file as --output, got {self.output}; add the suffix")
        if not 0 < self.minutes < float("inf"):
            raise KBNetError(f"expected a positive number of --minutes, got {self.minutes:g}")
        if self.gap is not None and self.gap < 1:
            raise KBNetError(f"expected a --gap of at least 1 frame, got {self.gap}")
        if not self.sparse_depth or len(set(self.sparse_depth)) < len(self.sparse_depth):
            raise KBNetError(f"expected one or more names of sparse depth, each once, got {self.sparse_depth}")
        if Path(self.weights).suffix == ".pth":
            raise KBNetError(
                f"expected weights that carry their config, got {self.weights}; import it: kbnet weights import"
            )

    @property
    def folder(self) -> Path:
        """Run folder: lists, held-out points, state, log."""
        return self.output.with_name(f"{self.output.stem}_run")

    def alone(self) -> AbstractContextManager[None]:
        """Keep other processes from writing the same output; errors are those of `kbnet.lock.one_writer`."""
        return one_writer(self.output, self.output.with_name(f".{self.output.name}.lock"))


@dataclass(frozen=True)
class Plan:
    """Plan of an adaptation, stored in ``adaptation.json``.

    Attributes:
        gap: gap to the neighbours whose points are accumulated. None: no accumulation, because poses are missing or
            the source is a list, which can join several videos.
        seconds_per_step: measured time of a step.
        steps: number of steps within the requested time.
    """

    held_out: HeldOut
    gap: Gap | None
    seconds_per_step: float
    steps: int


def plan(asked: Adaptation) -> Plan:
    """Plan an adaptation: hold out points, measure the time of a step, and store both; or read a stored plan.

    Raises:
        KBNetError: the video or the weights do not fit, or the run folder holds another adaptation.
        FileNotFoundError: a file is missing.
    """
    network = read_kbnet_config(asked.weights)
    wanted = _wanted(asked)
    path = asked.folder / RECORD
    if path.is_file():
        return _recorded(path, wanted)
    [written] = write_recordings([asked.source], asked.folder, asked.recording, asked.sparse_depth)
    sources = {kind: open_prepared(written, sparse_depth=kind) for kind in asked.sparse_depth}
    first = next(iter(sources.values()))
    gap = _gap(first, asked.gap)
    draft = Plan(hold_out(sources, asked.folder, gap=gap.frames if gap else None), gap, 0.0, PILOT_STEPS)
    seconds = _seconds_per_step(training_config(asked, draft, network))
    decided = replace(draft, seconds_per_step=seconds, steps=max(1, round(60 * asked.minutes / seconds)))
    write_json(path, {"asked": wanted, "plan": _plain(decided)})
    return decided


def training_config(asked: Adaptation, plan: Plan, network: KBNetConfig) -> TrainingConfig:
    """Training config: the losses are errors at points of the frame and its neighbours that are not in the input.

    There are no photometric losses, because they improve less in the same time (``docs/accuracy.md``).
    """
    height, width = trained_size(open_prepared(plan.held_out.training).image(0).shape[:2], network.working_side)
    return TrainingConfig(
        sequences=(plan.held_out.training,),
        output=asked.folder,
        sparse_depth=plan.held_out.columns,
        network=network,
        losses=LossWeights(
            colour=0.0,
            structure=0.0,
            smoothness=0.0,
            sparse_depth=OWN_POINTS * (NEAR / network.max_depth if network.max_depth > LARGEST_ROOM else 1.0),
            supervised=ACCUMULATED_POINTS if plan.gap else 0.0,
        ),
        augmentation=AugmentationConfig(
            crop=(min(CROP[0], height), min(CROP[1], width)),
            crop_horizontal="random",
            crop_vertical="random",
            flip_horizontal=0.5,
            point_removal=(0.3, 0.6),
            point_removal_probability=1.0,
            point_removal_patch=max(1, min(height, width) // PATCHES_PER_SIDE),
            colour_jitter=0.4,
        ),
        schedule=ScheduleConfig(
            learning_rates=(3e-4,),
            learning_rate_epochs=(1_000_000,),
            augmentation_epochs=(1_000_000,),
            steps=plan.steps,
            warmup_steps=min(10, plan.steps),
            decay="cosine",
        ),
        initial_weights=str(find_weights(asked.weights).absolute()),
        normalisation_statistics="frozen",
        batch_size=min(4, plan.held_out.trained),
        gradient_clip=1.0,
        device=asked.device,
        precision="auto",
        workers=4 if asked.device != "cpu" else 1,
        log_steps=5,
        checkpoint_steps=50,
    )


def _seconds_per_step(config: TrainingConfig) -> float:
    """Measure the time of a step with a short run, whose result is discarded."""
    times: list[float] = []
    with scratch_folder(config.output / "pilot") as folder:
        pilot = replace(config, output=folder, log_steps=1, schedule=replace(config.schedule, steps=PILOT_STEPS))
        try:
            train(pilot, on_report=lambda report: times.append(time.perf_counter()))
        except Interrupted as stopped:
            raise Interrupted("interrupted before the first step; run the same command again") from stopped
    # The first steps include the start of the readers and memory allocation.
    return float(np.mean(np.diff(times)[1:]))


def _gap(first: FrameSource, asked: int | None) -> Gap | None:
    if not isinstance(first, Sequence):
        if asked is not None:
            raise KBNetError(
                f"got --gap {asked}, but {first.folder} is a list, which may join several videos; leave it out, or "
                "give a sequence folder"
            )
        return None
    gap = choose_gap(first, asked)
    return None if gap.baseline is None else gap


def _wanted(asked: Adaptation) -> dict[str, Any]:
    """Values that must be equal when an adaptation is resumed."""
    return {
        "source": str(asked.source.resolve()),
        "weights": asked.weights,
        "weights_sha256": file_sha256(find_weights(asked.weights)),
        "sparse_depth": list(asked.sparse_depth),
        "minutes": asked.minutes,
        "gap": asked.gap,
        "first_frame": _first_frame(asked),
        "recording": parse_json(json.dumps(dict(asked.recording), default=str)),
    }


def _first_frame(asked: Adaptation) -> str:
    """SHA-256 of the files of the first frame, which tells another video; empty of a recording, which is copied."""
    if recording_kind(asked.source, *asked.sparse_depth) is not None:
        return ""
    first = absolute_files(open_prepared(asked.source, sparse_depth=asked.sparse_depth[0]), 0)
    return file_sha256(*map(Path, (first.image, first.intrinsics, first.sparse_depth)))


def _plain(plan: Plan) -> dict[str, Any]:
    held_out = plan.held_out
    return {
        **asdict(plan),
        "held_out": {
            **asdict(held_out),
            "training": held_out.training.name,
            "judged": {kind: path.name for kind, path in held_out.judged.items()},
        },
    }


def _recorded(path: Path, wanted: dict[str, Any]) -> Plan:
    """Read the plan of an earlier call with the same request."""
    import dacite

    folder = path.parent
    try:
        record = read_json(path)
        asked, values = {**record["asked"]}, record["plan"]
        plan = dacite.from_dict(Plan, values, dacite.Config(strict=True, cast=[Path, tuple, float]))
    except (ValueError, KeyError, TypeError, AttributeError, dacite.DaciteError) as error:
        raise KBNetError(f"{path} is damaged ({error}); remove {folder} to begin anew") from error
    if different := [name for name, value in wanted.items() if asked.get(name) != value]:
        raise KBNetError(
            f"{folder} holds another adaptation (of another {', '.join(different)}); choose another --output, "
            "or remove that folder"
        )
    judged = {kind: folder / name for kind, name in plan.held_out.judged.items()}
    held_out = replace(plan.held_out, training=folder / plan.held_out.training, judged=judged)
    return replace(plan, held_out=held_out)
