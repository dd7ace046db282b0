"""``kbnet view``: a sequence live in a web viewer."""

from __future__ import annotations

from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING

from kbnet.cli.arguments import Device, OptionalPreset, OptionalSource, SparseDepth, Weights
from kbnet.inference.engine_names import EngineName, Precision

if TYPE_CHECKING:
    from kbnet.frame import FloatArray, Frame
    from kbnet.viewer.window import Window


@dataclass(frozen=True, kw_only=True)
class Command:
    """Look at a sequence in a web browser: its clouds in three dimensions, frame by frame.

    Example:  kbnet view SEQUENCE

    Frames are completed when they are looked at. With poses the camera moves along its path; else it stays at the
    origin. Ctrl-C ends it.
    """

    sequence: OptionalSource = None
    """Sequence folder (K.txt, image/ and sparse depth), or a .csv list of frames."""
    sparse_depth: SparseDepth = None
    """Folder of sparse depth in the sequence, or column of the list (default: sparse_depth)."""
    weights: Weights = "indoor"
    """Bundled or local weights by name (kbnet weights list), .safetensors file, published .pth (with --preset), or
    exported .onnx or .xml (kbnet export)."""
    preset: OptionalPreset = None
    """Architecture of a published .pth."""
    host: str = "127.0.0.1"
    """Address to serve at; 0.0.0.0 lets other machines look too."""
    port: int = 8080
    """Port to serve at; if it is in use, the next free one."""
    points: int = 160_000
    """Points of a frame to draw at most."""
    fps: float = 4.0
    """Frames a second to play at, if they are completed that quickly."""
    device: Device = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, ..."""
    precision: Precision = "auto"
    """Number format of the network's convolutions; auto is float32, or that of an exported file, such as int8."""
    engine: EngineName = "auto"
    """What computes; auto is the fastest that is installed, or that of an exported file."""

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
        import kbnet
        from kbnet.confidence import complete_with_confidence
        from kbnet.frames.open import open_frames
        from kbnet.viewer.completed import completed_frames
        from kbnet.viewer.window import Window

        if self.sequence is None:
            raise ValueError("expected a sequence folder or a list, got none; see kbnet view --help")
        if self.points < 1 or not self.fps > 0:
            raise ValueError(f"expected --points and --fps above 0, got {self.points} and {self.fps:g}")
        source = open_frames(self.sequence, sparse_depth=self.sparse_depth or "sparse_depth")
        completer = kbnet.load(
            self.weights, preset=self.preset, device=self.device, precision=self.precision, engine=self.engine
        )

        def complete(frame: Frame) -> tuple[FloatArray, FloatArray]:
            return complete_with_confidence(completer, frame.image, frame.sparse_depth, frame.intrinsics)

        return Window(source, completed_frames(source, complete), host=self.host, port=self.port, points=self.points)
