"""Blocks of ```` ```math ````, which GitHub sets itself, become MathML, which browsers set without a script or font."""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the format of the blocks."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "math", "class": "math", "format": _mathml})
    return config


def _mathml(source: str, language: str, css_class: str, options: Any, md: Any, **_: Any) -> str:
    return f'<div class="{css_class}">{convert(source, display="block")}</div>'
