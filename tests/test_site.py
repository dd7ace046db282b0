"""The documentation builds without a warning, and what it shows comes from the site itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

REPOSITORY = Path(__file__).parents[1]
FIGURES_AT_MOST = 300_000
"""Bytes of all figures together."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning, such as a dead link or a page that is not in the navigation, fails the build."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=REPOSITORY,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Resources(HTMLParser):
    """Collects what a page loads, and what it links to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.images = 0
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note scripts, styles, fonts, pictures."""
        given = dict(attributes)
        self.images += tag == "img"
        if tag in ("script", "img", "iframe", "source", "video", "link"):
            self.loaded += [address for address in (given.get("src"), given.get("href")) if address]


def test_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        for address in Resources(page).loaded:
            parts = urlsplit(address)
            assert not parts.netloc, f"{page.relative_to(site)} loads {address}"
            assert (page.parent / parts.path).exists() or page.name == "404.html", f"{page} has no {address}"
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"url\([\"']?(https?:)?//", styles)


def test_site_finds_every_part_of_the_package(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"] for entry in index["docs"]}
    for name in (
        "kbnet.inference.completer.load",
        "kbnet.frames.sequence_writer.write_sequence",
        "kbnet.geometry.warp.warp",
    ):
        assert any(location.endswith(f"#{name}") for location in found), name


def test_equations_are_set_without_a_script(site: Path) -> None:
    text = (site / "how-it-works.html").read_text(encoding="utf-8")
    assert text.count("<math") >= 8
    assert "\\frac" not in text.replace("&#x0005C;", "\\")


def test_links_out_of_the_docs_lead_to_files_of_the_repository(site: Path) -> None:
    assert (site / "repository" / "recipes" / "indoor.toml").read_bytes() == (
        REPOSITORY / "recipes" / "indoor.toml"
    ).read_bytes()


def test_figures_are_light() -> None:
    figures = [path for path in (REPOSITORY / "docs" / "figures").iterdir() if path.suffix in (".webp", ".svg", ".png")]
    assert figures
    assert sum(path.stat().st_size for path in figures) < FIGURES_AT_MOST
