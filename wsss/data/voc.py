"""Any folder in the layout of PASCAL VOC 2012, with VOC's classes or its own.

Everingham et al.: The PASCAL Visual Object Classes Challenge: A Retrospective. IJCV 2015. Augmented masks (SBD):
Hariharan et al.: Semantic Contours from Inverse Detectors. ICCV 2011.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wsss.data.annotations import xml_labels, xml_marks
from wsss.data.base import IGNORE, Dataset, Sample, labels_of_mask, subset
from wsss.data.classes import check_classes, select_classes
from wsss.data.folder import FolderDataset, existing_folder, is_file, read_uint8_map
from wsss.data.splits import check_split, cut_tune, read_split, without
from wsss.errors import WsssError
from wsss.io import content_hash, read_image

__all__ = ["SPLITS", "VOC_CLASSES", "VocDataset", "instance_classes", "read_class_names", "usual_classes"]

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""VOC's classes in the order of the mask ids 1…20."""

SPLITS = ("train", "train_aug", "tune", "val", "test")

NO_CLASS = re.compile(r"[\W_]*(background|ignore|ignored|unlabell?ed|void)[\W_]*|\d+[\s:,].*|.*:.*", re.IGNORECASE)
"""What a line of `classes.txt` may not be: a name of background or void, a name after its number, a line of a label map."""

TUNE_BLOCKS, TUNE_BLOCK_SIZE = 5, 20
TRAINING = ("train", "train_aug")


def read_class_names(root: Path) -> tuple[str, ...]:
    """Names of the mask ids 1…N: the lines of `root/classes.txt` where there is one, else VOC's twenty.

    Raises:
        WsssError: the file is unreadable or empty, repeats a name, has more than 254 names, or a line that is no class name (see
            `NO_CLASS`): every name after it would be one off.
    """
    file = root / "classes.txt"
    if not is_file(file):
        return VOC_CLASSES
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WsssError(f"cannot read {file}: {error}. It must name one class a line, in UTF-8.") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names or len(names) >= IGNORE or len(set(names)) < len(names):
        raise WsssError(f"{file} must name the mask ids 1…N (N < 255), one a line, each once, background left out.")
    wrong = next((name for name in names if NO_CLASS.fullmatch(name)), None)
    if wrong is not None:
        raise WsssError(
            f"{file} must name the mask ids 1…N, one a line, names alone, background left out: {wrong[:40]!r} is no class name."
        )
    return names


