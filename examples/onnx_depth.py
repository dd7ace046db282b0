"""Complete depth with an exported network, without kbnet: numpy, Pillow and onnxruntime.

    python onnx_depth.py network.onnx image.png sparse_depth.png K.txt depth.png

sparse_depth.png and depth.png are 16-bit, metres times 256, 0 = unmeasured; K.txt holds the nine numbers of the camera
matrix. What the network expects is read from its file. The outlier rule "support" and the scaffold "linear" triangulate
the points, for which scipy is imported; a network without both (as published) needs no scipy.
"""

import argparse
import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

DEPTH_UNITS_A_METRE = 256


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("network", "image", "sparse_depth", "intrinsics", "output"):
        parser.add_argument(name)
    files = parser.parse_args()

    session = onnxruntime.InferenceSession(files.network, providers=["CPUExecutionProvider"])
    expected = json.loads(session.get_modelmeta().custom_metadata_map["preprocessing"])
    image = np.asarray(Image.open(files.image).convert("RGB"))
    sparse_depth = np.asarray(Image.open(files.sparse_depth)).astype(np.float32) / DEPTH_UNITS_A_METRE
    K = np.loadtxt(files.intrinsics, dtype=np.float32).reshape(3, 3)
    if expected.get("sizes") == "multiples-of-32" and any(length % 32 for length in image.shape[:2]):
        height, width = image.shape[:2]
        sys.exit(
            f"{files.network} takes widths and heights that are multiples of 32, {files.image} is {width}x{height}; "
            "crop image and depth (and subtract the offset from cx and cy), or export with --sizes any"
        )

    (depth,) = session.run(["depth"], prepare(image, sparse_depth, K, expected))
    stored = np.clip(np.round(depth[0, 0] * DEPTH_UNITS_A_METRE), 0, 65535).astype(np.uint16)
    Image.fromarray(stored).save(files.output)
    print(f"{files.output}: {depth.min():.2f} to {depth.max():.2f} m")


def prepare(image, sparse_depth, K, expected):
    """The network's inputs by name, from RGB (H, W, 3) uint8, depth (H, W) metres and K (3, 3)."""
    validity = kept_points(sparse_depth, K[0, 0], expected)
    inputs = {
        "image": image.transpose(2, 0, 1)[None].astype(np.float32) / expected["image_divisor"],
        "sparse_depth": sparse_depth[None, None],
        "validity": validity[None, None].astype(np.float32),
        "intrinsics": K[None],
    }
    if expected["scaffold"] == "linear":
        inputs["scaffold"] = interpolated(sparse_depth * validity)[None, None]
    return inputs


def kept_points(depth, fx, expected):
    """Which points to believe, by the rule the network was trained with: (H, W), bool."""
    if expected["outlier_rule"] == "support":
        return supported_points(depth, fx, expected)
    window, threshold = expected["outlier_window_px"], expected["outlier_threshold_m"]
    measured = depth > 0
    far = np.float32(10) * depth.max()
    padded = np.pad(np.where(measured, depth, far), window // 2, constant_values=np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (window, window))
    nearest = windows.min(axis=3).min(axis=2)
    return measured & (nearest >= depth - np.float32(threshold))


def supported_points(depth, fx, expected):
    """Points that agree with a neighbour in their Delaunay triangulation; all of them if too few, or none agrees."""
    from scipy.spatial import Delaunay, QhullError

    kept = depth > 0
    rows, columns = np.nonzero(kept)
    if rows.size < 4:
        return kept
    try:
        first, neighbours = Delaunay(np.stack([columns, rows], axis=1)).vertex_neighbor_vertices
    except QhullError:  # all on one line
        return kept
    point = np.repeat(np.arange(rows.size), np.diff(first))
    log_depth = np.log(depth[rows, columns])
    angle = np.hypot(rows[point] - rows[neighbours], columns[point] - columns[neighbours]) / fx
    limit = expected["outlier_support_tolerance"] + expected["outlier_support_slope_per_rad"] * angle
    agree = np.abs(log_depth[point] - log_depth[neighbours]) < limit
    alone = np.bincount(point, agree, minlength=rows.size) == 0
    if not alone.all():
        kept[rows[alone], columns[alone]] = False
    return kept


def interpolated(points):
    """Linear within the triangles of the points, the nearest point outside of their hull: (H, W), metres."""
    from scipy.interpolate import LinearNDInterpolator
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import QhullError

    rows, columns = np.nonzero(points > 0)
    if rows.size == 0:
        return points
    nearest_row, nearest_column = distance_transform_edt(points == 0, return_distances=False, return_indices=True)
    nearest = points[nearest_row, nearest_column]
    try:
        at = LinearNDInterpolator(np.stack([columns, rows], axis=1), points[rows, columns].astype(np.float64))
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        return nearest
    y, x = np.mgrid[: points.shape[0], : points.shape[1]]
    linear = at(x, y)
    return np.where(np.isnan(linear), nearest, linear).astype(np.float32)


if __name__ == "__main__":
    main()
