"""Rooms rendered from a tiny folder of models."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest

from kbnet.cli.main import main
from kbnet.frames.depth_png import read_depth_png
from kbnet.sources.rendered.catalogue import Model, part_of_model, read_models
from kbnet.sources.rendered.config import RoomsConfig
from kbnet.sources.rendered.model_library import ModelLibrary, placed_mesh
from kbnet.sources.rendered.obj_file import read_obj

try:
    import open3d  # noqa: F401
except (ImportError, OSError) as error:
    pytest.skip(f"Open3D cannot be loaded: {error}", allow_module_level=True)

CUBE = """mtllib cube.mtl
v 0 0 0
v 1 0 0
v 1 2 0
v 0 2 0
v 0 0 3
v 1 0 3
v 1 2 3
v 0 2 3
usemtl red
f 1 4 3 2
f 5 6 7 8
f 1 2 6 5
f 2 3 7 6
f 3 4 8 7
f 4 1 5 8
"""
"""A box of 1 x 2 x 3 units without normals, texture coordinates and MTL file."""
NAMES = {
    "training": [
        name for name in ("chair", "chair_a", "table", "table_a", "shelf_b") if part_of_model(name) == "training"
    ],
    "validation": [name for name in (f"chair_{index}" for index in range(60)) if part_of_model(name) == "validation"][
        :1
    ],
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in (*NAMES["training"], *NAMES["validation"]):
        (folder / f"{name}.obj").write_text(CUBE)
    return folder


def prepare(folder: Path, models: Path, *options: str) -> int:
    fixed = ("--frames", "3", "--views", "2", "--size", "64", "48", "--points", "60", "--seed", "3")
    return main(["prepare", "rooms", str(folder), "--models", str(models), *fixed, *options])


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_prepare_rooms_writes_a_sequence_that_evaluate_reads(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(tmp_path / "rooms", models) == 0
    assert "wrote 3 frames of 64x48 pixels" in capsys.readouterr().out
    assert (tmp_path / "rooms" / "CREDITS.txt").is_file()
    assert main(["evaluate", str(tmp_path / "rooms"), "--weights", "indoor-small", "--engine", "torch"]) == 0


def test_prepare_rooms_same_seed_gives_same_files(tmp_path: Path, models: Path) -> None:
    for name in ("one", "two"):
        assert prepare(tmp_path / name, models) == 0
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_prepare_rooms_motion_writes_poses_on_a_path(tmp_path: Path, models: Path) -> None:
    """Depth of the first frame, moved by the poses, is the depth of the second."""
    assert prepare(tmp_path / "path", models, "--motion") == 0
    folder = tmp_path / "path"
    T = [np.vstack([np.loadtxt(path), [0, 0, 0, 1]]) for path in sorted((folder / "absolute_pose").glob("*.txt"))]
    depths = [read_depth_png(path) for path in sorted((folder / "ground_truth").glob("*.png"))]
    K = np.loadtxt(folder / "K.txt")
    assert len(T) == 3
    assert 0 < np.linalg.norm(T[1][:3, 3] - T[0][:3, 3]) < 0.1
    y, x = np.nonzero(depths[0])
    points = np.linalg.inv(K) @ [x, y, np.ones(x.size)] * depths[0][y, x]
    moved = np.linalg.inv(T[1]) @ T[0] @ np.vstack([points, np.ones(x.size)])
    u, v, _ = np.rint(K @ moved[:3] / moved[2]).astype(int)
    seen = (u >= 0) & (u < 64) & (v >= 0) & (v < 48)
    found = depths[1][v[seen], u[seen]]
    assert np.median(np.abs(found / moved[2, seen] - 1)) < 0.01


def test_cast_view_depth_of_a_wall_and_a_box_is_exact() -> None:
    from kbnet.sources.rendered.materials import RoomMaterials, TexturePool, material_table
    from kbnet.sources.rendered.mesh import joined
    from kbnet.sources.rendered.picture import View, cast_view, depth_map
    from kbnet.sources.rendered.primitives import box
    from kbnet.sources.rendered.ray_scene import RayScene

    photograph = np.full((64, 64, 3), 128, np.uint8)
    generator = np.random.default_rng(0)
    room = RoomMaterials(TexturePool([photograph], (0,)), generator)
    plain = room.plain()
    mesh = joined([box((-9, -9, 4), (9, 9, 5), plain), box((0, -9, 2), (9, 9, 3), plain)])
    K = np.array([[40, 0, 31.5], [0, 40, 23.5], [0, 0, 1]], np.float32)
    view = View(K, (48, 64), np.eye(4))
    hits, _ = cast_view(RayScene(mesh, material_table(room), plain), view)
    expected = np.where(np.arange(64) < 32, 4.0, 2.0)[None].repeat(48, axis=0)
    np.testing.assert_allclose(depth_map(hits, (48, 64)), expected, rtol=1e-6)


def test_placed_mesh_has_the_catalogue_size(tmp_path: Path) -> None:
    (tmp_path / "cube.obj").write_text(CUBE)
    quarter_turn = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0)  # y and z change places
    model = Model(tmp_path / "cube.obj", "cube", "chair", size=(0.5, 0.9, 0.6), rotation=quarter_turn)
    mesh = placed_mesh(read_obj(model.path)[0], model)
    np.testing.assert_allclose(mesh.high - mesh.low, (0.5, 0.9, 0.6), rtol=1e-5)
    assert mesh.low[1] == 0


def test_placed_mesh_without_catalogue_takes_large_models_for_centimetres(tmp_path: Path) -> None:
    scaled = CUBE.replace("1 2 3\n", "100 200 30\n").replace("v 0 0 3", "v 0 0 30")
    (tmp_path / "cube.obj").write_text(scaled)
    mesh = placed_mesh(read_obj(tmp_path / "cube.obj")[0], Model(tmp_path / "cube.obj", "cube", "chair"))
    np.testing.assert_allclose((mesh.high - mesh.low)[:2], (1.0, 2.0), rtol=1e-5)


def test_read_models_parts_are_disjoint_and_stable(models: Path) -> None:
    parts = {part: {model.name for model in read_models(models, part)} for part in ("training", "validation")}
    assert parts == {part: set(names) for part, names in NAMES.items()}
    shares = [part_of_model(f"model {index}") == "validation" for index in range(2000)]
    assert 0.07 < np.mean(shares) < 0.13


def test_read_models_catalogue_gives_size_creator_and_licence(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text(CUBE)
    (tmp_path / "PluginFurnitureCatalog.properties").write_text(
        "name=Pack\nlicense=CC0\nid#1=Pack#chair\nname#1=Chair\ncategory#1=Office\nmodel#1=/a.obj\n"
        "width#1=50\ndepth#1=60\nheight#1=90.5\ncreator#1=Somebody\n"
    )
    part = part_of_model("Pack#chair")
    (model,) = read_models(tmp_path, part)
    assert (model.kind, model.size, model.creator) == ("chair", (0.5, 0.905, 0.6), "Somebody")
    assert model.package == "Pack, CC0"


def test_library_names_and_skips_a_broken_model(tmp_path: Path) -> None:
    (tmp_path / "broken.obj").write_text("v 0 0 0\nv 1 0 0\nf 1 2 7\n")
    model = Model(tmp_path / "broken.obj", "broken", "chair")
    library = ModelLibrary([model])
    with pytest.warns(UserWarning, match=r"skipped model broken: .*element 1 or 7 of 2"):
        assert library.load(model) is None
    assert library.draw(("chair",), np.random.default_rng(0)) is None


def test_library_takes_grey_where_the_mtl_file_is_missing(models: Path) -> None:
    model = read_models(models, "training")[0]
    library = ModelLibrary([model])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, again = library.load(model), ModelLibrary([model]).load(model)
    assert first is not None
    assert again is not None
    assert first.materials[0].diffuse == (0.7, 0.7, 0.7)
    np.testing.assert_array_equal(first.mesh.normals, again.mesh.normals)  # parsed, and from the cache


def test_prepare_rooms_without_models_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert prepare(tmp_path / "rooms", tmp_path / "empty") == 2
    assert "expected .obj models in" in capsys.readouterr().err
    assert not (tmp_path / "rooms").exists()


@pytest.mark.parametrize(
    ("values", "text"),
    [({"frames": 0}, "at least 1 frame"), ({"size": (8, 8)}, "32x32"), ({"outlier_share": 2.0}, "outlier_share")],
)
def test_rooms_config_refuses_what_cannot_be_rendered(values: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        RoomsConfig(Path(), **values).check()  # type: ignore[arg-type]
