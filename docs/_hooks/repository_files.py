"""Pages link to files of the repository beside ``docs/``, as GitHub shows them.

Of a module of the package, the link leads to the API reference; other files the site takes along.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FOLDER = "repository"
"""Where they lie in the site."""

_LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)")
_MODULE = re.compile(r"src/(kbnet)/(?:(\w+)/)?(\w+)\.py$")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every file outside of ``docs/`` that a page links to."""
    root = Path(config.docs_dir).parent
    for page in files.documentation_pages():
        if page.abs_src_path is not None:
            for _, target in _LINK.findall(Path(page.abs_src_path).read_text(encoding="utf-8")):
                path = _in_repository(page.src_uri, target)
                if path and not _MODULE.match(path) and files.get_file_from_path(f"{FOLDER}/{path}") is None:
                    files.append(File.generated(config, f"{FOLDER}/{path}", abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links there, and those of such a file back."""
    if page.file.src_uri.startswith(f"{FOLDER}/"):
        return markdown.replace("](docs/", "](../")

    def lead(link: re.Match[str]) -> str:
        path = _in_repository(page.file.src_uri, link[2])
        if path is None:
            return link[0]
        module = _MODULE.match(path)
        there = _in_reference(module) if module else f"{FOLDER}/{path}"
        return link[1] + posixpath.relpath(there, posixpath.dirname(page.file.src_uri) or os.curdir)

    return _LINK.sub(lead, markdown)


def _in_repository(page: str, target: str) -> str | None:
    """The linked path from the repository's root, if it is not in ``docs/``."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if path.startswith("docs/") else path


def _in_reference(module: re.Match[str]) -> str:
    """Where the reference has it; see api_pages.py."""
    return f"api/{module[2] or module[1]}.md#{'.'.join(filter(None, module.groups()))}"
