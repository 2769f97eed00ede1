"""What every data set hands out: `Sample`, and the little that all data sets share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wsss.errors import WsssError, is_one_line
from wsss.io import content_hash

__all__ = [
    "IGNORE",
    "Dataset",
    "Sample",
    "data_key",
    "labels_of_mask",
    "require_class_names",
    "scene_numbers",
    "subset",
]

IGNORE = 255
"""The label of pixels whose truth is unknown: never trained on, never scored."""


@dataclass(frozen=True)
class Sample:
    """One image with everything that is known about it.

    Attributes:
        id: unique within the data set; also the stem of every file made from it.
        image: `H×W×3 uint8` RGB.
        labels: `(C,) bool`, which classes are in the image; background not included.
        mask: `H×W uint8`, 0 background, 1…C classes, 255 ignore. For evaluation only, never for weak training. None
            where there is none: see `truth` and `required_mask`.
        instances: `H×W uint16`, 0 none, k the k-th instance; None where the data set has no instance masks.
        instance_classes: `(N,) uint8`, the class (1…C) of instance k at index k − 1; None without instances.
        occlusion: `(N,) float32` in [0, 1], 1 − visible/amodal pixels of each instance, in frame; None if unknown.
        depth: `H×W float32` inverse depth in [0, 1], larger = nearer, robustly normalised; None without a sensor.
        marked_occluded, marked_truncated: `(N,) float32`, 1 where an annotator marked the instance as occluded or as
            cut off, 0 where not, NaN where it was not asked; None where the data has no such marks.
        turned: the photograph is stored turned (EXIF), and `image` is as it is to be viewed: maps in other files may
            not be.
        full_size: `(H, W)` of the photograph where `image` is a smaller copy of it; None where it is the photograph.
    """

    id: str
    image: np.ndarray
    labels: np.ndarray
    mask: np.ndarray | None
    instances: np.ndarray | None = None
    instance_classes: np.ndarray | None = None
    occlusion: np.ndarray | None = None
    depth: np.ndarray | None = None
    marked_occluded: np.ndarray | None = None
    marked_truncated: np.ndarray | None = None
    turned: bool = False
    full_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        height_width = self.image.shape[:2]
        for name in ("mask", "instances", "depth"):
            array = getattr(self, name)
            if array is not None and array.shape != height_width:
                raise WsssError(f"sample {self.id}: {name} is {array.shape}, but the image is {height_width}")

    @property
    def own_size(self) -> tuple[int, int]:
        """`(H, W)` of the photograph itself."""
        return self.full_size or (self.image.shape[0], self.image.shape[1])

    @property
    def truth(self) -> np.ndarray:
        """The mask; where there is none, a map of 255, since nothing is known of any pixel."""
        return np.full(self.image.shape[:2], IGNORE, np.uint8) if self.mask is None else self.mask

    @property
    def required_mask(self) -> np.ndarray:
        """The mask, for what makes no sense without one.

        Raises:
            WsssError: there is none.
        """
        if self.mask is None:
            raise WsssError(f"image {self.id} has its image labels alone, and this needs a mask. Add one.")
        return self.mask


@runtime_checkable
class Dataset(Protocol):
    """A split of a data set: ids in a fixed order, samples read from disk on demand.

    Attributes:
        name: the `{data}` of the records (`tabletop`, `nyuv2`, or the name of a VOC root folder).
        split: which split this is.
        classes: names of classes 1…C, background not included.
        ids: sample ids in order.
        has_depth: whether samples carry sensor depth.

    It may have an attribute `scenes`, see `scene_numbers`.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    has_depth: bool

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Sample: ...
    def __iter__(self) -> Iterator[Sample]: ...
    def fingerprint(self) -> str:
        """SHA-256 over what the split holds (ids, and contents or generator version): the records' `data_sha256`."""
        ...


def scene_numbers(dataset: Dataset) -> NDArray[np.int64]:
    """Number of the scene of each image `(N,)`: images of one scene are not independent, and are resampled together.

    A data set may say so in an attribute `scenes`, a mapping from ids to any names of scenes. Without it, and where an
    id is not in it, each image is a scene of its own.
    """
    named = getattr(dataset, "scenes", None) or {}
    numbers: dict[tuple[bool, object], int] = {}
    keys = [(name in named, named.get(name, name)) for name in dataset.ids]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def data_key(dataset: Dataset) -> str:
    """What of a split enters cache keys: its fingerprint and the contents of its files.

    The fingerprint of rendered scenes says what they were rendered from, so that records of all machines have the same;
    what lies on this disk is hashed by their method `contents`. The fingerprint of other data is of contents already.
    """
    contents = getattr(dataset, "contents", None)
    return content_hash([dataset.fingerprint(), contents()]) if contents else dataset.fingerprint()


def labels_of_mask(mask: np.ndarray, num_classes: int) -> np.ndarray:
    """Image labels `(C,) bool` of a label map: which of 1…C occur. 0 and 255 do not count."""
    present = np.bincount(mask.ravel(), minlength=256)[1 : num_classes + 1] > 0
    return np.asarray(present)


def subset(ids: Sequence[str], limit: int | None) -> tuple[str, ...]:
    """At most `limit` ids, evenly spaced over the whole sequence, in order; all of them when `limit` is None."""
    if limit is None or limit >= len(ids):
        return tuple(ids)
    positions = np.linspace(0, len(ids) - 1, limit).round().astype(int)
    return tuple(ids[position] for position in positions)


def require_class_names(names: Sequence[object], place: str) -> None:
    """Raise a `WsssError` unless names can be those of the labels 1…C: each one line of text, and no two alike.

    Args:
        place: that they come from, for the message.
    """
    odd = [name for name in names if not isinstance(name, str) or not name or not is_one_line(name)]
    if odd or not 0 < len(names) < IGNORE or len(set(names)) < len(names):
        shown = ascii(odd[0] if odd else names)[:80]
        raise WsssError(f"{place} must name 1 to {IGNORE - 1} classes, each once and in one line, not {shown}")
