"""Training samples: order and augmentation as functions of seed, epoch and index; frames are kept between epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame, ImageArray, Triplet
from kbnet.frames.depth_png import UNITS_PER_METRE
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.open import open_prepared
from kbnet.network.config import KBNetConfig
from kbnet.network.siblings.config import NetworkConfig
from kbnet.network.working_size import enlargement, reduced_frame, working_factor
from kbnet.points.drawn_points import PointDrawing
from kbnet.training.augmentation import AugmentationConfig, augment, check_crop
from kbnet.training.batch import TripletBatch, make_sample
from kbnet.training.config import TrainingConfig
from kbnet.training.zoom import enlarge, reduce

_ORDER, _AUGMENTATION, _STEP = 0, 1, 2
"""Keys of separate random streams."""


@dataclass(frozen=True)
class SampleKey:
    """Sample of an epoch."""

    epoch: int
    index: int
    augmentation_probability: float = 1.0


def trained_size(size: tuple[int, ...], working_side: int) -> tuple[int, int]:
    """(H, W) in training of frames of a size, pixels: large ones are reduced, small ones enlarged, as in completion."""
    height, width = size
    smaller, larger = (factor((height, width), working_side) for factor in (working_factor, enlargement))
    return larger * (height // smaller), larger * (width // smaller)


class TripletDataset(Dataset[TripletBatch]):
    """Augmented triplets of several sequences and lists of frames.

    Args:
        sources: for every sequence or list, one source per folder or column of sparse depth.
        gaps: neighbour gap of every source, frames; lists contain their neighbours.
        network: config that defines outlier rejection and scaffold.
        neighbours: whether a loss compares neighbouring images; False: a frame is its own neighbour.
        points: drawing or thinning of sparse points; None: the points of the source.
        reduced: frames at the network's resolution, cached in memory.

    Raises:
        KBNetError: a source has no frame with the neighbours it needs, or its first image is smaller than the crop.
    """

    def __init__(
        self,
        sources: list[tuple[FrameSource, ...]],
        gaps: list[int],
        augmentation: AugmentationConfig,
        network: NetworkConfig,
        seed: int,
        *,
        neighbours: bool = True,
        points: PointDrawing | None = None,
        reduced: bool = False,
    ) -> None:
        self._sources = sources
        self._frames = [
            (number, index, gap)
            for number, (densities, gap) in enumerate(zip(sources, gaps, strict=True))
            for index in (densities[0].triplet_indices(gap) if neighbours else range(len(densities[0])))
        ]
        self._caches: list[FrameCache] | None = None
        if reduced:
            assert isinstance(network, KBNetConfig), "the config asks for frames full"
            side, factor = network.working_side // 2**network.halvings, 2**network.halvings
            caches: dict[Path, FrameCache] = {}
            self._caches = [
                caches.setdefault(first.folder.resolve(), FrameCache(first, longer_side=side, factor=factor))
                for first, *_ in sources
            ]
            network = replace(network, resolution="full")
        # Losses that compare images see them as they are: 300 steps without labels on enlarged frames of 320x240 pixels
        # gave an MAE of 50 mm (bfloat16), on the frames themselves 41 (float32).
        resized = isinstance(network, KBNetConfig) and not reduced and not neighbours
        self._working_side = network.working_side if resized else 0
        for number, densities in enumerate(sources):
            if self._caches is None:
                size = trained_size(densities[0].image(0).shape[:2], self._working_side)
            else:
                size = self._caches[number].frame(0).size
            check_crop(augmentation.crop, size, f"frame '{densities[0].names[0]}' of {densities[0].folder}")
        self.all_poses_known = all(densities[0].has_poses for densities in sources)
        self.augmentation = augmentation
        self.network = network
        self.seed = seed
        self.neighbours = neighbours
        self.points = points

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, key: SampleKey) -> TripletBatch:
        """Read and augment one sample. Equal keys give equal samples in every process."""
        number, frame_index, gap = self._frames[key.index]
        densities = self._sources[number]
        generator = np.random.default_rng([self.seed, _AUGMENTATION, key.epoch, key.index])
        source = densities[generator.integers(len(densities))]
        if self.neighbours:
            triplet = source.triplet(frame_index, gap)
        else:
            frame = source.frame(frame_index) if self._caches is None else self._caches[number].frame(frame_index)
            triplet = Triplet(frame, frame.image, frame.image)
        size = triplet.frame.size
        triplet = reduce(triplet, working_factor(size, self._working_side))
        augmented = augment(
            enlarge(triplet, *trained_size(size, self._working_side)),
            self.augmentation,
            generator,
            key.augmentation_probability,
            points=self.points,
            texture=self._random_image if self.augmentation.cut_and_paste else None,
        )
        draw_seed = np.random.default_rng([self.seed, _STEP, key.epoch, key.index]).integers(2**63)
        name = f"{source.name}/{triplet.frame.name}"
        return make_sample(augmented, self.network, name, draw_seed=int(draw_seed))

    def _random_image(self, generator: np.random.Generator) -> ImageArray:
        number, index, _ = self._frames[int(generator.integers(len(self._frames)))]
        return (
            self._sources[number][0].image(index) if self._caches is None else self._caches[number].frame(index).image
        )


def open_dataset(config: TrainingConfig) -> TripletDataset:
    """Open the data set of a run.

    Raises:
        FileNotFoundError: a sequence or list, or a file in it, is missing.
        KBNetError: a sequence or list does not fit the config.
    """
    sources = [
        tuple(open_prepared(path, sparse_depth=name) for name in config.sparse_depth) for path in config.sequences
    ]
    for first, *_ in sources:
        if max(config.losses.supervised, config.losses.gradient) > 0 and not first.has_ground_truth:
            raise KBNetError(
                f"expected ground_truth in {first.folder} for the supervised loss, but there is none; "
                "add the folder (or the column of a list), leave this source out, or set --losses.supervised 0"
            )
    gaps = list(config.gaps) * (len(sources) if len(config.gaps) == 1 else 1)
    neighbours = config.losses.needs_poses
    return TripletDataset(
        sources,
        gaps,
        config.augmentation,
        config.network,
        config.seed,
        neighbours=neighbours,
        points=config.points if config.points.probability or config.points.thinning else None,
        reduced=config.frames == "reduced",
    )


class BatchPlan(Sampler[list[SampleKey]]):
    """Batches of a run between two steps, for one of several processes.

    Every epoch is a new permutation of all samples. Samples that do not fill a batch in all processes are dropped in
    that epoch. Two processes with batches of four have together the samples of one process with batches of eight.

    Args:
        batch_size: samples per step in each process.
        steps: steps to plan, counted from the beginning of the run.
        probability: factor of the augmentation in an epoch.

    Raises:
        KBNetError: there are fewer samples than one step needs.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        steps: range,
        *,
        rank: int = 0,
        processes: int = 1,
        probability: Callable[[int], float] = lambda epoch: 1.0,
    ) -> None:
        if length < batch_size * processes:
            raise KBNetError(
                f"expected at least {batch_size * processes} frames to train on for one step "
                f"({processes} x batch {batch_size}), got {length}; choose a smaller batch or gap, or more sequences"
            )
        self._length, self._seed, self._steps, self._probability = length, seed, steps, probability
        self._mine = slice(rank * batch_size, (rank + 1) * batch_size)
        self._joint_batch = batch_size * processes
        self.steps_per_epoch = length // self._joint_batch

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        """Yield the keys of one step after another."""
        order_epoch, order = -1, np.empty(0, np.int64)
        for step in self._steps:
            epoch, position = divmod(step, self.steps_per_epoch)
            if epoch != order_epoch:
                order_epoch = epoch
                order = np.random.default_rng([self._seed, _ORDER, epoch]).permutation(self._length)
            joint = order[position * self._joint_batch :][: self._joint_batch]
            yield [SampleKey(epoch, int(index), self._probability(epoch)) for index in joint[self._mine]]


