"""Complete depth with an exported network, without kbnet: numpy, Pillow and onnxruntime.

    python onnx_depth.py network.onnx image.png sparse_depth.png K.txt depth.png

sparse_depth.png and depth.png are 16-bit, metres times 256, 0 = unmeasured; K.txt holds the nine numbers of the camera
matrix. What the network expects is read from its file. A small image is enlarged as kbnet does. A large one is not
reduced, though kbnet reduces it and refines the depth afterwards: resize it first. The outlier rule "support" and any
scaffold triangulate the points, for which scipy is imported; a network without both (as published) needs no scipy.
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

    side = json.loads(session.get_modelmeta().custom_metadata_map["config"]).get("working_side", 0)
    if side and max(image.shape) >= 1.5 * side:
        print(f"{files.image} is larger than the network was made for: resize image, depth and K to {side} pixels")
    times = max(1, min(side // max(image.shape), 4))
    inputs = prepare(*enlarged(image, sparse_depth, K, times), expected)
    depth = session.run(["depth"], inputs)[0][0, 0, ::times, ::times]
    stored = np.clip(np.round(depth * DEPTH_UNITS_A_METRE), 0, 65535).astype(np.uint16)
    Image.fromarray(stored).save(files.output)
    print(f"{files.output}: {depth.min():.2f} to {depth.max():.2f} m")


def enlarged(image, sparse_depth, K, times):
    """Image, depth and K in which every so many rows and columns are those given; colours are linear between them."""
    height, width = sparse_depth.shape
    rows = [between(channel, times, times * height) for channel in image.transpose(2, 0, 1)]
    colours = np.stack([between(row.T, times, times * width).T for row in rows], axis=-1)
    points = np.zeros((times * height, times * width), np.float32)
    points[::times, ::times] = sparse_depth
    return colours.round().astype(np.uint8), points, K * np.float32([[times], [times], [1]])


def prepare(image, sparse_depth, K, expected):
    """The network's inputs by name, from RGB (H, W, 3) uint8, depth (H, W) metres and K (3, 3)."""
    validity = kept_points(sparse_depth, K[0, 0], expected)
    inputs = {
        "image": image.transpose(2, 0, 1)[None].astype(np.float32) / expected["image_divisor"],
        "sparse_depth": sparse_depth[None, None],
        "validity": validity[None, None].astype(np.float32),
        "intrinsics": K[None],
    }
    if expected["scaffold"] != "none":
        points = sparse_depth * validity
        if expected["scaffold"] == "continued":
            points = continued_to_border(points)
        inputs["scaffold"] = interpolated(points, expected.get("scaffold_step", 1))[None, None]
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


def continued_to_border(points):
    """Points, and more of them on the border: on the plane of the twelve nearest, or as far away as the nearest."""
    from scipy.spatial import cKDTree

    rows, columns = np.nonzero(points > 0)
    if rows.size < 4:
        return points
    height, width = points.shape
    x, y = (np.linspace(0, length - 1, 1 + -(-length // 60)).round().astype(int) for length in (width, height))
    border = [(column, row) for column in x for row in (0, height - 1)]
    border += [(column, row) for row in y for column in (0, width - 1)]
    border, count, scale = np.unique(border, axis=0), min(12, rows.size), max(height, width)
    distance, nearest = cKDTree(np.stack([columns, rows], axis=1)).query(border, k=count)
    offset = (np.stack([columns, rows], axis=1)[nearest] - border[:, None]) / scale
    inverse = 1 / points[rows, columns].astype(np.float64)[nearest]
    mean = inverse.mean(axis=1, keepdims=True)
    weight = 1 / (distance / scale + 0.02)
    weight /= weight.sum(axis=1, keepdims=True)
    away = offset - (weight[..., None] * offset).sum(axis=1, keepdims=True)
    relative = inverse / mean - (weight * inverse / mean).sum(axis=1, keepdims=True)
    scatter = np.einsum("nk,nki,nkj->nij", weight, away, away)
    along = np.einsum("nk,nki,nk->ni", weight, away, relative)[..., None]
    left = relative - (away @ np.linalg.solve(scatter + 1e-6 * np.eye(2), along))[..., 0]
    noise = (weight * left**2).sum(axis=1) * count / max(count - 3, 1) + 0.01**2
    slope = np.linalg.solve(scatter + (noise / 0.3**2 / count)[:, None, None] * np.eye(2), along)[..., 0]
    there = np.clip(inverse[:, 0] / mean[:, 0] - (slope * offset[:, 0]).sum(axis=1), 0.4, 2.0)
    continued = points.astype(np.float32)
    x, y = border.T
    continued[y, x] = np.where(points[y, x] > 0, points[y, x], 1 / (mean[:, 0] * there))
    return continued


def interpolated(points, step):
    """Linear within the triangles of the points, the nearest point outside of their hull: (H, W), metres.

    Only every so many rows and columns are computed so; those between are linear between these.
    """
    from scipy.interpolate import LinearNDInterpolator
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import QhullError

    rows, columns = np.nonzero(points > 0)
    if rows.size == 0:
        return points
    moved = np.zeros([-(-(length - 1) // step) + 1 for length in points.shape], np.float32)
    moved[(rows + step // 2) // step, (columns + step // 2) // step] = points[rows, columns]
    nearest_row, nearest_column = distance_transform_edt(moved == 0, return_distances=False, return_indices=True)
    grid = moved[nearest_row, nearest_column]
    try:
        at = LinearNDInterpolator(np.stack([columns, rows], axis=1), points[rows, columns].astype(np.float64))
        y, x = np.mgrid[: grid.shape[0], : grid.shape[1]] * step
        linear = at(x, y)
        grid = np.where(np.isnan(linear), grid, linear)
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        pass
    height, width = points.shape
    return between(between(grid, step, height).T, step, width).T.astype(np.float32)


def between(grid, step, length):
    """As many rows, of which every so many are those of the grid and the others linear between them."""
    row, share = np.arange(length) // step, (np.arange(length) % step / step)[:, None]
    return grid[row] * (1 - share) + grid[np.minimum(row + 1, len(grid) - 1)] * share


if __name__ == "__main__":
    main()
