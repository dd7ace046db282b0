"""``kbnet weights download``: the published weights, from where they are published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from kbnet.cli.known_errors import say
from kbnet.datasets.download import Archive
from kbnet.errors import KBNetError

DRIVE_ID = "1C2RHo6E_Q8TzXN_h-GjrojJk4FYzQfRT"


class WeightsArchive(Archive):
    """An archive that, when the link is dead, is imported in place of being named with --from."""

    @property
    def remedy(self) -> str:
        """What to tell a user who lacks it."""
        return f"fetch it by hand from {self.page} and run 'kbnet weights import FILE'"


@dataclass(frozen=True)
class Command:
    """Download the published weights, and import them.

    They are for academic, non-commercial use. What is downloaded stays in $KBNET_HOME/archives (default:
    ~/.kbnet/archives); an interrupted download goes on when run again.
    """

    def run(self) -> None:
        from kbnet.cli.preparation import transfer_progress
        from kbnet.cli.weights import import_
        from kbnet.datasets.archive import names
        from kbnet.datasets.checksums import put_aside_if_wrong
        from kbnet.datasets.download import obtain
        from kbnet.weights.names import PUBLISHED_FILES, home, local_folder, local_weights, published_weights

        if set(published_weights()) <= set(local_weights()):
            say(f"all published weights are in {local_folder()} already")
            return
        archive = WeightsArchive.on_google_drive("pretrained_models.zip", DRIVE_ID)
        with transfer_progress() as progress:
            path = obtain(archive, home() / "archives", on_progress=progress)
        with put_aside_if_wrong(path):
            if not PUBLISHED_FILES.keys() & {PurePosixPath(name).name for name in names(path)}:
                raise KBNetError(f"expected {', '.join(PUBLISHED_FILES)}, or some of them, in {path}, found none")
        try:
            import_.Command(source=path).run()
        except KBNetError:
            with put_aside_if_wrong(path):
                import_.check_files(path)
            raise
