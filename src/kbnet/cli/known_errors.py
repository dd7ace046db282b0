"""Known errors, those that a user can do something about, as one line."""

from __future__ import annotations

import os
import re
import sys
import threading
import traceback
from typing import Any

from kbnet.errors import KBNetError

TELLING = threading.Lock()
LONGEST_TEXT = 3000
"""Most letters of an error; a file can have names and values of any length."""
KNOWN_ERRORS = (KBNetError, OSError, ModuleNotFoundError, FloatingPointError)
EXTRAS = {
    "OpenEXR": "exr",
    "av": "video",
    "dacite": "train",
    "laspy": "lidar",
    "lightning_fabric": "train",
    "tensorboard": "train",
    "tomlkit": "train",
    "matplotlib": "report",
    "nncf": "export",
    "onnx": "export",
    "onnxruntime": "export",
    "onnxscript": "export",
    "open3d": "fuse",
    "openvino": "export",
    "pycolmap": "colmap",
    "ray": "ray",
    "requests": "datasets",
    "rosbags": "ros",
    "skimage": "demo",
    "sklearn": "datasets",
    "viser": "view",
}
"""Which extra of kbnet brings an optional package."""


def is_known(error: BaseException) -> bool:
    """Whether it is an error that the user can do something about, and no bug."""
    return isinstance(error, KNOWN_ERRORS) or _is_out_of_memory(error) or _is_bad_path(error)


def _is_bad_path(error: BaseException) -> bool:
    """Whether it is about a name of a file that cannot be: with NUL, not in UTF-8, or a loop of links."""
    loop = isinstance(error, RuntimeError) and str(error).startswith("Symlink loop")
    nul = type(error) is ValueError and "embedded null" in str(error)
    return loop or nul or (isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed")


def one_line(error: BaseException) -> str:
    """What a known error tells the user."""
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, ModuleNotFoundError) and "pip install" not in text:
        name = (error.name or "").partition(".")[0]
        text = f"{name} is needed: pip install 'kbnet[{EXTRAS[name]}]'" if name in EXTRAS else text
    elif isinstance(error, UnicodeEncodeError):
        # In a list or config, the name alone.
        parts = (
            re.split(r'[",\n]', error.object[: error.start])[-1:] + re.split(r'[",\n]', error.object[error.start :])[:1]
        )
        name = "".join(parts).encode("utf-8", "backslashreplace").decode()
        text = f"expected names of files in UTF-8, got {name}; rename it"
    elif type(error) is ValueError:
        text = f"expected names of files without NUL ({error}); correct the name"
    elif _is_out_of_memory(error):
        where = "GPU memory; choose a smaller --batch-size or crop, or bfloat16"
        text = f"out of {where if type(error).__name__ == 'OutOfMemoryError' else f'memory ({text})'}"
    text = printable(" ".join(text.split()))
    if len(text) > LONGEST_TEXT:
        text = f"{text[: LONGEST_TEXT // 2]} ... {text[-LONGEST_TEXT // 2 :]}"
    return text or type(error).__name__


def say(*lines: str, error: bool = False) -> None:
    """Print lines at once, on stdout or stderr, as :func:`printable`: every name of a file may be in them."""
    text = "".join(f"{printable(line)}\n" for line in lines)
    stream = sys.stderr if error else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"  # that of a file on Windows, or of LC_ALL=C, lacks signs
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    if error:
        Stderr().write(text)
        return
    try:
        print(text, end="", flush=True)
    except OSError as failed:
        failed.filename = "standard output"
        raise


class Stderr:
    """Standard error, whose failure stops no work: the disk is full, or its terminal has gone."""

    def __init__(self) -> None:
        self._stream = sys.stderr

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write at once, or never again: what is buffered would fail when the process ends."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        return len(text)


def printable(text: str) -> str:
    """Text in which what a terminal would obey, such as escape sequences in the name of a file, is spelled out.

    Example:
        >>> printable("a\\x1b[2J – b")
        'a\\\\x1b[2J – b'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _where_to_look(error: BaseException) -> str:
    """The command that shows what a recording holds, after an error about one."""
    recording = getattr(error, "recording", None)
    return f"; see what is there: kbnet inspect {recording}" if recording else ""


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether it is Python's, NumPy's or torch's; the latter by name and text, since torch is not imported here."""
    of_torch = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and of_torch)


def tell(error: BaseException, told: list[BaseException]) -> None:
    """Print an error in one line, once. The lock keeps the main thread from ending the process while another prints."""
    with TELLING:
        if any(error is other for other in told):
            return
        told.append(error)
        if os.environ.get("KBNET_DEBUG", "0") not in ("", "0"):
            traceback.print_exception(error)
        say(f"kbnet: error: {one_line(error)}{_where_to_look(error)}", error=True)


def tell_of_thread(thread: threading.ExceptHookArgs, told: list[BaseException]) -> None:
    """Print the error of a thread. The one that writes TensorBoard events also raises it in the main thread."""
    if isinstance(thread.exc_value, Exception) and is_known(thread.exc_value):
        tell(thread.exc_value, told)
    else:
        threading.__excepthook__(thread)
