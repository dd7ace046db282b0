"""``kbnet train``: from sequence folders and frame lists to weights, without labels."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

import tyro

from kbnet.cli.arguments import OptionalFile, OptionalFolder, parse_arguments
from kbnet.cli.known_errors import say
from kbnet.cli.progress import training_progress
from kbnet.cli.recordings import RecordingFlags, recording_options, split_recording_flags
from kbnet.errors import KBNetError
from kbnet.network.siblings.config import NetworkConfig, PresetName, system_of
from kbnet.training.config import TrainingConfig
from kbnet.training.presets import training_preset

LISTS = {"kitti": "kitti", "void": "void", "nyu_v2": "nyu-v2"}
"""What ``kbnet prepare`` is given to make the lists in a folder of that name."""


@dataclass(frozen=True)
class Command:
    """Train a depth network on sequence folders, lists of frames or recordings, without labels.

    Example:  kbnet train SEQUENCE --output runs/first --augmentation.crop 240 320

    Defaults come from --preset, then --config, then the flags. --resume takes them all from its run folder.
    A config may name its preset (preset = "kitti"), for when --preset is not given.
    --initial-weights brings the network settings of these weights, in place of the preset's. Recordings are written to
    the run folder first; the flags of kbnet prepare, such as --depth TOPIC, are of all of them.
    """

    preset: PresetName = "void"
    """Published settings to start from."""
    config: OptionalFile = None
    """TOML file with changes to the preset; every flag is a key of it: network.scaffold is scaffold in [network].
    base = "other.toml" in it names a file to start from, relative to its own folder."""
    resume: OptionalFolder = None
    """Run folder to go on with; the next steps equal those of an unbroken run."""
    training: Annotated[TrainingConfig, tyro.conf.arg(name="")] = field(default_factory=TrainingConfig)
    recording_flags: RecordingFlags = ()

    def run(self) -> None:
        from kbnet.training.distributed import is_first_process
        from kbnet.training.loader import reader_count
        from kbnet.training.loop import train
        from kbnet.training.recordings import places_of_recordings

        paths = (*self.training.sequences, *self.training.validation.sequences)
        _check_lists(paths)
        recording = recording_options(paths, self.recording_flags)
        if is_first_process():
            places = places_of_recordings(paths, self.training.output, self.training.sparse_depth)
            for path, place in places.items():
                say(f"writing  {path} to {place}")
            if (readers := reader_count(self.training)) < self.training.workers:
                say(f"workers  {readers}, not {self.training.workers}: one per usable core")
        if self.training.initial_weights is not None and self.resume is None and is_first_process():
            self._say_what_weights_bring(self.training.initial_weights)
        with training_progress() as show:
            weights = train(self.training, resume=self.resume is not None, on_report=show, recording=recording)
        if is_first_process():
            say(f"weights  {weights}")
            say(f"curves   tensorboard --logdir {self.training.output}")

    def _say_what_weights_bring(self, source: str) -> None:
        from kbnet.training.networks import differing_settings

        network = self.training.network
        meant = _presets_of(network)
        if meant and self.preset not in meant:
            same_system = type(network) is type(training_preset(self.preset).network)
            made_for = f"made for depth to {network.max_depth:g} m" if same_system else f"of {system_of(network)}"
            warnings.warn(
                f"{source} is {made_for}, but losses, crop and limits are those of the preset {self.preset}; "
                f"did you mean --preset {meant[0]}?",
                stacklevel=2,
            )
        different = differing_settings(network, training_preset(self.preset).network)
        say(f"start    {source}" + (f"; unlike the preset {self.preset}: {different}" if different else ""))


def _presets_of(network: NetworkConfig) -> list[str]:
    """Presets of the same system and depth."""
    presets = {name: training_preset(name).network for name in get_args(PresetName)}
    return [name for name, one in presets.items() if type(one) is type(network) and one.max_depth == network.max_depth]


def _check_lists(paths: tuple[Path, ...]) -> None:
    """Say of a list that is not there how it is made, since recipes name lists that nobody has at first."""
    for path in paths:
        if path.suffix.lower() == ".csv" and not path.is_file():
            made = f"kbnet prepare {LISTS.get(path.parent.name, '...')}"
            raise FileNotFoundError(
                f"there is no file {path} (from {Path.cwd()}); make it with '{made}', or correct the path"
            )


def parse(argv: list[str]) -> Command:
    """Read preset, files and the name of initial weights first, since they hold the defaults of every other flag."""
    from kbnet.training.recipe import apply_layers, last_value, read_recipe_layers

    own = [f"--poses={value}" for value in get_args(get_type_hints(TrainingConfig)["poses"])]
    argv, flags = split_recording_flags(Command, argv, shared=own)
    first = argparse.ArgumentParser(prog="kbnet train", add_help=False, allow_abbrev=False)
    first.add_argument("--preset")
    first.add_argument("--config", type=Path)
    first.add_argument("--resume", type=Path)
    first.add_argument("--initial-weights", "--initial_weights")
    sources, _ = first.parse_known_args(argv)
    layers = [] if sources.config is None else read_recipe_layers(sources.config)
    preset: PresetName = sources.preset or last_value(layers, "preset") or "void"
    try:
        base = training_preset(preset)
    except KBNetError as error:
        raise KBNetError(f"{error}; correct {'--preset' if sources.preset else sources.config}") from error
    initial_weights = sources.initial_weights or last_value(layers, "initial_weights") or base.initial_weights
    if sources.resume is not None:
        base = apply_layers(base, read_recipe_layers(sources.resume / "config.toml"))
        base = replace(base, output=sources.resume)
    elif isinstance(initial_weights, str):
        from kbnet.training.networks import settings_of_weights

        base = replace(base, network=settings_of_weights(initial_weights, base.network))
    default = Command(preset, training=apply_layers(base, layers))
    command = parse_arguments(Command, argv, prog="kbnet train", default=default)
    if sources.resume is not None and _starts(command.training) != _starts(base):
        raise KBNetError("a run that is resumed goes on from its own weights; leave initial weights out, or --resume")
    written = command.training.output / "config.toml"
    if sources.config is not None and sources.resume is None and written.exists() and sources.config.samefile(written):
        raise KBNetError(f"{written} is an input and would be replaced; choose another --output")
    return replace(command, recording_flags=flags)


def _starts(training: TrainingConfig) -> tuple[str | None, str | None]:
    return training.initial_weights, training.initial_pose_weights
