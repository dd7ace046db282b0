"""No file, whatever its bytes, ends in a traceback, takes more than five seconds, or much more memory than it needs.

``KBNET_FUZZ_EXAMPLES``: damaged files of each kind, drawn anew at each run; by default few, and always the same.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from fuzz.limits import limits
from fuzz.mutation import damaged
from fuzz.recordings import TARGETS, Target, flags_in
from hypothesis import HealthCheck, given, settings

from kbnet.cli.known_errors import is_known

EXAMPLES = int(os.environ.get("KBNET_FUZZ_EXAMPLES", "0"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "-").replace("/", "-"))
def test_damaged_files_are_refused_in_one_line(target: Target, tmp_path: Path) -> None:
    pytest.importorskip(target.needs)
    target.make(tmp_path)
    file = next(tmp_path.glob(target.file))
    valid = file.read_bytes()
    target.read(tmp_path)

    @settings(
        max_examples=EXAMPLES or 10,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged(valid))
    def read(content: bytes) -> None:
        file.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with limits(target.memory):
                    target.read(tmp_path)
            except Exception as error:
                if not is_known(error):
                    raise
                if target.flags and not flags_in(str(error)) <= target.flags:
                    pytest.fail(f"{error}: flags that this kind does not have")

    read()
