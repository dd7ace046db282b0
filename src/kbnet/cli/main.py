"""The command ``kbnet``: finds one command, runs it, and turns known errors into one line and an exit code.

How a command is declared (nothing is registered anywhere; the folder is the list):

- ``cli/<name>.py`` is ``kbnet <name>``; ``cli/<group>/<name>.py`` is ``kbnet <group> <name>``; ``_`` in a file name
  is ``-`` on the command line (``cli/prepare/nyu_v2.py`` is ``kbnet prepare nyu-v2``), and a ``_`` at its end keeps a
  word of Python's apart (``cli/weights/import_.py`` is ``kbnet weights import``).
- The module defines, at its top level, a frozen dataclass called exactly ``Command`` with a method
  ``run(self) -> None``. A ``.py`` file here without a top-level ``class Command`` is not a command.
- A kind of recording, ``sources/kinds/<name>.py``, is ``kbnet prepare <name>`` too, with the docstring of its
  ``...Arguments`` (``cli/preparation.py``).
- The first line of the docstring of ``Command`` is the summary in ``kbnet --help``; it is read from the source, the
  module is not imported for it. The summary of a group is the first line of its ``__init__.py``'s docstring.
- Fields are the flags, read by tyro: ``output: Path = Path("depth")`` is ``--output``, ``bool = False`` is a switch,
  ``tyro.conf.Positional[tuple[Path, ...]]`` takes bare arguments. The docstring under a field is its help text.
- torch, scipy, matplotlib, scikit-image are imported inside ``run``, never at the top: ``kbnet <name> --help`` must
  stay quick. ``run`` prints what the user should see to stdout, and raises what went wrong.
- A module may also define ``parse(argv: list[str]) -> object`` and return anything with a ``run()``; it is then called
  in place of ``parse_arguments(Command, argv, prog="kbnet <name>")``, with the arguments after the command's name.
  For commands whose defaults come from a preset or a file.
- A command that reads frames has a field ``recording_flags``: it takes flags of recordings (``cli/recordings.py``).

Exit codes: 0 done; 1 done, with a verdict that is not good (``kbnet reproduce``: a row is not within the tolerance);
2 for bad usage and for KBNetError, OSError, ModuleNotFoundError, FloatingPointError and a GPU out of memory (one line
``kbnet: error: ...`` on stderr); 130 when interrupted by
Ctrl-C, SIGTERM or SIGHUP; 141 when the reader of stdout goes away. Any other exception is
a bug and shows its traceback.
``warnings.warn`` appears as ``kbnet: warning: ...``, once however often it is said. The environment variable
``KBNET_DEBUG=1`` adds tracebacks.
``main(argv)`` returns the exit code and raises no SystemExit, so tests call it directly.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import keyword
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from kbnet.cli.known_errors import is_known, say, tell, tell_of_thread
from kbnet.errors import KBNetError
from kbnet.interruption import interrupt_on_stop_signals

HERE = Path(__file__).parent
PREPARE, KINDS = HERE / "prepare", HERE.parent / "sources" / "kinds"
OVERVIEW = "Sparse depth and a colour image in, dense metric depth out."
FOOTER = "'kbnet <command> --help' explains a command. KBNET_DEBUG=1 shows the traceback of an error."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named by ``argv`` (default: the process's own arguments) and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        interrupt_on_stop_signals()
        _open_closed_streams()
    told: list[BaseException] = []
    threads_before, threading.excepthook = threading.excepthook, lambda thread: tell_of_thread(thread, told)
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("default", UserWarning)
        warnings.showwarning = _show_warnings_once()
        try:
            return _dispatch(arguments)
        except SystemExit as stop:
            return _exit_code(stop)
        except BrokenPipeError:
            # The reader went away (`kbnet ... | head`); keep the interpreter from failing again on its last flush.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except (Exception, KeyboardInterrupt) as error:
            if (stopped := _stop_within(error)) is not None:
                if argv is None:  # a process of our own: what a second Ctrl-C cuts short is only its end
                    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
                say(f"kbnet: {str(stopped) or 'interrupted'}", error=True)
                return 130
            if not is_known(error):
                raise
            tell(error, told)
            return 2
        finally:
            threading.excepthook = threads_before


@cache
def commands(folder: Path = HERE) -> dict[str, str]:
    """Summaries of the commands and groups in a folder by name, read from the sources without importing them."""
    found = {}
    for path in (*(KINDS.iterdir() if folder == PREPARE else ()), *folder.iterdir()):
        if path.suffix == ".py":
            classes = (n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.ClassDef))
            declared = "Command" if path.parent == folder else "Arguments"
            if node := next((node for node in classes if node.name.endswith(declared)), None):
                found[_command_name(path)] = _first_line(node)
        elif (path / "__init__.py").is_file():
            found[_command_name(path)] = _first_line(ast.parse((path / "__init__.py").read_text(encoding="utf-8")))
    return dict(sorted(found.items()))


def _dispatch(arguments: list[str]) -> int:
    words: list[str] = []
    folder = HERE
    while True:
        prog = " ".join(["kbnet", *words])
        first = arguments[0] if arguments else None
        if first is None or first in ("-h", "--help"):
            say(*_help(prog, folder).split("\n"), error=not first)
            return 0 if first else 2
        if first == "--version" and not words:
            say(f"kbnet {importlib.import_module('kbnet').__version__}")
            return 0
        known = commands(folder)
        if first not in known:
            raise KBNetError(_unknown(first, list(known), prog))
        words, arguments = [*words, first], arguments[1:]
        folder = folder / _module_name(first)
        if not folder.is_dir():
            command = _load(words, arguments)
            _check_inputs_stay(command, arguments, always_told=words[0] == "prepare")
            command.run()
            return 0


def _check_inputs_stay(command: Any, arguments: list[str], *, always_told: bool) -> None:
    """Refuse a file as output that is an input too, and would be replaced.

    Args:
        always_told: the output is among the arguments, without a flag.
    """
    values = [word.partition("=")[2] if word.startswith("--") else word for word in arguments]
    for name in ("output", "turntable"):
        path = getattr(command, name, None)
        if isinstance(path, Path) and path.is_file() and not (always_told and path.suffix != ".csv"):  # refused later
            told = always_told or any(word.partition("=")[0] == f"--{name}" for word in arguments)
            if sum(os.path.exists(value) and path.samefile(value) for value in values) > told:
                raise KBNetError(f"{path} is an input and would be replaced; choose another --{name}")


def _load(words: list[str], arguments: list[str]) -> Any:
    """Import one command's module and let it, or tyro, read its arguments."""
    from kbnet.cli.arguments import parse_arguments

    prog, names = " ".join(["kbnet", *words]), list(map(_module_name, words))
    if not HERE.joinpath(*names).with_suffix(".py").is_file():
        from kbnet.cli.preparation import recording_command

        return parse_arguments(recording_command(words[-1]), arguments, prog=prog)
    module = importlib.import_module(".".join(["kbnet.cli", *names]))
    if hasattr(module, "parse"):
        return module.parse(arguments)
    if "recording_flags" not in module.Command.__dataclass_fields__:
        return parse_arguments(module.Command, arguments, prog=prog)
    from kbnet.cli.recordings import split_recording_flags

    arguments, flags = split_recording_flags(module.Command, arguments)
    return replace(parse_arguments(module.Command, arguments, prog=prog), recording_flags=flags)


