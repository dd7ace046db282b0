"""Training loop: from a config to a run folder with weights."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, cast

import tomlkit
import torch
from lightning_fabric import Fabric, seed_everything
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kbnet.errors import KBNetError, expect
from kbnet.evaluation.metrics import DepthErrors
from kbnet.files import atomic_path
from kbnet.interruption import Interrupted, stop_signals
from kbnet.lock import one_writer
from kbnet.network.depth_network import DepthNetwork
from kbnet.training import distributed
from kbnet.training.batch import TripletBatch
from kbnet.training.checkpoint import (
    check_no_run,
    load_state,
    restore_optimizer,
    restore_weights,
    restored_errors,
    save_state,
)
from kbnet.training.config import TrainingConfig
from kbnet.training.dataset import BatchPlan, open_dataset
from kbnet.training.loader import check_readers, open_loader, read_batches
from kbnet.training.monitor import Monitor, OnReport
from kbnet.training.networks import build_networks
from kbnet.training.optimizer import make_optimizer
from kbnet.training.recipe import to_table
from kbnet.training.recordings import with_written_recordings
from kbnet.training.schedule import learning_rate, total_steps
from kbnet.training.step import StepResult, TrainingStep
from kbnet.training.validation import is_best, open_parts, validate
from kbnet.weights.depth_network import save_network
from kbnet.weights.pose_network import save_pose_network

BEST_WEIGHTS = "best.safetensors"
LAST_WEIGHTS = "last.safetensors"
POSE_WEIGHTS = "pose.safetensors"
CONFIG_FILE = "config.toml"


def train(
    config: TrainingConfig,
    *,
    resume: bool = False,
    on_report: OnReport | None = None,
    recording: Mapping[str, Any] | None = None,
) -> Path:
    """Train a depth network on sequence folders, frame lists and recordings.

    Recordings are first written to sequence folders in the run folder.

    Args:
        resume: resume from the state in ``config.output``; the next steps equal those of an uninterrupted run.
        on_report: called with every report, in the first process.
        recording: options of the recordings among the sequences, as those of `kbnet.open_frames`.

    Returns:
        The best weights: a safetensors file in the run folder.

    Raises:
        KBNetError: the config does not fit the data, or the run folder holds another run, or another process writes it.
        FileNotFoundError: data or state is missing.
        KBNetError, OSError, Interrupted: a frame cannot be read; or Ctrl-C or SIGTERM. The state is saved.
        FloatingPointError: a loss or gradient is not finite; the last saved state is kept.
        ConnectionError: another process of the run was lost; the state is saved. Or a reader; the last state is kept.

    Under ``torchrun``, its number of processes replaces ``config.processes``.
    """
    expect(config, TrainingConfig, "a kbnet.training.config.TrainingConfig")
    if not config.sequences:
        raise KBNetError(
            "expected at least one sequence, list or recording to train on, got none; name them on the command line"
        )
    with one_writer(config.output if distributed.is_first_process() else None):
        if not resume:
            check_no_run(config.output, LAST_WEIGHTS)
        fabric = distributed.launch(config.device, config.processes)
        config = dataclasses.replace(config, processes=fabric.world_size)
        config = with_written_recordings(config, recording or {}, fabric)
        run = Run(config, fabric, on_report, resume=resume)
        with stop_signals() as stop_asked:
            run.go(stop_asked)
    return config.output / BEST_WEIGHTS


class Run:
    """Training run with all its parts; :meth:`go` is the loop."""

    def __init__(self, config: TrainingConfig, fabric: Fabric, on_report: OnReport | None, *, resume: bool) -> None:
        self.config, self.fabric = config, fabric
        dataset = open_dataset(config)
        self._parts = open_parts(config.validation.sequences, config.sparse_depth)
        first = BatchPlan(len(dataset), config.batch_size, config.seed, range(0), processes=fabric.world_size)
        self.steps_per_epoch = first.steps_per_epoch
        self.steps = total_steps(config.schedule, self.steps_per_epoch)

        seed_everything(config.seed, verbose=False)
        network, pose_network = build_networks(config, all_poses_known=dataset.all_poses_known, read_weights=not resume)
        step_module = TrainingStep.of(config, network, pose_network)
        if fabric.world_size > 1:
            distributed.join_normalisation(step_module)
        # On a CPU, channels-last memory saves a quarter of a step in bfloat16, and costs a sixth in float32.
        if step_module.options.bfloat16:
            step_module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = make_optimizer(config, step_module)
        self.average: AveragedModel | None = None
        if config.average_decay:
            blend = get_ema_multi_avg_fn(config.average_decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(network, multi_avg_fn=blend, use_buffers=True)
        self.network, self.pose_network = network, pose_network
        self.step = 0
        self.saved_step: int | None = None
        self.best: DepthErrors | None = None
        state = load_state(config.output) if resume else None
        if state is not None:
            restore_weights(step_module, state["step_module"], config.output)
        self.step_module, self.optimizer = fabric.setup(step_module, optimizer)
        if self.average is not None:
            self.average.to(fabric.device)
        if state is not None:
            self._restore(state)
        self.batches = open_loader(config, dataset, range(self.step, self.steps), fabric)
        self.monitor = Monitor(config.output, self.steps, self.step, on_report, active=fabric.is_global_zero)
        if fabric.is_global_zero:
            with atomic_path(config.output / CONFIG_FILE) as temporary:
                temporary.write_text(tomlkit.dumps(to_table(config)), encoding="utf-8")

    def go(self, stop_asked: threading.Event) -> None:
        """Train to the end, or until the stop event is set."""
        self.step_module.train()
        batches = self._readable_batches()
        try:
            for batch in batches:
                result, rate, norm = self.one_step(batch := batch.to(self.fabric.device))
                self._after_step(batch, result, rate, norm)
                if self._all_stop(stop_asked) and self.step < self.steps:
                    self._save()
                    raise Interrupted(
                        f"stopped at step {self.step}; go on with --resume {self.config.output} (the state is saved)"
                    )
        except Interrupted:
            raise
        except KeyboardInterrupt as error:  # a second Ctrl-C, before the end of the step
            raise Interrupted(f"interrupted at step {self.step}; {self._kept()} in {self.config.output}") from error
        except RuntimeError as error:
            check_readers(error, f"{self._kept()} in {self.config.output}")
            if not distributed.is_lost_process(error):
                raise
            self._write_state()  # in every process, because the first one can be the lost one
            self.monitor.say(self.step, "another process of this run is gone; the state is saved")
            raise ConnectionError(
                f"another process of this run is gone, after step {self.step}; the state is saved: find out why, "
                f"then go on with --resume {self.config.output}"
            ) from error
        finally:
            self.monitor.close()
            batches.close()  # after the state is saved: readers can take seconds to end, and none may be left behind

    def _kept(self) -> str:
        return f"the last saved state, of step {self.saved_step}, is kept" if self.saved_step else "nothing is saved"

    def _readable_batches(self) -> Generator[TripletBatch, None, None]:
        """Yield the batches; if a file cannot be read, the state is saved first."""
        try:
            yield from read_batches(self.batches)
        except (ValueError, OSError):
            if self.step and self.fabric.is_global_zero:
                self._write_state()
                self.monitor.say(self.step, "the next frames cannot be read; the state is saved")
            raise

    def _all_stop(self, stop_asked: threading.Event) -> bool:
        """Whether any process has a stop event; all must stop at the same step, or they would wait for each other."""
        if self.fabric.world_size == 1:
            return stop_asked.is_set()
        asked = torch.tensor(float(stop_asked.is_set()), device=self.fabric.device)
        return bool(self._mean_of_processes(asked) > 0)

    def one_step(self, batch: TripletBatch) -> tuple[StepResult, float, float]:
        """Run one step: losses, gradients, optimiser. Return the result, the learning rate and the gradient's norm."""
        rate = learning_rate(self.config.schedule, self.step, self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        own: StepResult = self.step_module(batch)
        result = self._joint_losses(own)
        # Checked in all processes, so that all stop at one step; the loss first: without it, gradients are unsafe.
        self._check_finite(float(result.total), "loss", batch, result)
        self.optimizer.zero_grad()
        self.fabric.backward(own.total)
        norm = float(nn.utils.clip_grad_norm_(self.step_module.parameters(), self.config.gradient_clip or float("inf")))
        self._check_finite(norm, "gradient", batch, result)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.step += 1
        return result, rate, norm

    def _joint_losses(self, result: StepResult) -> StepResult:
        """Result with the losses of the joint batch, without gradient."""
        losses = torch.stack([result.total, *result.terms.values()]).detach()
        total, *terms = self._mean_of_processes(losses).unbind()
        return dataclasses.replace(result, total=total, terms=dict(zip(result.terms, terms, strict=True)))

    def _mean_of_processes(self, value: torch.Tensor) -> torch.Tensor:
        return value if self.fabric.world_size == 1 else distributed.mean_over_processes(value)

    def _check_finite(self, value: float, what: str, batch: TripletBatch, result: StepResult) -> None:
        if torch.isfinite(torch.tensor(value)):
            return
        terms = ", ".join(f"{name} {float(term.detach()):.4g}" for name, term in result.terms.items())
        raise FloatingPointError(
            f"the {what} of step {self.step + 1} is {value} ({terms}) on {', '.join(batch.names)}; "
            f"{self._kept()} in {self.config.output}: look at these frames, or lower the learning rate"
        )

    def _after_step(self, batch: TripletBatch, result: StepResult, rate: float, norm: float) -> None:
        config = self.config
        last = self.step == self.steps
        self.monitor.add(result, config.batch_size * self.fabric.world_size)
        if self.step % config.log_steps == 0 or last:
            self.monitor.report(self.step, rate, norm)
        if self.step % config.summary_steps == 0 or last:
            self.monitor.pictures(self.step, batch, result)
        if last:
            self._save()
        validation = config.validation
        if self._parts and (last or (self.step >= validation.from_step and self.step % validation.every_steps == 0)):
            with self.monitor.pause():
                self._validate()
        if self.step % config.checkpoint_steps == 0 and not last:
            with self.monitor.pause():
                self._save()

    def _validate(self) -> None:
        if self.fabric.is_global_zero:
            errors = validate(self._current(), self._parts, self.config.validation, str(self.fabric.device))
            best = is_best(errors, self.best, self.config.validation.best)
            if best:
                self.best = errors
                self._save_weights(BEST_WEIGHTS)
                if self.step == self.steps:  # the state was saved before; an extended run needs the best errors
                    self._write_state()
            self.monitor.validation(self.step, errors, best=best)
        self.fabric.barrier()

    def _save(self) -> None:
        """Write the state and the last weights of both networks; without validation the last are the best."""
        if self.fabric.is_global_zero:
            self._write_state()
            self._save_weights(LAST_WEIGHTS)
            if self.pose_network is not None:
                save_pose_network(self.pose_network, self.config.output / POSE_WEIGHTS, notes=self._notes())
            if not self._parts:
                self._save_weights(BEST_WEIGHTS)
        self.fabric.barrier()

    def _write_state(self) -> None:
        state: dict[str, Any] = {
            "step": self.step,
            "step_module": self.step_module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": None if self.best is None else dataclasses.asdict(self.best),
            "average": None if self.average is None else self.average.state_dict(),
        }
        save_state(self.config.output, state)
        self.saved_step = self.step

    def _restore(self, state: dict[str, Any]) -> None:
        self.step = self.saved_step = state["step"]
        restore_optimizer(self.optimizer, state["optimizer"], self.config.output)
        self.best = restored_errors(state["best"], self.config.output)
        if self.average is not None and state["average"] is not None:
            restore_weights(self.average, state["average"], self.config.output)
        if self.step >= self.steps:
            raise KBNetError(
                f"the run in {self.config.output} is done ({self.step} of {self.steps} steps); "
                "raise --schedule.steps to go on"
            )

    def _current(self) -> DepthNetwork:
        """Network that is validated and saved."""
        return self.network if self.average is None else cast(DepthNetwork, self.average.module)

    def _save_weights(self, name: str) -> None:
        save_network(self._current(), self.config.output / name, notes=self._notes())

    def _notes(self) -> dict[str, str]:
        return {"steps": str(self.step), "recipe": tomlkit.dumps(to_table(self.config.without_folders()))}
