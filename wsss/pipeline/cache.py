"""Results of stages on disk, under the hash of everything that they depend on; made by one run at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from wsss.machine.blocks import KeptBlocks
from wsss.machine.processes import agreed, is_main, wait
from wsss.pipeline.locks import Locks

__all__ = ["StageCache"]

T = TypeVar("T")
Saved = TypeVar("Saved")


class StageCache:
    """The folders of a cache, one for each stage.

    What is missing is made by one run: others that want it wait, and take it when it is there. Several processes of a
    run agree on what is missing, make it together, and their main one writes it.

    Attributes:
        folder: of the cache.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks = Locks(folder / "locks")

    def path(self, stage: str, key: str, suffix: str = ".npz") -> Path:
        """The file, or with an empty suffix the folder, of a result."""
        return self.folder / stage / f"{key[:16]}{suffix}"

    def get(
        self,
        paths: Mapping[str, Path],
        make: Callable[[list[str]], Mapping[str, Saved]],
        save: Callable[[Path, Saved], None],
        load: Callable[[Path], T],
        blocks: KeptBlocks[Any] | None = None,
    ) -> dict[str, T]:
        """The results of the names in `paths`; all that are missing are made at once, and kept.

        Args:
            paths: of each result, by name.
            make: results of the names that are missing, by name.
            save: writes one, so that it is whole as soon as it is there.
            load: reads one.
            blocks: what `make` keeps on its way, no longer wanted when the results are there.
        """
        with self._freed_on_failure():
            missing = self._missing(paths)
            if missing:
                self._keep(paths, make(missing), save)
            if blocks and is_main():
                blocks.clear(list(paths))
            return {name: load(path) for name, path in paths.items()}

    def blocks(
        self, stage: str, keys: Mapping[str, str], save: Callable[[Path, T], None], load: Callable[[Path], T]
    ) -> KeptBlocks[T]:
        """What is made of the results of a stage while they are on their way, block by block.

        Args:
            keys: of each result, by name.
            save, load: see `get`.
        """
        folders = {name: self.path(f"{stage}-blocks", key, "") for name, key in keys.items()}
        return KeptBlocks(folders, save, load)

    def written_by(self, make: Callable[[], None], paths: Sequence[Path]) -> None:
        """Let `make` write the files `paths` that are missing. All processes call it; their main one writes."""
        with self._freed_on_failure():
            if is_main():
                self._absent(paths)
            wait()
            make()
            if is_main():
                self._locks.release_made()

    def _keep(self, paths: Mapping[str, Path], results: Mapping[str, Any], save: Callable[[Path, Any], None]) -> None:
        """The main process writes what all of them made, for which other runs may then stop waiting."""
        if is_main():
            for name, result in results.items():
                save(paths[name], result)
            self._locks.release_made()
        wait()

    def _missing(self, paths: Mapping[str, Path]) -> list[str]:
        """The names whose file is not there, the same in all processes; other runs now wait for them until they are
        made."""
        absent = self._absent(list(paths.values())) if is_main() else []
        return agreed([name for name, path in paths.items() if path in absent])

    def _absent(self, paths: Sequence[Path]) -> list[Path]:
        """Those of the files that this run has to make, under their locks."""
        self._locks.acquire(path for path in paths if not path.exists())
        self._locks.release_made()  # what another run made while this one waited
        return [path for path in paths if not path.exists()]

    @contextmanager
    def _freed_on_failure(self) -> Iterator[None]:
        """Give back all locks where something fails: nobody then waits for this run."""
        try:
            yield
        except BaseException:
            self._locks.release()
            raise
