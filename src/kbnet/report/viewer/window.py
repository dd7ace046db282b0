"""Window of the web viewer, served by viser: scene, controls and their effects."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, ImageArray
from kbnet.frames.frame_source import FrameSource
from kbnet.report.colour import colourise
from kbnet.report.viewer.completed import Completed, colour_bar, limits
from kbnet.report.viewer.same_origin import LOOPBACK, same_origin_only

COLOURS = ("image", "depth", "expected error")
SMALL_PX = 320
"""Width of the image in the frustum of the camera, pixels."""
CAMERA_COLOUR = (214, 94, 0)
"""Colour of the path and the frustum of the camera, RGB."""
LINE: Any = {"thickness": 1.5, "thickness_units": "screen"}
"""Of the same; viser's default is 1 to 2 cm in the scene, which hides what is near."""
FRUSTUM = 0.04
"""Length of the frustum as a share of the median depth."""
SPARSE_SIZE = 3.0
"""Size of measured points relative to completed points."""
BEHIND, ABOVE = 0.25, 0.25
"""Initial position behind and above the camera, as shares of the median depth."""


class NewestFrame:
    """The frame that the window shows; it has one place, and the newest takes it."""

    def __init__(self, name: str, completed: Completed) -> None:
        self.name, self.completed = name, completed

    def __len__(self) -> int:
        return 1

    def has_pose(self, index: int) -> bool:
        """Whether the frame has a pose."""
        return self.completed.frame.T_world_camera is not None

    def pose(self, index: int) -> Float64Array:
        """``T_world_camera``, (4, 4), metres; without a pose the camera is at the origin."""
        pose = self.completed.frame.T_world_camera
        return np.eye(4) if pose is None else np.asarray(pose, np.float64)


