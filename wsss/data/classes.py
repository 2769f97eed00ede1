"""Class selection: from a data set's own class list to the classes that a user asks for."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from wsss.data.base import IGNORE, Dataset, Sample, data_key
from wsss.data.own import OwnDataset
from wsss.errors import WsssError
from wsss.io import content_hash

__all__ = ["DatasetView", "check_classes", "class_table", "keep_ids", "select_classes"]


def check_classes(selected: Sequence[str], available: Sequence[str], dataset: str) -> tuple[str, ...]:
    """`selected` as a tuple, when it is a non-empty choice from `available` without repetition; else a `WsssError`."""
    unknown = [name for name in selected if name not in available]
    if unknown:
        raise WsssError(f"{dataset} has no class {unknown[0]!r}. Choose from: {', '.join(available)}.")
    if not selected or len(set(selected)) < len(selected):
        raise WsssError(f"classes {list(selected)} must be one or more, each once, of: {', '.join(available)}.")
    return tuple(selected)


def class_table(available: Sequence[str], selected: Sequence[str]) -> np.ndarray:
    """Look-up table `(256,) uint8` from label 1…N of `available` to 1…C in the order of `selected`.

    Classes left out become background 0; 255 stays 255. Apply it as `table[mask]`.

    >>> class_table(("cat", "cow", "dog"), ("dog", "cat"))[[0, 1, 2, 3, 255]].tolist()
    [0, 2, 0, 1, 255]
    """
    table = np.zeros(256, dtype=np.uint8)
    table[IGNORE] = IGNORE
    for label, name in enumerate(selected, start=1):
        table[available.index(name) + 1] = label
    return table


def select_classes(sample: Sample, available: Sequence[str], selected: Sequence[str]) -> Sample:
    """The sample in terms of `selected`: mask, image labels and instances; other classes become background.

    Args:
        sample: labelled by `available`, its classes 1…N.
        selected: names out of `available`, which become 1…C in this order.

    Returns:
        A new sample. Instances of other classes are gone and the rest are renumbered 1…M in order.
    """
    table = class_table(available, selected)
    labels = sample.labels[[available.index(name) for name in selected]]
    mask = None if sample.mask is None else table[sample.mask]
    sample = replace(sample, mask=mask, labels=labels)
    if sample.instances is None or sample.instance_classes is None:
        return sample
    classes = table[sample.instance_classes]
    kept = classes > 0
    numbers = np.zeros(len(kept) + 1, dtype=np.uint16)
    numbers[1:][kept] = np.arange(1, kept.sum() + 1)
    return replace(
        sample,
        instances=numbers[sample.instances],
        instance_classes=classes[kept],
        occlusion=_of_kept(sample.occlusion, kept),
        marked_occluded=_of_kept(sample.marked_occluded, kept),
        marked_truncated=_of_kept(sample.marked_truncated, kept),
    )


def _of_kept(values: np.ndarray | None, kept: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[kept]


class DatasetView:
    """A data set seen through a choice of classes, and without its sensor depth where that is asked for."""

    def __init__(self, dataset: Dataset, classes: Sequence[str] | None = None, depth: bool = True) -> None:
        """Wrap `dataset`; `classes` None keeps its own. Unknown or repeated classes are a `WsssError`."""
        self._dataset = dataset
        self.name = dataset.name
        self.split = dataset.split
        self.ids = dataset.ids
        self.classes = dataset.classes if classes is None else check_classes(classes, dataset.classes, dataset.name)
        self.has_depth = dataset.has_depth and depth
        self.scenes = getattr(dataset, "scenes", None)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        sample = select_classes(self._dataset[index], self._dataset.classes, self.classes)
        return sample if self.has_depth else replace(sample, depth=None)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def restrict(self, ids: Sequence[str]) -> None:
        """Keep only `ids`, see `keep_ids`."""
        self.ids, self._dataset = tuple(ids), keep_ids(self._dataset, ids)

    def fingerprint(self) -> str:
        """SHA-256 over the wrapped data set's fingerprint, the chosen classes and whether depth is there."""
        return content_hash([self._dataset.fingerprint(), self.classes, self.has_depth])

    def contents(self) -> str:
        """What `data_key` knows of the wrapped data set's files."""
        return data_key(self._dataset)


def keep_ids(dataset: Dataset, ids: Sequence[str]) -> Dataset:
    """The same data set with only `ids`, some of its own in its own order; its fingerprint is of these alone."""
    kept = copy.copy(dataset)
    if isinstance(kept, DatasetView | OwnDataset):
        kept.restrict(ids)
    else:
        kept.ids = tuple(ids)
    return kept
