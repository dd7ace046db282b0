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
    """Check what torch does not: the bytes of all tensors, the length of class names, and byte arrays."""
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
    for operation, argument, _ in pickletools.genops(file):
        if operation.name == "GLOBAL" and len(str(argument)) > LONGEST_NAME:
            raise KBNetError(f"expected class names of at most {LONGEST_NAME} characters, got {len(str(argument))}")
        if operation.name == "GLOBAL" and str(argument).endswith(" bytearray"):  # torch makes it, of any length
            raise KBNetError("expected tensors and plain values, got a bytearray")
