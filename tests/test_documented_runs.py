"""What stands in docs/ under ``<!-- runs -->`` runs, and prints what stands under ``<!-- printed -->``."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kbnet
from kbnet.cli.main import main
from kbnet.frames.kinds import kinds

REPOSITORY = Path(__file__).parents[1]
BLOCK = re.compile(r"<!-- (runs|printed) -->\n```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = {
    page.relative_to(REPOSITORY / "docs").as_posix(): found
    for page in sorted((REPOSITORY / "docs").rglob("*.md"))
    if (found := BLOCK.findall(page.read_text(encoding="utf-8")))
}


@pytest.fixture(scope="module")
def write_recording_of_docs() -> Iterator[Callable[[list[str]], None]]:
    """`python examples/recordings.py`, with its room rendered once."""
    path = REPOSITORY / "examples" / "recordings.py"
    specification = importlib.util.spec_from_file_location("recordings", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "recordings", module)
        specification.loader.exec_module(module)
        frames = module.synthetic_frames
        patch.setattr(module, "synthetic_frames", cache(lambda config: list(frames(config))))

        def run(arguments: list[str]) -> None:
            patch.setattr(sys, "argv", ["recordings.py", *arguments])
            module.main()

        yield run


@pytest.fixture(scope="module")
def load_once() -> Callable[..., Any]:
    """`kbnet.load`, which opens the same weights once for all pages."""
    return cache(kbnet.load)


def test_pages_on_recordings_have_examples_that_run() -> None:
    kinds = {path.stem for path in (REPOSITORY / "docs" / "inputs").glob("*.md")} - {"index", "assumptions"}
    assert {name.removeprefix("inputs/").removesuffix(".md") for name in BLOCKS} >= kinds | {"tutorial"}


def test_every_kind_has_its_assumptions_and_a_comparison() -> None:
    page = (REPOSITORY / "docs" / "inputs" / "assumptions.md").read_text(encoding="utf-8")
    tables = [re.findall(r"^\| ([^|]+) \|", part, re.MULTILINE) for part in page.split("## Compared")]
    assert len(tables) == 2
    for table in tables:
        named = {name for row in table for name in re.findall(r"[a-z0-9-]+", row)}
        assert {kind.name for kind in kinds()} <= named


@pytest.mark.usefixtures("torch_engine")
@pytest.mark.parametrize("page", BLOCKS)
def test_documented_run_prints_what_the_page_says(
    page: str,
    write_recording_of_docs: Callable[[list[str]], None],
    load_once: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(vars(kbnet), "load", load_once)
    # Pictures and engines have tests of their own, and would take longer than all the rest.
    monkeypatch.setattr("kbnet.report.picture.write_picture", lambda *_: None)
    printed, names = "", dict[str, Any]()
    for what, language, text in BLOCKS[page]:
        if what == "printed":
            for line in text.splitlines():
                assert re.search(re.escape(line).replace("…", ".*"), printed), f"{line}\nis not in\n{printed}"
        elif language == "python":
            exec(text, names)
        else:
            for words in (shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines()):
                if words[:1] == ["kbnet"]:
                    assert main(words[1:]) == 0, capsys.readouterr().err
                elif words:
                    assert words[:2] == ["python", "examples/recordings.py"]
                    write_recording_of_docs(words[2:])
                printed += capsys.readouterr().out
