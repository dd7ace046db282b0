"""What all tests share: the data beside the checkout, a home of their own, one thread a process, the GPU mark.

Fixtures that several folders of tests share lie in ``fixtures_<what>.py`` beside this file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

REPOSITORY = Path(__file__).parents[1]

# With --import-mode=importlib the folder of this file is not on the path.
sys.path.insert(0, str(Path(__file__).parent))
pytest_plugins = sorted(path.stem for path in Path(__file__).parent.glob("fixtures_*.py"))

if "PYTEST_XDIST_WORKER" in os.environ:
    # Read by OpenMP and MKL when torch is first imported, which is after this file; so torch need not be imported here.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["MKL_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root folder."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``shared`` beside the checkout: recorded tensors and real frames; read only.

    A test that asks for it is skipped where it is absent, and fails there if ``KBNET_REQUIRE_SHARED=1``.
    """
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        message = f"no folder {folder} beside the checkout"
        if os.environ.get("KBNET_REQUIRE_SHARED") == "1":
            pytest.fail(f"{message}, but KBNET_REQUIRE_SHARED=1")
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _home_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Weights have names in a folder of the test run, also for fixtures that outlive a test; no file is flushed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KBNET_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        patch.setattr("os.fsync", lambda descriptor: None)  # 20 ms each; what a test writes outlives no power loss
        yield


@pytest.fixture(autouse=True)
def kbnet_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``KBNET_HOME`` of one test: a folder that is not there yet."""
    folder = tmp_path_factory.getbasetemp() / f"home-{uuid4().hex}"
    monkeypatch.setenv("KBNET_HOME", str(folder))
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow tests first, so that processes end together; skip tests marked ``gpu`` where there is no CUDA device."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
