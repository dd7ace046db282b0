"""Reading batches, in other processes if asked."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterable, Iterator

from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from kbnet.errors import KBNetError
from kbnet.training.batch import TripletBatch, join_samples
from kbnet.training.config import TrainingConfig
from kbnet.training.dataset import BatchPlan, TripletDataset
from kbnet.training.schedule import augmentation_probability

_PR_SET_PDEATHSIG = 1
"""Of Linux's prctl: the signal that a process gets when its parent is gone."""


def open_loader(
    config: TrainingConfig, dataset: TripletDataset, steps: range, fabric: Fabric
) -> DataLoader[TripletBatch]:
    """The batches of this process from one step to another."""
    plan = BatchPlan(
        len(dataset),
        config.batch_size,
        config.seed,
        steps,
        rank=fabric.global_rank,
        processes=fabric.world_size,
        probability=lambda epoch: augmentation_probability(config.schedule, epoch),
    )
    return DataLoader(
        dataset,
        batch_sampler=plan,
        collate_fn=join_samples,
        num_workers=config.workers,
        worker_init_fn=_stand_apart,
        pin_memory=fabric.device.type == "cuda",
    )


def read_batches(loader: Iterable[TripletBatch]) -> Iterator[TripletBatch]:
    """The batches of a loader; what goes wrong in a worker reads as if it had gone wrong here.

    Raises:
        KBNetError, OSError: as the worker raised it, without the worker's traceback in the message.
    """
    try:
        yield from loader
    except (KBNetError, OSError) as error:
        text = str(error)
        if not text.startswith("Caught "):
            raise
        raise type(error)(text.rstrip().rpartition("\n")[2].partition(": ")[2]) from error


def _stand_apart(worker: int) -> None:
    """Let the main process decide when to stop; its readers read on until it is done, and not a moment longer.

    A terminal's Ctrl-C, ``timeout`` and ``torchrun`` signal a whole process group: a reader that dies of it is an error
    in the middle of a step, and costs the state that was to be saved. A reader that outlives its killed process keeps
    that one's connections open, so that other processes wait for it (torch's own watch takes 5 s).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
