"""Start of the scripts in this folder: flags are read by tyro; known errors become one line, as in ``kbnet``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Protocol

import tyro

from kbnet.cli.known_errors import KNOWN_ERRORS
from kbnet.errors import KBNetError, check_finite_numbers


class Runnable(Protocol):
    """A dataclass of flags with a method that runs the script."""

    def run(self) -> None:
        """Run the script and print its results."""
        ...


def start(command: type[Runnable]) -> None:
    """Read the flags of ``command`` from the process's arguments, check them and run it."""
    name = Path(sys.argv[0]).name
    try:
        chosen = tyro.cli(command, prog=name, config=(tyro.conf.FlagCreatePairsOff,))
        check_finite_numbers(chosen, "--")
        chosen.run()
    except KNOWN_ERRORS as error:
        said = re.sub(r"--\w+", lambda flag: flag[0].replace("_", "-"), " ".join(str(error).split()))
        print(f"{name}: error: {said}", file=sys.stderr)
        sys.exit(2)


def check_at_least(command: object, **least: float) -> None:
    """Check flags against their smallest values.

    Args:
        command: a dataclass of flags.
        least: smallest allowed value by the name of the field. A value of None is not checked; of a tuple, every
            number is.

    Raises:
        KBNetError: a value is smaller.
    """
    for name, smallest in least.items():
        value = getattr(command, name)
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        if any(one < smallest for one in values):
            raise KBNetError(f"expected --{name} of at least {smallest:g}, got {value}")


def check_limits(limits: tuple[float, float]) -> None:
    """Check ``--limits``, the range of ground truth that is evaluated, metres.

    Raises:
        KBNetError: not 0 <= low < high.
    """
    low, high = limits
    if not 0 <= low < high:
        raise KBNetError(f"expected 0 <= low < high as --limits in metres, got {low:g} {high:g}")
