"""VOID in the published layout of archives and folders, with two small synthetic sequences in place of fifty-six."""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from kbnet.frame import FloatArray

WIDTH, HEIGHT = 112, 80
TRAIN, TEST = "corridor0", "lobby1"
FRAMES = {TRAIN: 84, TEST: 4}
"""The first and last 30 of a training sequence are skipped, which leaves 24."""
POINTS = {1500: 300, 500: 100, 150: 30}
"""Sparse points by density; the frames have a fortieth of the published pixels."""
LISTS = {
    "image": "image/{}.png",
    "sparse_depth": "sparse_depth/{}.png",
    "validity_map": "validity_map/{}.png",
    "ground_truth": "ground_truth/{}.png",
    "intrinsics": "K.txt",
    "absolute_pose": "absolute_pose/{}.txt",
}


@pytest.fixture(scope="session")
def void_archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ``void_1500.zip``, ``void_500.zip``, ``void_150.zip`` and ``void_release.zip``; read only.

    The first three hold archives (``void_<n>-0.zip`` the lists, then one a sequence), the last the finished folders.
    ``void_release.zip`` and ``void_150-1.zip`` have overlapping entries. Members of the inner archives begin with
    ``void_1500/data/`` in ``void_1500.zip``, the sequence's name in ``void_500.zip``, ``data/`` in ``void_150.zip``.
    """
    pytest.importorskip("skimage")
    folder = tmp_path_factory.mktemp("void_archives")
    release: dict[str, bytes] = {}
    for density, prefix in ((1500, "void_1500/data/"), (500, ""), (150, "data/")):
        lists = _lists(density)
        inner = {f"void_{density}-0.zip": _zip(lists)}
        release |= {f"void_release/{name}": content for name, content in lists.items()}
        for number, (sequence, members) in enumerate(_sequences(density).items(), start=1):
            named = {f"{prefix}{sequence}/{name}": content for name, content in members.items()}
            inner[f"void_{density}-{number}.zip"] = _zip(named, overlapping=(density, number) == (150, 1))
            release |= {
                f"void_release/void_{density}/data/{sequence}/{name}": content for name, content in members.items()
            }
        (folder / f"void_{density}.zip").write_bytes(_zip(inner))
    (folder / "void_release.zip").write_bytes(_zip(release, overlapping=True))
    return folder


def _lists(density: int) -> dict[str, bytes]:
    lists = {}
    for split, sequence in (("train", TRAIN), ("test", TEST)):
        for kind, file in LISTS.items():
            lines = [f"void_{density}/data/{sequence}/{file.format(name)}\n" for name in _timestamps(sequence)]
            lists[f"void_{density}/{split}_{kind}.txt"] = "".join(lines).encode()
    return lists


def _sequences(density: int) -> dict[str, dict[str, bytes]]:
    """Files of both sequences, which repeat three rendered frames: each differs from those ten before and after it."""
    from kbnet.points.sampling import sample_points
    from kbnet.sources.rendered.synthetic import SyntheticConfig, synthetic_frames

    config = SyntheticConfig(frames=3, width=WIDTH, height=HEIGHT, points=POINTS[density])
    rendered = []
    for index, (frame, T_world_camera, _) in enumerate(synthetic_frames(config)):
        assert frame.ground_truth is not None
        generator = np.random.default_rng((density, index))
        sparse_depth = sample_points(frame.image, frame.ground_truth, POINTS[density], generator)
        rendered.append(
            {
                "image/{}.png": _png(frame.image),
                "sparse_depth/{}.png": _png(_units(sparse_depth)),
                "validity_map/{}.png": _png(_units(np.float32(1) * (sparse_depth > 0))),
                "ground_truth/{}.png": _png(_units(frame.ground_truth)),
                "absolute_pose/{}.txt": _text(T_world_camera[:3]),
            }
        )
    sequences = {}
    for sequence in FRAMES:
        members = {"K.txt": _text(config.intrinsics)}
        for index, name in enumerate(_timestamps(sequence)):
            files = rendered[index % len(rendered)]
            members |= {file.format(name): content for file, content in files.items()}
        sequences[sequence] = members
    return sequences


def _timestamps(sequence: str) -> list[str]:
    return [f"{1552097950 + index // 10}.{index % 10}893" for index in range(FRAMES[sequence])]


def _units(depth: FloatArray) -> np.ndarray:
    return np.rint(depth * 256).astype(np.uint16)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _text(matrix: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savetxt(buffer, matrix)
    return buffer.getvalue()


def _zip(members: dict[str, bytes], *, overlapping: bool = False) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if overlapping:
            archive.filelist.append(archive.filelist[0])
    return buffer.getvalue()
