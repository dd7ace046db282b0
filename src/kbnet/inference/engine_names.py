"""What engines and precisions are called. Without torch, so that a command's help is quick."""

from __future__ import annotations

from typing import Literal

EngineName = Literal["auto", "torch", "onnxruntime", "openvino"]
"""``auto`` is the fastest that is installed."""

Precision = Literal["auto", "float32", "float16", "bfloat16", "int8"]
"""``auto`` is float32, or that of an exported file."""
