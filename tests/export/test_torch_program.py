"""A program of torch.export: exact, described, run without this package, refused where torch cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from kbnet.export import torch_program
from kbnet.export.description import read_description
from kbnet.export.onnx import example_inputs
from kbnet.export.sizes import Sizes
from kbnet.export.torch_program import DESCRIPTION, export_torch_program
from kbnet.frame import Frame
from kbnet.network.build import network_of
from kbnet.network.kbnet import KBNet
from kbnet.network.siblings.config import FusionNetConfig, SiblingConfig, VoicedConfig


@pytest.fixture
def large_frame(frame: Frame) -> Frame:
    """Four of them side by side and below each other: 88x140 pixels."""
    return Frame(
        image=np.tile(frame.image, (2, 2, 1)),
        sparse_depth=np.tile(frame.sparse_depth, (2, 2)),
        intrinsics=frame.intrinsics,
        name=frame.name,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "sizes", "checked"),
    [("ours", "any", ("140x88", "93x59")), ("published", "multiples-of-32", ("128x64", "64x64"))],
    indirect=["network"],
)
def test_program_gives_the_networks_depth_and_says_what_it_is(
    network: KBNet,
    large_frame: Frame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sizes: Sizes,
    checked: tuple[str, ...],
) -> None:
    """Looks at what the export loads to check its file: loading a graph for any size takes torch half a minute."""
    path, load, inside = tmp_path / "network.pt2", torch.export.load, {DESCRIPTION: ""}
    loaded: list[torch.export.ExportedProgram] = []
    monkeypatch.setattr(torch.export, "load", lambda file: loaded.append(load(file, extra_files=inside)) or loaded[-1])
    parity = export_torch_program(network, path, [large_frame], origin={"weights": "small"}, sizes=sizes)
    assert parity.largest < 1e-4
    assert parity.sizes == checked
    assert [file.name for file in tmp_path.iterdir()] == ["network.pt2"]
    assert read_description(json.loads(inside[DESCRIPTION]), path) == (network.config, sizes, "float32")
    program = loaded[0].module()
    inputs = example_inputs(network.config, 96, 192, batch=3)
    with torch.no_grad():
        torch.testing.assert_close(program(*inputs), network(*inputs), rtol=1e-4, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "sizes"),
    [(VoicedConfig(), "multiples-of-32"), (FusionNetConfig(), "any")],
    ids=["voiced", "fusionnet"],
)
def test_program_of_a_sibling_gives_its_depth(config: SiblingConfig, sizes: Sizes) -> None:
    """Measured: 7e-7 of the largest depth. FusionNet holds a ScaffNet."""
    network = network_of(config).eval()
    program = torch_program.torch_program(network, sizes=sizes).module()
    for height, width in ((96, 192), (93, 59) if sizes == "any" else (128, 64)):
        inputs = tuple(torch.rand_like(each) + 0.5 for each in example_inputs(config, height, width, batch=3))
        with torch.no_grad():
            torch.testing.assert_close(program(*inputs), network(*inputs), rtol=1e-4, atol=0)


def test_torch_that_cannot_is_one_line(
    network: KBNet, frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Constraints violated\nmore")

    monkeypatch.setattr(torch_program.torch.export, "export", fail)
    with pytest.raises(ValueError, match=r"cannot export the network \(Constraints violated\); use a newer one, or"):
        export_torch_program(network, tmp_path / "network.pt2", [frame], origin={})
    assert not list(tmp_path.iterdir())


def test_frames_too_small_to_check_on_are_named(network: KBNet, frame: Frame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"at least 64x64 pixels .* got 70x44; check on larger ones"):
        export_torch_program(network, tmp_path / "network.pt2", [frame], origin={}, sizes="multiples-of-32")
    assert not list(tmp_path.iterdir())
