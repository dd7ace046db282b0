"""``kbnet weights import``: from the published files, however they come, to weights with a name."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kbnet
from kbnet.cli.main import main
from kbnet.network.config import KBNetConfig
from kbnet.weights import published_import
from kbnet.weights.depth_network import load_network
from kbnet.weights.names import local_path, local_weights, published_weights
from kbnet.weights.pose_network import load_pose_network
from kbnet.weights.published import read_published
from kbnet.weights.safetensors_file import read_metadata

NAMES = sorted(published_weights())


@pytest.fixture
def unpacked(random_pretrained_models: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(random_pretrained_models) as archive:
        archive.extractall(tmp_path / "models")
    return tmp_path / "models"


def test_the_published_archive_becomes_five_weights_with_their_presets_and_is_read_once(
    random_pretrained_models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(
        published_import, "read_published", lambda path: (read.append(path.name), read_published(path))[1]
    )
    assert main(["weights", "import", str(random_pretrained_models)]) == 0
    assert len(read) == len(set(read)) == 4
    assert "void1500: imported from kbnet-void1500.pth\n" in capsys.readouterr().out
    assert local_weights() == NAMES
    void, kitti = (KBNetConfig.preset(name, intrinsics_scaling="published") for name in ("void", "kitti"))
    assert load_network("void1500").config == void
    assert load_network("kitti").config == kitti
    other = load_network("void1500-training-pools")
    assert (other.config.min_pool_sizes, other.config.max_pool_sizes) == ((15, 17, 19), (23, 27))
    states = load_network("void1500").state_dict(), other.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert load_pose_network("posenet-void1500").encoder_name == "resnet18"

    metadata = read_metadata(local_path("void1500"))
    with zipfile.ZipFile(random_pretrained_models) as archive:
        assert metadata["sha256"] == hashlib.sha256(archive.read("void/kbnet-void1500.pth")).hexdigest()
    assert metadata["origin"] == "kbnet-void1500.pth"
    assert metadata["train_step"] == "1234"
    assert "non-commercial" in metadata["licence"]


def test_a_folder_is_imported_and_again_without_writing(unpacked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (unpacked / "kitti" / "kbnet-kitti.pth").unlink()
    (unpacked / "void" / "notes.pth").write_text("not looked at")
    assert main(["weights", "import", str(unpacked)]) == 0
    assert f"not in {unpacked}: kbnet-kitti.pth\n" in capsys.readouterr().out
    assert local_weights() == [name for name in NAMES if name != "kitti"]
    times = {name: local_path(name).stat().st_mtime_ns for name in local_weights()}
    assert main(["weights", "import", str(unpacked)]) == 0
    assert capsys.readouterr().out.count(": there already, unchanged\n") == 4
    assert times == {name: local_path(name).stat().st_mtime_ns for name in local_weights()}


@pytest.mark.parametrize("name", ["others.zip", "pretrained_models.zip"])
def test_two_archives_are_imported_at_once(
    name: str, random_pretrained_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.copy(random_pretrained_models, tmp_path / name)
    real = published_import.import_weights

    def after_the_other(*args: Any, **options: Any) -> list[str]:
        monkeypatch.setattr(published_import, "import_weights", real)
        assert main(["weights", "import", str(other)]) == 0
        return real(*args, **options)

    monkeypatch.setattr(published_import, "import_weights", after_the_other)
    assert main(["weights", "import", str(random_pretrained_models)]) == 0


def test_other_content_under_a_taken_name_needs_overwrite(
    unpacked: Path, one_line_error: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = unpacked / "void" / "posenet-void1500.pth"
    assert main(["weights", "import", str(file)]) == 0
    before = local_path("posenet-void1500").read_bytes()
    torch.save({**read_published(file), "train_step": 5}, file)
    capsys.readouterr()
    assert main(["weights", "import", str(unpacked)]) == 2
    assert "weights named posenet-void1500 are in" in one_line_error()
    assert local_weights() == ["posenet-void1500"]
    assert local_path("posenet-void1500").read_bytes() == before
    assert main(["weights", "import", str(file), "--overwrite"]) == 0
    assert read_metadata(local_path("posenet-void1500"))["train_step"] == "5"


def test_damaged_local_weights_are_replaced_on_request(unpacked: Path, one_line_error: Callable[[], str]) -> None:
    file = str(unpacked / "void" / "posenet-void1500.pth")
    local_path("posenet-void1500").parent.mkdir(parents=True)
    local_path("posenet-void1500").write_bytes(b"cut")
    assert main(["weights", "import", file]) == 2
    assert "other content" in one_line_error()
    assert main(["weights", "import", file, "--overwrite"]) == 0
    load_pose_network("posenet-void1500")


def test_a_file_of_another_name_needs_name_and_preset(unpacked: Path, one_line_error: Callable[[], str]) -> None:
    depth, pose = unpacked / "kbnet-5000.pth", unpacked / "pose-5000.pth"
    (unpacked / "void" / "kbnet-void1500.pth").rename(depth)
    (unpacked / "void" / "posenet-void1500.pth").rename(pose)
    for flags, complaint in (
        ([], "kbnet-5000.pth is none of the published names"),
        (["--name", "mine"], "add --preset (void or kitti) and --name"),
        (["--preset", "void"], "expected a name for the weights in kbnet-5000.pth; add --name"),
        (["--preset", "void", "--name", "../mine"], "expected a name of letters"),
        (["--preset", "void", "--name", "indoor"], "'indoor' is the name of bundled weights"),
        (["--preset", "kitti", "--name", "mine"], "was it trained with another preset"),
    ):
        assert main(["weights", "import", str(depth), *flags]) == 2
        assert complaint in one_line_error()
    assert local_weights() == []
    assert main(["weights", "import", str(depth), "--preset", "void", "--name", "mine"]) == 0
    assert main(["weights", "import", str(pose), "--name", "my-pose"]) == 0
    assert local_weights() == ["mine", "mine-training-pools", "my-pose"]


def test_sources_that_hold_no_weights_are_refused_in_one_line(
    tmp_path: Path, random_pretrained_models: Path, one_line_error: Callable[[], str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "half.zip").write_bytes(random_pretrained_models.read_bytes()[: 1 << 20])
    (tmp_path / "own.safetensors").touch()
    with zipfile.ZipFile(tmp_path / "page.zip", "w") as archive:
        archive.writestr("kbnet-kitti.pth", "a web page")
    (tmp_path / "kbnet-kitti.pth").write_text("a web page")
    for source, complaint in (
        ("missing.zip", "but there is no"),
        ("empty", "found none; for a file of another name"),
        ("half.zip", "half.zip, got a truncated or another file"),
        ("page.zip", f"{tmp_path / 'page.zip'}/kbnet-kitti.pth, but it is damaged or holds code"),
        ("own.safetensors", "expected pretrained_models.zip, a folder or a .pth file, got"),
        ("kbnet-kitti.pth", "damaged or holds code, which is never run"),
    ):
        assert main(["weights", "import", str(tmp_path / source)]) == 2
        assert complaint in one_line_error()
    assert main(["weights", "import", str(tmp_path / "empty"), "--name", "mine"]) == 2
    assert "--preset and --name go with one .pth file" in one_line_error()
    assert local_weights() == []


def test_a_folder_with_two_files_of_one_name_is_refused(unpacked: Path, one_line_error: Callable[[], str]) -> None:
    shutil.copytree(unpacked / "void", unpacked / "old")
    assert main(["weights", "import", str(unpacked)]) == 2
    assert "kbnet-void1500.pth, posenet-void1500.pth lies in" in one_line_error()


def test_imported_weights_give_the_recorded_depth_and_poses(pretrained_models: Path, shared: Path) -> None:
    assert main(["weights", "import", str(pretrained_models)]) == 0
    with np.load(shared / "golden" / "depth_void.npz") as recorded:
        completer = kbnet.load("void1500", device="cpu")
        depth = completer(recorded["image"], recorded["sparse_depth"], recorded["intrinsics"])
        np.testing.assert_allclose(depth, recorded["depth"], rtol=2e-5)
    network = load_pose_network("posenet-void1500")
    with np.load(shared / "golden" / "pose.npz") as recorded, torch.no_grad():
        target, previous, following = (
            torch.from_numpy(recorded[name]).permute(2, 0, 1)[None].float() / 255
            for name in ("image", "image_prev", "image_next")
        )
        for source, name in ((previous, "pose01_eval"), (following, "pose02_eval")):
            np.testing.assert_allclose(network(target, source)[0].numpy(), recorded[name], rtol=1e-5, atol=1e-6)
