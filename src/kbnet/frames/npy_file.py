"""Arrays of numbers from ``.npy`` files; the header is checked against the size of the file before memory is taken."""

from __future__ import annotations

import math
import os
import tokenize
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from kbnet.errors import DAMAGE, KBNetError
from kbnet.limits import check_count, regular_file

_ERRORS: tuple[type[Exception], ...] = (OSError, *DAMAGE, tokenize.TokenError)


def read_npy(path: str | Path, what: str) -> NDArray[Any]:
    """Read an array of real numbers.

    Returns:
        The array, of the type in the file.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is damaged, holds less than its header says, no real numbers, or more than allowed
            (`kbnet.limits`).
    """
    try:
        with regular_file(path).open("rb") as file:
            shape = _shape(file)
    except FileNotFoundError:
        raise FileNotFoundError(f"expected {what} in {path}, but there is no such file; check the path") from None
    except _ERRORS as error:
        raise _refusal(path, what, error) from None
    check_count(math.prod(shape), "numbers", path)
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except _ERRORS as error:
        raise _refusal(path, what, error) from None
    return array


def _shape(file: BinaryIO) -> tuple[int, ...]:
    """Shape that a file announces and holds."""
    version = npy_format.read_magic(file)
    reader = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = reader(file)
    begin = file.tell()
    declared, present = math.prod(shape) * dtype.itemsize, file.seek(0, os.SEEK_END) - begin
    if dtype.kind not in "biuf":
        raise KBNetError(f"its type is {dtype}")
    if declared > present:
        raise KBNetError(f"its header says {declared} bytes of shape {shape}, but it holds {present}")
    return tuple(shape)


def _refusal(path: str | Path, what: str, error: Exception) -> KBNetError:
    return KBNetError(f"expected {what} from numpy.save, but {path} cannot be read ({str(error)[:200]}); save it again")
