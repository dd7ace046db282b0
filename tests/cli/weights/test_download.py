"""``kbnet weights download``: fetched once, imported; and a way out where the link is dead."""

from __future__ import annotations

import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli.main import main
from kbnet.weights.names import local_weights, published_weights


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def mirror(random_pretrained_models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A server of the archive, in place of the published one."""
    handler = partial(QuietHandler, directory=str(random_pretrained_models.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        monkeypatch.setenv("KBNET_MIRROR", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_published_weights_are_downloaded_and_imported_once(
    mirror: ThreadingHTTPServer, kbnet_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "download"]) == 0
    assert "kitti: imported from kbnet-kitti.pth\n" in capsys.readouterr().out
    assert local_weights() == sorted(published_weights())
    (kbnet_home / "archives" / "pretrained_models.zip").unlink()
    assert main(["weights", "download"]) == 0
    assert capsys.readouterr().out == f"all published weights are in {kbnet_home / 'weights'} already\n"


def test_a_dead_link_names_the_page_and_the_command_for_what_was_fetched_by_hand(
    mirror: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, one_line_error: Callable[[], str]
) -> None:
    monkeypatch.setenv("KBNET_MIRROR", f"http://127.0.0.1:{mirror.server_port}/gone")
    assert main(["weights", "download"]) == 2
    message = one_line_error()
    assert "https://drive.google.com/file/d/1C2RHo6E_Q8TzXN_h-GjrojJk4FYzQfRT" in message
    assert "run 'kbnet weights import FILE'" in message
    assert "--from" not in message


def test_an_archive_of_something_else_is_put_aside_and_fetched_again(
    archive_server: Any, random_pretrained_models: Path, kbnet_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(archive_server.folder / "pretrained_models.zip", "w") as archive:
        archive.writestr("notes.txt", "nothing")
    assert main(["weights", "download"]) == 2
    assert "pretrained_models.zip.wrong" in capsys.readouterr().err
    shutil.copy(random_pretrained_models, archive_server.folder / "pretrained_models.zip")
    assert main(["weights", "download"]) == 0
    assert local_weights() == sorted(published_weights())


def test_an_archive_with_damaged_weights_is_put_aside_and_fetched_again(
    archive_server: Any, random_pretrained_models: Path, kbnet_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(archive_server.folder / "pretrained_models.zip", "w") as archive:
        archive.writestr("kbnet-kitti.pth", b"damaged")
    assert main(["weights", "download"]) == 2
    assert "pretrained_models.zip.wrong" in capsys.readouterr().err
    shutil.copy(random_pretrained_models, archive_server.folder / "pretrained_models.zip")
    (kbnet_home / "weights").mkdir()
    (kbnet_home / "weights" / "kitti.safetensors").write_text("the user's own")
    assert main(["weights", "download"]) == 2
    assert "weights named kitti are in" in capsys.readouterr().err
    assert (kbnet_home / "archives" / "pretrained_models.zip").is_file()
