"""The command line's frame: finding commands without importing them, exit codes, one line an error."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import kbnet.cli.main as command_line
from kbnet.cli.known_errors import say
from kbnet.cli.main import commands, main
from kbnet.cli.progress import frame_steps
from kbnet.errors import KBNetError

SOURCE = Path(command_line.__file__).parents[2]


def run_with(monkeypatch: pytest.MonkeyPatch, body: object) -> int:
    """Exit code of a command that raises ``body``, or calls it."""

    def dispatch(arguments: list[str]) -> int:
        if isinstance(body, BaseException):
            raise body
        assert callable(body)
        body()
        return 0

    monkeypatch.setattr(command_line, "_dispatch", dispatch)
    return main(["demo"])


def test_help_lists_every_command_with_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert {"complete", "evaluate", "train", "prepare", "demo"} <= set(commands())
    for name, summary in commands().items():
        assert summary, f"the docstring of {name}'s Command is empty"
        assert f"{name} " in out
        assert summary in out


def modules_after(commands: list[list[str]], watched: set[str]) -> str:
    """What a fresh process prints that runs these commands; in the end, exit codes and which modules were imported."""
    code = (
        "import sys\n"
        "from kbnet.cli.main import main\n"
        f"codes = [main(arguments) for arguments in {commands!r}]\n"
        f"print('CODES', *codes, 'IMPORTED', sorted({watched!r} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def test_help_imports_nothing_heavy() -> None:
    lines = [["--help"], ["prepare", "--help"], ["--version"], ["complte"]]
    said = modules_after(lines, {"torch", "numpy", "scipy", "tyro", "rich", "matplotlib"})
    assert said.endswith("CODES 0 0 0 2 IMPORTED []\n")


def test_help_of_a_command_is_light_and_comes_from_its_dataclass() -> None:
    names = ["complete", "evaluate", "train", "demo", "prepare synthetic"]
    said = modules_after([[*name.split(), "--help"] for name in names], {"torch", "scipy", "matplotlib", "skimage"})
    for name in names:
        assert f"usage: kbnet {name}" in said
    assert max(map(len, said.splitlines())) <= 80
    assert said.endswith("CODES 0 0 0 0 0 IMPORTED []\n")


@pytest.mark.parametrize(
    "words",
    [
        "complete a.mp4 --points p.csv --intrinsics K.txt --output out --turntable a.mp4",
        "fuse room --points a.ply --output=./a.ply",
        "prepare lists p.csv --image p.csv --sparse-depth b.txt --intrinsics c.txt",
        "adapt room --weights adapted.safetensors",
        "adapt room --weights a.safetensors --output a.safetensors",
        "train room --config run/config.toml --output run",
    ],
)
def test_an_output_that_is_an_input_is_refused(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    for name in ("a.mp4", "a.ply", "p.csv", "adapted.safetensors", "a.safetensors", "run/config.toml"):
        (tmp_path / name).touch()
    assert main(words.split()) == 2
    assert "is an input and would be replaced; choose another --" in capsys.readouterr().err


def test_no_command_prints_the_help_and_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: kbnet" in capsys.readouterr().err


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("kbnet ")


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["complte", "x"], "did you mean 'kbnet complete'?"),
        (["prepare", "sinthetic"], "did you mean 'kbnet prepare synthetic'?"),
        (["zzz"], "the commands are adapt, benchmark, check, complete, demo, evaluate, export"),
        (["--verbose"], "unknown option '--verbose'"),
        (["main"], "unknown command 'main'"),
        (["../data"], "unknown command '../data'"),
    ],
)
def test_unknown_command_names_the_nearest(
    arguments: list[str], remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("kbnet: error: unknown ")
    assert remedy in err
    assert err.count("\n") == 1


def test_missing_positional_is_bad_usage_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert "SEQUENCE|LIST.csv|RECORDING" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["report"], ["prepare", "colmap"], ["train"]])
def test_help_joins_the_lines_of_docstrings_and_has_one_group_of_plain_flags(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "4000")
    assert main([*words, "--help"]) == 0
    out = capsys.readouterr().out
    for name, text in (
        ("report", "published .pth (with --preset), or an exported .onnx"),
        ("colmap", "--images FOLDER"),
        ("train", "network.scaffold is scaffold in [network]. base = "),
    ):
        assert words[-1] != name or text in out
    assert "options options" not in out
    assert "config options" not in out


def test_unknown_flag_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--no-such-flag"]) == 2
    assert "--no-such-flag" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KBNetError("expected this,\n  got that"), "expected this, got that"),
        (FileNotFoundError("no file a.png; check the path"), "no file a.png; check the path"),
        (FileNotFoundError(2, "No such file or directory", "a.png"), "a.png: No such file or directory"),
        (ModuleNotFoundError("matplotlib is needed"), "matplotlib is needed"),
        (FloatingPointError("the loss is not finite"), "the loss is not finite"),
        (KBNetError(), "KBNetError"),
        (
            ModuleNotFoundError("No module named 'tomlkit'", name="tomlkit"),
            "tomlkit is needed: pip install 'kbnet[train]'",
        ),
        (
            ModuleNotFoundError("No module named 'skimage.data'", name="skimage.data"),
            "skimage is needed: pip install 'kbnet[demo]'",
        ),
        (
            ModuleNotFoundError("to draw, pip install 'kbnet[report]'", name="matplotlib"),
            "to draw, pip install 'kbnet[report]'",
        ),
        (ModuleNotFoundError("No module named 'wings'", name="wings"), "No module named 'wings'"),
        (
            MemoryError("Unable to allocate 9 GiB"),
            "out of memory (Unable to allocate 9 GiB)",
        ),
        (
            RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
            "out of memory ([enforce] DefaultCPUAllocator: can't allocate memory: 9 bytes)",
        ),
        (KBNetError("a" * 1_000_000), f"{'a' * 1500} ... {'a' * 1500}"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nMore"),
            "out of GPU memory; choose a smaller --batch-size or crop, or bfloat16",
        ),
        (RuntimeError("Symlink loop from '/a/b'"), "Symlink loop from '/a/b'"),
        (
            UnicodeEncodeError("utf-8", "r\udcffom", 1, 2, "surrogates not allowed"),
            "expected names of files in UTF-8, got r\\udcffom; rename it",
        ),
        (
            UnicodeEncodeError(
                "utf-8", 'steps = 1\nsequences = ["hall", "r\udcffom"]', 32, 33, "surrogates not allowed"
            ),
            "expected names of files in UTF-8, got r\\udcffom; rename it",
        ),
    ],
)
def test_known_errors_are_one_line_and_exit_code_2(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(monkeypatch, error) == 2
    assert capsys.readouterr().err == f"kbnet: error: {line}\n"


def test_names_of_files_give_a_terminal_no_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a\x1b]0;title\x07\u202eb"

    def command() -> None:
        warnings.warn(f"no depth in {name}", stacklevel=1)
        raise KBNetError(f"no {name}")

    assert run_with(monkeypatch, command) == 2
    shown = r"a\x1b]0;title\x07\u202eb"
    assert capsys.readouterr().err == f"kbnet: warning: no depth in {shown}\nkbnet: error: no {shown}\n"


def test_an_error_that_a_thread_hands_to_the_main_thread_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = OSError(28, "No space left on device")

    def write() -> None:
        raise error

    def command() -> None:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        raise error

    assert run_with(monkeypatch, command) == 2
    assert capsys.readouterr().err == "kbnet: error: [Errno 28] No space left on device\n"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_a_thread_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        thread = threading.Thread(target=lambda: 1 // 0)
        thread.start()
        thread.join()

    assert run_with(monkeypatch, command) == 0
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_debug_adds_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KBNET_DEBUG", "1")
    assert run_with(monkeypatch, KBNetError("bad")) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("kbnet: error: bad\n")


@pytest.mark.parametrize("importing", [False, True])
def test_interrupt_is_one_line_and_exit_code_130(
    importing: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = ImportError("initialization failed") if importing else KeyboardInterrupt()
    if importing:  # as pybind11 raises what cut the import of a library short
        stopped.__cause__ = KeyboardInterrupt()
    assert run_with(monkeypatch, stopped) == 130
    assert capsys.readouterr().err == "kbnet: interrupted\n"


def test_a_second_interrupt_ends_the_process_with_code_130_too() -> None:
    code = (
        "import atexit, signal, sys\n"
        "import kbnet.cli.main as command_line\n"
        "def interrupt(*_): raise KeyboardInterrupt\n"
        "command_line._dispatch = interrupt\n"
        "atexit.register(signal.raise_signal, signal.SIGINT)\n"
        "sys.exit(command_line.main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (130, "kbnet: interrupted\n")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_stop_signals_are_interrupts_that_clean_up(name: str, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "import kbnet.cli.main as command_line\n"
        "from kbnet.files import atomic_path\n"
        "def stop(*_):\n"
        "    with atomic_path(sys.argv[1]) as temporary:\n"
        "        temporary.touch()\n"
        f"        signal.raise_signal(signal.{name})\n"
        "command_line._dispatch = stop\n"
        "sys.exit(command_line.main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", code, tmp_path / "depth.png"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (130, f"kbnet: stopped by {name}\n")
    assert not list(tmp_path.iterdir())


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    for bug in (KeyError("a bug"), ValueError("a bug"), UnicodeError("a bug"), RuntimeError("a bug")):
        with pytest.raises(type(bug)):
            run_with(monkeypatch, bug)


def test_a_value_error_deep_inside_is_no_mistake_of_the_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("shapes (3,) and (4,) not aligned")

    monkeypatch.setattr("kbnet.frames.open.open_frames", broken)
    with pytest.raises(ValueError, match="not aligned"):  # Python shows the traceback of what main lets through
        main(["check", "."])
    assert "kbnet: error" not in capsys.readouterr().err


def test_warnings_are_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_with(monkeypatch, lambda: warnings.warn("no points;\n the map is a guess", stacklevel=1)) == 0
    assert capsys.readouterr().err == "kbnet: warning: no points; the map is a guess\n"


def test_a_warning_is_shown_once_a_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def warn_twice() -> None:
        for _ in range(2):
            warnings.simplefilter("always", UserWarning)
            warnings.warn("far away", stacklevel=1)

    for _ in range(2):
        assert run_with(monkeypatch, warn_twice) == 0
        assert capsys.readouterr().err == "kbnet: warning: far away\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "import sys; from kbnet.cli.main import main; sys.exit(main(['--help']))"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141
    assert err == b""


def test_commands_without_a_command_class_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "nyu_v2.py").write_text('class Command:\n    """Do it.\n\n    More.\n    """\n')
    (tmp_path / "options.py").write_text("class Options: ...\n")
    (tmp_path / "group").mkdir()
    (tmp_path / "group" / "__init__.py").write_text('"""A group."""\n')
    assert commands(tmp_path) == {"group": "A group.", "nyu-v2": "Do it."}


def test_signs_that_the_output_cannot_hold_are_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a file on Windows."""
    output = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr("sys.stdout", output)
    say("2 \u2502 3 \u00b5m")
    output.seek(0)
    assert output.read() == "2 \\u2502 3 \\xb5m\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_broken_standard_error_changes_nothing_and_a_broken_output_is_named(
    monkeypatch: pytest.MonkeyPatch, one_line_error: Any
) -> None:
    def bar() -> None:
        with frame_steps("completing", 3) as step:
            step()

    for body in (lambda: say("step 1", error=True), bar):
        with Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", full)
            patch.setenv("TTY_COMPATIBLE", "1")
            assert run_with(patch, body) == 0
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        assert run_with(patch, lambda: say("done")) == 2
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    assert one_line_error() == "kbnet: error: standard output: No space left on device\n"


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")
def test_closed_streams_are_opened_so_that_no_file_takes_their_number(tmp_path: Path) -> None:
    code = (
        "from kbnet.cli import main; main._open_closed_streams(); print(open('a', 'w').fileno(), file=open('b', 'w'))"
    )
    command = f'{sys.executable} -c "{code}" <&- >&- 2>&-'
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(SOURCE)})
    assert int((tmp_path / "b").read_text()) > 2
