"""For comparisons of recipes and conditions: a small synthetic room, a recipe that takes no time, and the commands."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import studies.study

import kbnet
from kbnet.sources.rendered.synthetic import SyntheticConfig, write_synthetic_sequence

RECIPE = """
poses = "known"
batch_size = 2
average_decay = 0.5
workers = 0
device = "cpu"
gaps = [2]

[network]
scaffold = "linear"
normalisation = "batch"
image_filters = [8, 8, 8, 8, 8, 8]
depth_filters = [8, 8, 8, 8, 8, 8]
decoder_filters = [8, 8, 8, 8, 8]

[augmentation]
crop = [48, 64]

[schedule]
learning_rates = [1e-3]
learning_rate_epochs = [1000]
augmentation_epochs = [1000]
decay = "cosine"
warmup_steps = 2
steps = 6
"""


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of 80x60 pixels with ground truth, poses and 40 points each; read only."""
    folder = tmp_path_factory.mktemp("rooms") / "room"
    write_synthetic_sequence(folder, SyntheticConfig(frames=8, width=80, height=60, points=40))
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of six steps."""
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, repository: Path) -> Callable[[str], Any]:
    """Import one of the commands in benchmarks/ as ``python benchmarks/<name>.py`` would find it."""
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def plain_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands judge with torch, since other engines take longer to get ready than these few frames."""
    quick = partial(kbnet.load, engine="torch")
    monkeypatch.setattr(studies.study, "load", quick)
    monkeypatch.setattr(kbnet, "load", quick)
