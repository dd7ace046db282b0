"""Recordings to train on, written to sequence folders: training reads each frame many times, in any order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from kbnet.errors import KBNetError
from kbnet.frames.kinds import open_kind
from kbnet.frames.open import recording_kind
from kbnet.frames.sequence_writer import write_sequence
from kbnet.training.config import TrainingConfig

FOLDER = "recordings"
"""Folder in the run folder."""


def with_written_recordings(config: TrainingConfig, options: Mapping[str, Any], fabric: Fabric) -> TrainingConfig:
    """Write the recordings of a run, in the first of its processes; return the run on their sequence folders.

    Raises:
        KBNetError: several processes would wait while one writes a recording.
    """
    paths = (*config.sequences, *config.validation.sequences)
    if fabric.world_size > 1 and (places := places_of_recordings(paths, config.output, config.sparse_depth)):
        raise KBNetError(
            f"expected sequence folders for several processes, got the recording {next(iter(places))}; write it first "
            "(kbnet prepare)"
        )
    if fabric.is_global_zero:
        write_recordings(paths, config.output, options, config.sparse_depth)
    fabric.barrier()
    places = places_of_recordings(paths, config.output, config.sparse_depth)
    sequences, validated = (
        tuple(places.get(path, path) for path in paths) for paths in (config.sequences, config.validation.sequences)
    )
    return replace(config, sequences=sequences, validation=replace(config.validation, sequences=validated))


def write_recordings(
    paths: Iterable[Path], run: Path, options: Mapping[str, Any], sparse_depth: Collection[str] = ()
) -> list[Path]:
    """Write every recording among some paths to a sequence folder in the run folder.

    Args:
        run: run folder. A sequence that an earlier try wrote there is replaced.
        options: of the recordings, as those of `kbnet.open_frames`.

    Returns:
        The paths, where each recording is replaced by its sequence folder.
    """
    paths = list(paths)
    places = places_of_recordings(paths, run, sparse_depth)
    for path, place in places.items():
        kind = recording_kind(path, *sparse_depth)
        assert kind is not None
        with open_kind(kind.name, path, kind.make_options(options)) as recording:
            write_sequence(place, recording.posed_frames(), overwrite=True, inputs=recording.inputs)
    return [places.get(path, path) for path in paths]


def places_of_recordings(paths: Iterable[Path], run: Path, sparse_depth: Collection[str] = ()) -> dict[Path, Path]:
    """Sequence folder of every recording among some paths; recordings of one name are numbered."""
    places: dict[Path, Path] = {}
    for path in paths:
        if path not in places and recording_kind(path, *sparse_depth) is not None:
            name = path.stem if path.is_file() else path.resolve().name
            names = (name, *(f"{name}_{number}" for number in range(2, len(places) + 2)))
            places[path] = next(place for one in names if (place := run / FOLDER / one) not in places.values())
    return places
