"""Command-line arguments: kinds of values, groups that several commands share, and the call of the parser.

The annotations only change how ``--help`` reads.
"""

from __future__ import annotations

import ast
import inspect
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_type_hints

import tyro

from kbnet.errors import KBNetError
from kbnet.frame import PriorKind
from kbnet.inference.engine_names import EngineName, Precision
from kbnet.network.siblings.config import PresetName

if TYPE_CHECKING:
    from kbnet.frames.frame_source import FrameSource
    from kbnet.inference.completer import DepthCompleter

T = TypeVar("T")

Switch = Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help_behavior_hint="")]
"""Off unless given; there is no ``--no-...``."""

Folder = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
SequenceFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER", help="Sequence folder to make.")]
Overwrite = Annotated[Switch, tyro.conf.arg(help="Replace a sequence folder that is there, with everything in it.")]
OptionalFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]
OptionalFolder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]

OptionalInteger = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
OptionalMetres = Annotated[float | None, tyro.conf.arg(metavar="METRES", help_behavior_hint="")]

Weights = Annotated[str, tyro.conf.arg(metavar="NAME|FILE")]
"""What `kbnet.load` takes."""

SeveralWeights = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME|FILE ...")]

OptionalPreset = Annotated[
    PresetName | None, tyro.conf.arg(metavar=f"{{{','.join(get_args(PresetName))}}}", help_behavior_hint="")
]
PublishedPreset = Annotated[OptionalPreset, tyro.conf.arg(help="Architecture of a published .pth.")]

OptionalWeightsName = Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")]
"""What weights are to be called."""

Device = Annotated[str, tyro.conf.arg(metavar="DEVICE")]

SparseDepth = Annotated[str | None, tyro.conf.arg(metavar="FILE|NAME", help_behavior_hint="")]
SparseDepths = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")]


@dataclass(frozen=True, kw_only=True)
class PastAndPriorArguments:
    """What a network gets beside image and points."""

    prior: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """Dense depth of another source for each frame, such as a monocular network: FOLDER/<frame>.npy, or 16-bit .png
    (0 = unknown); of several sources FOLDER/<source>/<frame>. It is fitted to the points, and used where it explains
    them. With --image: the file. evaluate adds a row with the prior; in check every row of the network is with it."""
    prior_kind: PriorKind = "depth"
    """Values of the prior up to scale and shift: depth, disparity, or log (of depth); metric: metres (.png: x 256)."""
    use_past: Switch = False
    """Use points and depth of earlier frames too. Frames need poses, and are taken as one video in order. evaluate and
    check add a row with the past, and start again when stopped; other rows, pictures and the expected error are without
    it."""

    def extended(self, source: FrameSource, *, several: bool = False) -> FrameSource:
        """A source with the priors of its frames, and checked for poses, if these were asked for.

        Args:
            several: whether there are several sources; the priors of each are then in a folder with its name.

        Raises:
            FileNotFoundError, KBNetError: there is no folder of priors, or a prior or a pose is missing.
        """
        from kbnet.frames.prior_files import PriorFolder

        if self.prior is None and self.prior_kind != "depth":
            raise KBNetError("--prior-kind says what --prior holds; give --prior too, or leave it out")
        if self.prior is not None:
            source.priors = PriorFolder(self.prior / source.name if several else self.prior, self.prior_kind)
            for name in source.names:
                source.priors.path(name)
        if self.use_past:
            _check_poses(source)
        return source

    def past_and_prior_settings(self) -> dict[str, str | None]:
        """What was asked for, for records of results; empty without any."""
        prior = {} if self.prior is None else {"prior": f"{self.prior_kind} from {self.prior.resolve()}"}
        return prior | past_settings(self.use_past)


SOURCE = "SEQUENCE|LIST.csv|RECORDING"
"""What `kbnet.open_frames` takes."""

Source = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar=SOURCE)]
Sources = Annotated[
    tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar=f"{SOURCE} ...", help_behavior_hint="(required)")
]
OptionalSources = Annotated[
    tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar=f"[{SOURCE} ...]", help_behavior_hint="")
]


