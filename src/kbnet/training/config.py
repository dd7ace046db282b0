"""Training config: all settings of a run, for the command line, TOML files and run folders."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import tyro
from tyro.conf import arg

from kbnet.errors import KBNetError, check_finite_numbers
from kbnet.losses.weights import LossForms, LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.siblings.config import (
    NetworkConfig,
    ScaffNetConfig,
    SiblingConfig,
)
from kbnet.points.drawn_points import PointDrawing
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.augundo_config import AugUndoConfig

# Display of lists and optional values in --help.
_Integers = Annotated[tuple[int, ...], arg(metavar="INT ...")]
_Numbers = Annotated[tuple[float, ...], arg(metavar="FLOAT ...")]
_Names = Annotated[tuple[str, ...], arg(metavar="NAME ...")]
_Weights = Annotated[str | None, arg(metavar="NAME|FILE", help_behavior_hint="")]
BestRule: TypeAlias = Literal["3 of 4", "3 of 5", "4 of 5"]
_Sequences = Annotated[tuple[Path, ...], arg(metavar="SEQUENCE|LIST.csv|RECORDING ...", help_behavior_hint="")]


@dataclass(frozen=True)
class ScheduleConfig:
    """Learning rate and augmentation over time. The defaults are the published ones for VOID."""

    learning_rates: _Numbers = (1e-4, 5e-5)
    """Learning rates in order."""
    learning_rate_epochs: _Integers = (10, 15)
    """Epoch at which each learning rate ends; training ends with the last."""
    augmentation_probabilities: _Numbers = (1.0,)
    """Factors of the probability of flips, point removal and noise, in order."""
    augmentation_epochs: _Integers = (15,)
    """Epoch at which each factor ends; the last applies to the end."""
    steps: Annotated[int | None, arg(metavar="INT", help_behavior_hint="")] = None
    """End after this many steps instead of after the last epoch."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises from 0."""
    decay: Literal["steps", "cosine"] = "steps"
    """steps: as listed. cosine: the listed rates are multiplied by half a cosine, from 1 to 0 at the end."""

    def __post_init__(self) -> None:
        check_finite_numbers(self, "schedule.")
        for values, ends in (
            ("learning_rates", "learning_rate_epochs"),
            ("augmentation_probabilities", "augmentation_epochs"),
        ):
            for name in (values, ends):
                object.__setattr__(self, name, tuple(getattr(self, name)))
            if len(getattr(self, values)) != len(getattr(self, ends)) or not getattr(self, ends):
                raise KBNetError(
                    f"expected one of {ends} for each of {values}, "
                    f"got {getattr(self, ends)} and {getattr(self, values)}"
                )
            if list(getattr(self, ends)) != sorted(set(getattr(self, ends))):
                raise KBNetError(f"expected ascending {ends}, got {getattr(self, ends)}")
            if getattr(self, ends)[0] < 1:
                raise KBNetError(f"expected {ends} of at least 1, got {getattr(self, ends)}")
        if not all(rate > 0 for rate in self.learning_rates):
            raise KBNetError(f"expected positive learning rates, got {self.learning_rates}")
        if self.warmup_steps < 0 or (self.steps is not None and self.steps < 1):
            raise KBNetError(
                f"expected steps of at least 1 and warmup_steps of at least 0, got {self.steps} and {self.warmup_steps}"
            )


