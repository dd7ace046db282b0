"""A disk that is too full is one line, before the work or in it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kbnet.datasets.disk_space import disk_space


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_is_one_line(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(OSError, match=r"No space left on device; free some there, then run the same command again"),
        disk_space(tmp_path, 1, "to download it"),
    ):
        raise OSError(number, "No space left on device")


def test_other_errors_pass_disk_space_unchanged(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_space(tmp_path, 1, "to download it"):
        raise PermissionError(errno.EACCES, "Permission denied")
