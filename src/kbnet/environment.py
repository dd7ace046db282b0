"""Where and with what this process runs: what it takes to repeat a run, and to judge a time."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

COMPUTING = ("kbnet", "torch", "numpy", "scipy", "onnxruntime", "openvino")
"""Packages whose versions are recorded."""


def environment() -> dict[str, object]:
    """Command, versions, commit and machine, as plain values."""
    import torch

    return {
        "command": sys.argv,
        "versions": versions(),
        "git_commit": _git_commit(),
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


def versions() -> dict[str, str]:
    """Of Python and of the packages that compute."""
    packages = {distribution.name: distribution.version for distribution in distributions()}
    return {"python": platform.python_version(), **{name: packages.get(name, "not installed") for name in COMPUTING}}


def _git_commit() -> str | None:
    """The commit of the checkout this file lies in, with ``-dirty`` if files were changed; None outside of one."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
