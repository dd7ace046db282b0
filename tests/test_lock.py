"""One process writes an output at a time; what a killed process left is taken over, and a refusal says whose it is."""

from __future__ import annotations

import errno
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kbnet.errors import KBNetError
from kbnet.lock import one_writer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")

HOLD = """
import os, sys, time
from pathlib import Path
from kbnet.lock import one_writer
with one_writer(Path(sys.argv[1])):
    if sys.argv[2] == "fork" and os.fork() == 0:
        sys.stdout.close()
    else:
        print("locked", flush=True)
    time.sleep(60)
"""
ENDED = 2**22 + 1
"""No process has this id: Linux gives smaller ones."""


def hold(folder: Path, fork: str = "") -> subprocess.Popen[str]:
    """A process that has the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder, fork], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def write(folder: Path) -> None:
    with one_writer(folder):
        (folder / "written").touch()


def test_a_second_process_is_told_who_writes(tmp_path: Path) -> None:
    with hold(tmp_path) as process:
        message = rf"process {process.pid} on this host \({platform.node()}\) is writing {tmp_path}; wait until it ends"
        with pytest.raises(KBNetError, match=message):
            write(tmp_path)
        process.kill()
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("fork", ["", "fork"])
def test_the_lock_of_a_killed_process_is_taken_over_even_if_its_child_lives(fork: str, tmp_path: Path) -> None:
    with hold(tmp_path, fork) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (tmp_path / ".lock").exists()
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["written"]


def test_the_lock_of_another_host_is_refused_until_it_is_removed(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    lock.write_text("12 elsewhere\n")
    for _ in range(2):
        with pytest.raises(KBNetError, match=rf"process 12 on host elsewhere .* if it was killed there, remove {lock}"):
            write(tmp_path)
    lock.unlink()
    write(tmp_path)


@pytest.mark.parametrize(("process", "refused"), [(os.getpid(), True), (ENDED, False)], ids=["living", "ended"])
def test_without_locks_of_the_file_system_a_living_process_has_it(
    process: int, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("kbnet.lock.fcntl.lockf", no_locks)
    (tmp_path / ".lock").write_text(f"{process} {platform.node()}\n")
    if refused:
        with pytest.raises(KBNetError, match=f"process {process} on this host"):
            write(tmp_path)
    else:
        write(tmp_path)


@pytest.mark.parametrize("content", ["", "no number", "\0\0"])
def test_a_lock_that_says_nothing_is_taken_over(content: str, tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(content)
    write(tmp_path)


def test_one_process_has_it_once_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "out"
    with one_writer(folder), pytest.raises(KBNetError, match=f"process {os.getpid()} on this host"):
        write(folder)
    assert not folder.parent.exists()
    with one_writer(None):
        write(folder)
    assert [path.name for path in folder.iterdir()] == ["written"]


def test_on_a_full_disk_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*\.lock'"), one_writer(tmp_path / "new" / "out"):
        pass
    assert not list(tmp_path.iterdir())


def test_two_adaptations_to_one_file_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric")
    from kbnet.training.adaptation import adapt
    from kbnet.training.adaptation_plan import Adaptation

    output = tmp_path / "adapted.safetensors"
    with Adaptation(tmp_path / "room", output).alone(), pytest.raises(KBNetError, match=r"is writing .*adapted"):
        adapt(tmp_path / "room", output)
    assert not list(tmp_path.iterdir())


class FakeWindows:
    """`msvcrt` and what differs on Windows: a locked byte is refused at once, and no open file is removed."""

    LK_NBLCK = 2

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.locked_elsewhere = False
        self.locked: dict[int, int] = {}
        monkeypatch.setattr("kbnet.lock.sys", SimpleNamespace(platform="win32"))
        monkeypatch.setattr("kbnet.lock.msvcrt", self, raising=False)
        monkeypatch.delattr("kbnet.lock.fcntl")
        monkeypatch.setattr("kbnet.lock.os.kill", None)
        unlink, close = Path.unlink, os.close

        def closed(descriptor: int) -> None:
            self.locked.pop(descriptor, None)
            close(descriptor)

        def remove(path: Path, missing_ok: bool = False) -> None:
            if self.locked or self.locked_elsewhere:
                raise PermissionError(errno.EACCES, "The process cannot access the file", str(path))
            unlink(path, missing_ok)

        monkeypatch.setattr("kbnet.lock.os.close", closed)
        monkeypatch.setattr(Path, "unlink", remove)

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (self.LK_NBLCK, 1)
        if self.locked_elsewhere:
            raise PermissionError(errno.EACCES, "Permission denied")
        self.locked[descriptor] = os.lseek(descriptor, 0, os.SEEK_CUR)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> FakeWindows:
    return FakeWindows(monkeypatch)


def test_on_windows_a_byte_beyond_the_text_is_locked_and_the_file_removed(windows: FakeWindows, tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(f"{ENDED} {platform.node()}\n")  # of a killed process
    with one_writer(tmp_path):
        assert list(windows.locked.values()) == [2**30]
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()} {platform.node()}\n"
        with pytest.raises(KBNetError, match=f"process {os.getpid()} on this host"):
            write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_on_windows_a_second_process_is_told_who_writes(windows: FakeWindows, tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(f"12 {platform.node()}\n")
    windows.locked_elsewhere = True
    with pytest.raises(KBNetError, match=rf"process 12 on this host .* is writing {tmp_path}"):
        write(tmp_path)
    windows.locked_elsewhere = False
    (tmp_path / ".lock").write_text("12 elsewhere\n")
    with pytest.raises(KBNetError, match=rf"process 12 on host elsewhere .* remove {tmp_path}"):
        write(tmp_path)


def test_on_windows_the_file_stays_if_another_process_has_locked_it_since(windows: FakeWindows, tmp_path: Path) -> None:
    with one_writer(tmp_path):
        windows.locked_elsewhere = True
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, *arguments: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(PermissionError, match=f"Permission denied: '{tmp_path}'"), one_writer(tmp_path):
        pass
