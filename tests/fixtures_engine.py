"""The engine that is the quickest to get ready, for tests of what is around it."""

from __future__ import annotations

import pytest


@pytest.fixture
def torch_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` picks torch: on a few small frames, converting a network for another engine takes most of the time."""
    monkeypatch.setattr("kbnet.inference.engine.pick", lambda *_: "torch")