def _help(prog: str, folder: Path) -> str:
    known = commands(folder)
    width = max(map(len, known), default=0)
    overview = OVERVIEW if folder == HERE else commands(folder.parent)[_command_name(folder)]
    lines = [
        f"usage: {prog} [-h]{' [--version]' if folder == HERE else ''} <command> ...",
        "",
        overview,
        "",
        "commands:",
    ]
    lines += [f"  {name:<{width}}  {summary}" for name, summary in known.items()]
    return "\n".join([*lines, "", FOOTER.replace("kbnet <command>", f"{prog} <command>")])


def _unknown(word: str, known: list[str], prog: str) -> str:
    kind = "option" if word.startswith("-") else "command"
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    remedy = f"did you mean '{prog} {nearest[0]}'?" if nearest else f"the commands are {', '.join(known)}"
    return f"unknown {kind} '{word}' after '{prog}'; {remedy}"


def _command_name(path: Path) -> str:
    return path.stem.rstrip("_").replace("_", "-")


def _module_name(word: str) -> str:
    name = word.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def _first_line(node: ast.ClassDef | ast.Module) -> str:
    return (ast.get_docstring(node) or "").split("\n", 1)[0]


def _stop_within(error: BaseException | None) -> KeyboardInterrupt | None:
    """The stop that an error is or comes from: the import of a library that is cut short ends in an ImportError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _open_closed_streams() -> None:
    """Open what was closed (``2>&-``), else the first file would be standard error, into which libraries write."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if name == "stdin" else "w"))


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    say(*str(stop.code).split("\n"), error=True)
    return 2


def _show_warnings_once() -> Callable[..., None]:
    """What shows a warning, but no text twice: Python forgets what it showed whenever a library touches its filters."""
    shown = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = " ".join(str(message).split())
        if text not in shown:
            shown.add(text)
            say(f"kbnet: warning: {text}", error=True)

    return show
