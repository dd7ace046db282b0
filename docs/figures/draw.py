"""Draw the figures of docs/how-it-works.md and docs/tutorial.md from a rendered room: `python docs/figures/draw.py`.

Needs the extras `report` and `demo`. network.svg is drawn by hand.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import kbnet
from kbnet.frame import Frame
from kbnet.geometry.camera import backproject
from kbnet.geometry.warp import warp
from kbnet.network.inputs import frame_inputs
from kbnet.network.sparse_to_dense import SparseToDensePool, nested_max_pools
from kbnet.report.picture import write_picture
from kbnet.sources.rendered.synthetic import SyntheticConfig, synthetic_frames

HERE = Path(__file__).parent
CONFIG = SyntheticConfig(frames=12, outlier_share=0.03)
INDEX, NEIGHBOUR = 7, 10
DEPTH_MAP, ERROR_MAP, CHANGE_MAP = "viridis_r", "inferno", "PuOr"
NEAR, FAR = 1.8, 4.4
"""Metres; ends of the colours."""
WIDTH, GAP, TITLE, BAR_ROOM, QUALITY = 1000, 14, 30, 46, 80


def main() -> None:
    """Draw them all."""
    moments = list(synthetic_frames(CONFIG))
    (frame, pose, _), (neighbour, neighbour_pose, _) = moments[INDEX], moments[NEIGHBOUR]
    T_neighbour_frame = np.linalg.inv(neighbour_pose) @ pose
    draw_pools(frame)
    draw_backprojection(frame)
    draw_refinement(frame)
    draw_warp(frame, neighbour, T_neighbour_frame)
    draw_frame(frame)
    for path in sorted(HERE.glob("*.webp")):
        print(f"{path.stat().st_size / 1024:6.0f} KiB  {path.name}")


def draw_frame(frame: Frame) -> None:
    """The picture of `kbnet complete --picture`."""
    depth = kbnet.load("indoor")(frame.image, frame.sparse_depth, frame.intrinsics)
    picture = HERE / "completed.png"
    write_picture(picture, frame, depth)
    Image.open(picture).convert("RGB").resize((800, 676), Image.Resampling.LANCZOS).save(
        picture.with_suffix(".webp"), quality=QUALITY
    )
    picture.unlink()


def draw_pools(frame: Frame) -> None:
    """Points, and what windows of three sizes make of them."""
    depth = batch(frame.sparse_depth)
    pools = SparseToDensePool((15,), (23,))
    nearest = -next(iter(nested_max_pools((-depth).masked_fill(depth == 0, -1e4), pools.min_pool_sizes)))
    farthest = next(iter(nested_max_pools(depth, pools.max_pool_sizes)))
    figure, axes = panels(3)
    discs(axes[0], frame)
    depth_panel(axes[1], nearest.masked_fill(nearest > 1e3, 0)[0, 0].numpy(), "nearest within 15 × 15 pixels")
    depth_panel(axes[2], farthest[0, 0].numpy(), "farthest within 23 × 23 pixels")
    depth_bar(figure, axes)
    save(figure, "pools")


def draw_backprojection(frame: Frame) -> None:
    """True depth backprojected with K and with a focal length 1.5 times too long, from above."""
    assert frame.ground_truth is not None
    figure, axes = panels(3)
    depth_panel(axes[0], frame.ground_truth, "depth of every pixel")
    rows = slice(60, 180, 3)
    wrong = frame.intrinsics.copy()
    wrong[[0, 1], [0, 1]] *= 1.5
    for panel, K, title in (
        (axes[1], frame.intrinsics, "backprojected, from above"),
        (axes[2], wrong, "f 1.5 × too long"),
    ):
        points = backproject(batch(frame.ground_truth), torch.from_numpy(K)[None])[0].numpy()[:, rows, ::2]
        colours = frame.image[rows, ::2].reshape(-1, 3) / 255
        panel.scatter(points[0].reshape(-1), points[2].reshape(-1), s=0.6, c=colours, linewidths=0)
        panel.plot(0, 0, marker="^", color="#4051b5", markersize=7)
        panel.set(xlim=(-2.6, 2.6), ylim=(-0.25, 4.7), aspect="equal", facecolor="white", title=title)
        panel.set_xlabel("x [m]", fontsize=8, labelpad=1)
        panel.set_ylabel("z [m]", fontsize=8, labelpad=1)
        panel.tick_params(labelsize=7, length=2)
        panel.set_xticks([-2, -1, 0, 1, 2])
        panel.set_yticks([0, 1, 2, 3, 4])
    depth_bar(figure, axes[:1])
    save(figure, "backprojection")


def draw_refinement(frame: Frame) -> None:
    """What the weights indoor do: interpolation, what it is multiplied by, depth."""
    completer = kbnet.load("indoor")
    depth = completer(frame.image, frame.sparse_depth, frame.intrinsics)
    scaffold = frame_inputs(frame, completer.config).scaffold
    assert scaffold is not None
    interpolated = scaffold[0, 0, ::2, ::2].numpy()  # the frame is enlarged to twice its size
    figure, axes = panels(3)
    depth_panel(axes[0], interpolated, "interpolation of inlier points")
    scale = Normalize(-3, 3)
    axes[1].imshow(100 * (depth / interpolated - 1), cmap=CHANGE_MAP, norm=scale)
    axes[1].set_title("change by the network")
    depth_panel(axes[2], depth, "depth")
    depth_bar(figure, [axes[0], axes[2]])
    bar(figure, [axes[1]], ScalarMappable(scale, CHANGE_MAP), "change [%]", extend="both")
    save(figure, "refinement")


def draw_warp(frame: Frame, neighbour: Frame, T_neighbour_frame: NDArray[np.float64]) -> None:
    """Difference of a frame and its neighbour's image, warped by true depth and by 15 % more."""
    assert frame.ground_truth is not None
    figure, axes = panels(4)
    axes[0].imshow(frame.image)
    axes[0].set_title("image at t")
    axes[1].imshow(neighbour.image)
    axes[1].set_title(f"image {NEIGHBOUR - INDEX} frames later")
    source = torch.from_numpy(neighbour.image.transpose(2, 0, 1).astype(np.float32) / 255)[None]
    T = torch.from_numpy(T_neighbour_frame).float()[None]
    for panel, factor, title in (
        (axes[2], 1.0, "difference with true depth"),
        (axes[3], 1.15, "difference with 15 % more"),
    ):
        moved = warp(source, batch(factor * frame.ground_truth), torch.from_numpy(frame.intrinsics)[None], T)
        moved_image = moved[0].numpy().transpose(1, 2, 0)
        error = np.abs(moved_image - frame.image / 255).sum(axis=2)
        panel.imshow(error, cmap=ERROR_MAP, vmin=0, vmax=1)
        panel.set_title(f"{title}: {error.mean():.3f}")
    bar(figure, axes[2:], ScalarMappable(Normalize(0, 1), ERROR_MAP), "colour error, sum over R, G, B of 0 to 1")
    save(figure, "warp")


