"""Commands that are stopped at random moments, or find no space left: what is written is whole, and the same command
ends the work.

``make test`` stops twenty runs at moments that are always the same, ``make kill-test`` two hundred (``KBNET_KILLS``) at
moments that are drawn anew (``KBNET_KILL_SEED``).
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

KILLS = int(os.environ.get("KBNET_KILLS", "20"))
"""How many runs are stopped."""
STOPPING = {name: getattr(signal, name) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")}
INTERRUPTED = 130
WITHIN_SECONDS = 120

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")


@dataclass(frozen=True)
class Work:
    """A command and what it must have written in the end.

    Args:
        name: of the case.
        arguments: of the command, relative to its folder.
        written: patterns of the files that two runs write equal, but for times.
        again: arguments that go on with a stopped run, once the file of ``goes_on`` is there.
        goes_on: file that a stopped run leaves to go on from; empty: the same command is given again.
    """

    name: str
    arguments: str
    written: tuple[str, ...]
    again: str = ""
    goes_on: str = ""


TRAIN = (
    "train room --output run --device cpu --poses known --gaps 2 --batch-size 2 --workers 0 --augmentation.crop 32 32 "
    "--network.image-filters 8 8 8 8 8 8 --network.depth-filters 8 8 8 8 8 8 --network.decoder-filters 8 8 8 8 8 "
    "--checkpoint-steps 2 --log-steps 2 --schedule.steps 12"
)
WORKS = (
    Work("complete", "complete room --output out --weights run/best.safetensors --engine torch", ("out/depth/*.png",)),
    Work("evaluate", "evaluate room --output out --weights run/best.safetensors --engine torch", ("out/frames.csv",)),
    Work("check", "check room --output out --weights run/best.safetensors --engine torch", ("out/frames.csv",)),
    Work("report", "report room --output out.html --weights run/best.safetensors --engine torch", ("out.html",)),
    Work("prepare synthetic", "prepare synthetic out --frames 12 --width 64 --height 48", ("out/*/*", "out/K.txt")),
    Work(
        "prepare void",
        "prepare void out --densities 150 --from archives",
        ("out/*.csv", "out/void_release/void_150/data/*/*/*", "out/void_release/void_150/*.txt"),
    ),
    Work("prepare kitti360", "prepare kitti360 kitti360 out", ("out/*/*", "out/K.txt")),
    Work(
        "prepare video",
        "prepare video walk/a.mp4 out --intrinsics walk/K.txt --points walk/points.csv",
        ("out/*/*", "out/K.txt"),
    ),
    Work("prepare sparse", "prepare sparse room --name sparse_depth_out --points 30", ("room/sparse_depth_out/*",)),
    Work(
        "weights import",
        "weights import trained.pth --preset void --name trained",
        ("home/weights/trained.safetensors",),
    ),
    Work(
        "train",
        TRAIN.replace("--output run", "--output out"),
        ("out/best.safetensors",),
        again="train --resume out",
        goes_on="out/state.pt",
    ),
)


class Commands:
    """Runs ``kbnet`` in processes that are forked after its imports, so that a run costs what the command does."""

    def __init__(self) -> None:
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(
            ["kbnet.cli.main", "kbnet.inference.completer", "kbnet.training.loop", "scipy.ndimage"]
        )

    def start(self, arguments: str, folder: Path, printed: Path | None = None) -> Any:
        """Start ``kbnet ARGUMENTS`` in a folder; what it prints goes to a file."""
        printed = printed or said(folder)
        printed.unlink(missing_ok=True)
        process = self._processes.Process(target=run, args=(["kbnet", *arguments.split()], folder, printed))
        process.start()
        while process.is_alive() and not printed.exists():
            time.sleep(0.001)
        return process

    def finish(self, arguments: str, folder: Path) -> float:
        """Run ``kbnet ARGUMENTS`` to its end, which must be a good one; return its seconds."""
        started = time.monotonic()
        process = self.start(arguments, folder)
        process.join(WITHIN_SECONDS)
        assert process.exitcode == 0, said(folder).read_text(encoding="utf-8")
        return time.monotonic() - started


def said(folder: Path) -> Path:
    """File beside a folder for what its command prints."""
    return folder.with_suffix(".said")


def run(words: list[str], folder: Path, said: Path) -> None:
    """The process: ``python -m kbnet``, which sets what its signals do."""
    os.chdir(folder)
    os.environ["KBNET_HOME"] = "home"
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = words
    try:
        printed = os.open(said, os.O_WRONLY | os.O_CREAT)  # now the test may stop it
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        runpy.run_module("kbnet", run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:  # before main: Python would end by the signal, but multiprocessing catches it
        os._exit(INTERRUPTED)


@pytest.fixture(scope="module")
def commands() -> Commands:
    return Commands()


@pytest.fixture(scope="module")
def inputs(commands: Commands, void_archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence, weights, published weights, an archive, and recordings."""
    import torch

    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet
    from tests.fixtures_weights import published_checkpoint
    from tests.fuzz.recordings import video
    from tests.sources.test_kitti360 import write as write_kitti360

    folder = tmp_path_factory.mktemp("inputs")
    torch.save(published_checkpoint(KBNet(KBNetConfig.preset("void"))), folder / "trained.pth")
    for name in ("archives", "walk"):
        (folder / name).mkdir()
    shutil.copy(void_archives / "void_150.zip", folder / "archives")
    video(folder / "walk")
    write_kitti360(folder / "kitti360")
    commands.finish("prepare synthetic room --frames 12 --width 64 --height 48", folder)
    commands.finish(TRAIN, folder)
    return folder


