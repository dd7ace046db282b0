"""Numbers of configs: NaN and infinity are refused in every field; arguments of other types are, at the entry."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kbnet
from kbnet.cli.main import main
from kbnet.errors import KBNetError, check_finite_numbers
from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.siblings.config import FusionNetConfig, ScaffNetConfig, VoicedConfig
from kbnet.points.drawn_points import PointDrawing
from kbnet.points.patterns import SparsePattern
from kbnet.sources.rendered.config import RoomsConfig
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.augundo_config import AugUndoConfig
from kbnet.training.config import ScheduleConfig, TrainingConfig, ValidationConfig
from kbnet.training.recipe import from_table

CONFIGS: tuple[Callable[..., Any], ...] = (
    KBNetConfig,
    VoicedConfig,
    ScaffNetConfig,
    FusionNetConfig,
    LossWeights,
    AugmentationConfig,
    PointDrawing,
    AugUndoConfig,
    ScheduleConfig,
    ValidationConfig,
    TrainingConfig,
)
CHECKED_LATER = ((SparsePattern, {}), (RoomsConfig, {"models": Path("models")}))


def number_fields(config: Any) -> list[str]:
    """Fields that hold a float, or floats."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return [
        name
        for name, value in values.items()
        if isinstance(value, float) or (isinstance(value, tuple) and value and isinstance(value[0], float))
    ]


def with_number(value: Any, number: float) -> Any:
    return (*value[:-1], number) if isinstance(value, tuple) else number


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("config", "name"), [(config, name) for config in CONFIGS for name in number_fields(config())])
def test_no_number_of_a_config_is_nan_or_infinite(config: Callable[..., Any], name: str, number: float) -> None:
    value = with_number(getattr(config(), name), number)
    with pytest.raises(KBNetError, match=rf"expected [a-z.]*{name} as a? ?finite numbers?, got .*{number}"):
        config(**{name: value})


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize(("config", "needed"), CHECKED_LATER)
def test_configs_checked_after_construction_refuse_nan_too(config: Any, needed: dict[str, Any], number: float) -> None:
    for name in number_fields(config(**needed)):
        with pytest.raises(KBNetError, match=rf"expected {name} as a finite number, got {number}"):
            config(**needed, **{name: number}).check()


def test_integers_texts_and_none_are_accepted() -> None:
    check_finite_numbers(TrainingConfig())
    check_finite_numbers(ScheduleConfig(steps=3))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"weight_decay": math.nan}, "expected weight_decay as a finite number, got nan"),
        ({"augmentation": {"noise_spread": math.nan}}, r"augmentation\.noise_spread as a finite number, got nan"),
        ({"network": {"propagation_reach": math.inf}}, "propagation_reach as a finite number, got inf"),
        ({"validation": {"limits": [0.2, math.inf]}}, r"validation\.limits as finite numbers, got \(0\.2, inf\)"),
    ],
)
def test_a_toml_number_that_is_not_finite_is_one_line(table: dict[str, Any], message: str) -> None:
    with pytest.raises(KBNetError, match=message) as caught:
        from_table(table, TrainingConfig())
    assert "\n" not in str(caught.value)


def test_a_flag_that_is_not_finite_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "sequence", "--gradient-clip", "inf"]) == 2
    said = capsys.readouterr().err
    assert "expected gradient_clip as a finite number, got inf" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("odd", [None, "x", 3.5, [[1.0]], np.zeros(3), object])
def test_arguments_of_other_types_are_refused_where_a_program_calls(odd: Any, tmp_path: Path) -> None:
    image, depth, K = np.zeros((32, 32, 3), np.uint8), np.ones((32, 32), np.float32), np.diag([30.0, 30, 1])
    K[:2, 2] = 16
    completer = kbnet.load("indoor")
    calls: list[Callable[[], object]] = [
        lambda: completer(odd),
        lambda: completer(image, odd, K),
        lambda: completer(image, depth, odd),
        lambda: kbnet.Prior(depth, own_weight=[odd]),
        lambda: kbnet.Triplet(odd, image, image),
        lambda: kbnet.load("indoor", device=odd),
        lambda: kbnet.DepthCompleter(odd),
        lambda: kbnet.VideoCompleter(odd),
        lambda: kbnet.VideoCompleter(completer)(odd),
        lambda: kbnet.evaluate(odd, completer),
        lambda: kbnet.check(odd, completer),
        lambda: kbnet.train(odd),
        lambda: kbnet.adapt(odd, tmp_path / "a"),
        lambda: kbnet.open_frames(tmp_path, sparse_depth=odd),
    ]
    for call in calls:
        with pytest.raises((KBNetError, FileNotFoundError)):
            call()
