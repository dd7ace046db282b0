"""``kbnet weights list``: what is here, and how to get the rest."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from kbnet.cli.main import main
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.weights.depth_network import save_network
from kbnet.weights.names import local_path
from kbnet.weights.pose_network import save_pose_network
from kbnet.weights.safetensors_file import DEPTH_FORMAT, write_tensors


def listed(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, list[str]], str]:
    """The rows by name, each cut into cells, and what follows them."""
    assert main(["weights", "list"]) == 0
    rows, _, rest = capsys.readouterr().out.partition("\n\n")
    cells = ([cell.strip() for cell in line.split("  ") if cell.strip()] for line in rows.splitlines())
    return {row[0]: row[1:] for row in cells}, rest


def test_list_shows_bundled_weights_and_what_could_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    rows, rest = listed(capsys)
    assert list(rows) == ["name", "indoor", "indoor-small", "outdoor"]
    assert rows["indoor"][:3] == ["depth", "15,17 / 23,27,29", "0.05..30 m"]
    assert rows["indoor"][-2:] == ["bundled", "kbnet train, 28550 steps"]
    assert rows["outdoor"][2:] == ["0.05..120 m", "6.8 MiB", "bundled", "kbnet train, 25450 steps, non-commercial"]
    missing = "kitti, void1500, void1500-training-pools, posenet-kitti, posenet-void1500"
    assert rest.startswith(f"published, and not here: {missing}\n")
    assert "kbnet weights download " in rest
    assert "kbnet weights import pretrained_models.zip " in rest


def test_list_shows_local_weights_whatever_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    notes = {"origin": "kbnet-kitti.pth"}
    save_network(KBNet(KBNetConfig.preset("kitti")), local_path("kitti"), notes=notes)
    save_pose_network(PoseNet("plain"), local_path("my-pose"))
    local_path("broken").write_bytes(local_path("kitti").read_bytes()[:100])
    rows, rest = listed(capsys)
    pools = "5,7,9,11,13 / 15,17"
    assert rows["kitti"] == ["depth", pools, "1.5..100 m", "24.0 MiB", "local", "kbnet-kitti.pth"]
    assert rows["my-pose"][:3] == ["pose", "plain", "-"]
    assert rows["my-pose"][-2:] == ["local", "unknown"]
    assert rows["broken"] == ["?", "-", "-", "0.0 MiB", "local", "damaged, or not written by kbnet"]
    assert rest.startswith("published, and not here: void1500, ")


@pytest.mark.parametrize(
    "config", ["[]", "{", "{}", '{"min_pool_sizes": [3], "max_pool_sizes": [5], "min_depth": null}']
)
def test_list_shows_weights_whose_config_cannot_be_read(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    metadata = {"format": DEPTH_FORMAT, "config": config}
    write_tensors(local_path("odd"), {"weight": torch.zeros(1)}, torch.float32, metadata)
    rows, _ = listed(capsys)
    assert rows["odd"][-1] == "damaged, or not written by kbnet"


def test_list_spells_out_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    save_network(KBNet(KBNetConfig.preset("void")), local_path("evil"), notes={"origin": "\x1b]0;title\x07"})
    rows, _ = listed(capsys)
    assert rows["evil"][-1] == "\\x1b]0;title\\x07"


def test_list_reads_no_tensors() -> None:
    code = (
        "import sys\n"
        "from kbnet.cli.main import main\n"
        "assert main(['weights', 'list']) == 0\n"
        "assert not {'torch', 'scipy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
