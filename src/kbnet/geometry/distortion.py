"""Lens distortion: from pinhole rays to distorted rays, and back.

Points are rays at z = 1, (x, y) = (X / Z, Y / Z): numpy arrays (..., 2) without unit. K maps them to pixels. Beyond
some radius the polynomial of a model decreases, and two rays would get one pixel. The result is NaN there, and where no
ray belongs to a distorted point.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from kbnet.errors import KBNetError

Floats = NDArray[np.float64]
Coefficients = tuple[float, ...]

ITERATIONS = 30
CONVERGED_STEP = 1e-12
"""Newton's method stops once its step is below this."""
LARGEST_RESIDUAL = 1e-9
"""Largest residual of an inverse that is accepted: a millionth of a pixel at a focal length of 1000 px."""


def radial_tangential(points: Floats, coefficients: Coefficients) -> Floats:
    """Distort rays by Brown's model: ``plumb_bob`` and ``rational_polynomial`` of ROS, ``OPENCV`` of COLMAP.

    With r² = x² + y² and g = (1 + k1 r² + k2 r⁴ + k3 r⁶) / (1 + k4 r² + k5 r⁴ + k6 r⁶)::

        x' = g x + 2 p1 x y + p2 (r² + 2 x²)
        y' = g y + p1 (r² + 2 y²) + 2 p2 x y

    Args:
        points: undistorted rays, (..., 2).
        coefficients: k1 k2 p1 p2 [k3 [k4 k5 k6]] in OpenCV's order; missing ones are 0.

    Returns:
        Distorted rays, (..., 2); NaN beyond the radius at which g r has its maximum.

    Raises:
        KBNetError: there are more than 8 coefficients.

    Example:
        >>> radial_tangential(np.array([0.5, 0.0]), (0.1, 0, 0, 0)).round(4)
        array([0.5125, 0.    ])
    """
    distorted, _ = _brown(points, _eight(coefficients))
    beyond = np.square(points).sum(axis=-1) > _squared_limit(_eight(coefficients))
    return np.where(beyond[..., None], np.nan, distorted)