def batch(depth: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(depth, np.float32))[None, None]


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """A row of three frames, or two rows of two, with room for titles and, at the foot, for bars."""
    columns = 2 if count == 4 else count
    lines = count // columns
    width = (WIDTH - (columns + 1) * GAP) / columns
    height = lines * (width * CONFIG.height / CONFIG.width + TITLE) + BAR_ROOM
    figure = Figure(figsize=(WIDTH / 100, height / 100), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(lines, columns, squeeze=False)
    inside = {"left": GAP / WIDTH, "right": 1 - GAP / WIDTH, "top": 1 - TITLE / height, "bottom": BAR_ROOM / height}
    figure.subplots_adjust(**inside, wspace=GAP / width, hspace=TITLE * CONFIG.width / width / CONFIG.height)
    axes = list(grid.flat)
    for panel in axes:
        panel.set(xticks=[], yticks=[], facecolor="#c4c8cc")
        panel.spines[:].set_visible(False)
        panel.title.set_fontsize(10)
    return figure, axes


def discs(panel: Axes, frame: Frame) -> None:
    rows, columns = np.nonzero(frame.sparse_depth)
    grey = frame.image @ np.array([0.299, 0.587, 0.114])
    panel.imshow(grey, cmap="gray", vmin=-300, vmax=600)
    panel.scatter(columns, rows, s=9, c=frame.sparse_depth[rows, columns], cmap=DEPTH_MAP, vmin=NEAR, vmax=FAR)
    panel.set_title(f"{rows.size} measured points")


def depth_panel(panel: Axes, depth: NDArray[np.float32], title: str) -> None:
    panel.imshow(np.ma.masked_equal(depth, 0), cmap=DEPTH_MAP, vmin=NEAR, vmax=FAR)
    panel.set_title(title)


def depth_bar(figure: Figure, axes: list[Axes]) -> None:
    for panel in axes[:1] if len(axes) != 3 else [axes[1]]:
        bar(figure, [panel], ScalarMappable(Normalize(NEAR, FAR), DEPTH_MAP), "depth [m]", extend="both")


def bar(figure: Figure, axes: list[Axes], colours: ScalarMappable, label: str, **style: Any) -> None:
    """A colour bar under the panels."""
    boxes = [panel.get_position() for panel in axes]
    left, right = min(box.x0 for box in boxes), max(box.x1 for box in boxes)
    height = figure.get_figheight() * 100
    place = figure.add_axes((left + 0.1 * (right - left), 34 / height, 0.8 * (right - left), 8 / height))
    drawn = figure.colorbar(colours, cax=place, orientation="horizontal", **style)
    drawn.set_label(label, fontsize=8, labelpad=1)
    drawn.outline.set_visible(False)
    place.tick_params(labelsize=8, length=2)


def save(figure: Figure, name: str) -> None:
    content = BytesIO()
    figure.savefig(content, dpi=100, format="png")
    Image.open(content).convert("RGB").save(HERE / f"{name}.webp", quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
