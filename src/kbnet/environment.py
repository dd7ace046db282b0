"""Environment record of a run."""

from __future__ import annotations

import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

RECORDED_PACKAGES = ("kbnet", "torch", "numpy", "scipy", "onnxruntime", "openvino")
"""Computing packages whose versions are recorded."""


def environment() -> dict[str, object]:
    """Environment record as plain values: command, versions, commit and machine."""
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


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of :data:`RECORDED_PACKAGES`."""
    packages = {distribution.name: distribution.version for distribution in distributions()}
    recorded = {name: packages.get(name, "not installed") for name in RECORDED_PACKAGES}
    return {"python": platform.python_version(), **recorded}


def _git_commit() -> str | None:
    """Commit of the checkout with this file, with ``-dirty`` if files were changed; None outside a checkout."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None

    def git(*words: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(checkout), *words]  # a killed run would leave its lock
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