class _Stored(NamedTuple):
    image: ImageArray
    sparse_depth: NDArray[np.uint16]
    ground_truth: NDArray[np.uint16] | None
    intrinsics: FloatArray
    name: str


class FrameCache:
    """Cache of the reduced frames of a source; each file is read once.

    Args:
        longer_side: longer side at the network's resolution, pixels; 0 = reduce every frame by ``factor``.
        factor: factor for a ``longer_side`` of 0.
    """

    def __init__(self, source: FrameSource, *, longer_side: int, factor: int) -> None:
        self.source = source
        self._longer_side, self._factor = longer_side, factor
        self._stored: dict[int, _Stored] = {}

    def __len__(self) -> int:
        return len(self.source)

    def frame(self, index: int) -> Frame:
        """Frame at the network's resolution; depth is rounded to 1/256 m."""
        if index not in self._stored:
            self._stored[index] = self._read(index)
        stored = self._stored[index]
        truth = stored.ground_truth
        return Frame(
            stored.image,
            _metres(stored.sparse_depth),
            stored.intrinsics,
            None if truth is None else _metres(truth),
            stored.name,
        )

    def _read(self, index: int) -> _Stored:
        frame = self.source.frame(index)
        factor = max(1, round(max(frame.size) / self._longer_side)) if self._longer_side else self._factor
        reduced = reduced_frame(frame, factor)
        truth = reduced.ground_truth
        return _Stored(
            reduced.image,
            _units(reduced.sparse_depth),
            None if truth is None else _units(truth),
            reduced.intrinsics,
            reduced.name,
        )


def _units(depth: FloatArray) -> NDArray[np.uint16]:
    units: NDArray[np.uint16] = np.rint(depth * np.float32(UNITS_PER_METRE)).clip(0, 65535).astype(np.uint16)
    return units


def _metres(units: NDArray[np.uint16]) -> FloatArray:
    return units.astype(np.float32) / np.float32(UNITS_PER_METRE)