@dataclass(frozen=True)
class ValidationConfig:
    """Validation during training. The defaults are the published ones for VOID."""

    sequences: _Sequences = ()
    """Sequence folders or lists with ground truth; none = no validation, and the last weights count as the best."""
    from_step: int = 5000
    """First step of validation."""
    every_steps: int = 1000
    """Validate every N steps from then on, and at the end."""
    every_frames: int = 1
    """Evaluate every Nth frame."""
    limits: tuple[float, float] = (0.2, 5.0)
    """Evaluate ground truth between these, metres."""
    best: BestRule = "3 of 4"
    """How many errors must be no worse for the best step: of MAE, RMSE, iMAE, iRMSE; of 5: with the relative error."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", tuple(self.limits))
        check_finite_numbers(self, "validation.")
        for name in ("every_steps", "every_frames"):
            if getattr(self, name) < 1:
                raise KBNetError(f"expected {name} of at least 1, got {getattr(self, name)}")
        low, high = self.limits
        if not 0 <= low < high:
            raise KBNetError(f"expected 0 <= low < high as limits of validation in metres, got {self.limits}")


@dataclass(frozen=True)
class TrainingConfig:
    """A training run. The defaults are the published ones for VOID 1500."""

    sequences: tyro.conf.Positional[_Sequences] = ()
    """Sequence folders, .csv lists of frames, or recordings, to train on."""
    output: Annotated[Path, arg(metavar="FOLDER")] = Path("runs/kbnet")
    """Run folder: resolved config, log, events, weights and the state to resume from."""
    sparse_depth: _Names = ("sparse_depth",)
    """Folder of sparse depth in every sequence, or column of a list. With several, each sample draws one."""
    gaps: _Integers = (1,)
    """Frames between neighbours: one number for all sequences, or one for each. Lists contain their neighbours."""
    network: tyro.conf.AvoidSubcommands[NetworkConfig] = field(default_factory=KBNetConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    loss_forms: LossForms = field(default_factory=LossForms)
    adaptive_weighting: Literal["none", "residual"] = "none"
    """residual: lower photometric, higher smoothness weight where reconstructions match badly. none: as published."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    points: PointDrawing = field(default_factory=PointDrawing)
    augundo: AugUndoConfig = field(default_factory=AugUndoConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    initial_weights: _Weights = None
    """Initial weights: a name (kbnet weights list), .safetensors, or published .pth. They set [network]."""
    poses: Literal["network", "known"] = "network"
    """network: a pose network predicts camera motion, as published. known: poses of the sequence where it has them."""
    pose_encoder: Literal["resnet18", "resnet34", "plain"] = "resnet18"
    """Encoder of the pose network. resnet18: as published. plain: seven convolutions, as of the siblings."""
    pose_rotation: Literal["axis-angle", "exponential"] = "axis-angle"
    """How the pose network's numbers become a rotation. axis-angle: KBNet, FusionNet. exponential: VOICED."""
    initial_pose_weights: _Weights = None
    """Initial weights of the pose network: a name, pose.safetensors of a run, or a published .pth."""
    batch_size: int = 8
    """Samples per step in each process."""
    frames: Literal["full", "reduced"] = "full"
    """reduced: each worker caches frames at the network's resolution; not with losses that compare images."""
    weight_decay: float = 0.0
    """Weight decay (AdamW), without biases and normalisation; 0 = none, as published."""
    second_moment_decay: float = 0.999
    """Adam's decay of the squared gradient; 0.999 as published."""
    gradient_clip: float = 0.0
    """Largest norm of the gradient; 0 = no clipping, as published."""
    average_decay: float = 0.0
    """Decay of the running average of weights, which is validated and saved; 0 = none, as published."""
    normalisation_statistics: Literal["batch", "frozen"] = "batch"
    """batch: BatchNorm uses the batch. frozen: that of the depth network uses the initial statistics."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of training."""
    processes: int = 1
    """Processes, one per GPU; on the CPU they share the cores."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    """bfloat16: 16-bit convolutions, 32 bits otherwise. auto: bfloat16 on GPUs and CPUs where it is faster."""
    workers: int = 2
    """Reader processes of each training process, at most one per usable core; without effect on the result."""
    seed: int = 0
    """Seed of initial weights, order and augmentation."""
    log_steps: int = 10
    """Write the loss terms every N steps."""
    summary_steps: int = 1000
    """Write pictures every N steps."""
    checkpoint_steps: int = 1000
    """Save the state every N steps, at the end, and on Ctrl-C."""

    def __post_init__(self) -> None:
        check_finite_numbers(self)
        if len(self.gaps) not in (1, len(self.sequences)) and self.sequences:
            raise KBNetError(
                f"expected one gap, or one for each of {len(self.sequences)} sequences, got {len(self.gaps)}"
            )
        if not self.sparse_depth:
            raise KBNetError(
                "expected at least one folder name in sparse_depth, got none; name one, such as sparse_depth"
            )
        self._check_losses_fit_the_network()
        if self.normalisation_statistics == "frozen" and self.initial_weights is None:
            raise KBNetError(
                "expected initial weights whose statistics can be frozen, got none; name initial_weights, or set "
                "normalisation_statistics to batch"
            )
        if self.augmentation.cut_and_paste > 0 and self.losses.needs_poses:
            raise KBNetError(
                "expected augmentation.cut_and_paste of 0 for losses that compare images, since neighbours have no "
                f"cut-outs, got {self.augmentation.cut_and_paste}; set losses.colour, losses.structure and "
                "losses.prior to 0, or cut_and_paste to 0"
            )
        if self.augmentation.image_attack > 0 and (self.augundo.is_on or self.losses.supervised == 0):
            raise KBNetError(
                "expected augmentation.image_attack with losses.supervised above 0 and without AugUndo, since the "
                f"attack raises the error against ground truth, got losses.supervised {self.losses.supervised:g} and "
                f"AugUndo {'on' if self.augundo.is_on else 'off'}; set image_attack to 0, or change these"
            )
        if self.frames == "reduced" and self.losses.needs_poses:
            raise KBNetError(
                "expected frames full for losses that compare images, got frames reduced; "
                "set losses.colour, losses.structure and losses.prior to 0, or frames to full"
            )
        if self.frames == "reduced" and len(self.sparse_depth) > 1:
            raise KBNetError(
                f"expected one folder name in sparse_depth for frames reduced, got {', '.join(self.sparse_depth)}; "
                "name one, and draw other points with points.probability, or set frames to full"
            )
        if self.weight_decay < 0 or not 0 < self.second_moment_decay < 1:
            raise KBNetError(
                f"expected weight_decay of at least 0 and second_moment_decay in 0..1, "
                f"got {self.weight_decay} and {self.second_moment_decay}"
            )
        if not 0 <= self.seed < 2**32:
            raise KBNetError(f"expected a seed of at least 0 and below 2^32, got {self.seed}")
        for name in ("batch_size", "processes", "log_steps", "summary_steps", "checkpoint_steps"):
            if getattr(self, name) < 1:
                raise KBNetError(f"expected {name} of at least 1, got {getattr(self, name)}")
        if not 0 <= self.average_decay < 1 or self.gradient_clip < 0 or self.workers < 0:
            raise KBNetError(
                f"expected average_decay in 0..1, gradient_clip and workers of at least 0, "
                f"got {self.average_decay}, {self.gradient_clip} and {self.workers}"
            )

    def _check_losses_fit_the_network(self) -> None:
        network, losses = self.network, self.losses
        for name in ("prior", "gradient"):
            if getattr(losses, name) > 0 and not network.has_dense_scaffold:
                remedy = "set network.scaffold to linear, or the weight to 0"
                if isinstance(network, SiblingConfig):
                    remedy = f"set the weight to 0, since {network.system} has no such setting"
                raise KBNetError(
                    f"expected a network with a scaffold for losses.{name}, got {network.scaffold}; {remedy}"
                )
        if losses.expected_error > 0 and not network.predicts_error:
            raise KBNetError(
                "expected a network that predicts its expected error for losses.expected_error, got none; "
                "set network.error to predicted, or the weight to 0"
            )
        if isinstance(network, ScaffNetConfig) and losses.needs_poses:
            raise KBNetError(
                "expected losses.colour and losses.structure of 0 for scaffnet, which sees no image, "
                f"got {losses.colour:g} and {losses.structure:g}; use --preset scaffnet-scenenet, or set them to 0"
            )
        if isinstance(network, SiblingConfig) and self.frames == "reduced":
            raise KBNetError(
                f"expected frames full for {network.system}, which works at the size of the frame, got frames reduced; "
                "set frames to full"
            )

    def without_folders(self) -> TrainingConfig:
        """Config with file names instead of paths, for weights that are published."""
        return dataclasses.replace(
            self,
            sequences=tuple(Path(path.name) for path in self.sequences),
            output=Path(self.output.name),
            initial_weights=self.initial_weights and Path(self.initial_weights).name,
            initial_pose_weights=self.initial_pose_weights and Path(self.initial_pose_weights).name,
            validation=dataclasses.replace(
                self.validation, sequences=tuple(Path(path.name) for path in self.validation.sequences)
            ),
        )
