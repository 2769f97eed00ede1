"""Work on many images, done in blocks: what is made of a block is kept on disk, so that a broken run goes on with the
next one."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from wsss.machine.processes import agreed, is_main, share, wait

__all__ = ["BLOCK", "Blocks", "KeptBlocks", "Made", "at_once", "share_of"]

BLOCK = 48
"""Images in a block: as many are made again where a run broke off."""

T = TypeVar("T")

Made = Callable[[list[str], range], Mapping[str, T]]
"""Names, indices of a block of images → what is made of these images for each name."""


class Blocks(Protocol[T]):
    """Calls `make` for blocks of `count` images until all are done."""

    def __call__(self, names: Sequence[str], count: int, make: Made[T]) -> dict[str, list[T]]:
        """What was made for each name, a block after the other."""


def at_once(names: Sequence[str], count: int, make: Made[T]) -> dict[str, list[T]]:
    """All images as one block, of which nothing is kept."""
    return {name: [made] for name, made in make(list(names), range(count)).items()}


class KeptBlocks(Generic[T]):
    """Blocks that are kept on disk until `clear` is called.

    Args:
        folders: of each name, for its blocks alone.
        save: writes one, so that it is whole as soon as it is there.
        load: reads one.
    """

    def __init__(self, folders: Mapping[str, Path], save: Callable[[Path, T], None], load: Callable[[Path], T]) -> None:
        self._folders, self._save, self._load = folders, save, load

    def __call__(self, names: Sequence[str], count: int, make: Made[T]) -> dict[str, list[T]]:
        """What was made for each name, a block after the other, now or earlier."""
        found: dict[str, list[T]] = {name: [] for name in names}
        for start in range(0, count, BLOCK):
            block = range(start, min(start + BLOCK, count))
            paths = {name: self._folders[name] / f"{block.start}-{block.stop}.npz" for name in names}
            missing = agreed([name for name, path in paths.items() if not path.exists()])
            made = make(missing, block) if missing else {}
            if is_main():
                for name, one in made.items():
                    self._save(paths[name], one)
            wait()
            for name, path in paths.items():
                found[name].append(self._load(path))
        return found

    def clear(self, names: Sequence[str]) -> None:
        """Remove what is kept of these names: the whole is there, or what belongs to it is gone."""
        for name in names:
            shutil.rmtree(self._folders[name], ignore_errors=True)


def share_of(block: range) -> range:
    """The indices of a block that this process works on."""
    mine = share(len(block))
    return range(block.start + mine.start, block.stop, mine.step)
