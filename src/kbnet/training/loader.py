"""Reading of batches, in reader processes if requested."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from types import TracebackType

from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from kbnet.errors import KBNetError
from kbnet.training.batch import TripletBatch, join_samples
from kbnet.training.config import TrainingConfig
from kbnet.training.dataset import BatchPlan, TripletDataset
from kbnet.training.schedule import augmentation_probability

_PR_SET_PDEATHSIG = 1
"""Option of Linux's prctl: signal to a process when its parent has ended."""


def open_loader(
    config: TrainingConfig, dataset: TripletDataset, steps: range, fabric: Fabric
) -> DataLoader[TripletBatch]:
    """Open the loader of this process's batches between two steps."""
    plan = BatchPlan(
        len(dataset),
        config.batch_size,
        config.seed,
        steps,
        rank=fabric.global_rank,
        processes=fabric.world_size,
        probability=lambda epoch: augmentation_probability(config.schedule, epoch),
    )
    readers = reader_count(config)
    return DataLoader(
        dataset,
        batch_sampler=plan,
        collate_fn=join_samples,
        num_workers=readers,
        # With a fork server, the default of Python 3.14, readers outlive a killed run, since it is not their parent.
        multiprocessing_context="fork" if readers and sys.platform == "linux" else None,
        worker_init_fn=_stand_apart,
        pin_memory=fabric.device.type == "cuda",
    )


def read_batches(loader: Iterable[TripletBatch]) -> Iterator[TripletBatch]:
    """Yield the batches of a loader; errors of a reader are raised here.

    Raises:
        KBNetError, OSError: error of the reader, without its traceback in the message.
    """
    try:
        yield from loader
    except (KBNetError, OSError) as error:
        traceback.clear_frames(error.__traceback__)  # they keep the readers, which end with the loader's iterator
        text = str(error)
        if not text.startswith("Caught "):
            raise
        raise type(error)(text.rstrip().rpartition("\n")[2].partition(": ")[2]) from error


def check_readers(error: RuntimeError, kept: str) -> None:
    """Translate the error that torch raises, at any line, when a reader was killed.

    Args:
        kept: what was saved before, for the message.

    Raises:
        ConnectionError: the error is this one.
    """
    if str(error).startswith("DataLoader worker (pid"):
        raise ConnectionError(
            f"a process that reads frames was killed ({str(error).strip()}), most likely for want of memory; {kept}: "
            "go on with --resume and fewer --workers"
        ) from error


def reader_count(config: TrainingConfig) -> int:
    """Reader processes that are started: those asked for, at most one for each core that this process may use."""
    # taskset and containers leave a process fewer cores than there are.
    return min(config.workers, len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)


def _stand_apart(worker: int) -> None:
    """Make a reader ignore Ctrl-C and SIGTERM, end with its parent process, and keep silent about a lost connection.

    Ctrl-C in a terminal, ``timeout`` and ``torchrun`` signal a whole process group. If a reader ended by the signal,
    the step would fail and the state would not be saved. If a reader outlived its killed parent, it would keep the
    parent's connections open, and other processes would wait (torch's own check takes 5 s).
    """
    sys.excepthook = _tell_unless_lost
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _tell_unless_lost(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show an error of a thread that hands batches over, unless the training stopped and took none."""
    if not issubclass(kind, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)
