"""Any folder in the layout of PASCAL VOC 2012, with VOC's classes or its own.

Everingham et al.: The PASCAL Visual Object Classes Challenge: A Retrospective. IJCV 2015. Augmented masks (SBD):
Hariharan et al.: Semantic Contours from Inverse Detectors. ICCV 2011.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from wsss.data.annotations import xml_labels, xml_marks
from wsss.data.base import IGNORE, Sample, labels_of_mask, subset
from wsss.data.classes import check_classes, select_classes
from wsss.data.folder import FolderDataset, existing_folder, is_file, read_uint8_map
from wsss.data.masks import Colours, check_masks, read_class_mask
from wsss.data.picture_files import PictureFolder
from wsss.data.pictures import is_turned, read_image
from wsss.data.splits import check_split, cut_tune, read_split, without
from wsss.data.vocabulary import VOC_CLASSES, read_class_names
from wsss.errors import WsssError
from wsss.io import content_hash

__all__ = ["SPLITS", "VOC_CLASSES", "VocDataset", "instance_classes", "read_class_names"]

SPLITS = ("train", "train_aug", "tune", "val", "test")

TUNE_BLOCKS, TUNE_BLOCK_SIZE = 5, 20
TRAINING = ("train", "train_aug")
MASK_FOLDERS = ("SegmentationClass", "SegmentationClassAug")


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

    Images may have any suffix of `wsss.data.picture_files.SUFFIXES`. One that is stored turned (EXIF) is turned where
    it has no mask.

    Masks have one 8-bit class id a pixel (palette or greyscale PNG). `SegmentationClass` is preferred, image by image,
    for its finer outlines. `classes.txt`, one name a line, replaces VOC's vocabulary. Instances come from
    `SegmentationObject` for the images that have one, and the marks *occluded* and *truncated* from their
    `Annotations/ID.xml`. On the training splits an image may have `Annotations/ID.xml` instead of a mask: its
    image labels come from there and its mask is all 255. In a folder without masks that is so on all splits.

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
                f"{self.root}: the folder's name is the data set's, so it may only have letters, digits, dots, hyphens "
                "and spaces. Rename it."
            )
        check_split(split, SPLITS, self.name)
        self.split = split
        self.vocabulary = read_class_names(self.root)
        self.classes = self.vocabulary if classes is None else check_classes(classes, self.vocabulary, self.name)
        self.has_depth = False
        self._pictures = PictureFolder(self.root / "JPEGImages")
        self._colours: Colours = {}
        listed = self._split_ids()
        self._check_masks(listed)
        self.ids = subset(listed, limit)

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

    def _check_masks(self, ids: Sequence[str]) -> None:
        """Refuse a split whose masks hold 0 and 255 only; `tune`, which may be one image, is judged with `train`."""
        if self.split == "tune":
            ids = (*ids, *read_split(self.root / "ImageSets" / "Segmentation" / "train.txt"))
        check_masks((self._raw_labels(name) for name in ids), f"{self.split} of {self.root}")

    def _raw_labels(self, name: str) -> np.ndarray | None:
        """Which ids `(256,) bool` the mask of an image holds, or its annotation names; None where neither can be read.

        What is wrong with it is said when it is needed.
        """
        try:
            truth = self._truth_file(name)
            if truth.suffix == ".xml":
                return np.pad(xml_labels(truth, self.vocabulary), (1, IGNORE - len(self.vocabulary)))
            mask = read_uint8_map(truth)
        except WsssError:
            return None
        return np.bincount(mask.ravel(), minlength=256) > 0

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
        candidates = (self.root / folder / f"{name}.png" for folder in MASK_FOLDERS)
        return next((file for file in candidates if is_file(file)), None)

    @cached_property
    def _has_mask_folder(self) -> bool:
        return any((self.root / folder).is_dir() for folder in MASK_FOLDERS)

    def _truth_file(self, name: str) -> Path:
        """The mask, or the annotation that replaces it on the training splits; without any masks on all splits."""
        mask = self._mask_file(name)
        if mask is not None:
            return mask
        annotation = self.root / "Annotations" / f"{name}.xml"
        replaced = self.split in TRAINING or not self._has_mask_folder
        if replaced and is_file(annotation):
            return annotation
        raise WsssError(
            f"{self.root}: {name}.png is neither in SegmentationClass nor in SegmentationClassAug"
            + (f", and there is no {annotation}. " if replaced else ". ")
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
        files = [self._pictures.path(name), self._truth_file(name)]
        return files + [file for file in (self._object_file(name), self._mark_file(name)) if file is not None]

    def labels(self) -> np.ndarray:
        """Image labels `(N,C) bool` of the split, of which the photographs are not read.

        Raises:
            WsssError: a mask or annotation is missing or broken, or holds an id or name that is no class.
        """
        chosen = [self.vocabulary.index(name) for name in self.classes]
        return np.stack([self._labels(self._truth_file(name))[chosen] for name in self.ids])

    def _labels(self, truth: Path) -> np.ndarray:
        if truth.suffix == ".xml":
            return xml_labels(truth, self.vocabulary)
        count = len(self.vocabulary)
        return labels_of_mask(read_class_mask(truth, None, count, self._colours), count)

    def fingerprint(self) -> str:
        """As of `FolderDataset`, and over the names of all mask ids: others give the same masks another meaning."""
        return content_hash([super().fingerprint(), self.vocabulary])

    def _read(self, name: str) -> Sample:
        photograph = self._pictures.path(name)
        image = read_image(photograph, turn=self._mask_file(name) is None)
        truth = self._truth_file(name)
        if truth.suffix == ".xml":
            labels, unknown = xml_labels(truth, self.vocabulary), np.full(image.shape[:2], IGNORE, dtype=np.uint8)
            sample = Sample(name, image, labels, unknown, turned=is_turned(photograph))
        else:
            mask = read_class_mask(truth, image.shape[:2], len(self.vocabulary), self._colours)
            sample = self._with_mask(name, image, mask)
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
