"""Sparse points from dense depth as published for NYU v2 and SceneNet: Harris response, clustered by k-means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.ndimage import convolve1d, sobel
from scipy.spatial import KDTree

from kbnet.errors import KBNetError
from kbnet.frame import BoolArray, FloatArray, ImageArray, IntArray, check_depth, check_image

PointKind = Literal["edges", "corners", "uniform"]
POINT_KINDS: tuple[PointKind, ...] = get_args(PointKind)

BLOCK = 5
"""Side of the window over which gradients are gathered, pixels."""
HARRIS_K = 0.04
_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
_BATCH = 1024
_SEED = 1
_ITERATIONS = 2

Pixels = IntArray


@dataclass(frozen=True)
class Clustering:
    """How candidates become points. The defaults are those published for NYU v2.

    Attributes:
        candidates: pixels that are clustered.
        cut: cut the cluster centres to whole pixels; False: round them.
        reassignment: scikit-learn's ``reassignment_ratio``: smaller clusters start again elsewhere.
    """

    candidates: int = 30_000
    cut: bool = False
    reassignment: float = 0.01


def draw_points(
    kind: PointKind,
    image: ImageArray,
    depth: FloatArray,
    count: int,
    *,
    seed: int = 0,
    clustering: Clustering = Clustering(),
) -> FloatArray:
    """Keep depth at a few pixels.

    ``edges`` is the published way: the pixels of *lowest* Harris response (strongly negative on edges) are the
    candidates. ``corners`` takes those of highest response instead. Both cluster their candidates. ``uniform`` draws
    among all measured pixels.

    The facts of the published system leave open, and so its exact points cannot be promised: how grey is made
    (here the weights 0.299, 0.587, 0.114, rounded), whether the response is taken of the whole image or the window
    (here of what is given), the order among equal responses (here row by row), and the batch size of the clustering
    (here scikit-learn's 1024, one initialisation).

    Args:
        kind: which pixels.
        image: RGB, (H, W, 3), uint8.
        depth: depth along z, (H, W), metres; 0 = unmeasured, never chosen.
        count: how many; where fewer pixels are measured, those. Cluster centres that round to one pixel are one point.
        seed: of ``uniform``; the clustering always has the published seed 1.
        clustering: of ``edges`` and ``corners``.

    Returns:
        Sparse depth, (H, W), float32 metres; 0 = unmeasured.

    Raises:
        KBNetError: image and depth do not fit, or count is not positive.
    """
    check_image(image)
    depth = check_depth(depth, "depth", image.shape[:2])
    if count < 1:
        raise KBNetError(f"expected at least 1 point, got {count}; ask for more")
    measured = np.argwhere(depth > 0)
    if kind == "uniform":
        pixels = np.random.default_rng(seed).permutation(measured)[:count]
    else:
        response = harris_response(np.rint(image @ _GREY_WEIGHTS))[depth > 0]
        order = np.argsort(response if kind == "edges" else -response, kind="stable")
        pixels = cluster(measured[order[: clustering.candidates]], depth > 0, count, clustering)
    sparse_depth = np.zeros_like(depth)
    rows, columns = pixels.T
    sparse_depth[rows, columns] = depth[rows, columns]
    return sparse_depth


def harris_response(grey: FloatArray) -> FloatArray:
    """Harris & Stephens 1988 as OpenCV's ``cornerHarris`` defines it, for an 8-bit image.

    ``det(M) - k trace(M)^2`` of M, the sum over a 5x5 block of the outer products of 3x3 Sobel gradients; the gradients
    are divided by 4 · block · 255. Borders are mirrored without repeating the edge pixel, in both steps.

    Args:
        grey: (H, W), 0..255.

    Returns:
        (H, W), float32: positive at corners, negative on edges, near 0 where the image is flat.
    """
    scaled = grey.astype(np.float32) / np.float32(4 * BLOCK * 255)
    along_x, along_y = sobel(scaled, axis=1, mode="mirror"), sobel(scaled, axis=0, mode="mirror")
    xx, yy, xy = (_block_sum(product) for product in (along_x * along_x, along_y * along_y, along_x * along_y))
    response: FloatArray = xx * yy - xy * xy - np.float32(HARRIS_K) * (xx + yy) ** 2
    return response


def cluster(candidates: Pixels, measured: BoolArray, count: int, clustering: Clustering = Clustering()) -> Pixels:
    """Spread points by mini-batch k-means: the cluster centres as whole pixels.

    Args:
        candidates: rows and columns, (N, 2).
        measured: pixels that may be chosen, (H, W); every candidate is one.

    Returns:
        Rows and columns, (up to count, 2), each measured: where depth is unknown at a centre, the candidate nearest
        to it; all candidates where there are no more than ``count``.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    if len(candidates) <= count:
        return candidates
    from sklearn.cluster import MiniBatchKMeans

    k_means = MiniBatchKMeans(
        count,
        max_iter=_ITERATIONS,
        batch_size=_BATCH,
        random_state=_SEED,
        n_init=1,
        reassignment_ratio=clustering.reassignment,
    )
    k_means.fit(candidates[:, ::-1].astype(np.float32))
    centres = k_means.cluster_centers_[:, ::-1]
    pixels: Pixels = (centres if clustering.cut else np.rint(centres)).astype(np.int64)
    unknown = ~measured[pixels[:, 0], pixels[:, 1]]
    if unknown.any():
        pixels[unknown] = candidates[KDTree(candidates).query(centres[unknown])[1]]
    return pixels


def _block_sum(values: FloatArray) -> FloatArray:
    ones = np.ones(BLOCK, np.float32)
    summed: FloatArray = convolve1d(convolve1d(values, ones, axis=0, mode="mirror"), ones, axis=1, mode="mirror")
    return summed
