"""Reading of files that `torch.save` wrote, without running code in them, and without more memory than they have."""

from __future__ import annotations

import pickletools
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

from kbnet.errors import KBNetError
from kbnet.files import reading

LONGEST_NAME = 1000
"""Most characters of a class name in a pickle. torch searches its own message about longer ones for minutes."""
MOST_VALUES = 10_000_000
"""In one value of a pickle, those that are named twice counted twice."""
PICKLES = 5
"""Number of pickles in a file of the format that torch wrote before version 1.6."""
ZIP_MAGIC = b"PK\x03\x04"
"""First bytes of a file of the later format, by which torch knows it. Any file may end like a zip archive."""


def load_pickle(path: Path) -> Any:
    """Read a file with `torch.load` to the CPU; it may hold tensors and plain values alone.

    Raises:
        OSError: it cannot be read.
        Exception: it is damaged, holds code or byte arrays, or its tensors are compressed; of many types.
    """
    with reading(path), warnings.catch_warnings():
        _check(path)
        warnings.simplefilter("ignore")  # torch warns about files that it then refuses
        return torch.load(path, map_location="cpu", weights_only=True)


def _check(path: Path) -> None:
    """Check what torch does not: bytes of all tensors, length of class names, byte arrays, values named many times."""
    with path.open("rb") as file:
        if file.read(len(ZIP_MAGIC)) != ZIP_MAGIC:
            file.seek(0)
            for _ in range(PICKLES):
                _check_names(file)
            return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise KBNetError(f"expected tensors as torch saves them in {path}, got compressed ones; save them again")
        for entry in entries:  # torch ignores the case of names, and takes one of several
            if entry.filename.lower().endswith("data.pkl"):
                with archive.open(entry) as pickle:
                    _check_names(pickle)


def _check_names(file: IO[bytes]) -> None:
    count = _Count()
    for operation, argument, _ in pickletools.genops(file):
        if operation.name == "GLOBAL" and len(str(argument)) > LONGEST_NAME:
            raise KBNetError(f"expected class names of at most {LONGEST_NAME} characters, got {len(str(argument))}")
        if operation.name == "GLOBAL" and str(argument).endswith(" bytearray"):  # torch makes it, of any length
            raise KBNetError("expected tensors and plain values, got a bytearray")
        count.after(operation, argument)


class _Count:
    """Number of values inside each value on the stack of a pickle, as often as they are named.

    A tuple of twice the one before, sixty times, has a few bytes, and is hashed for years.
    """

    def __init__(self) -> None:
        self._stack, self._marks, self._memo = list[int](), list[int](), dict[int, int]()

    def after(self, operation: pickletools.OpcodeInfo, argument: Any) -> None:
        """Follow an operation.

        Raises:
            KBNetError: a value holds more than `MOST_VALUES`.
        """
        name, before = operation.name, operation.stack_before
        if name == "MARK":
            self._marks.append(len(self._stack))
        elif name.endswith("PUT") or name == "MEMOIZE":
            self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]
        elif name.endswith("GET"):
            self._stack.append(self._memo[argument])
        else:
            marked = pickletools.markobject in before
            end = self._marks.pop() if marked else len(self._stack)
            start = end - (before.index(pickletools.markobject) if marked else len(before))
            size = 1 + sum(self._stack[start:])
            if size > MOST_VALUES:
                raise KBNetError(f"expected tensors and plain values, got more than {MOST_VALUES:,} in one")
            self._stack[start:] = [size] * len(operation.stack_after)
