"""VOC's annotations: an XML file an image, with the classes, boxes and marks of its objects."""

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from scipy.ndimage import find_objects

from wsss.errors import WsssError

__all__ = ["SAME_BOX", "xml_labels", "xml_marks"]

SAME_BOX = 0.5
"""IoU of an instance's box with an annotated one from which on they are the same object."""


def xml_labels(path: Path, classes: Sequence[str]) -> np.ndarray:
    """Image labels `(N,) bool` from the object names of a VOC annotation; difficult objects count too.

    Raises:
        WsssError: the file is missing or no XML, or an object's class is not in `classes`.
    """
    labels = np.zeros(len(classes), dtype=bool)
    for name in (element.text or "" for element in _annotation(path).iterfind("object/name")):
        if name.strip() not in classes:
            raise WsssError(
                f"annotation {path}: class {name!r} is not one of {', '.join(classes)}. Correct it, or name it in "
                "classes.txt."
            )
        labels[classes.index(name.strip())] = True
    return labels


def _annotation(path: Path) -> "ElementTree.ElementTree[ElementTree.Element]":
    try:
        return ElementTree.parse(path)
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: an unknown encoding
        raise WsssError(
            f"cannot read annotation {path}: {error}. Replace it, or take the image out of the split."
        ) from error


def xml_marks(path: Path, instances: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which instances the annotators marked as occluded, and which as truncated.

    An instance belongs to the annotated object of its class whose box overlaps its own box most, if their IoU is at
    least `SAME_BOX`: masks and boxes were drawn at different times, and neither lists all of the other's objects.

    Args:
        path: a VOC annotation.
        instances: `H×W`, 0 none, k the k-th instance.
        names: class name of each of the N instances.

    Returns:
        Two `(N,) float32` arrays of 1 (marked), 0 (not) and NaN (no such object, or no such mark in the annotation).

    Raises:
        WsssError: the file is missing, no XML, or a box is not of numbers.
    """
    objects = _annotation(path).findall("object")
    marks = np.full((2, len(names)), np.nan, dtype=np.float32)
    for number, (name, found) in enumerate(zip(names, find_objects(instances, max_label=len(names)), strict=True)):
        if found is None:
            continue
        box = [found[0].start, found[1].start, found[0].stop, found[1].stop]
        rivals = [one for one in objects if (one.findtext("name") or "").strip() == name]
        if not rivals:
            continue
        overlaps = _box_ious(box, [_xml_box(one, path) for one in rivals])
        if overlaps.max() >= SAME_BOX:
            match = rivals[int(overlaps.argmax())]
            marks[:, number] = [_mark(match.findtext(flag)) for flag in ("occluded", "truncated")]
    return marks[0], marks[1]


def _box_ious(box: Sequence[float], others: Sequence[Sequence[float]]) -> np.ndarray:
    """IoU `(N,) float32` of a box `(top, left, bottom, right)` with each of N others; it is not empty."""
    one, each = np.asarray(box, np.float32), np.asarray(others, np.float32)
    sides = (np.minimum(one[2:], each[:, 2:]) - np.maximum(one[:2], each[:, :2])).clip(min=0)
    both = sides.prod(axis=1)
    areas = (each[:, 2:] - each[:, :2]).prod(axis=1)
    overlaps: np.ndarray = both / ((one[2:] - one[:2]).prod() + areas - both)
    return overlaps


def _mark(text: str | None) -> float:
    """1 or 0; NaN for anything else."""
    return {"0": 0.0, "1": 1.0}.get((text or "").strip(), float("nan"))


def _xml_box(element: ElementTree.Element, path: Path) -> tuple[float, float, float, float]:
    """(top, left, bottom, right), half open; VOC counts pixels from 1 and includes the last."""
    try:
        left, top, right, bottom = (
            float(element.findtext(f"bndbox/{side}") or "") for side in ("xmin", "ymin", "xmax", "ymax")
        )
    except ValueError as error:
        raise WsssError(
            f"annotation {path}: an object's bndbox lacks one of xmin, ymin, xmax, ymax. Add it or remove the object."
        ) from error
    if not (math.isfinite(right - left) and math.isfinite(bottom - top) and left <= right and top <= bottom):
        raise WsssError(
            f"annotation {path}: an object's bndbox ends before it begins. Correct it or remove the object."
        )
    return top - 1, left - 1, bottom, right
