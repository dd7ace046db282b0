"""The API reference: one page for each part of the package, of the docstrings of its modules."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGE = "kbnet"
SECTION = "API reference"
LEFT_OUT = ("cli", "benchmark")
"""Parts that nobody imports: commands explain themselves (``--help``), benchmarks are run."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into their section of the navigation."""
    assert config.nav is not None
    (section,) = (entry[SECTION] for entry in config.nav if SECTION in entry)
    section += [{title: f"api/{name}.md"} for name, title in _titles(config).items()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Write them."""
    for name, title in _titles(config).items():
        source = _source(config)
        folder = source if name == PACKAGE else source / name
        paths = folder.glob("*.py") if name == PACKAGE else folder.rglob("*.py")
        modules = [path.relative_to(source.parent).with_suffix("") for path in sorted(paths) if path.stem[0] != "_"]
        # Of a part, what it is for; the package's own docstring is a map for readers of its source.
        about = "" if name == PACKAGE else _first_line(folder / "__init__.py")
        content = "\n\n".join([f"# {title}", about, *(f"::: {'.'.join(module.parts)}" for module in modules)])
        files.append(File.generated(config, f"api/{name}.md", content=content + "\n"))
    return files


def _titles(config: MkDocsConfig) -> dict[str, str]:
    folders = sorted(path.parent.name for path in _source(config).glob("*/__init__.py"))
    return {PACKAGE: PACKAGE} | {name: f"{PACKAGE}.{name}" for name in folders if name not in LEFT_OUT}


def _source(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent / "src" / PACKAGE


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").split("\n")[0].strip('"')
