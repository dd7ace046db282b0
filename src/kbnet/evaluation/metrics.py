"""Metrics of depth: MAE, RMSE, iMAE, iRMSE, and their mean and deviation over frames (NumPy only)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kbnet.errors import KBNetError


@dataclass(frozen=True)
class DepthErrors:
    """Depth errors of one frame, or their mean or standard deviation over frames.

    Attributes:
        mae_mm: mean absolute error of depth, millimetres.
        rmse_mm: root of the mean squared error of depth, millimetres.
        imae_per_km: mean absolute error of inverse depth, 1/km.
        irmse_per_km: root of the mean squared error of inverse depth, 1/km.
        mare: mean absolute relative error of depth, a ratio; None where it is not known, as in most published tables.
    """

    mae_mm: float
    rmse_mm: float
    imae_per_km: float
    irmse_per_km: float
    mare: float | None = None

    @classmethod
    def from_array(cls, values: ArrayLike) -> DepthErrors:
        """Errors from an array, (5,), in the order of the fields; NaN = not known."""
        mae_mm, rmse_mm, imae_per_km, irmse_per_km, mare = np.asarray(values, np.float64).tolist()
        return cls(mae_mm, rmse_mm, imae_per_km, irmse_per_km, None if np.isnan(mare) else mare)

    def as_array(self) -> NDArray[np.float64]:
        """Errors as an array, (5,), in the order of the fields; NaN = not known."""
        mare = np.nan if self.mare is None else self.mare
        return np.array([self.mae_mm, self.rmse_mm, self.imae_per_km, self.irmse_per_km, mare])


def judged_pixels(ground_truth: NDArray[np.floating], *, min_depth: float, max_depth: float) -> NDArray[np.bool_]:
    """Mask of evaluated pixels: measured, and strictly within the limits.

    Args:
        ground_truth: true depth, (H, W), metres; 0 = unmeasured.
        min_depth, max_depth: limits, metres, both excluded; a lower limit of 0 also excludes unmeasured pixels.

    Returns:
        Mask, (H, W).
    """
    return (ground_truth > max(min_depth, 0.0)) & (ground_truth < max_depth)


def has_judged_pixels(ground_truth: NDArray[np.floating] | None, limits: tuple[float, float]) -> bool:
    """Whether there is ground truth within the limits, metres, as of `judged_pixels`."""
    if ground_truth is None:
        return False
    return bool(judged_pixels(ground_truth, min_depth=limits[0], max_depth=limits[1]).any())


def depth_errors(
    depth: NDArray[np.floating], ground_truth: NDArray[np.floating], *, min_depth: float, max_depth: float
) -> DepthErrors:
    """Errors of a depth map over the pixels of `judged_pixels`.

    Args:
        depth: completed depth, (H, W), metres; must be positive and finite at evaluated pixels.
        ground_truth: true depth, (H, W), metres; 0 = unmeasured.
        min_depth, max_depth: limits on the ground truth, metres, both excluded.

    Raises:
        KBNetError: the shapes differ, no pixel of the ground truth is within the limits, or the depth there is
            zero, negative or not finite.

    Example:
        >>> depth_errors(np.full((1, 2), 2.0), np.array([[1.0, 0.0]]), min_depth=0.0, max_depth=100.0)
        DepthErrors(mae_mm=1000.0, rmse_mm=1000.0, imae_per_km=500.0, irmse_per_km=500.0, mare=1.0)
    """
    if depth.shape != ground_truth.shape:
        raise KBNetError(
            f"depth has shape {depth.shape} but ground_truth {ground_truth.shape}; they must be aligned, pixel by pixel"
        )
    judged = judged_pixels(ground_truth, min_depth=min_depth, max_depth=max_depth)
    if not judged.any():
        raise KBNetError(
            f"ground_truth has no pixel between {min_depth:g} and {max_depth:g} m; "
            "check its unit (metres), or choose other limits"
        )
    found = depth[judged].astype(np.float64)
    true = ground_truth[judged].astype(np.float64)
    bad = int(np.count_nonzero(~(np.isfinite(found) & (found > 0))))
    if bad:
        raise KBNetError(
            f"depth is zero, negative or not finite at {bad} of {found.size} pixels with ground truth; "
            "errors are taken of dense depth, so complete it first"
        )
    error_mm = 1000.0 * (found - true)
    inverse_error_per_km = 1000.0 * (1.0 / found - 1.0 / true)
    return DepthErrors(
        mae_mm=float(np.abs(error_mm).mean()),
        rmse_mm=float(np.sqrt(np.square(error_mm).mean())),
        imae_per_km=float(np.abs(inverse_error_per_km).mean()),
        irmse_per_km=float(np.sqrt(np.square(inverse_error_per_km).mean())),
        mare=float(np.abs(found / true - 1.0).mean()),
    )


class RunningStatistics:
    """Mean and population standard deviation of a stream of numbers or equal-shaped arrays, in constant memory.

    Welford's update. Before the first value, `count` is 0, and `mean` and `std` are NaN.

    Example:
        >>> statistics = RunningStatistics([1.0, 3.0])
        >>> float(statistics.mean), float(statistics.std)
        (2.0, 1.0)
    """

    def __init__(self, values: Iterable[ArrayLike] = ()) -> None:
        self.count = 0
        self._mean: NDArray[np.float64] = np.zeros(())
        self._squares: NDArray[np.float64] = np.zeros(())
        for value in values:
            self.add(value)

    def add(self, value: ArrayLike) -> None:
        """Add one value: a number, or an array of the shape of the previous values.

        Raises:
            KBNetError: its shape differs from that of the values before.
        """
        sample = np.asarray(value, dtype=np.float64)
        if self.count and sample.shape != self._mean.shape:
            raise KBNetError(
                f"expected values of shape {self._mean.shape} like those before, got {sample.shape}; keep one stream a "
                "shape"
            )
        self.count += 1
        difference = sample - self._mean
        self._mean = self._mean + difference / self.count
        self._squares = self._squares + difference * (sample - self._mean)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean, of the shape of one value."""
        return self._mean.copy() if self.count else np.full((), np.nan)

    @property
    def std(self) -> NDArray[np.float64]:
        """Population standard deviation (divided by the count), of the shape of one value."""
        return np.sqrt(self._squares / self.count) if self.count else np.full((), np.nan)
