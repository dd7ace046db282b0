"""How the commands of this folder start: flags read by tyro, known errors in one line, as ``kbnet`` does it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import tyro

from kbnet.cli.main import KNOWN_ERRORS


class Runnable(Protocol):
    """A dataclass of flags with something to do."""

    def run(self) -> None:
        """Do it; print what the user should see."""
        ...


def start(command: type[Runnable]) -> None:
    """Read the flags of ``command`` from the process's arguments and run it."""
    name = Path(sys.argv[0]).name
    try:
        tyro.cli(command, prog=name, config=(tyro.conf.FlagCreatePairsOff,)).run()
    except KNOWN_ERRORS as error:
        print(f"{name}: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
