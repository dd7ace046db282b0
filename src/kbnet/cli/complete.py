"""``kbnet complete``: dense depth of a sequence folder, or of one frame, to files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kbnet.cli.arguments import (
    Device,
    Folder,
    OptionalFile,
    OptionalPreset,
    SparseDepth,
    Switch,
    Weights,
)
from kbnet.cli.recordings import SourceArguments
from kbnet.errors import KBNetError
from kbnet.inference.engine_names import EngineName, Precision

if TYPE_CHECKING:
    from kbnet.frame import FloatArray, Frame
    from kbnet.inference.completer import DepthCompleter

    Frames = dict[str, Callable[[], Frame]]
    """How to read each frame, by name."""


@dataclass(frozen=True, kw_only=True)
class Command(SourceArguments):
    """Complete a sequence folder, a list of frames, a recording, or one frame from files, to dense depth.

    Of a sequence:  kbnet complete SEQUENCE --output OUT

    Of a recording: kbnet complete drive.mcap --output OUT --depth /lidar/points

    Of a list:      kbnet complete data/kitti/test.csv --output OUT --weights kitti --zip

    Of one frame:   kbnet complete --image a.png --sparse-depth a_sparse.png --intrinsics K.txt --output OUT

    Depth is written to OUT/depth/<name>.png, 16 bits, metres x 256. Frames whose files exist are skipped.
    OUT/made_with.json records what made them; other weights or sparse points need another OUT, or --overwrite.
    """

    output: Folder
    """Folder for the results."""
    image: OptionalFile = None
    """In place of a sequence: the image of one frame, 8-bit RGB. Of a bag: the topic of images."""
    sparse_depth: SparseDepth = None
    """With --image: 16-bit PNG, metres x 256. Else the folder in the sequence, or column (default: sparse_depth)."""
    intrinsics: OptionalFile = None
    """With --image, or of a recording: the 3x3 camera matrix, as text or .npy."""
    weights: Weights = "indoor"
    """Bundled or local weights by name (kbnet weights list), a .safetensors file, a published .pth (with --preset), or
    an exported .onnx or .xml (kbnet export)."""
    preset: OptionalPreset = None
    """Architecture of a published .pth."""
    npy: Switch = False
    """Write OUT/npy/<name>.npy too: float32 metres."""
    cloud: Switch = False
    """Write OUT/cloud/<name>.ply too: a coloured point cloud in the camera's axes, metres."""
    picture: Switch = False
    """Write OUT/picture/<name>.png too: image, sparse points, depth, and the error if there is ground truth."""
    turntable: OptionalFile = None
    """Write this .gif or .mp4 too: the point cloud of the frame in the middle of the sequence, swaying."""
    confidence: Switch = False
    """Write OUT/confidence/<name>.png too: how far off depth is expected to be, 16 bits, metres x 256."""
    zip: Switch = False
    """Write OUT/<name of the source>.zip too, with all depth maps at its root, as the KITTI benchmark takes them."""
    overwrite: Switch = False
    """Complete frames again whose files exist."""
    device: Device = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, ..."""
    precision: Precision = "auto"
    """Number format of the network's convolutions; auto is float32, or that of an exported file, such as int8."""
    engine: EngineName = "auto"
    """What computes; auto is the fastest that is installed, or that of an exported file."""

    def run(self) -> None:
        """Complete what is not done yet."""
        from kbnet.report.film import check_film_name

        if self.turntable is not None:
            check_film_name(self.turntable)
        source, frames = self._source()
        if self.zip:
            _check_names_for_zip(frames)
        origin, misfit = self._origin(frames)
        others = self._others(frames)
        if misfit and (others or not self.overwrite):
            raise KBNetError(
                f"{self.output / 'depth'} holds depth {misfit}; choose another --output"
                + ("" if others else ", or complete it again with --overwrite")
            )
        pending = {name: read for name, read in frames.items() if self.overwrite or not self._done(name)}
        if pending:
            self._complete(pending, origin)
        counted = f"completed {len(pending)} of {len(frames)} frames in {self.output}"
        skipped = len(frames) - len(pending)
        print(counted + (f"; skipped {skipped} that were done (--overwrite does them again)" if skipped else ""))
        if self.zip:
            self._write_zip(source, frames)
        if self.turntable is not None:
            self._write_turntable(self.turntable, list(frames.values()))

    def misfit(self) -> str:
        """In what depth in the folder of results is not what this command makes; empty: it is, or there is none."""
        return self._origin(self._source()[1])[1]

    def _origin(self, frames: Frames) -> tuple[dict[str, str | None], str]:
        from kbnet.inference.depth_origin import depth_origin, network_origin

        network = network_origin(self.weights, preset=self.preset, precision=self.precision)
        return depth_origin(self.output, frames, network)

    def _others(self, frames: Frames) -> bool:
        """Whether the folder of results holds depth of other frames."""
        return bool(set((self.output / "depth").rglob("*.png")) - {self._files(name)["depth"] for name in frames})

    def _complete(self, pending: Frames, origin: dict[str, str | None]) -> None:
        from kbnet.cli.progress import frame_progress
        from kbnet.inference.confidence import complete_with_confidence
        from kbnet.inference.depth_origin import record_origin, recorded_origin

        completer = self._load()
        if origin != recorded_origin(self.output):
            for name in pending:
                self._files(name)["depth"].unlink(missing_ok=True)
            record_origin(self.output, origin)
        empty = []
        with frame_progress() as progress, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "sparse_depth holds no measured point")  # said below, with a name
            for read in progress.track(pending.values(), description="completing"):
                frame = read()
                if not frame.sparse_depth.any():
                    empty.append(frame.name)
                inputs = (frame.image, frame.sparse_depth, frame.intrinsics)
                if self.confidence:
                    self._write(frame, *complete_with_confidence(completer, *inputs))
                else:
                    self._write(frame, completer(*inputs))
        if empty:
            what = f"sparse_depth holds no measured point in {len(empty)} of {len(pending)} frames, first {empty[0]}"
            warnings.warn(f"{what}; their completed depth has no metric scale to go by", stacklevel=2)

    def _load(self) -> DepthCompleter:
        import kbnet

        return kbnet.load(
            self.weights, preset=self.preset, device=self.device, precision=self.precision, engine=self.engine
        )

    def _source(self) -> tuple[str, Frames]:
        """What the source is called, and how to read each of its frames, by name."""
        if self.sequence is None and self.image is None:
            raise KBNetError("expected a sequence folder, a list or --image, got neither; see kbnet complete --help")
        if self.sequence is None:
            if self.recording_flags:
                flag = self.recording_flags[0].partition("=")[0]
                raise KBNetError(f"{flag} belongs to a recording, but --image names a single frame; leave {flag} out")
            return self._single_frame()
        from kbnet.cli.recordings import open_source
        from kbnet.frames.open import recording_kind

        flags = self.recording_flags
        if recording_kind(self.sequence) is not None:  # whose options have the same names
            flags += ("--image", str(self.image)) if self.image is not None else ()
            flags += ("--intrinsics", str(self.intrinsics)) if self.intrinsics is not None else ()
        elif self.image is not None:
            raise KBNetError("expected a sequence folder, a list or --image, got both; see kbnet complete --help")
        elif self.intrinsics is not None:
            raise KBNetError(f"a sequence or list has its own intrinsics; leave out --intrinsics {self.intrinsics}")
        source = open_source(self.sequence, flags, self.sparse_depth)
        return source.name, {name: partial(source.frame, index) for index, name in enumerate(source.names)}

    def _single_frame(self) -> tuple[str, Frames]:
        from kbnet.frame import Frame
        from kbnet.frames.depth_png import read_depth_png
        from kbnet.frames.image_file import read_image, read_intrinsics

        image, sparse_depth, intrinsics = self.image, self.sparse_depth, self.intrinsics
        if image is None or sparse_depth is None or intrinsics is None:
            missing = "--sparse-depth" if sparse_depth is None else "--intrinsics"
            raise KBNetError(f"--image also needs {missing}; see kbnet complete --help")

        def read() -> Frame:
            return Frame(
                image=read_image(image),
                sparse_depth=read_depth_png(sparse_depth),
                intrinsics=read_intrinsics(intrinsics),
                name=image.stem,
            )

        return image.stem, {image.stem: read}

    def _files(self, name: str) -> dict[str, Path]:
        kinds = {
            "picture": ("png", self.picture),
            "cloud": ("ply", self.cloud),
            "npy": ("npy", self.npy),
            "confidence": ("png", self.confidence),
        }
        files = {kind: self.output / kind / f"{name}.{suffix}" for kind, (suffix, asked) in kinds.items() if asked}
        return files | {"depth": self.output / "depth" / f"{name}.png"}

    def _done(self, name: str) -> bool:
        return all(path.is_file() for path in self._files(name).values())

    def _write(self, frame: Frame, depth: FloatArray, expected_error: FloatArray | None = None) -> None:
        """Write every file of one frame, the depth map last: where it stands, the others do."""
        import numpy as np

        from kbnet.files import atomic_path
        from kbnet.frames.depth_png import UNITS_PER_METRE, write_depth_png
        from kbnet.report.picture import write_picture
        from kbnet.report.point_cloud import point_cloud, write_ply

        files = self._files(frame.name)
        if "picture" in files:
            write_picture(files["picture"], frame, depth)
        if "cloud" in files:
            write_ply(files["cloud"], *point_cloud(depth, frame.intrinsics, frame.image))
        if "npy" in files:
            with atomic_path(files["npy"]) as temporary:
                np.save(temporary, depth)
        if expected_error is not None:
            # Never 0, which means unmeasured in a depth map.
            write_depth_png(files["confidence"], np.maximum(expected_error, np.float32(1 / UNITS_PER_METRE)))
        write_depth_png(files["depth"], depth)

    def _write_turntable(self, path: Path, frames: list[Callable[[], Frame]]) -> None:
        """Of depth made anew: that of a depth map is rounded to 4 mm, which shows on what is near."""
        from kbnet.report.turntable import write_turntable

        frame = frames[len(frames) // 2]()
        write_turntable(path, frame, self._load()(frame.image, frame.sparse_depth, frame.intrinsics))
        print(f"wrote {path}, of frame {frame.name}")

    def _write_zip(self, source: str, names: Iterable[str]) -> None:
        from zipfile import ZipFile

        from kbnet.files import atomic_path

        path = self.output / f"{source}.zip"
        with atomic_path(path) as temporary, ZipFile(temporary, "w") as archive:  # stored: a PNG is compressed already
            for name in names:
                archive.write(self._files(name)["depth"], f"{name}.png")
        print(f"wrote {path}")


def _check_names_for_zip(names: Iterable[str]) -> None:
    for name in names:
        if "/" in name or "\\" in name:
            raise KBNetError(
                f"expected names without slashes for --zip, since its files lie at the root, got '{name}'; "
                "leave out --zip, or rename the frames"
            )
