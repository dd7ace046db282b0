"""Viewer of the newest frame of a live sequence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.report.viewer.completed import Completed
from kbnet.report.viewer.window import Window


class NewestFrame:
    """The frame that the window shows; it has one place, and the newest takes it."""

    def __init__(self, name: str, completed: Completed) -> None:
        self.name, self.completed = name, completed

    def __len__(self) -> int:
        """One."""
        return 1

    def has_pose(self, index: int) -> bool:
        """Whether the frame has a pose."""
        return self.completed.frame.T_world_camera is not None

    def pose(self, index: int) -> NDArray[np.float64]:
        """``T_world_camera``, (4, 4), metres; without a pose the camera is at the origin."""
        pose = self.completed.frame.T_world_camera
        return np.eye(4) if pose is None else np.asarray(pose, np.float64)


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
        """Stop the server, if it was started."""
        if self.window is not None:
            self.window.stop()