@pytest.fixture(scope="module")
def reference(commands: Commands, inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Work], Any]:
    """What a run that nothing stops writes, and its seconds; each command runs once."""
    known: dict[str, tuple[dict[str, bytes], float]] = {}

    def look_up(work: Work) -> tuple[dict[str, bytes], float]:
        if work.name not in known:
            folder = copied(inputs, tmp_path_factory.mktemp("whole"))
            seconds = commands.finish(work.arguments, folder)
            known[work.name] = contents(folder, work), seconds
            assert known[work.name][0], f"{work.name} writes {work.written}"
        return known[work.name]

    return look_up


def copied(inputs: Path, folder: Path) -> Path:
    shutil.copytree(inputs, folder, dirs_exist_ok=True)
    return folder


def contents(folder: Path, work: Work) -> dict[str, bytes]:
    """Files of a run by name, tables without the times in their last column."""
    found = {path for pattern in work.written for path in folder.glob(pattern)}
    files = sorted(path for path in found if not path.name.startswith("."))  # hidden: not finished
    return {str(path.relative_to(folder)): without_times(path) for path in files}


def without_times(path: Path) -> bytes:
    if path.name != "frames.csv":
        return path.read_bytes()
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line.rpartition(",")[0] if lines[0].endswith("seconds") else line for line in lines).encode()


def moments() -> Iterator[tuple[Work, str, float]]:
    """Command, signal and moment of each stop: every command equally often, each time by the next signal."""
    generator = random.Random(os.environ.get("KBNET_KILL_SEED", "0"))
    for index in range(KILLS):
        signals = index + index // len(WORKS)
        yield WORKS[index % len(WORKS)], list(STOPPING)[signals % len(STOPPING)], generator.random()


