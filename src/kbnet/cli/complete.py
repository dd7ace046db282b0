"""``kbnet complete``: dense depth of sequences, recordings, or one frame, to files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import tyro

from kbnet.cli.arguments import (
    Folder,
    NetworkArguments,
    OptionalFile,
    OptionalInteger,
    OptionalSources,
    PastAndPriorArguments,
    SparseDepth,
    Switch,
    past_settings,
)
from kbnet.cli.known_errors import one_line, say
from kbnet.cli.recordings import RecordingFlags
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from kbnet.frames.frame_source import FrameSource, NamedFrames
    from kbnet.inference.completer import DepthCompleter
    from kbnet.inference.output_files import CompletedFrame, FileKind
    from kbnet.inference.output_folder import OutputFolder
    from kbnet.inference.weights_files import Origin
    from kbnet.inference.workers import Outcome


@dataclass(frozen=True, kw_only=True)
class Command(NetworkArguments, PastAndPriorArguments):
    """Complete sequence folders, lists of frames, recordings, or one frame from files, to dense depth.

    Of a sequence:    kbnet complete SEQUENCE --output OUT

    Of a recording:   kbnet complete drive.mcap --output OUT --depth /lidar/points

    Of a list:        kbnet complete data/kitti/test.csv --output OUT --weights kitti --zip

    Of several:       kbnet complete data/rooms/* --output OUT --workers 4

    Of one frame:     kbnet complete --image a.png --sparse-depth a_sparse.png --intrinsics K.txt --output OUT

    Points and depth of earlier frames are used too if all frames have poses and held-out points of 16 frames show a
    gain; --use-past and --no-past decide without a trial.

    Depth is written to OUT/depth/<name>.png, 16 bits, metres x 256; of several sources to OUT/<source>/depth. Frames
    whose files exist are skipped. made_with.json beside depth records what made it; other weights, sparse points or
    priors need another OUT, or --overwrite.
    """

    sequences: OptionalSources = ()
    """Sequence folders (K.txt, image/ and sparse depth), .csv lists of frames, or recordings in place: ROS bag, MCAP,
    COLMAP, TUM, video, KITTI drive, nuScenes, phone, ..., with the flags of kbnet prepare, such as --depth TOPIC."""
    output: Folder
    """Folder for the results."""
    image: OptionalFile = None
    """In place of a sequence: the image of one frame, 8-bit RGB. Of a bag: the topic of images."""
    sparse_depth: SparseDepth = None
    """With --image: 16-bit PNG, metres x 256. Else the folder in the sequence, or column (default: sparse_depth)."""
    intrinsics: OptionalFile = None
    """With --image, or of a recording: the 3x3 camera matrix, as text or .npy."""
    recording_flags: RecordingFlags = ()
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
    no_past: Switch = False
    """Complete frame by frame."""
    workers: OptionalInteger = None
    """Complete frame by frame in so many processes, by Ray (the extra ray); 0 = as many as there is room for. A frame
    that cannot be completed then stops no other (default: in this process, without Ray)."""
    threads: int = 1
    """Of each worker."""
    gpus: float = 0.0
    """Of each worker; 0.25 lets four share one."""
    address: Annotated[str | None, tyro.conf.arg(metavar="HOST:PORT|auto", help_behavior_hint="")] = None
    """Of a running Ray cluster whose machines see the same files, weights too, under the same paths (default: workers
    on this machine)."""

    def run(self) -> None:
        from kbnet.frames.recording import Recording
        from kbnet.frames.single_frame import depth_text
        from kbnet.inference.output_folder import output_folders
        from kbnet.inference.weights_files import network_origin
        from kbnet.lock import one_writer
        from kbnet.report.film import check_film_name

        if self.turntable is not None:
            check_film_name(self.turntable)
        self._check()
        output = self.output if self.workers is None else self.output.absolute()
        outputs = output_folders(output, self._sources(), self._kinds())
        if self.zip:
            for one in outputs:
                one.check_zip()
        network = network_origin(self.weights, preset=self.preset, precision=self.precision)
        with one_writer(output):
            self._write(outputs, network)
        if len(outputs) == 1 and not isinstance(outputs[0].frames, Recording):
            say(depth_text(outputs[0].frames))

    def _write(self, outputs: list[OutputFolder], network: Origin) -> None:
        if self.workers is None:
            self._complete(outputs, network)
        else:
            self._complete_with_workers(outputs, network, self.workers)
        if self.zip:
            for one in outputs:
                say(f"wrote {one.write_zip()}")
        if self.turntable is not None:
            self._write_turntable(self.turntable, outputs[0].frames)

    def _check(self) -> None:
        if self.turntable is not None and len(self.sequences) > 1:
            raise KBNetError(f"--turntable is of one sequence, got {len(self.sequences)}; name one, or leave it out")
        if self.turntable is not None and self.use_past:
            raise KBNetError("--turntable shows a frame without its past; leave out --turntable or --use-past")
        if self.workers is None and (self.threads != 1 or self.gpus or self.address):
            raise KBNetError("--threads, --gpus and --address are of workers; give --workers too, or leave them out")
        if self.use_past and self.no_past:
            raise KBNetError("--use-past and --no-past contradict each other; leave out one of them")
        if self.use_past and self.workers is not None:
            raise KBNetError("--use-past completes the frames in order, in one process; leave out --workers")

    def _complete(self, outputs: list[OutputFolder], network: Origin) -> None:
        from kbnet.cli.progress import completed_text, frame_steps
        from kbnet.inference.video import PAST_FRAMES, VideoCompleter

        completed = 0
        load = cache(self.load_network)
        pasts = [self._takes_past(one, load) for one in outputs]
        origins = [
            one.checked_origin(network | past_settings(past), overwrite=self.overwrite)
            for one, past in zip(outputs, pasts, strict=True)
        ]
        for one, origin, past in zip(outputs, origins, pasts, strict=True):
            with frame_steps("completing") as on_frame:
                completed += one.complete_missing(
                    (lambda: VideoCompleter(load())) if past else load,
                    origin,
                    overwrite=self.overwrite,
                    warm_up=PAST_FRAMES if past else 0,
                    on_frame=on_frame,
                )
        say(completed_text(completed, sum(len(one.frames) for one in outputs), self.output))

    def _takes_past(self, output: OutputFolder, load: Callable[[], DepthCompleter]) -> bool:
        """Whether to use earlier frames: as told, as in the depth that is there, or if held-out points show a gain."""
        from kbnet.cli.progress import frame_steps
        from kbnet.evaluation.past_gain import past_gain

        if self.use_past or self.no_past or not self.sequences:
            return self.use_past
        source, name = cast("FrameSource", output.frames), output.frames.name
        if not any(map(source.has_pose, range(len(source)))):
            return False
        if not self.overwrite and (recorded := output.recorded()):
            past = bool(past_settings().keys() & recorded.keys())
            say(f"{name}: earlier frames are {'' if past else 'not '}used, as for the depth in {output.folder}")
            return past
        if self.turntable is not None:
            say(f"{name}: earlier frames are not used, because --turntable shows a frame without them")
            return False
        try:
            with frame_steps("trying earlier frames") as on_frame:
                gain = past_gain(source, load(), on_frame=on_frame)
        except (OSError, KBNetError) as error:
            say(f"{name}: earlier frames are not used: {one_line(error)}; --use-past needs no trial")
            return False
        used, remedy = ("used", "--no-past: leave them out") if gain.helps else ("not used", "--use-past: use them")
        say(
            f"{name}: earlier frames are {used} ({remedy}); at held-out points of {gain.frames} frames, depth "
            f"is {gain.past_percent:.2f} % off with them, {gain.alone_percent:.2f} % without"
        )
        return gain.helps

    def _complete_with_workers(self, outputs: list[OutputFolder], network: Origin, count: int) -> None:
        from kbnet.cli.progress import completed_text, frame_progress
        from kbnet.inference.completer import DepthCompleter, open_weights
        from kbnet.inference.workers import Workers, complete_many

        workers = Workers(count or None, self.threads, self.gpus, self.address)
        opened = open_weights(self.weights, preset=self.preset)
        device = "cpu" if self.device == "auto" and not self.gpus else self.device  # Ray hides GPUs nobody asked for
        make = partial(DepthCompleter, opened, device=device, precision=self.precision, engine=self.engine)
        if not self.gpus:
            make()  # what does not fit is told here, before a worker starts
        origins = [one.checked_origin(network, overwrite=self.overwrite) for one in outputs]
        for one, origin in zip(outputs, origins, strict=True):
            every = range(len(one.frames))
            if self.overwrite:
                one.remove_depth(every)
            one.begin(origin, every)
        with frame_progress() as progress:
            bar = progress.add_task("completing", total=None)

            def show(outcome: Outcome) -> None:
                done = outcome.completed + len(outcome.errors)
                progress.update(bar, completed=done, total=outcome.frames - outcome.skipped)

            outcome = complete_many(outputs, make, workers, on_frame=show)
        for text, frames in outcome.warnings.items():
            warnings.warn(f"{text} ({len(frames)} frames, first {frames[0]})", stacklevel=2)
        say(completed_text(outcome.completed, outcome.frames, self.output, failed=len(outcome.errors)))
        if outcome.errors:
            first, error = next(iter(outcome.errors.items()))
            raise KBNetError(
                f"{len(outcome.errors)} of {outcome.frames} frames could not be completed, first {first}: {error}; "
                "correct them, then run the same command again"
            )

    def _sources(self) -> list[NamedFrames]:
        if not self.sequences:
            return [self._single_frame()]
        from kbnet.cli.recordings import open_source

        several = len(self.sequences) > 1
        opened = [open_source(path, self._flags(path), self.sparse_depth) for path in self.sequences]
        return [self.extended(source, several=several) for source in opened]

    def _flags(self, path: Path) -> tuple[str, ...]:
        """The flags of a recording, of which --image and --intrinsics are flags of this command too."""
        from kbnet.frames.open import recording_kind

        flags = self.recording_flags
        if recording_kind(path, self.sparse_depth) is not None:
            flags += ("--image", str(self.image)) if self.image is not None else ()
            flags += ("--intrinsics", str(self.intrinsics)) if self.intrinsics is not None else ()
        elif self.image is not None:
            raise KBNetError("expected a sequence folder, a list or --image, got both; see kbnet complete --help")
        elif self.intrinsics is not None and (path.suffix.lower() == ".csv" or (path / "image").is_dir()):
            raise KBNetError(f"a sequence or list has its own intrinsics; leave out --intrinsics {self.intrinsics}")
        return flags

    def _single_frame(self) -> NamedFrames:
        from kbnet.frames.single_frame import SingleFrame

        if self.image is None:
            raise KBNetError("expected a sequence folder, a list or --image, got neither; see kbnet complete --help")
        if self.recording_flags:
            flag = self.recording_flags[0].partition("=")[0]
            raise KBNetError(f"{flag} belongs to a recording, but --image names a single frame; leave {flag} out")
        if self.sparse_depth is None or self.intrinsics is None:
            missing = "--sparse-depth" if self.sparse_depth is None else "--intrinsics"
            raise KBNetError(f"--image also needs {missing}; see kbnet complete --help")
        if self.use_past:
            raise KBNetError("--use-past is of a sequence with poses, but --image names a single frame; leave it out")
        return SingleFrame(self.image, Path(self.sparse_depth), self.intrinsics, self.prior, self.prior_kind)

    def _kinds(self) -> Iterable[FileKind]:
        from kbnet.inference.output_files import CONFIDENCE, NPY, FileKind

        if self.picture:
            yield FileKind("picture", ".png", _write_picture)
        if self.cloud:
            yield FileKind("cloud", ".ply", _write_cloud)
        if self.npy:
            yield NPY
        if self.confidence:
            yield CONFIDENCE

    def _write_turntable(self, path: Path, frames: NamedFrames) -> None:
        """Of depth made anew: that of a depth map is rounded to 4 mm, which shows on what is near."""
        from kbnet.report.turntable import write_turntable

        frame = frames.frame(len(frames) // 2)
        write_turntable(path, frame, self.load_network()(frame))
        say(f"wrote {path}, of frame {frame.name}")


def _write_picture(path: Path, completed: CompletedFrame) -> None:
    from kbnet.report.picture import write_picture

    write_picture(path, completed.frame, completed.depth)


def _write_cloud(path: Path, completed: CompletedFrame) -> None:
    from kbnet.report.point_cloud import point_cloud, write_ply

    frame = completed.frame
    write_ply(path, *point_cloud(completed.depth, frame.intrinsics, frame.image))
