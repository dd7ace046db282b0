"""Names of weights: which come first, which are had how, and what an unknown one is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kbnet.errors import KBNetError
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.weights.depth_network import load_network, save_network
from kbnet.weights.names import (
    ASSETS,
    bundled_weights,
    find_weights,
    local_path,
    local_weights,
    published_configs,
    published_weights,
)

TINY = KBNetConfig(
    image_filters=(8, 8, 8, 8, 8, 8), depth_filters=(8, 8, 8, 8, 8, 8), decoder_filters=(8, 8, 8, 8, 8), max_depth=6.5
)


def test_local_weights_are_found_by_name_after_the_bundled_ones(kbnet_home: Path) -> None:
    assert local_weights() == []
    for name in ("mine", "indoor"):
        save_network(KBNet(TINY), local_path(name))
    assert local_weights() == ["indoor", "mine"]
    assert local_path("mine") == kbnet_home / "weights" / "mine.safetensors"
    assert load_network("mine").config == TINY
    assert find_weights("indoor") == ASSETS / "indoor.safetensors"


def test_half_written_files_are_no_weights() -> None:
    local_path("mine").parent.mkdir(parents=True)
    local_path(".mine.0123456789ab.partial").write_bytes(b"")
    assert local_weights() == []


def test_home_is_in_the_users_own_folder_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "~/.kbnet"):
        monkeypatch.setenv("KBNET_HOME", value)
        assert local_path("a") == tmp_path / ".kbnet" / "weights" / "a.safetensors"


def test_a_user_without_a_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KBNET_HOME", "~nobody.at.all/weights")
    with pytest.raises(KBNetError, match=r"expected a folder for weights, got none .*; set KBNET_HOME"):
        local_path("a")


def test_unknown_names_list_bundled_and_local_weights() -> None:
    save_network(KBNet(TINY), local_path("mine"))
    with pytest.raises(FileNotFoundError) as caught:
        load_network("underwater")
    assert f"bundled weights ({', '.join(bundled_weights())}) or local weights (mine), got 'underwater'" in str(
        caught.value
    )
    assert "download" not in str(caught.value)


@pytest.mark.parametrize("name", published_weights())
def test_published_names_say_how_to_get_them(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"'kbnet weights download', .*'kbnet weights import pretrained_"):
        find_weights(name)


def test_published_void_weights_have_two_readings_of_their_pools() -> None:
    pools = {
        name: (config.min_pool_sizes, config.max_pool_sizes)
        for name, config in published_configs("void1500", "void").items()
    }
    assert pools == {"void1500": ((15, 17), (23, 27, 29)), "void1500-training-pools": ((15, 17, 19), (23, 27))}
    assert list(published_configs("kitti", "kitti")) == ["kitti"]


def test_names_are_looked_up_without_torch() -> None:
    code = "import sys, kbnet.weights.names, kbnet.weights.safetensors_file; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_does_not_import_the_compiler_of_torch() -> None:
    """It takes two seconds or more."""
    code = "import sys, kbnet; kbnet.load('indoor', engine='torch'); assert 'torch._dynamo' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_no_file_is_no_local_weights(kbnet_home: Path) -> None:
    """Opening a pipe would wait for ever, where no signal but SIGKILL ends it."""
    (kbnet_home / "weights" / "folder.safetensors").mkdir(parents=True)
    os.mkfifo(kbnet_home / "weights" / "pipe.safetensors")
    (kbnet_home / "weights" / "link.safetensors").symlink_to("nowhere")
    assert local_weights() == []