@dataclass(frozen=True, kw_only=True)
class DeviceArguments:
    """Where a network runs."""

    device: Device = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, ..."""


@dataclass(frozen=True, kw_only=True)
class EngineArguments(DeviceArguments):
    """How a network runs."""

    precision: Precision = "auto"
    """Number format of the network's convolutions; auto is float32, or that of an exported file, such as int8."""
    engine: EngineName = "auto"
    """What computes; auto is the fastest that is installed, or that of an exported file."""

    def load(self, weights: str, *, preset: str | None = None) -> DepthCompleter:
        """Open weights with these options, as `kbnet.load`."""
        import kbnet

        return kbnet.load(weights, preset=preset, device=self.device, precision=self.precision, engine=self.engine)


@dataclass(frozen=True, kw_only=True)
class WeightsArguments:
    """One network."""

    weights: Weights = "indoor"
    """Bundled or local weights by name (kbnet weights list), a .safetensors file, a published .pth (with --preset), or
    an exported .onnx or .xml (kbnet export)."""
    preset: PublishedPreset = None


@dataclass(frozen=True, kw_only=True)
class NetworkArguments(EngineArguments, WeightsArguments):
    """One network, and how it runs. Fields of the last base class come first in ``--help``."""

    def load_network(self) -> DepthCompleter:
        """Open the network, as `kbnet.load`."""
        return self.load(self.weights, preset=self.preset)


def past_settings(use_past: bool = True) -> dict[str, str | None]:
    """How many earlier frames are used, for records of results; empty without."""
    from kbnet.inference.video import PAST_FRAMES

    return {"past frames": str(PAST_FRAMES)} if use_past else {}


def _check_poses(source: FrameSource) -> None:
    """Refuse a source with a frame whose pose is unknown or not rigid."""
    missing = [name for index, name in enumerate(source.names) if not source.has_pose(index)]
    if missing:
        raise KBNetError(
            f"expected a pose of every frame to use the past, but {len(missing)} of {len(source)} frames of "
            f"{source.folder} have none, first '{missing[0]}'; make a sequence folder with absolute_pose/<frame>.txt "
            "of each, or leave out --use-past"
        )
    for index in range(len(source)):
        source.pose(index)


def parse_arguments(command: type[T], arguments: Sequence[str], *, prog: str, default: T | None = None) -> T:
    """Read the arguments of a command.

    Raises:
        SystemExit: the arguments do not fit (code 2), or help was asked for (code 0).
    """
    _join_help_lines(command)
    config, text = (tyro.conf.FlagCreatePairsOff,), _wrapped(command)
    if default is None:
        return tyro.cli(command, args=arguments, prog=prog, description=text, config=config)
    return tyro.cli(command, args=arguments, prog=prog, description=text, config=config, default=default)


def _wrapped(command: type) -> str:
    """Docstring in lines of the terminal's width. Tyro joins lines, except one that begins with a space."""
    width = shutil.get_terminal_size().columns
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(
        textwrap.fill(text, width, subsequent_indent="  ", break_on_hyphens=False) for text in paragraphs
    )


def _join_help_lines(command: Any) -> None:
    """Give every field its docstring as one line: tyro keeps the line breaks of docstrings under fields."""
    hints = get_type_hints(command)
    for one in fields(command):
        owner = next(cls for cls in command.__mro__ if one.name in inspect.get_annotations(cls))
        text = _field_docstrings(owner).get(one.name)
        if text:
            one.metadata = MappingProxyType({**one.metadata, "help": text})
        if isinstance(hints[one.name], type) and is_dataclass(hints[one.name]):
            _join_help_lines(hints[one.name])


@cache
def _field_docstrings(cls: type) -> dict[str, str]:
    file = inspect.getsourcefile(cls)
    assert file is not None
    node = next((one for one in _statements(file) if isinstance(one, ast.ClassDef) and one.name == cls.__name__), None)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in (zip(node.body, node.body[1:], strict=False) if node else ())
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


@cache
def _statements(file: str) -> list[ast.stmt]:
    return ast.parse(Path(file).read_text(encoding="utf-8")).body
