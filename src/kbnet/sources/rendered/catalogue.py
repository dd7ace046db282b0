"""Catalogue of OBJ models: kind, real size, creator and licence of each, and its part (training or validation)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kbnet.errors import refused_as
from kbnet.files import read_text
from kbnet.sources.rendered.config import Part

LARGEST_FILE = 3_000_000
"""Heavier OBJ files are left out, bytes: they cost more time than they add variety."""
LARGEST_SIDE, SMALLEST_SIDE = 4.0, 0.04
"""Models with a longer largest side, or a shorter one, are left out, metres."""
SMALL_SIDE = 0.62
"""Models without a larger side stand on furniture, metres."""
KEPT_FOR_VALIDATION = 10
"""One in so many models."""
EXCLUDED = re.compile(
    r"vehicles|characters|exterior|staircases|escalator|elevator|garage|lamppost|street|park light|container|"
    r"sleeping bag|shower head|shower curtain|screen door|window shutter|bill \d|spiral|ruler|fence|"
    r"pallet|mower|corner cabinet|chimney|track lights|suit\b|hanging clothes",
    re.IGNORECASE,
)
KINDS = (
    ("door", r"\bdoor\b(?!.*cabinet)|double door|glass door\b(?!.*cabinet)"),
    ("window", r"window"),
    ("ceiling", r"hanging light|pendant|chandelier|ceiling (lamp|fan)|fluorescent light"),
    ("lamp", r"lamp(?!post)|lantern|candelabre"),
    ("rug", r"\brug\b|carpet|tatami|bathmat|doormat"),
    ("small", r"desk lamp|tablet|table fan|tennis bat|cutlery"),
    ("bedside", r"bedside"),
    ("bed", r"\bbed\b|futon(?! couch)|crib|mattress|bunk"),
    ("armchair", r"armchair|puff|ottoman"),
    ("sofa", r"sofa|couch"),
    ("stool", r"stool|bar chair|high chair"),
    ("chair", r"chair|class seat|piano bench"),
    ("coffee table", r"coffee table|children table"),
    ("desk", r"desk|technical table|workbench|dressing table|changing table"),
    ("table", r"\btable\b|island"),
    ("bath", r"\bbath|bathtub|shower|toilets|bidet|washbasin|vanity|urinal|\bbasin\b"),
    (
        "kitchen",
        r"oven|fridge|refrigerator|washing machine|dryer|lower cabinet|drawers cabinet|sink|stove|freezer|high cabinet",
    ),
    ("shelf", r"shelves|bookcase"),
    ("cabinet", r"wardrobe|cupboard|cabinet|dresser|tv stand|chest\b|piano|safe|locker|vertical|living room"),
    ("plant", r"plant|ficus|bamboo|yucca|bonsai|cactus|tree|flowers|tulips|lily|orchid|spathi|succulent"),
    (
        "wall",
        r"radiator|fireplace|air conditioning|water heater|boiler|wall flat tv|white board|emergency|extinguisher",
    ),
)


@dataclass(frozen=True)
class Model:
    """One OBJ model.

    Attributes:
        name: unique within the folder.
        kind: what it is used as, one of the names in ``KINDS``, ``"hung"``, ``"small"`` or ``"floor"``.
        size: width (x), height (y) and depth (z) after ``rotation``, metres; None = as in the file.
        rotation: row-major, (9,), applied before the size.
        elevation: height of its underside above the floor, metres.
        creator: whom to name.
        package: catalogue it comes from, and its licence.
    """

    path: Path
    name: str
    kind: str
    size: tuple[float, float, float] | None = None
    rotation: tuple[float, ...] | None = None
    elevation: float = 0.0
    creator: str = ""
    package: str = ""


def read_models(folder: Path, part: Part) -> list[Model]:
    """List the usable models of one part.

    Args:
        folder: searched with its subfolders for catalogues and OBJ files.
        part: training or validation; a hash of the model's name decides.

    Raises:
        FileNotFoundError: there is no OBJ file, or none for this part.
    """
    listed = [model for path in sorted(folder.rglob("PluginFurnitureCatalog.properties")) for model in _listed(path)]
    known = {model.path for model in listed}
    catalogued = {path.parent for path in folder.rglob("PluginFurnitureCatalog.properties")}
    for path in sorted(folder.rglob("*.obj")):
        if path not in known and path.is_file() and not catalogued & set(path.parents):
            name = path.relative_to(folder).with_suffix("").as_posix()
            listed.append(Model(path, name, _kind(name.replace("_", " "), None, 0.0)))
    if not listed:
        raise FileNotFoundError(f"expected .obj models in {folder}, but it holds none; unpack them there first")
    chosen = [model for model in listed if part_of_model(model.name) == part and _is_usable(model)]
    if not chosen:
        raise FileNotFoundError(
            f"expected models for {part} in {folder}, but none of its {len(listed)} is usable for it; add models"
        )
    return chosen


def part_of_model(name: str) -> Part:
    """Part that a model belongs to, by a hash of its name."""
    digest = hashlib.sha256(name.encode()).digest()
    return "validation" if digest[0] % KEPT_FOR_VALIDATION == 0 else "training"


def credits_text(models: Iterable[Model]) -> str:
    """Creators and licences of the models used, a line each."""
    lines = sorted(
        f"{model.name}: {model.creator or 'creator not named'}; {model.package or 'no catalogue: see its folder'}"
        for model in models
    )
    return "\n".join(["Models used, their creators, packages and licences; scaled and recoloured.", "", *lines, ""])


def _is_usable(model: Model) -> bool:
    if model.path.stat().st_size > LARGEST_FILE:
        return False
    return model.size is None or SMALLEST_SIDE <= max(model.size) <= LARGEST_SIDE


def _listed(catalogue: Path) -> list[Model]:
    entries: dict[str, dict[str, str]] = {}
    for line in read_text(catalogue, encoding="latin-1").splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            name, _, number = key.partition("#")
            entries.setdefault(number, {})[name] = value.encode("latin-1").decode("unicode_escape", "replace")
    package = entries.pop("", {})
    licence = f"{package.get('name', catalogue.parent.name)}, {package.get('license', 'licence in its folder')}"
    models = []
    for number, entry in entries.items():
        path = catalogue.parent / entry.get("model", "").lstrip("/")
        text = f"{entry.get('category', '')} / {entry.get('name', '')}"
        if not path.is_file() or path.suffix.lower() != ".obj" or EXCLUDED.search(text):
            continue
        with refused_as(f"expected numbers for model {number} in {catalogue}"):
            width, height, depth = (float(entry[key]) / 100 for key in ("width", "height", "depth"))
            elevation = float(entry.get("elevation", 0)) / 100
            rotation = tuple(float(x) for x in entry["modelRotation"].split()) if "modelRotation" in entry else None
        kind = _kind(entry.get("name", ""), (width, height, depth), elevation)
        name, creator = entry.get("id", path.stem), entry.get("creator", "")
        models.append(Model(path, name, kind, (width, height, depth), rotation, elevation, creator, licence))
    return models


def _kind(name: str, size: tuple[float, float, float] | None, elevation: float) -> str:
    for kind, pattern in KINDS:
        if re.search(pattern, name, re.IGNORECASE):
            if kind == "plant" and size is not None and max(size) < SMALL_SIDE:
                return "small"
            if kind not in ("door", "window", "ceiling", "small") and elevation > 0.25:
                return "hung"
            return kind
    if elevation > 0.25:
        return "hung"
    return "small" if size is None or max(size) < SMALL_SIDE else "floor"
