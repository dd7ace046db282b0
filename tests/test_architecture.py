"""The shape of the package: imports point one way, names say what a module does, modules stay readable."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import tomlkit

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "kbnet"
MODULES = sorted(PACKAGE.rglob("*.py"))

MAY_IMPORT = {
    "environment": set(),
    "errors": set(),
    "files": {"errors", "limits", "lock"},
    "frame": set(),
    "interruption": set(),
    "limits": {"errors"},
    "lock": {"errors"},
    "geometry": set(),
    "losses": {"geometry"},
    "points": {"frame"},
    "frames": {"files", "frame", "limits"},
    "sources": {"files", "frame", "frames", "geometry", "interruption", "limits", "points"},
    "datasets": {"files", "frame", "frames", "limits", "lock", "points"},
    "network": {"frame", "geometry", "points"},
    "weights": {"files", "network"},
    "export": {"datasets", "files", "frame", "frames", "network", "points"},
    "inference": {"export", "files", "frame", "frames", "interruption", "network", "points", "weights"},
    "evaluation": {"environment", "files", "frame", "frames", "inference", "points", "weights"},
    "report": {"evaluation", "files", "frame", "frames", "inference", "points"},
    "training": {
        *("evaluation", "files", "frame", "frames", "geometry", "inference", "interruption"),
        *("lock", "losses", "network", "points", "report", "weights"),
    },
    "benchmark": {
        *("environment", "export", "frame", "frames"),
        *("inference", "losses", "network", "training", "weights"),
    },
    "cli": {
        "",  # the public names
        *("benchmark", "datasets", "evaluation", "export", "files", "frame", "frames", "inference", "interruption"),
        *("lock", "network", "points", "report", "sources", "training", "weights"),
    },
    "__main__": {"cli"},
}
"""What each part may import besides itself and ``errors``; a part is a module or a folder directly under ``kbnet``."""

COMMANDS_THAT_USE_ANOTHER = {
    "kbnet.cli.benchmark": {"kbnet.cli.train"},  # reads a recipe as kbnet train does
    "kbnet.cli.weights.download": {"kbnet.cli.weights.import_"},  # imports what it downloaded
}

RESTATEMENTS = {"kbnet.benchmark.plain_kbnet", "kbnet.benchmark.plain_training"}
"""The published network once more, as a yardstick: written apart on purpose."""

INTERFACES = {"Command", "available", "read_exported"}
"""What each command, and each engine, defines."""

DISTRIBUTIONS = {
    "PIL": "pillow",
    "mpl_toolkits": "matplotlib",
    "open3d": "open3d-cpu",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
"""Where the name to import is not the name to install."""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """``kbnet.frames.sequence`` belongs to ``frames``; the root itself is an empty name."""
    return [*module.split("."), ""][1]


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """All nodes of a file's syntax tree."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported_modules(path: Path) -> Iterator[tuple[str, int]]:
    """Every module a file imports, inside functions too, with the line."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*package[: len(package) - node.level + 1], node.module or ""]).strip(".")
                if node.level
                else node.module
            )
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield (name if is_module(name) else str(base)), node.lineno


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_imports_point_one_way() -> None:
    for path in MODULES:
        part = part_of(module_name(path))
        if not part:
            continue
        assert part in MAY_IMPORT, f"say in MAY_IMPORT what the new part '{part}' may import"
        allowed = MAY_IMPORT[part] | {part, "errors"}
        for module, line in imported_modules(path):
            if module.split(".")[0] == "kbnet":
                assert part_of(module) in allowed, f"{path}:{line}: {part} must not import {module}"


def test_imports_have_no_cycles() -> None:
    names = {module_name(path) for path in MODULES} - {"kbnet"}
    graph = {
        module_name(path): {name for name, _ in imported_modules(path) if name in names}
        for path in MODULES
        if module_name(path) in names
    }
    TopologicalSorter(graph).prepare()


def test_error_metrics_are_arithmetic_alone() -> None:
    """They see depth, and nothing of what made it."""
    for name in ("metrics", "boundary"):
        ours = {module for module, _ in imported_modules(PACKAGE / "evaluation" / f"{name}.py") if "kbnet" in module}
        assert ours <= {"kbnet.evaluation.metrics", "kbnet.errors"}


def test_only_network_inputs_applies_outlier_rejection_and_scaffold_for_a_network() -> None:
    preparing = {"kept_points", "unoccluded_points", "scaffold_from_points"}
    callers = {
        module_name(path)
        for path in MODULES
        for node in nodes_of(path)
        if (isinstance(node, ast.Name) and node.id in preparing)
        or (isinstance(node, ast.Attribute) and node.attr in preparing)
    }
    assert {name for name in callers if part_of(name) != "points"} == {"kbnet.network.inputs"}


def test_no_command_imports_another() -> None:
    declared = re.compile(r"^class Command\b", re.MULTILINE)
    commands = {path for path in MODULES if part_of(module_name(path)) == "cli" and declared.search(path.read_text())}
    names = {module_name(path) for path in commands}
    for path in commands:
        others = {module for module, _ in imported_modules(path)} & names
        assert others == COMMANDS_THAT_USE_ANOTHER.get(module_name(path), set()), path.name


def test_only_frames_writes_sequences() -> None:
    """Others hand frames to its writer. VOID has a folder for poses of the same name."""
    naming = {
        part_of(module_name(path))
        for path in MODULES
        if any(isinstance(node, ast.Constant) and node.value == "absolute_pose" for node in nodes_of(path))
        or any(isinstance(node, ast.Name) and node.id == "SequenceWriter" for node in nodes_of(path))
    }
    assert naming == {"frames", "datasets"}


def test_no_public_function_or_class_is_defined_in_two_modules() -> None:
    places: dict[str, set[str]] = {}
    for path in MODULES:
        if module_name(path) not in RESTATEMENTS:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, set()).add(module_name(path))
    assert {name for name, modules in places.items() if len(modules) > 1} == INTERFACES


def test_every_module_is_used_by_the_package() -> None:
    """By an import, as a command, as a kind of recording, or by a public name: not by tests and benchmarks alone."""
    import kbnet

    imported = {name for path in MODULES for name, _ in imported_modules(path) if name != module_name(path)}
    public = {owner.partition(":")[0] for owner in kbnet._OWNERS.values()}
    for path in MODULES:
        name = module_name(path)
        is_command = part_of(name) == "cli" and re.search(r"^class Command\b", path.read_text(), re.MULTILINE)
        is_kind = path.parent.name == "kinds"
        if path.stem not in ("__init__", "__main__") and not is_command and not is_kind:
            assert name in imported | public, f"nothing in the package needs {name}; move it to tests or benchmarks"


def test_no_help_of_the_command_line_is_written_twice() -> None:
    places: dict[str, list[str]] = {}
    for path in (PACKAGE / "cli").rglob("*.py"):
        for node in (node for node in nodes_of(path) if isinstance(node, ast.ClassDef)):
            for flag, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(flag, ast.AnnAssign) and isinstance(text, ast.Expr):
                    assert isinstance(text.value, ast.Constant)
                    places.setdefault(" ".join(text.value.value.split()), []).append(f"{path.name}:{text.lineno}")
    assert not {text: found for text, found in places.items() if len(found) > 1}, "share a type in cli/arguments.py"


def test_a_mistake_of_the_user_is_a_kbnet_error() -> None:
    """Any other ``ValueError`` is a bug, whose traceback the command line shows."""
    for path in MODULES:
        for node in nodes_of(path):
            if isinstance(node, ast.Raise) and node.exc is not None:
                raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                assert not (isinstance(raised, ast.Name) and raised.id == "ValueError"), f"{path}:{node.lineno}"


def test_only_weights_opens_weights_files() -> None:
    """There, files are checked before torch reads them."""
    openers = {
        module_name(path)
        for path in MODULES
        if any(module.split(".")[0] == "safetensors" for module, _ in imported_modules(path))
        or "torch.load(" in path.read_text(encoding="utf-8")
    }
    assert openers
    assert not {name for name in openers if part_of(name) != "weights"}


def test_only_files_parses_json() -> None:
    """There, a nesting without end is an error of the file; elsewhere it would be a traceback."""
    assert {module_name(path) for path in MODULES if "json.loads(" in path.read_text(encoding="utf-8")} == {
        "kbnet.files"
    }


def test_only_say_prints() -> None:
    """It spells out what a terminal would obey in the name of a file."""
    printing = (path for path in MODULES if re.search(r"^ *print\(", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(map(module_name, printing)) == {"kbnet.cli.known_errors"}


def test_modules_are_named_after_a_step() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "shared", "core", "base"}
    for path in MODULES:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        assert not vague & {word for part in parts for word in part.strip("_").split("_")}, f"{path}: say what it does"


def test_modules_stay_under_300_lines_and_say_what_they_are() -> None:
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 300, f"{path}: look for the piece that wants a module of its own"
        assert ast.get_docstring(ast.parse(text)), f"{path}: a module begins with a docstring"


def test_folders_hold_only_a_docstring_in_their_init() -> None:
    folders = {path.parent for path in MODULES} - {PACKAGE}
    for folder in folders:
        init = folder / "__init__.py"
        assert init.is_file(), f"{folder.name} has no __init__.py"
        body = ast.parse(init.read_text(encoding="utf-8")).body
        assert len(body) == 1, f"{folder.name}/__init__.py must hold a docstring and nothing else"
        assert isinstance(body[0], ast.Expr)
        assert isinstance(body[0].value, ast.Constant)


def test_third_party_imports_are_declared_dependencies() -> None:
    project = tomlkit.parse((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
    requirements = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    declared = {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in requirements}
    # tomllib came with Python 3.11, and 3.10 is supported.
    standard = set(sys.stdlib_module_names) - {"tomllib"}
    for path in MODULES:
        for module, line in imported_modules(path):
            top = module.split(".")[0]
            if top not in standard:
                distribution = DISTRIBUTIONS.get(top, top.replace("_", "-"))
                assert distribution in declared, f"{path.name}:{line}: {top} is not in pyproject.toml"


def test_constraints_pin_every_declared_dependency() -> None:
    project = tomlkit.parse((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
    pins = set(
        re.findall(r"^([\w.-]+)==\S+$", (REPOSITORY / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    requirements = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    declared = {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in requirements} - {"kbnet"}
    assert declared <= pins


def test_import_kbnet_is_lazy_and_names_are_complete() -> None:
    code = (
        "import sys, kbnet\n"
        "assert not {'torch', 'numpy', 'scipy', 'importlib.metadata'} & set(sys.modules)\n"
        "assert all(getattr(kbnet, name) is not None for name in kbnet.__all__)\n"
        "assert set(kbnet.__all__) <= set(dir(kbnet))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(PACKAGE.parent)})
