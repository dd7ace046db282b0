"""What the tests of the commands that prepare data sets share."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def one_line_error(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Assert that a command wrote one line of error to stderr, after one for each archive it began; return it."""

    def read() -> str:
        *begun, error = capsys.readouterr().err.splitlines()
        assert all(line.startswith(("downloading ", "checking ", "unpacking ")) for line in begun)
        assert error.startswith("kbnet: error: ")
        return error

    return read
