"""``kbnet view``: a sequence live in a web viewer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import sleep
from typing import TYPE_CHECKING

from kbnet.cli.arguments import NetworkArguments, Switch
from kbnet.cli.known_errors import say
from kbnet.cli.recordings import SourceArguments
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from kbnet.frame import Frame
    from kbnet.inference.completer import DepthCompleter
    from kbnet.inference.video import VideoCompleter
    from kbnet.report.viewer.window import Window


@dataclass(frozen=True, kw_only=True)
class Command(NetworkArguments, SourceArguments):
    """Look at a sequence in a web browser: its clouds in three dimensions, frame by frame.

    Example:  kbnet view SEQUENCE

    Frames are completed when they are looked at. With poses the camera moves along its path; else it stays at the
    origin. Ctrl-C ends it.

    Of a program that writes frames:  kbnet view SEQUENCE --live
    """

    host: str = "127.0.0.1"
    """Address to serve at; 0.0.0.0 lets other machines look too."""
    port: int = 8080
    """Port to serve at; if it is in use, the next free one."""
    max_points: int = 160_000
    """Points of a frame to draw at most."""
    fps: float = 4.0
    """Frames a second to play at, if they are completed that quickly."""
    live: Switch = False
    """The sequence folder grows while another program writes it: show its newest frame, and print the latency."""

    def run(self) -> None:
        if self.live:
            self.follow()
            return
        window = self.open()
        say(f"{window.url}  (Ctrl-C ends it)")
        try:
            while True:
                sleep(min(1 / self.fps, 3600))
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

        self._check()
        source = self.open_source()
        complete = partial(complete_with_confidence, self.load_network())
        return Window(
            source, completed_frames(source, complete), host=self.host, port=self.port, points=self.max_points
        )

    def follow(self) -> None:
        """Show the newest frame of a folder that grows, until Ctrl-C."""
        from kbnet.inference.confidence import complete_with_confidence
        from kbnet.inference.live import complete_live
        from kbnet.report.viewer.completed import Completed
        from kbnet.report.viewer.window import LiveWindow

        self._check()
        if self.recording_flags or not self.sequence.is_dir():
            raise KBNetError(f"expected a sequence folder with --live, got {self.sequence}; a recording does not grow")
        completer = self.load_network()
        video = self._video_completer(completer)
        window = LiveWindow(self.sequence, host=self.host, port=self.port, points=self.max_points)

        def complete(frame: Frame, by: DepthCompleter | VideoCompleter = completer) -> Completed:
            return Completed(frame, *complete_with_confidence(by, frame))

        shown = dropped = 0
        say(f"waiting for the first frame in {self.sequence / 'image'}  (Ctrl-C ends it)")
        try:
            for live in complete_live(
                self.sequence,
                complete,
                partial(complete, by=video) if video is not None else None,
                sparse_depth=self.sparse_depth or "sparse_depth",
            ):
                window.show(live.result)
                if not shown and window.window is not None:
                    say(window.window.url)
                shown, dropped = shown + 1, dropped + live.dropped
                past = ", with the past" if live.used_past else ""
                say(f"{live.frame.name}: {live.latency_s:.2f} s, {live.dropped} dropped{past}")
        except KeyboardInterrupt:
            say(f"{shown} frames shown, {dropped} dropped")
        finally:
            window.stop()

    @staticmethod
    def _video_completer(completer: DepthCompleter) -> VideoCompleter | None:
        from kbnet.inference.video import VideoCompleter

        try:
            return VideoCompleter(completer)
        except KBNetError:  # weights without a scaffold
            return None

    def _check(self) -> None:
        if self.max_points < 1 or not self.fps > 0:
            raise KBNetError(f"expected --max-points and --fps above 0, got {self.max_points} and {self.fps:g}")
        if not 0 <= self.port <= 65535:
            raise KBNetError(f"expected a --port of 0 to 65535, got {self.port}")
