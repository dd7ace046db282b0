"""Distributed training: number of processes, detection of a lost process, and BatchNorm over all processes."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn

from kbnet.errors import KBNetError

_LOST = ("closed by peer", "reset by peer", "Broken pipe", "Timed out waiting", "remote process exited")
"""Parts of the messages of gloo and NCCL about a lost process."""


def is_first_process() -> bool:
    """Of several processes, the first one writes and speaks; torchrun tells each its RANK."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def launch(device: str, processes: int) -> Fabric:
    """Start the processes of a run, each of which goes on from here.

    Args:
        processes: on this machine; under ``torchrun``, its number counts instead.

    Raises:
        KBNetError: there are fewer GPUs than processes, or unequal numbers of processes on machines.
    """
    here, machines = count_processes(processes)
    check_devices(device, here)
    fabric = Fabric(
        accelerator=device,
        devices=here,
        num_nodes=machines,
        strategy="ddp" if here * machines > 1 else "auto",
        precision="32-true",  # "bf16-mixed" would round the inputs; TrainingStep chooses what is rounded
    )
    fabric.launch()
    return fabric


def count_processes(asked: int) -> tuple[int, int]:
    """Number of processes per machine, and of machines: from ``torchrun`` if it started this process, else as asked.

    Raises:
        KBNetError: ``torchrun`` started unequal numbers of processes on its machines.
    """
    if not torch.distributed.is_torchelastic_launched():
        return asked, 1
    total, here, machines = (int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"))
    if here * machines != total:
        raise KBNetError(
            f"expected as many processes on each of {machines} machines, got {here} here and {total} in all; "
            "start torchrun with the same --nproc-per-node everywhere"
        )
    return here, machines


def check_devices(device: str, processes: int) -> None:
    """Check that each process on this machine has its own GPU, or on the CPU, of more than two, its own core.

    Raises:
        KBNetError: there are fewer GPUs or cores.
    """
    cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    found = max(2, os.cpu_count() or 1) if cpu else torch.cuda.device_count()
    if found < processes:
        what, remedy = ("cores", "") if cpu else ("CUDA devices", "--device cpu or ")
        raise KBNetError(f"expected {processes} {what}, found {found}; use {remedy}fewer --processes")


def is_lost_process(error: RuntimeError) -> bool:
    """Whether an error of a collective operation means that another process was lost."""
    return isinstance(error, torch.distributed.DistError) or any(words in str(error) for words in _LOST)


def mean_over_processes(value: Tensor) -> Tensor:
    """Mean of a value over processes, without gradient. Fabric's own function first waits at a barrier."""
    total = value.detach().clone()
    torch.distributed.all_reduce(total)
    return total / torch.distributed.get_world_size()


class JointBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm whose training statistics cover the samples of all processes.

    Several processes then train like one process with the joint batch. ``nn.SyncBatchNorm`` works on GPUs only.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W); all processes must call with the same shape."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        processes = torch.distributed.get_world_size()
        values = processes * input.numel() // input.shape[1]
        x = input.float()
        # Two passes, because mean of squares minus square of mean cancels digits.
        mean = _sum_over_processes(x.sum(dim=(0, 2, 3))) / values
        centred = x - mean[:, None, None]
        variance = _sum_over_processes(centred.square().sum(dim=(0, 2, 3))) / values
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (values / (values - 1)), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)


def join_normalisation(module: nn.Module) -> None:
    """Convert every BatchNorm in ``module`` to :class:`JointBatchNorm2d`; names and weights are unchanged."""
    for layer in module.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = JointBatchNorm2d


class _SumOverProcesses(torch.autograd.Function):
    """Sum over processes. Every process's loss depends on it, so the gradient is the sum of all gradients."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        torch.distributed.all_reduce(total)
        return total


def _sum_over_processes(value: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(value)  # type: ignore[no-untyped-call]
    return total