def undo_radial_tangential(points: Floats, coefficients: Coefficients) -> Floats:
    """Invert :func:`radial_tangential` by Newton's method.

    Args:
        points: distorted rays, (..., 2).
        coefficients: k1 k2 p1 p2 [k3 [k4 k5 k6]].

    Returns:
        Undistorted rays, (..., 2); NaN where there is none within the radius at which g r has its maximum.

    Example:
        >>> undo_radial_tangential(np.array([0.5125, 0.0]), (0.1, 0, 0, 0)).round(4)
        array([0.5, 0. ])
    """
    eight = _eight(coefficients)
    limit = math.sqrt(_squared_limit(eight))
    rays = _shorten(points.astype(np.float64), limit)
    for _ in range(ITERATIONS):
        distorted, (xx, xy, yy) = _brown(rays, eight)
        error_x, error_y = np.moveaxis(distorted - points, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.stack([yy * error_x - xy * error_y, xx * error_y - xy * error_x], axis=-1)
            step /= (xx * yy - xy * xy)[..., None]
        former, rays = rays, _shorten(rays - np.nan_to_num(step), limit)
        if np.allclose(rays, former, rtol=0, atol=CONVERGED_STEP):
            break
    residual = np.abs(_brown(rays, eight)[0] - points).max(axis=-1)
    return np.where((residual < LARGEST_RESIDUAL)[..., None], rays, np.nan)


def fisheye(points: Floats, coefficients: Coefficients) -> Floats:
    """Distort rays by the fisheye model of Kannala and Brandt: ``equidistant`` of ROS, ``OPENCV_FISHEYE`` of COLMAP.

    With r = sqrt(x² + y²) and the angle θ = atan r from the axis (J. Kannala & S. Brandt, PAMI 2006, equation 6)::

        θ' = θ (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸),    (x', y') = (x, y) θ' / r

    Args:
        points: undistorted rays, (..., 2).
        coefficients: up to k1 k2 k3 k4; missing ones are 0.

    Returns:
        Distorted rays, (..., 2); NaN beyond the angle at which θ' has its maximum.

    Raises:
        KBNetError: there are more than 4 coefficients.

    Example:
        >>> fisheye(np.array([1.0, 0.0]), ()).round(4)
        array([0.7854, 0.    ])
    """
    polynomial = _fisheye_polynomial(coefficients)
    radius = np.linalg.norm(points, axis=-1)
    angle = np.arctan(radius)
    with np.errstate(invalid="ignore"):
        scale = np.where(radius > 0, polynomial(angle) / radius, 1)
    return np.where(angle > _first_root(polynomial.deriv()), np.nan, scale)[..., None] * points


def undo_fisheye(points: Floats, coefficients: Coefficients) -> Floats:
    """Invert :func:`fisheye` by Newton's method.

    Args:
        points: distorted rays, (..., 2).
        coefficients: up to k1 k2 k3 k4.

    Returns:
        Undistorted rays, (..., 2); NaN where there is none less than 90° from the axis and below the maximum of θ'.

    Example:
        >>> undo_fisheye(np.array([np.pi / 4, 0.0]), ()).round(4)
        array([1., 0.])
    """
    polynomial = _fisheye_polynomial(coefficients)
    slope = polynomial.deriv()
    limit = min(_first_root(slope), math.pi / 2)
    distorted = np.linalg.norm(points, axis=-1)
    angle = np.minimum(distorted, limit)
    for _ in range(ITERATIONS):
        with np.errstate(divide="ignore", invalid="ignore"):
            step = (polynomial(angle) - distorted) / slope(angle)
        former, angle = angle, np.clip(angle - np.nan_to_num(step), 0, limit)
        if np.allclose(angle, former, rtol=0, atol=CONVERGED_STEP):
            break
    solved = (np.abs(polynomial(angle) - distorted) < LARGEST_RESIDUAL) & (angle < math.pi / 2)
    with np.errstate(invalid="ignore"):
        scale = np.where(distorted > 0, np.tan(angle) / distorted, 1)
    return np.where(solved, scale, np.nan)[..., None] * points


def _brown(points: Floats, eight: Coefficients) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    """Distorted rays, and their symmetric derivative: ∂x'/∂x, ∂x'/∂y = ∂y'/∂x, ∂y'/∂y."""
    k1, k2, p1, p2, k3, k4, k5, k6 = eight
    x, y = np.moveaxis(points, -1, 0)
    square = x * x + y * y
    above, below = Polynomial([1, k1, k2, k3]), Polynomial([1, k4, k5, k6])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        g = above(square) / below(square)
        slope = (above.deriv()(square) - g * below.deriv()(square)) / below(square)
        distorted = np.stack(
            [
                g * x + 2 * p1 * x * y + p2 * (square + 2 * x * x),
                g * y + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
            ],
            axis=-1,
        )
        return distorted, (
            g + 2 * slope * x * x + 2 * p1 * y + 6 * p2 * x,
            2 * slope * x * y + 2 * p1 * x + 2 * p2 * y,
            g + 2 * slope * y * y + 6 * p1 * y + 2 * p2 * x,
        )


_NO_COEFFICIENT = 1e-60
"""Smaller leading coefficients are 0: their roots are farther away than any ray, and dividing by them overflows."""


def _squared_limit(eight: Coefficients) -> float:
    """r² of the maximum of g r as a function of r."""
    k1, k2, _, _, k3, k4, k5, k6 = eight
    above, below = Polynomial([1, k1, k2, k3]), Polynomial([1, k4, k5, k6])
    growth = above * below + Polynomial([0, 2]) * (above.deriv() * below - above * below.deriv())
    return min(_first_root(growth), _first_root(below))


def _first_root(polynomial: Polynomial) -> float:
    """Smallest positive root; infinity if there is none."""
    roots: NDArray[np.complex128] = np.asarray(polynomial.trim(_NO_COEFFICIENT).roots(), np.complex128)
    real = roots.real[np.abs(roots.imag) < 1e-9]
    return float(np.min(real[real > 0], initial=math.inf))


def _shorten(points: Floats, limit: float) -> Floats:
    if not math.isfinite(limit):
        return points
    with np.errstate(over="ignore"):  # where Newton's method diverges
        length = np.hypot(points[..., :1], points[..., 1:])
    return points * (limit / np.maximum(length, limit))


def _eight(coefficients: Coefficients) -> Coefficients:
    return _padded(coefficients, 8, "radial-tangential distortion as k1 k2 p1 p2 [k3 [k4 k5 k6]]")


def _fisheye_polynomial(coefficients: Coefficients) -> Polynomial:
    k1, k2, k3, k4 = _padded(coefficients, 4, "fisheye distortion as k1 k2 k3 k4")
    return Polynomial([0, 1, 0, k1, 0, k2, 0, k3, 0, k4])


def _padded(coefficients: Coefficients, count: int, what: str) -> Coefficients:
    # Calibration tools append zeros: of OpenCV's 14 numbers, usually only the first 5 are used.
    if any(coefficients[count:]) or not all(map(math.isfinite, coefficients)):
        raise KBNetError(f"expected {what}, got {len(coefficients)} numbers {coefficients}; rectify the images first")
    return (*coefficients[:count], *[0.0] * (count - len(coefficients)))
