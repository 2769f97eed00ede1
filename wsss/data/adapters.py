"""Data sets of torchvision and of Hugging Face `datasets`, or what behaves like them, as data sets of this package.

Neither library is imported. A torchvision data set gives `(image, target)` by index; one of Hugging Face gives rows by
index, with `features`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from wsss.data.base import IGNORE, Sample, labels_of_mask
from wsss.data.own import OwnDataset
from wsss.data.pictures import rgb_pixels
from wsss.data.splits import cut_tune, without
from wsss.errors import WsssError, first_line

__all__ = ["as_dataset", "as_splits"]

IMAGES = ("image", "img", "pixel_values")
TARGETS = ("labels", "label", "fine_label", "mask", "annotation", "segmentation_mask")
"""Columns of Hugging Face data sets that are taken where none is named."""

SPLIT_NAMES = {"train": ("train",), "tune": ("tune", "validation", "val"), "report": ("report", "test")}
"""Keys of a dictionary of splits: those of this package, and what others call the same."""

TUNE_BLOCKS, TUNE_BLOCK_SIZE = 5, 20


class _Rows:
    """Samples from rows that hold an image and a class, several, or a mask."""

    def __init__(self, source: Any, name: str, classes: tuple[str, ...], ids: Sequence[str]) -> None:
        self.source, self.name, self.classes, self.ids = source, name, classes, tuple(ids)
        self.columns = _columns(source)

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        name = self.ids[index]
        try:
            row = self.source[index]
        except Exception as error:  # of somebody else's data set
            raise WsssError(f"data set {self.name} cannot read image {name}: {first_line(error)}") from error
        image, target = (row[0], row[1]) if not self.columns else (row[column] for column in self.columns)
        try:
            pixels = _pixels(image)
            labels, mask = _truth(target, len(self.classes))
        except (ValueError, IndexError) as error:
            raise WsssError(f"data set {self.name}, image {name}: {error}") from error
        # A map of 255 says that nothing is known of any pixel.
        return Sample(name, pixels, labels, np.full(pixels.shape[:2], IGNORE, np.uint8) if mask is None else mask)


def as_dataset(
    source: Any,
    *,
    name: str | None = None,
    split: str = "train",
    classes: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    version: int = 1,
) -> OwnDataset:
    """A torchvision or Hugging Face data set as one of this package; one that already is one stays as it is.

    The target of an image is a class number from 0 on, a list of them, an array `(C,)` of 0 and 1, or a mask `H×W` of 0
    for the background, 1…C and 255. Images are PIL images or `H×W×3 uint8`, so without a transform to tensors.

    Args:
        source: gives `(image, target)` by index; or rows with columns that `IMAGES` and `TARGETS` name, and `features`.
        name: of the data in records; None takes that of the source's class, of the folder of an `ImageFolder`, or of
            Hugging Face's `info`.
        split: of the data.
        classes: names of classes 1…C; None takes those that the source has.
        ids: of the images, such as the stems of their files, to find depth files by; None numbers them.
        version: see `OwnDataset`.

    Raises:
        WsssError: the source has no class names and none are given, or no column of images; later, a row is of none of
            these forms.
    """
    if isinstance(source, OwnDataset):
        return source
    if isinstance(source, list | tuple) and not name:
        raise WsssError("a list has no name for records: give it one, as in as_dataset(pairs, name='mugs', …)")
    if all(hasattr(source, each) for each in ("name", "ids", "classes")):
        return OwnDataset(source, version, split)
    own = name or _name_of(source)
    if not hasattr(source, "__len__") or not hasattr(source, "__getitem__"):
        raise WsssError(f"{type(source).__name__} is no data set: it must have a length, and give rows by index")
    names = tuple(classes or _classes_of(source))
    if not names:
        raise WsssError(f"data set {own} has no class names: give them, as in as_dataset(…, classes=['cat', 'dog'])")
    numbered = [f"{split}-{number:06d}" for number in range(len(source))]
    return OwnDataset(_Rows(source, own, names, ids or numbered), version, split)


def as_splits(data: Any) -> dict[str, OwnDataset]:
    """The splits `train`, `tune` and `report` of data sets that are given as objects.

    Args:
        data: a dictionary of splits; `validation` is `tune` there and `test` is `report`, as Hugging Face calls them.
            Of a single data set a fifth each is cut out as `tune` and `report`, in blocks of neighbours, which may show
            the same scene; at most 100 images each.

    Raises:
        WsssError: a split is missing or unknown, the splits differ in their name or classes, or share an image.
    """
    if not isinstance(data, Mapping):
        whole = as_dataset(data)
        tune = cut_tune(whole.ids, TUNE_BLOCKS, TUNE_BLOCK_SIZE)
        rest = without(whole.ids, tune)
        report = cut_tune(rest, TUNE_BLOCKS, TUNE_BLOCK_SIZE)
        return {
            "train": whole.part(without(rest, report), "train"),
            "tune": whole.part(tune, "tune"),
            "report": whole.part(report, "test"),
        }
    found = {split: [key for key in keys if key in data] for split, keys in SPLIT_NAMES.items()}
    wrong = [str(key) for key in data if not any(key in keys for keys in SPLIT_NAMES.values())]
    wrong += [split for split, keys in found.items() if len(keys) != 1]
    if wrong:
        raise WsssError(
            "data must be {'train': …, 'tune': …, 'report': …}, or 'validation' for 'tune' and 'test' for 'report'; "
            f"see {wrong[0]!r} among {', '.join(map(str, data)) or 'nothing'}"
        )
    splits = {}
    for split, keys in found.items():
        called = "test" if split == "report" else split
        opened = as_dataset(data[keys[0]], split=called)
        splits[split] = opened.part(opened.ids, called)
    _check_together(splits)
    return splits


def _check_together(splits: Mapping[str, OwnDataset]) -> None:
    first, seen = splits["train"], dict[str, str]()
    for split, each in splits.items():
        if (each.name, each.classes) != (first.name, first.classes):
            raise WsssError(
                f"the splits must have one name and the same classes, but train is {first.name} of "
                f"{', '.join(first.classes)}, and {split} is {each.name} of {', '.join(each.classes)}"
            )
        for name in each.ids:
            if seen.setdefault(name, split) != split:
                raise WsssError(f"data set {each.name}: image {name} is in {seen[name]} and in {split}")


def _name_of(source: Any) -> str:
    info = getattr(source, "info", None)
    told = getattr(info, "dataset_name", None) or getattr(info, "builder_name", None) or type(source).__name__
    if told in ("ImageFolder", "DatasetFolder"):  # of any data at all
        told = Path(source.root).resolve().name
    return re.sub(r"[^a-z0-9._-]+", "-", str(told).lower()).strip("-.") or "data"


def _columns(source: Any) -> tuple[str, str] | None:
    """The columns of image and target; None where rows are pairs."""
    features = getattr(source, "features", None)
    if not isinstance(features, Mapping):
        return None
    found = [next((each for each in names if each in features), None) for names in (IMAGES, TARGETS)]
    if found[0] is None or found[1] is None:
        raise WsssError(
            f"columns {', '.join(features)}: one must be called {' or '.join(IMAGES)}, another {' or '.join(TARGETS)}: "
            "use rename_column"
        )
    return found[0], found[1]


def _classes_of(source: Any) -> Sequence[str]:
    columns = _columns(source)
    if columns is None:
        return tuple(getattr(source, "classes", ()) or ())
    feature = source.features[columns[1]]
    return tuple(getattr(getattr(feature, "feature", feature), "names", ()) or ())


def _pixels(image: Any) -> np.ndarray:
    if isinstance(image, Image):
        pixels = rgb_pixels(image)
        if pixels is None:
            raise ValueError(f"the image has mode {image.mode}, whose range is unknown: give 8 or 16 bits a channel")
        return pixels
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(
            f"the image must be a PIL image or H×W×3 uint8, not {array.dtype} {array.shape}; leave out the transform "
            "to a tensor"
        )
    return array


def _truth(target: Any, count: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Image labels `(C,) bool`, and the mask where the target is one."""
    labels, several = np.zeros(count, bool), isinstance(target, list | tuple)
    array = np.zeros(0) if several else np.asarray(target)
    if isinstance(target, Image) or array.ndim == 2:
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer) or array.min() < 0 or array.max() > IGNORE:
            raise ValueError(f"a mask must be H×W of class ids 0…{count} and 255, not {array.dtype} {array.shape}")
        mask = array.astype(np.uint8)
        return labels_of_mask(mask, count), mask
    if array.ndim == 1 and not several:
        if len(array) != count or not np.isin(array, (0, 1)).all():
            raise ValueError(f"an array of labels must be ({count},) of 0 and 1, not {array.dtype} {array.shape}")
        return array.astype(bool), None
    for number in target if several else [target]:
        if (
            isinstance(number, str | dict)
            or not np.issubdtype((one := np.asarray(number)).dtype, np.integer)
            or one.ndim
        ):
            raise ValueError(f"its target must be a class number, several, or a mask, not {type(number).__name__}")
        if not 0 <= int(one) < count:
            raise ValueError(f"class number {int(one)} is none of 0…{count - 1}")
        labels[int(one)] = True
    return labels, None
