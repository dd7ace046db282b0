"""``kbnet view``: a sequence live in a web viewer."""

from __future__ import annotations

from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING

from kbnet.cli.arguments import NetworkArguments
from kbnet.cli.recordings import SourceArguments
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from kbnet.frame import FloatArray, Frame
    from kbnet.report.viewer.window import Window


@dataclass(frozen=True, kw_only=True)
class Command(NetworkArguments, SourceArguments):
    """Look at a sequence in a web browser: its clouds in three dimensions, frame by frame.

    Example:  kbnet view SEQUENCE

    Frames are completed when they are looked at. With poses the camera moves along its path; else it stays at the
    origin. Ctrl-C ends it.
    """

    host: str = "127.0.0.1"
    """Address to serve at; 0.0.0.0 lets other machines look too."""
    port: int = 8080
    """Port to serve at; if it is in use, the next free one."""
    max_points: int = 160_000
    """Points of a frame to draw at most."""
    fps: float = 4.0
    """Frames a second to play at, if they are completed that quickly."""

    def run(self) -> None:
        """Serve until Ctrl-C."""
        window = self.open()
        print(f"{window.url}  (Ctrl-C ends it)", flush=True)
        try:
            while True:
                sleep(1 / self.fps)
                window.advance()
        except KeyboardInterrupt:
            pass  # it has no other end
        finally:
            window.stop()

    def open(self) -> Window:
        """Start to serve."""
        from kbnet.inference.confidence import complete_with_confidence
        from kbnet.report.viewer.completed import completed_frames
        from kbnet.report.viewer.window import Window

        if self.max_points < 1 or not self.fps > 0:
            raise KBNetError(f"expected --max-points and --fps above 0, got {self.max_points} and {self.fps:g}")
        source = self.open_source()
        completer = self.load_network()

        def complete(frame: Frame) -> tuple[FloatArray, FloatArray]:
            return complete_with_confidence(completer, frame)

        return Window(
            source, completed_frames(source, complete), host=self.host, port=self.port, points=self.max_points
        )
