"""``kbnet weights import``: published weights as named weights of the user's own."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

import tyro

from kbnet.cli.arguments import OptionalPreset, OptionalWeightsName, Switch
from kbnet.cli.known_errors import say
from kbnet.errors import KBNetError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Import published weights: pretrained_models.zip, another zip, a folder, or one .pth.

    Files are recognised by their published names (kbnet-kitti.pth, kbnet-void1500.pth, posenet-kitti.pth,
    posenet-void1500.pth). They become kitti and void1500, which any --weights then takes, and posenet-kitti and
    posenet-void1500, which training can start from. The pool sizes of VOID are published in two readings, so there is
    void1500-training-pools too: evaluate both on a sequence of yours to see which is the better.

    Files of the sibling systems are recognised too: voiced-void1500.pth, scaffnet-scenenet.pth, scaffnet-vkitti.pth
    and fusionnet-void1500.pth become voiced, scaffnet-scenenet, scaffnet-vkitti and fusionnet-void.

    No code inside a file is ever run. The published weights are for academic, non-commercial use.
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """The zip, a folder with the files anywhere inside it, or one .pth file."""
    preset: OptionalPreset = None
    """With one .pth of a depth network that has another name: what it was trained as."""
    name: OptionalWeightsName = None
    """With one .pth: what to call the weights."""
    overwrite: Switch = False
    """Replace weights of the same name and other content."""

    def run(self) -> None:
        from kbnet.weights.names import PUBLISHED_FILES, SIBLING_FILES, local_folder
        from kbnet.weights.published_import import import_weights, plan_import

        if self.source.suffix != ".pth" and (self.preset or self.name):
            raise KBNetError(f"--preset and --name go with one .pth file, got {self.source}; leave them out")
        with _files(self.source) as files:
            imports = [each for file in files for each in plan_import(file, name=self.name, preset=self.preset)]
            written = import_weights(imports, overwrite=self.overwrite)
            for each in imports:
                done = f"imported from {each.file.name}" if each.name in written else "there already, unchanged"
                say(f"{each.name}: {done}")
            found = {file.name for file in files}
            released = [names for names in (PUBLISHED_FILES, SIBLING_FILES) if names.keys() & found]
            absent = sorted({name for names in released for name in names} - found)
            if len(files) > 1 and absent:
                say(f"not in {self.source}: {', '.join(absent)}")
        say(f"weights are in {local_folder()}; 'kbnet weights list' lists them")


def check_files(source: Path) -> None:
    """Read published files, and write nothing.

    Raises:
        KBNetError: one is damaged or does not fit.
    """
    from kbnet.weights.published_import import plan_import, read_import

    with _files(source) as files:
        for each in (each for file in files for each in plan_import(file)):
            read_import(each)


@contextmanager
def _files(source: Path) -> Iterator[list[Path]]:
    """The ``.pth`` files of a source; those of a zip are unpacked for as long as the block lasts."""
    if not source.exists():
        raise FileNotFoundError(f"expected pretrained_models.zip, a folder or a .pth file, but there is no {source}")
    if source.is_dir():
        yield _published_files(source, source)
    elif source.suffix == ".pth":
        yield [source]
    elif source.suffix == ".zip":
        from kbnet.datasets.archive import unpack
        from kbnet.files import resolved, scratch_folder
        from kbnet.weights.names import home

        place = hashlib.sha256(os.fsencode(resolved(source))).hexdigest()  # two archives may have one name
        unpacked = home() / f"import-{place}"
        try:
            with scratch_folder(unpacked) as folder:
                unpack(source, folder, rename=lambda name: name if _is_published(name) else None)
                yield _published_files(folder, source)
        except KBNetError as error:
            said = str(error).replace(f"writing {unpacked}", f"importing {source}")
            raise KBNetError(said.replace(str(unpacked), str(source))) from error
    else:
        raise KBNetError(f"expected pretrained_models.zip, a folder or a .pth file, got {source}")


def _is_published(name: str) -> bool:
    from kbnet.weights.names import RECOGNISED_FILES

    return PurePosixPath(name).name in RECOGNISED_FILES


def _published_files(folder: Path, source: Path) -> list[Path]:
    """The files of published names anywhere in a folder, which is, or was unpacked from, what the user named."""
    files = sorted(path for path in folder.rglob("*.pth") if _is_published(path.name))
    names = [path.name for path in files]
    if not files:
        from kbnet.weights.names import RECOGNISED_FILES

        raise KBNetError(
            f"expected {', '.join(RECOGNISED_FILES)}, or some of them, in {source}, found none; "
            "for a file of another name give the .pth itself, with --name and --preset"
        )
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise KBNetError(f"{', '.join(twice)} lies in {source} more than once; give the .pth you mean itself")
    return files
