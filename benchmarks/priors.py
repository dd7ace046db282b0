"""Error of completed depth with priors that are distorted ground truth, relative to depth without a prior.

    python benchmarks/priors.py ROOM [ROOM ...] --sparse-depth sparse_depth_500 --every 15

Each row is one kind of prior: MAE and RMSE with it over those without it, mean over frames, and the worst frame.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import kbnet
from kbnet.evaluation.metrics import depth_errors
from kbnet.frame import FloatArray, Frame, Prior, PriorKind
from kbnet.frames.sequence import Sequence
from kbnet.points.interpolation import nearest

LIMITS = {"min_depth": 0.2, "max_depth": 5.0}


def smooth(size: tuple[int, int], sigma_px: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise of standard deviation 1."""
    noise: NDArray[np.float64] = gaussian_filter(generator.standard_normal(size), sigma_px)
    return np.asarray(noise / noise.std())


Distortion = Callable[[FloatArray, np.random.Generator], Prior]


def _prior(values: NDArray[np.floating], kind: PriorKind = "depth") -> Prior:
    return Prior(values.astype(np.float32), kind)


PRIORS: dict[str, Distortion] = {
    "true disparity": lambda z, generator: _prior(5 / z + 1, "disparity"),
    "scale drifts by 20 %": lambda z, generator: _prior(z * np.exp(0.2 * smooth(z.shape, 60, generator))),
    "depth to the power 0.7": lambda z, generator: _prior(z**0.7),
    "blur, 8 px": lambda z, generator: _prior(np.exp(gaussian_filter(np.log(z), 8))),
    "drift and blur, 4 px": lambda z, generator: _prior(
        np.exp(gaussian_filter(np.log(z), 4) + 0.2 * smooth(z.shape, 60, generator))
    ),
    "left and right half swapped": lambda z, generator: _prior(np.roll(z, z.shape[1] // 2, axis=1)),
    "noise": lambda z, generator: _prior(np.exp(0.5 * generator.standard_normal(z.shape))),
    "smooth noise, 20 px": lambda z, generator: _prior(np.exp(0.5 * smooth(z.shape, 20, generator))),
}


def errors(completer: kbnet.DepthCompleter, frame: Frame) -> tuple[float, float]:
    assert frame.ground_truth is not None
    found = depth_errors(completer(frame), frame.ground_truth, **LIMITS)
    return found.mae_mm, found.rmse_mm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="+", type=Path)
    parser.add_argument("--sparse-depth", default="sparse_depth_500")
    parser.add_argument("--every", type=int, default=15)
    parser.add_argument("--weights", default="indoor")
    options = parser.parse_args()
    completer = kbnet.load(options.weights)
    sources = [Sequence(room, sparse_depth=options.sparse_depth) for room in options.rooms]
    frames = [source.frame(index) for source in sources for index in range(0, len(source), options.every)]
    alone = np.array([errors(completer, frame) for frame in frames])
    print(f"{len(frames)} frames, {options.sparse_depth}: MAE {alone[:, 0].mean():.1f} mm without a prior")
    for name, distort in PRIORS.items():
        found = []
        for index, frame in enumerate(frames):
            assert frame.ground_truth is not None
            prior = distort(nearest(frame.ground_truth), np.random.default_rng(index))
            found.append(errors(completer, replace(frame, prior=prior)))
        ratio = np.array(found) / alone
        mean = np.mean(found, axis=0) / alone.mean(axis=0)
        print(f"{name:30} MAE {mean[0]:.3f}  RMSE {mean[1]:.3f}  worst frame {ratio[:, 0].max():.2f}", flush=True)


if __name__ == "__main__":
    main()