def instance_classes(objects: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Instances and their classes from an object mask: each object has the class of most of its labelled pixels.

    Args:
        objects: `H×W uint8`, VOC's `SegmentationObject`: 0 none, 1…254 objects, 255 void.
        mask: `H×W uint8` label map of the same image.

    Returns:
        instances: `H×W uint16`, numbered 1…M without gaps; objects without a pixel of any class are left out.
        classes: `(M,) uint8`, the class of instance k at index k − 1.
    """
    instances = np.zeros(objects.shape, dtype=np.uint16)
    classes: list[int] = []
    for number in np.unique(objects[(objects > 0) & (objects != IGNORE)]):
        inside = objects == number
        votes = np.bincount(mask[inside], minlength=256)
        votes[[0, IGNORE]] = 0
        if votes.any():
            classes.append(int(votes.argmax()))
            instances[inside] = len(classes)
    return instances, np.array(classes, dtype=np.uint8)


class VocDataset(FolderDataset):
    """A folder with `JPEGImages/ID.jpg`, masks `SegmentationClass{,Aug}/ID.png` and `ImageSets/Segmentation/SPLIT.txt`.

    Masks have one 8-bit class id a pixel (palette or greyscale PNG). `SegmentationClass` is preferred, image by image,
    for its finer outlines. `classes.txt`, one name a line, replaces VOC's vocabulary. Instances come from
    `SegmentationObject` for the images that have one, and the marks *occluded* and *truncated* from their
    `Annotations/ID.xml`. On the training splits an image may have `Annotations/ID.xml` instead of a mask: its image-level
    labels come from there and its mask is all 255.

    `tune` is five blocks of 20 neighbouring ids of `train.txt` (a fifth of a short list), removed from `train` and
    `train_aug`. A folder without `train_aug.txt` has the ids of `train` there too.
    """

    def __init__(self, root: Path, split: str, classes: Sequence[str] | None = None, limit: int | None = None) -> None:
        """Open a split.

        Args:
            root: the folder; its name is the name of the data set.
            split: one of `SPLITS`.
            classes: names that become labels 1…C in this order, the others background; None takes the whole vocabulary.
            limit: keep that many ids, evenly spaced.

        Raises:
            WsssError: no such folder, split, list or class, or a training list that contains ids of `val.txt`.
        """
        self.root = existing_folder(root, "Give a folder with JPEGImages/ and ImageSets/Segmentation/.")
        self.name = self.root.name
        if not re.fullmatch(r"\w[\w.@+ -]*", self.name):  # it becomes the name of a folder of records
            raise WsssError(
                f"{self.root}: the folder's name is the data set's, so it may only have letters, digits, dots, hyphens and "
                "spaces. Rename it."
            )
        check_split(split, SPLITS, self.name)
        self.split = split
        self.vocabulary = read_class_names(self.root)
        self.classes = self.vocabulary if classes is None else check_classes(classes, self.vocabulary, self.name)
        self.has_depth = False
        self.ids = subset(self._split_ids(), limit)

    def _split_ids(self) -> tuple[str, ...]:
        lists = self.root / "ImageSets" / "Segmentation"
        if self.split not in (*TRAINING, "tune"):
            return read_split(lists / f"{self.split}.txt")
        train = read_split(lists / "train.txt")
        tune = cut_tune(train, TUNE_BLOCKS, TUNE_BLOCK_SIZE)
        if self.split == "tune":
            ids = tune
        else:
            augmented = lists / "train_aug.txt"
            more = self.split == "train_aug" and is_file(
                augmented
            )  # without that list all there is to train on is train.txt
            ids = without(read_split(augmented) if more else train, tune)
        self._check_disjoint(ids, lists)
        return ids

    def _check_disjoint(self, ids: Sequence[str], lists: Path) -> None:
        """Refuse training or tuning on images that are reported."""
        for reported in ("val", "test"):
            file = lists / f"{reported}.txt"
            shared = set(ids).intersection(read_split(file)) if is_file(file) else set()
            if shared:
                raise WsssError(
                    f"{len(shared)} ids of {self.split} are also in {file}, e.g. {min(shared)}. Remove them."
                )

    def _mask_file(self, name: str) -> Path | None:
        candidates = (self.root / folder / f"{name}.png" for folder in ("SegmentationClass", "SegmentationClassAug"))
        return next((file for file in candidates if is_file(file)), None)

    def _truth_file(self, name: str) -> Path:
        """The mask, or the annotation that replaces it on the training splits."""
        mask = self._mask_file(name)
        if mask is not None:
            return mask
        annotation = self.root / "Annotations" / f"{name}.xml"
        if self.split in TRAINING and is_file(annotation):
            return annotation
        raise WsssError(
            f"{self.root}: {name}.png is neither in SegmentationClass nor in SegmentationClassAug"
            + (f", and there is no {annotation}. " if self.split in TRAINING else ". ")
            + f"Add it or take {name} out of the {self.split} list."
        )

    def _object_file(self, name: str) -> Path | None:
        file = self.root / "SegmentationObject" / f"{name}.png"
        return file if is_file(file) else None

    def _mark_file(self, name: str) -> Path | None:
        """The annotation with the marks of the instances, where both are there."""
        file = self.root / "Annotations" / f"{name}.xml"
        return file if self._mask_file(name) and self._object_file(name) and is_file(file) else None

    def _files(self, name: str) -> list[Path]:
        files = [self.root / "JPEGImages" / f"{name}.jpg", self._truth_file(name)]
        return files + [file for file in (self._object_file(name), self._mark_file(name)) if file is not None]

    def fingerprint(self) -> str:
        """As of `FolderDataset`, and over the names of all mask ids: others give the same masks another meaning."""
        return content_hash([super().fingerprint(), self.vocabulary])

    def _read(self, name: str) -> Sample:
        image = read_image(self.root / "JPEGImages" / f"{name}.jpg")
        truth = self._truth_file(name)
        if truth.suffix == ".xml":
            labels = xml_labels(truth, self.vocabulary)
            sample = Sample(name, image, labels, np.full(image.shape[:2], IGNORE, dtype=np.uint8))
        else:
            sample = self._with_mask(name, image, self._read_mask(truth, image.shape[:2]))
        return select_classes(sample, self.vocabulary, self.classes)

    def _with_mask(self, name: str, image: np.ndarray, mask: np.ndarray) -> Sample:
        labels = labels_of_mask(mask, len(self.vocabulary))
        file = self._object_file(name)
        if file is None:
            return Sample(name, image, labels, mask)
        instances, classes = instance_classes(read_uint8_map(file, mask.shape), mask)
        marks = self._mark_file(name)
        if marks is None:
            return Sample(name, image, labels, mask, instances, classes)
        occluded, truncated = xml_marks(marks, instances, [self.vocabulary[label - 1] for label in classes])
        return Sample(
            name, image, labels, mask, instances, classes, marked_occluded=occluded, marked_truncated=truncated
        )

    def _read_mask(self, file: Path, height_width: tuple[int, ...]) -> np.ndarray:
        mask = read_uint8_map(file, height_width)
        highest = len(self.vocabulary)
        foreign = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[highest + 1 : IGNORE])
        if foreign.size:
            raise WsssError(
                f"{file} holds the value {foreign[0] + highest + 1}, but class ids are 0…{highest} and 255. "
                "If the folder has classes of its own, name them in classes.txt, one a line."
            )
        return mask


def usual_classes(dataset: Dataset, share: float = 0.05) -> tuple[str, ...]:
    """The classes that a folder is about, when the user names none.

    A folder in which every class of the vocabulary occurs keeps them all. One that lacks some is a selection of images, and is
    about the classes that occur in at least `share` of `dataset`, its train split; the others stay background.
    """
    labels = np.stack([sample.labels for sample in dataset])
    frequency = labels.mean(axis=0)
    if (frequency > 0).all():
        return dataset.classes
    return tuple(name for name, often in zip(dataset.classes, frequency, strict=True) if often >= share)
