"""What all tests share: the data beside the checkout, one thread for each test process, the GPU mark."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` where there is no CUDA device."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
