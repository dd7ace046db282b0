"""A browser without a window, for pages that people look at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SOFTWARE_WEBGL = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
WAIT_MS = 30_000


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Chromium, drawing WebGL in software.

    A test that asks for it is skipped where there is none, and fails there if ``KBNET_REQUIRE_SHARED=1``.
    """
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _do_without("playwright is not installed")
    if path is None:
        _do_without(f"none of {', '.join(CHROMIUM)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(SOFTWARE_WEBGL))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a file in a new tab and wait until it is ready.

    In the end no error was logged, and nothing was asked for from elsewhere.
    """
    complaints: list[str] = []
    contexts = []

    def watch_request(request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            complaints.append(f"asked for {request.url}")

    def watch_console(message: Any) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def open_(path: Path, *, width: int = 800, height: int = 500, before: str = "") -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", watch_console)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", watch_request)
        if before:
            page.add_init_script(before)
        page.goto(path.absolute().as_uri())
        page.wait_for_selector("html[data-state=ready]")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not complaints


def _do_without(reason: str) -> None:
    if os.environ.get("KBNET_REQUIRE_SHARED") == "1":
        pytest.fail(f"{reason}, but KBNET_REQUIRE_SHARED=1")
    pytest.skip(reason)
