"""Data sets by name: `open_dataset("nyuv2", "test", root=…)`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from wsss.data.base import Dataset, subset
from wsss.data.classes import DatasetView
from wsss.data.own import OwnDataset
from wsss.errors import WsssError
from wsss.machine.plugins import Registry, check_version

__all__ = ["dataset_names", "open_dataset", "register_dataset", "viewed"]

Opener = Callable[[Path | None, str, Sequence[str] | None, int | None], Dataset]
"""Opens a split: root (None is the default place), split, classes (which it may leave to `DatasetView`), limit.

A user's own may leave the limit alone, too."""

_OPENERS: Registry[Opener] = Registry("data set", "wsss.datasets")


def register_dataset(name: str, *, version: int = 1) -> Callable[[Opener], Opener]:
    """Decorator that enters a function `(root, split, classes, limit) -> Dataset` under `name`.

    Its samples are checked as they are read, and need no `fingerprint` (see `OwnDataset`).

    Args:
        name: for `--data`, `open_dataset` and `open_run`.
        version: of the code that reads: to be raised whenever it makes other samples of the same files.

    Raises:
        WsssError: no such version, or a name that is taken.
    """
    check_version(f"data set {name!r}", version)

    def enter(opener: Opener) -> Opener:
        def opened(root: Path | None, split: str, classes: Sequence[str] | None, limit: int | None) -> Dataset:
            dataset = OwnDataset(opener(root, split, classes, limit), version, split)
            if dataset.name != name and dataset.name in _OPENERS:
                raise WsssError(f"data set {name!r} calls itself {dataset.name}, which is another one's name")
            dataset.restrict(subset(dataset.ids, limit))
            return dataset

        _OPENERS.enter(name, opened, opener)
        return opener

    return enter


def _own(name: str) -> Callable[[Opener], Opener]:
    """Decorator for the data sets of this package, whose versions are in their fingerprints."""

    def enter(opener: Opener) -> Opener:
        _OPENERS.enter(name, opener, opener)
        return opener

    return enter


def dataset_names() -> tuple[str, ...]:
    """The names that `open_dataset` knows."""
    return tuple(_OPENERS)


def open_dataset(
    name: str,
    split: str,
    *,
    root: Path | None = None,
    classes: Sequence[str] | None = None,
    limit: int | None = None,
    depth: bool = True,
) -> Dataset:
    """Open a split of a data set.

    Args:
        name: `tabletop`, `nyuv2`, `voc`, or one of `register_dataset`.
        split: `train`, `tune` or `test`; for `voc` `train`, `train_aug`, `tune`, `val` (or `test` where it has a list).
        root: folder of the data; None is the default place of `tabletop`, and of a VOC 2012 that is downloaded.
        classes: names that become labels 1…C in this order, the others background; None takes all.
        limit: keep that many ids, evenly spaced over the split.
        depth: False leaves out the sensor depth.

    Raises:
        WsssError: unknown name, split or class (the message lists the valid ones), a limit below 1, or unreadable data.
    """
    if name not in _OPENERS:
        raise WsssError(f"unknown data set {name!r}. Choose one of: {', '.join(_OPENERS)}.")
    if limit is not None and limit < 1:
        raise WsssError(f"limit must be at least 1, not {limit}.")
    dataset = _OPENERS[name](root, split, classes, limit)
    return viewed(dataset, classes, depth)


def viewed(dataset: Dataset, classes: Sequence[str] | None = None, depth: bool = True) -> Dataset:
    """A data set with some of its classes, and without its depth where that is asked for; as it is where nothing is."""
    if classes is not None and tuple(classes) == dataset.classes:
        classes = None
    if classes is None and (depth or not dataset.has_depth):
        return dataset
    return DatasetView(dataset, classes, depth)


# Each data set is imported when it is opened: the renderer and pooch are slow to import.


@_own("tabletop")
def _tabletop(root: Path | None, split: str, classes: Sequence[str] | None, limit: int | None) -> Dataset:
    from wsss.data.tabletop import TabletopDataset, default_root

    return TabletopDataset(default_root() if root is None else root, split, limit)


@_own("nyuv2")
def _nyuv2(root: Path | None, split: str, classes: Sequence[str] | None, limit: int | None) -> Dataset:
    from wsss.data.nyuv2 import NyuV2Dataset

    if root is None:
        raise WsssError("nyuv2 needs its folder: give --root DIR with rgb/, depth/, labels/, train.txt and test.txt.")
    return NyuV2Dataset(root, split, limit)


@_own("voc")
def _voc(root: Path | None, split: str, classes: Sequence[str] | None, limit: int | None) -> Dataset:
    from wsss.data.voc import VocDataset

    if root is None:
        from wsss.data.download import default_root, download_voc2012

        root = download_voc2012(default_root())
    return VocDataset(root, split, classes, limit)
