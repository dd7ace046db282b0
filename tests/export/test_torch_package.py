from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from kbnet.export import torch_package
from kbnet.export.torch_package import export_torch_package
from kbnet.frame import Frame
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_package_gives_the_networks_depth(frame: Frame, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = KBNet(KBNetConfig(image_filters=(4,) * 6, depth_filters=(4,) * 6, decoder_filters=(4,) * 5)).eval()
    parity = export_torch_package(network, tmp_path / "network.pt2", [frame], origin={"weights": "small"})
    assert parity.largest < 1e-4
    assert parity.sizes == ("70x44", "47x33")
    metadata = torch._inductor.aoti_load_package(str(tmp_path / "network.pt2")).get_metadata()
    assert metadata["format"] == "kbnet-export-1"


def test_compiler_that_fails_is_named(
    network: KBNet, frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("g++: not found\nmore")

    monkeypatch.setattr(torch_package.torch.export, "export", fail)
    with pytest.raises(ValueError, match=r"could not compile the network \(g\+\+: not found\); it needs a C\+\+"):
        export_torch_package(network, tmp_path / "network.pt2", [frame], origin={})
    assert not list(tmp_path.iterdir())