@pytest.mark.parametrize(
    ("work", "stop", "share"),
    [pytest.param(*moment, id=f"{moment[0].name}-{moment[1]}-{moment[2]:.2f}") for moment in moments()],
)
def test_stopped_command_leaves_whole_files_and_ends_when_it_is_given_again(
    work: Work,
    stop: str,
    share: float,
    commands: Commands,
    inputs: Path,
    reference: Callable[[Work], Any],
    tmp_path: Path,
) -> None:
    whole, seconds = reference(work)
    folder = copied(inputs, tmp_path)
    process = commands.start(work.arguments, folder)
    process.join(share * seconds)
    if process.is_alive():
        os.kill(process.pid, STOPPING[stop])
    process.join(WITHIN_SECONDS)
    assert process.exitcode in (0, INTERRUPTED, -STOPPING[stop]), said(folder).read_text(encoding="utf-8")

    if not work.goes_on:
        left = contents(folder, work)
        assert left == {name: whole[name] for name in left}, "what has its final name is whole"
    if contents(folder, work) != whole:
        goes_on = bool(work.goes_on) and (folder / work.goes_on).exists()
        commands.finish(work.again if goes_on else work.arguments, folder)
    assert contents(folder, work) == whole
    assert not [path for path in folder.rglob(".*") if "partial" in path.name], "remains of the stopped run are removed"


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_two_processes_on_one_output_give_the_result_of_one(
    work: Work, commands: Commands, inputs: Path, reference: Callable[[Work], Any], tmp_path: Path
) -> None:
    whole, _ = reference(work)
    folder = copied(inputs, tmp_path / "work")
    files = tmp_path / "first", tmp_path / "second"
    processes = [commands.start(work.arguments, folder, printed) for printed in files]
    for process in processes:
        process.join(WITHIN_SECONDS)
    codes = {
        process.exitcode: printed.read_text(encoding="utf-8") for process, printed in zip(processes, files, strict=True)
    }
    assert codes.keys() <= {0, 2}, codes
    assert 0 in codes, codes
    if 2 in codes:
        assert re.search(
            r"kbnet: error: (process \d+ on this host \(.+\) is writing|.* holds|.* is there already).*", codes[2]
        ), codes[2]
        assert "Traceback" not in codes[2]
    assert contents(folder, work) == whole
    assert not list(folder.rglob(".*lock"))


PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted file system in memory, whose size a test sets."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200M", "none", str(folder)]
    try:
        allowed = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("a small file system takes the right to mount")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def set_size(disk: Path, pages: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={pages * PAGE}", disk], check=True)


def used_pages(disk: Path) -> int:
    status = os.statvfs(disk)
    return (status.f_blocks - status.f_bfree) * status.f_bsize // PAGE


def assert_refused(commands: Commands, work: Work, folder: Path, line: str) -> None:
    """Run a command and assert that it ends with one line, a pattern, and exit code 2."""
    process = commands.start(work.arguments, folder)
    process.join(WITHIN_SECONDS)
    printed = said(folder).read_text(encoding="utf-8")
    assert process.exitcode == 2, printed
    assert "Traceback" not in printed
    assert re.search(line, printed), printed


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_full_disk_is_one_line_and_what_was_written_stays(
    work: Work, commands: Commands, inputs: Path, reference: Callable[[Work], Any], disk: Path
) -> None:
    whole, _ = reference(work)
    copied(inputs, disk)
    needed = sum(-(-len(content) // PAGE) for content in whole.values())
    set_size(disk, used_pages(disk) + random.Random(work.name).randrange(max(1, needed // 2)))
    assert_refused(commands, work, disk, r"kbnet: error: .*(No space left on device|free disk space).*")

    set_size(disk, 50_000)
    goes_on = bool(work.goes_on) and (disk / work.goes_on).exists()
    commands.finish(work.again if goes_on else work.arguments, disk)
    assert contents(disk, work) == whole


@pytest.mark.parametrize("work", [WORKS[0], WORKS[4], WORKS[-1]], ids=lambda work: work.name)
def test_read_only_disk_is_one_line(work: Work, commands: Commands, inputs: Path, disk: Path) -> None:
    copied(inputs, disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert_refused(commands, work, disk, r"kbnet: error: \S+: Read-only file system")
