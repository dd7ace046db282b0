"""What README and docs promise: commands and flags exist, the first one runs, the Python runs, links lead on."""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli.main import main
from kbnet.frames.kinds import kinds

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def shell_commands() -> list[list[str]]:
    """The words of every command in the README's shell blocks, comments dropped and continued lines joined."""
    lines = "".join(code_blocks("sh")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line for line in words if line]


KBNET_COMMANDS = [words for words in shell_commands() if words[0] == "kbnet"]

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def documented_commands() -> list[str]:
    """Every distinct command that a page shows on a line of its own, or between backticks."""
    found = [
        command
        for page in PAGES
        for command in re.findall(
            r"^(?: {4})?(kbnet [^\n#]+)|`(kbnet [^`]+)`", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    return sorted({(line or inline).strip() for line, inline in found})


def test_readme_is_short_and_begins_with_one_picture() -> None:
    assert README.count("\n") <= 120
    assert len(re.findall(r"^!\[", README, re.MULTILINE)) == 1


def test_readme_shows_each_main_command() -> None:
    assert {words[1] for words in KBNET_COMMANDS} >= {"prepare", "complete", "evaluate", "train"}


@cache
def help_of(*command: str) -> str:
    with redirect_stdout(io.StringIO()) as said:
        assert main([*command, "--help"]) == 0
    return said.getvalue()


@pytest.mark.parametrize("line", documented_commands())
def test_documented_command_and_flags_exist_and_defaults_are_said_in_words(line: str) -> None:
    words = shlex.split(line)
    command = words[1:3] if words[1] in ("prepare", "weights") else words[1:2]
    assert "None" not in help_of(*command)
    known = set(re.findall(r"(?<![\w-])--[a-z][\w-]*(?:\.[a-z][\w-]*)*", help_of(*command)))
    # Recordings bring their own flags.
    if command[0] in ("adapt", "check", "complete", "evaluate", "fuse", "report", "train", "view"):
        known |= {f"--{name.replace('_', '-')}" for kind in kinds() for name in kind.option_names()}
    flags = {word.split("=")[0] for word in words if word.startswith("--")}
    assert flags <= known, f"kbnet {' '.join(command)} has no {flags - known}"


def test_readme_make_targets_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`make (\w+)`|^make (\w+)$", README, re.MULTILINE))
    targets = {first or second for first, second in named}
    assert targets >= {"demo", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"no target {target} in the Makefile"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).is_file(), f"{page.name} links to {target}, which does not exist"


def test_readme_first_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell_commands()[0] == ["make", "demo"]
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert "\ndemo: $(VENV)/.installed-demo\n\t$(BIN)/kbnet demo\n" in makefile
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0, capsys.readouterr().err
    assert "linear" in capsys.readouterr().out
    written = {path.suffix for path in (tmp_path / "demo").rglob("*") if path.is_file()}
    assert written >= {".png", ".ply"}


def test_readme_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = code_blocks("python")
    names: dict[str, Any] = {}
    exec(block, names)
    frame, depth = names["frame"], names["depth"]
    assert depth.shape == frame.image.shape[:2]
    assert depth.dtype == "float32"
    assert (depth > 0).all()
