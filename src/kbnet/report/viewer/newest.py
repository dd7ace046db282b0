"""Viewer of the newest frame of a live sequence."""

from __future__ import annotations

from pathlib import Path

from kbnet.report.viewer.completed import Completed
from kbnet.report.viewer.window import NewestFrame, Window


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
