"""Ctrl-C after OpenVINO has run is an interruption, not a segmentation fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import gc, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
import torch
from kbnet.inference.openvino_engine import OpenVinoEngine
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet

network = KBNet(KBNetConfig(image_filters=(4,) * 6, depth_filters=(4,) * 6, decoder_filters=(4,) * 5)).eval()
engine = OpenVinoEngine(network)
for size in (64, 96, 128):
    depth, known = torch.rand(1, 1, size, size), torch.ones(1, 1, size, size)
    engine(torch.rand(1, 3, size, size), depth, known, torch.eye(3)[None], None)
del engine
gc.collect()
keep = [torch.rand(64, 64).clone() for _ in range(1000)]
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_interruption_after_openvino_is_no_crash() -> None:
    pytest.importorskip("openvino")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False, env=environment)
    assert (result.returncode, result.stdout) == (0, "interrupted\n"), result.stderr
