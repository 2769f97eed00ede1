"""A data set of a user's own, as everything else takes one: checked sample by sample, with a hash of what it holds."""

import copy
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from wsss.data.base import IGNORE, Dataset, Sample, data_key, require_class_names
from wsss.errors import WsssError, is_one_line
from wsss.io import content_hash
from wsss.machine.plugins import check_version

__all__ = ["OwnDataset"]

_NAME = re.compile(r"\w[\w .-]*")


class OwnDataset:
    """Wraps what has the attributes of a `Dataset`; its `fingerprint` may be missing, `has_depth`, `split` and `scenes`
    too.

    Without a fingerprint every sample is read once to hash it.

    Args:
        version: of the code that reads the samples: enters the fingerprint, and with it all keys.
        split: in place of its own.

    Raises:
        WsssError: an attribute is missing, or ids are not unique names; later, a sample is not what it must be.
    """

    def __init__(self, dataset: Any, version: int = 1, split: str | None = None) -> None:
        for name in ("name", "classes", "ids", "__len__", "__getitem__"):
            if not hasattr(dataset, name):
                raise WsssError(
                    f"{type(dataset).__name__} has no {name}, which a data set needs (see wsss.data.base.Dataset)"
                )
        self._dataset, self.version, self._sha256 = dataset, version, ""
        self.name, self.split = str(dataset.name), split or str(getattr(dataset, "split", "train"))
        self.classes, self.ids = tuple(dataset.classes), tuple(dataset.ids)
        self.has_depth = bool(getattr(dataset, "has_depth", False))
        self.scenes = getattr(dataset, "scenes", None)
        self._places = {name: index for index, name in enumerate(self.ids)}
        if not _NAME.fullmatch(self.name):
            raise WsssError(f"data set {self.name!r}: a name must be of letters, digits, spaces, '-', '_', '.'")
        check_version(f"data set {self.name}", version)
        _check_ids(self.name, self.ids)
        if len(self.ids) != len(dataset):
            raise WsssError(f"data set {self.name} has {len(self.ids)} ids, but {len(dataset)} samples")
        require_class_names(self.classes, f"data set {self.name}")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        name = self.ids[index]
        sample: Sample = self._dataset[self._places[name]]
        _check_sample(self, name, sample)
        return sample

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def restrict(self, ids: Sequence[str]) -> None:
        """Keep only `ids`, some of its own in its own order."""
        self.ids, self._sha256 = tuple(ids), ""

    def part(self, ids: Sequence[str], split: str) -> "OwnDataset":
        """A split of it that holds only `ids`."""
        part = copy.copy(self)
        part.restrict(ids)
        part.split = split
        return part

    def fingerprint(self) -> str:
        """SHA-256 over the version, the ids, the classes and what the data set says that it holds, or its samples."""
        if not self._sha256:
            own = getattr(self._dataset, "fingerprint", None)
            held = data_key(self._dataset) if own else [_hash_of(sample) for sample in self]
            self._sha256 = content_hash([self.version, self.split, self.ids, self.classes, held])
        return self._sha256


def _check_ids(name: str, ids: Sequence[Any]) -> None:
    for each in ids:
        parts = each.split("/") if isinstance(each, str) else []
        if not parts or not is_one_line(each) or any(part in ("", ".", "..") for part in parts) or "\\" in each:
            raise WsssError(f"data set {name}: {each!r} is no id; ids are stems of file names, as text")
    if repeated := [each for each, count in Counter(ids).items() if count > 1]:
        raise WsssError(f"data set {name} has the id {repeated[0]} more than once")


def _check_sample(data: Dataset, name: str, sample: Any) -> None:
    """Raise a `WsssError` unless a sample is what `Sample` says."""
    what = f"data set {data.name}: image {name}"
    if not isinstance(sample, Sample):
        raise WsssError(f"{what} must be a wsss.Sample, not {type(sample).__name__}")
    image, labels, mask, depth = sample.image, sample.labels, sample.mask, sample.depth
    if sample.id != name:
        raise WsssError(f"{what} has the id {sample.id}: ids and samples must have one order")
    if not _is_array(image, np.uint8, 3) or image.shape[2] != 3 or not image.size:
        raise WsssError(f"{what} must be H×W×3 uint8 RGB, not {_described(image)}")
    if not _is_array(labels, np.bool_, 1) or len(labels) != len(data.classes):
        raise WsssError(f"{what}: labels must be ({len(data.classes)},) bool, one a class, not {_described(labels)}")
    if mask is not None:
        if not _is_array(mask, np.uint8, 2) or mask.shape != image.shape[:2]:
            raise WsssError(f"{what}: its mask must be {image.shape[:2]} uint8, as the image, not {_described(mask)}")
        if (odd := mask[(mask > len(data.classes)) & (mask < IGNORE)]).size:
            raise WsssError(f"{what}: its mask holds {odd[0]}, but class ids are 0…{len(data.classes)} and 255")
    if problem := _wrong_instances(sample, len(data.classes)):
        raise WsssError(f"{what}: {problem}")
    if depth is not None and not (_is_array(depth, np.float32, 2) and depth.min() >= 0 and depth.max() <= 1):
        raise WsssError(
            f"{what}: its depth must be H×W float32 inverse depth in [0, 1], larger = nearer: make it with "
            "wsss.data.inverse_depth: normalise_inverse_depth(inverse_depth(values, kind))"
        )


def _wrong_instances(sample: Sample, num_classes: int) -> str | None:
    """What is wrong with the objects of a sample, if it has any: ids 0…N, and N entries of all that is said of them."""
    objects = sample.instances
    said = {name: getattr(sample, name) for name in ("occlusion", "marked_occluded", "marked_truncated")}
    if objects is None:
        return None
    if not np.issubdtype(objects.dtype, np.integer):  # `Sample` has looked at the shape
        return f"its instances must be integers {sample.image.shape[:2]}, as the image, not {_described(objects)}"
    ids = sample.instance_classes
    if ids is None or any(not 1 <= one <= num_classes for one in np.asarray(ids).ravel().tolist()):
        return f"its instance_classes must be class ids 1…{num_classes}, one an instance"
    if objects.min() < 0 or objects.max() > len(ids):
        return f"its instances hold {objects.min()} to {objects.max()}, but there are {len(ids)} instance_classes"
    for name, values in said.items():
        if values is not None and len(values) != len(ids):
            return f"its {name} has {len(values)} entries, but there are {len(ids)} instance_classes"
    return None


def _is_array(value: Any, dtype: Any, axes: int) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == dtype and value.ndim == axes


def _described(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _hash_of(sample: Sample) -> str:
    digest = hashlib.sha256()
    for name, value in vars(sample).items():
        if isinstance(value, np.ndarray):
            digest.update(f"{name} {value.dtype} {value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        elif name in ("turned", "full_size") and value:
            digest.update(f"{name} {value}".encode())
    return digest.hexdigest()