class Window:
    """Viewer of a sequence, served at :attr:`url` until :meth:`stop`.

    Args:
        source: frames; those without a pose are shown at the origin.
        host: address to serve at; ``127.0.0.1`` accepts only this machine.
        port: port to serve at; the next free one if it is in use.
        points: largest number of drawn points of a frame.

    Attributes:
        controls: controls of the panel by name.
        drawn: objects in the scene by name.

    Raises:
        ModuleNotFoundError: viser is not installed.
    """

    def __init__(
        self,
        source: FrameSource | NewestFrame,
        completed: Callable[[int], Completed],
        *,
        host: str,
        port: int,
        points: int,
    ) -> None:
        import viser

        self._source, self._completed, self._at_most = source, completed, points
        self._poses = self._read_poses()
        self._lock = threading.Lock()
        self._content: tuple[Any, ...] = ()
        self.shown, self.drawn = -1, dict[str, Any]()
        first = completed(0)
        with _quiet(), same_origin_only(loopback=host in LOOPBACK):
            self._server: Any = viser.ViserServer(host=host, port=port, label=f"kbnet: {source.name}", verbose=False)
        self.url = f"http://{'localhost' if host in (*LOOPBACK, '0.0.0.0') else host}:{self._server.get_port()}"
        self.controls = self._add_controls(first)
        self._set_up_scene()
        for control in self.controls.values():
            control.on_update(lambda _: self.refresh())
        self._server.on_client_connect(self._stand_behind)
        self.refresh()

    def refresh(self) -> None:
        """Apply the controls; of several quick changes only the last one is applied."""
        with self._lock:
            content = tuple(self.controls[name].value for name in ("frame", "colours", "keep"))
            index = min(max(0, int(self.controls["frame"].value)), len(self._source) - 1)
            try:
                completed = self._completed(index)
            except (OSError, KBNetError) as error:
                self._said.content = f"frame {index + 1} cannot be shown: {_literal(str(error))}"
                return
            with self._server.atomic():
                if content != self._content:
                    self._draw(index, completed)
                self._adjust()
            self._content, self.shown = content, index

    def redraw(self) -> None:
        """Show the frame again after its content or pose has changed."""
        self._poses, self._content = self._read_poses(), ()
        self.refresh()

    def advance(self) -> None:
        """Show the next frame while playing; the first follows the last."""
        if self.controls["play"].value:
            self.controls["frame"].value = (int(self.controls["frame"].value) + 1) % len(self._source)

    def stop(self) -> None:
        """Stop the server."""
        with _quiet():
            self._server.stop()

    def _read_poses(self) -> list[Float64Array]:
        source = self._source
        return [source.pose(index) if source.has_pose(index) else np.eye(4) for index in range(len(source))]

    def _add_controls(self, first: Completed) -> dict[str, Any]:
        gui = self._server.gui
        # Sharing would use an external server.
        gui.configure_theme(show_logo=False, show_share_button=False)
        last, several = max(1, len(self._source) - 1), len(self._source) > 1
        spacing = float(np.median(first.depth)) * first.step(self._at_most) / float(first.frame.intrinsics[0, 0])
        controls = {
            "frame": gui.add_slider("frame", min=0, max=last, step=1, initial_value=0, visible=several),
            "play": gui.add_checkbox("play", initial_value=False, visible=several),
            "dense": gui.add_checkbox("dense depth", initial_value=True),
            "sparse": gui.add_checkbox("sparse points", initial_value=True),
            "camera": gui.add_checkbox("camera", initial_value=True),
            "colours": gui.add_dropdown("colours", options=COLOURS, initial_value=COLOURS[0]),
            "keep": gui.add_slider("most confident, %", min=5, max=100, step=5, initial_value=90),
            "size": gui.add_slider(
                "point size, mm",
                min=1.0,
                max=max(50.0, round(5000 * spacing)),
                step=0.5,
                initial_value=max(1.0, round(2000 * 1.3 * spacing) / 2),
            ),
        }
        gui.add_button("look from the camera").on_click(self._stand_in_camera)
        self._said = gui.add_markdown("")
        self._bar = gui.add_image(colour_bar(*limits(first.depth), "depth"), format="png")
        self._image = gui.add_image(_smaller(first.frame.image))
        return controls

    def _set_up_scene(self) -> None:
        scene = self._server.scene
        scene.set_up_direction(-np.mean([pose[:3, 1] for pose in self._poses], axis=0))
        path = np.array([pose[:3, 3] for pose in self._poses])
        if len(path) > 1 and np.ptp(path, axis=0).max() > 0:
            scene.add_line_segments("/path", np.stack([path[:-1], path[1:]], axis=1), colors=CAMERA_COLOUR, **LINE)

    def _draw(self, index: int, completed: Completed) -> None:
        scene, frame, pose = self._server.scene, completed.frame, self._poses[index]
        chosen = self.controls["colours"].value
        what = "expected error" if chosen == "expected error" else "depth"
        values = completed.error if chosen == "expected error" else completed.depth
        ends = limits(values)
        colours = frame.image if chosen == "image" else colourise(values, *ends)
        dense, dense_colours = completed.dense_points(colours, self.controls["keep"].value / 100, self._at_most)
        sparse, depth = completed.sparse_points()
        sparse_colours = colourise(depth[:, None], *limits(completed.depth))[:, 0]
        height, width = frame.size
        self.drawn = {
            "pose": scene.add_frame("/camera", show_axes=False, wxyz=_quaternion(pose), position=pose[:3, 3]),
            "dense": scene.add_point_cloud("/camera/dense", dense, dense_colours),
            "sparse": scene.add_point_cloud("/camera/sparse", sparse, sparse_colours, point_shape="circle"),
            "camera": scene.add_camera_frustum(
                "/camera/frustum",
                fov=float(2 * np.arctan(height / 2 / frame.intrinsics[1, 1])),
                aspect=width / height,
                scale=FRUSTUM * float(np.median(completed.depth)),
                image=_smaller(frame.image),
                color=CAMERA_COLOUR,
                **LINE,
            ),
        }
        self._image.image = _smaller(frame.image)
        self._bar.image = colour_bar(*ends, what)
        place = f", {index + 1} of {len(self._source)}" if len(self._source) > 1 else ""
        self._said.content = (
            f"**{_literal(frame.name)}**{place}: {len(sparse)} sparse points, {len(dense)} completed ones drawn"
        )

    def _adjust(self) -> None:
        """Apply changes that need no new points."""
        for name in ("dense", "sparse", "camera"):
            self.drawn[name].visible = self.controls[name].value
        self.drawn["dense"].point_size = self.controls["size"].value / 1000
        self.drawn["sparse"].point_size = SPARSE_SIZE * self.controls["size"].value / 1000

    def _stand_behind(self, client: Any) -> None:
        self._stand(client, BEHIND, ABOVE)

    def _stand_in_camera(self, event: Any) -> None:
        for client in [event.client] if event.client is not None else self._server.get_clients().values():
            self._stand(client, 0.0, 0.0)

    def _stand(self, client: Any, behind: float, above: float) -> None:
        index = max(0, self.shown)
        pose, depth = self._poses[index], float(np.median(self._completed(index).depth))
        client.camera.up_direction = -pose[:3, 1]
        client.camera.position = pose[:3] @ (0.0, -above * depth, -behind * depth, 1.0)
        client.camera.look_at = pose[:3] @ (0.0, 0.0, depth, 1.0)


def _quiet() -> AbstractContextManager[object]:
    """Context that suppresses viser's own output; the command prints the address."""
    return redirect_stdout(StringIO())


def _literal(text: str) -> str:
    """Text as literal Markdown: the panel would run components and links that a file name contains."""
    return "".join(letter if letter.isalnum() else f"&#{ord(letter)};" for letter in " ".join(text.split()))


def _quaternion(pose: Float64Array) -> Float64Array:
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
    return np.array([w, x, y, z])


def _smaller(image: ImageArray) -> ImageArray:
    step = max(1, image.shape[1] // SMALL_PX)
    return np.ascontiguousarray(image[::step, ::step])


class LiveWindow:
    """Window that is opened with the first frame.

    Attributes:
        window: the open window; None before the first frame.

    Raises:
        ModuleNotFoundError: viser is not installed.
    """

    def __init__(self, folder: Path, *, host: str, port: int, points: int) -> None:
        import viser  # noqa: F401  # the first frame may be long in coming

        self.window: Window | None = None
        self._folder, self._host, self._port, self._points = folder, host, port, points

    def show(self, completed: Completed) -> None:
        """Show a frame in place of the one before."""
        if self.window is None:
            self._newest = NewestFrame(self._folder.resolve().name, completed)
            self.window = Window(
                self._newest,
                lambda index: self._newest.completed,
                host=self._host,
                port=self._port,
                points=self._points,
            )
        else:
            self._newest.completed = completed
            self.window.redraw()

    def stop(self) -> None:
        if self.window is not None:
            self.window.stop()
