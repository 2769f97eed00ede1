"""COCO's `instances.json`: its categories and images, and the outlines of its objects from and to label maps.

A label map is semantic: it says which pixels show a class, not which of them belong to one object. So it is written as
one annotation for each class that an image shows, its whole mask, as COCO-Stuff does (Caesar et al., CVPR 2018).
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.checks import finite
from wsss.data.base import IGNORE
from wsss.data.tag_names import composed
from wsss.errors import WsssError
from wsss.machine.lazy import needed

__all__ = ["Instances", "annotations_of", "category_list", "label_map_of", "pycocotools_mask", "read_instances"]

_COMPRESSED, _NUMBER = re.compile(r"(?:[P-o]{0,6}[0-O])*"), re.compile(r"[P-o]*[0-O]")
"""A run-length code as pycocotools writes it, and one of its numbers."""

LEAST_NUMBERS = 6  # of a polygon: three corners; pycocotools takes four numbers for a box


@dataclass(frozen=True)
class Instances:
    """What a file of COCO's instances holds.

    Attributes:
        path: of the file, for messages.
        categories: name by id, in the order of the ids, in Unicode's composed form: two may have one.
        images: each has `id` and `file_name`, and `height` and `width` where the file says them.
        annotations: of each image, by its id.
    """

    path: Path
    categories: Mapping[Any, str]
    images: Sequence[Mapping[str, Any]]
    annotations: Mapping[Any, Sequence[Mapping[str, Any]]]

    def names_of(self, image: Mapping[str, Any]) -> frozenset[str]:
        """The categories of an image's annotations."""
        return frozenset(self.categories[each["category_id"]] for each in self.annotations[image["id"]])


def read_instances(path: Path) -> Instances:
    """Read a file as COCO's `instances.json`.

    Raises:
        WsssError: it is missing, no JSON, or not of this kind; it has two categories or images of one id, or two
            categories of one name.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=str)  # NaN, which is no number in JSON
    except OSError as error:
        raise WsssError(f"cannot read {path}: {error.strerror}. Give a file as COCO's instances.json.") from error
    except (ValueError, RecursionError) as error:
        raise WsssError(f"{path} is no JSON: {error}. Export COCO's instances anew.") from error
    try:
        listed = sorted(held["categories"], key=lambda one: one["id"])
        categories: dict[Any, str] = {one["id"]: one["name"] for one in listed}
        found: dict[Any, list[Mapping[str, Any]]] = {one["id"]: [] for one in held["images"]}
        for annotation in held["annotations"]:
            found[annotation["image_id"]].append(annotation)
            categories[annotation["category_id"]]  # which must be there
        named = all(
            isinstance(one, str) for one in (*categories.values(), *(each["file_name"] for each in held["images"]))
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise WsssError(
            f"{path} is not as COCO's instances.json, with images, categories and annotations ({error!r})."
        ) from error
    if not named:
        raise WsssError(f"{path}: name of a category and file_name of an image must be text. Correct it.")
    for kind, ids in (("categories", [one["id"] for one in listed]), ("images", [one["id"] for one in held["images"]])):
        if len(set(ids)) < len(ids):
            raise WsssError(f"{path}: two {kind} have the id {_repeated(ids)}. Give each its own.")
    if len(set(categories.values())) < len(categories):
        raise WsssError(
            f"{path} names the category {_repeated(list(categories.values()))!r} twice. Rename or remove one."
        )
    return Instances(path, {key: composed(name) for key, name in categories.items()}, held["images"], found)


def _repeated(values: Sequence[Any]) -> Any:
    return Counter(values).most_common(1)[0][0]


def category_list(classes: Sequence[str]) -> list[dict[str, Any]]:
    """COCO's categories of classes 1…C, with the ids of their label maps."""
    return [{"id": label, "name": name, "supercategory": ""} for label, name in enumerate(classes, start=1)]


def pycocotools_mask() -> Any:
    """The module `pycocotools.mask`; a `WsssError` where it is not installed."""
    needed("pycocotools", "COCO")
    return needed("pycocotools.mask")


def annotations_of(
    label: NDArray[np.uint8], image_id: int, first_id: int, maybe: Sequence[int]
) -> list[dict[str, Any]]:
    """The annotations of a label map: its inverse is `label_map_of`.

    Each class has one, with `iscrowd` 0. Pixels of which nothing is known (255) are in one with `iscrowd` 1 for each
    class that they may be of: such regions are neither learnt from nor scored by those who read COCO.

    Args:
        label: `H×W uint8`, 0 background, 1…254 classes, 255 not known.
        first_id: of the first annotation.
        maybe: labels 1…254 of which pixels of 255 may be, at least one.
    """
    present = np.flatnonzero(np.bincount(label.ravel(), minlength=256)).tolist()
    parts = [(value, label == value, 0) for value in present if 0 < value < IGNORE]
    if IGNORE in present:
        parts += [(value, label == IGNORE, 1) for value in maybe]
    return [_annotation(first_id + number, image_id, *part) for number, part in enumerate(parts)]


def _annotation(number: int, image_id: int, category: int, region: NDArray[np.bool_], crowd: int) -> dict[str, Any]:
    mask = pycocotools_mask()
    code = mask.encode(np.asfortranarray(region, dtype=np.uint8))
    return {
        "id": number,
        "image_id": image_id,
        "category_id": int(category),
        "iscrowd": crowd,
        "area": int(mask.area(code)),
        "bbox": [float(each) for each in mask.toBbox(code)],
        "segmentation": {"size": [int(each) for each in code["size"]], "counts": code["counts"].decode("ascii")},
    }


def label_map_of(
    annotations: Sequence[Mapping[str, Any]], size: tuple[int, int], labels: Mapping[Any, int], place: str
) -> NDArray[np.uint8]:
    """The label map `H×W uint8` of an image's annotations, which are painted in order of decreasing area.

    So a small object lies on a large one. Crowd regions (`iscrowd` 1) are 255 where no object lies on them.

    Args:
        size: `(H, W)` of the image.
        labels: 0…254 by id of the category.
        place: file and image, for messages.

    Raises:
        WsssError: an annotation has no outline, or one that is broken or of another size.
    """
    mask = pycocotools_mask()
    codes = [
        _code(each, size, f"{place}, annotation {each.get('id', number)!r:.40}")
        for number, each in enumerate(annotations)
    ]
    crowd = [each.get("iscrowd") == 1 for each in annotations]
    order = sorted(range(len(codes)), key=lambda index: (not crowd[index], -int(mask.area(codes[index]))))
    label = np.zeros(size, np.uint8)
    for index in order:
        value = IGNORE if crowd[index] else labels[annotations[index]["category_id"]]
        label[mask.decode(codes[index]).astype(bool)] = value
    return label


def _code(annotation: Mapping[str, Any], size: tuple[int, int], place: str) -> Any:
    """An annotation's outline as pycocotools' compressed run-length code of an image of `size (H, W)`."""
    mask, outline = pycocotools_mask(), annotation.get("segmentation")
    if isinstance(outline, list) and outline:
        return mask.merge(mask.frPyObjects([_polygon(each, size, place) for each in outline], *size))
    if not isinstance(outline, dict) or not {"size", "counts"} <= set(outline):
        raise WsssError(f"{place} has no outline. Draw one, or remove it.")
    if outline["size"] != list(size):
        raise WsssError(f"{place} has an outline of size {outline['size']!r:.40}, but its image {list(size)} (H, W).")
    counts = outline["counts"]
    runs = _runs(counts) if isinstance(counts, str) else counts
    pixels = size[0] * size[1]
    if not isinstance(runs, list) or not all(isinstance(each, int) and 0 <= each <= pixels for each in runs):
        raise WsssError(f"{place} has a broken run-length code: its counts are no numbers of pixels. Export it anew.")
    if sum(runs) != pixels:
        raise WsssError(
            f"{place} has a broken run-length code: its counts are of {sum(runs)} pixels, not of {pixels}. Export it "
            "anew."
        )
    return mask.frPyObjects({"size": list(size), "counts": runs}, *size)


def _runs(text: str) -> list[int] | None:
    """The counts of a compressed run-length code; None where it is none.

    pycocotools, whose format it is (`rleFrString`), reads past the end of a broken one, and leaves pixels that one does
    not cover as they were in memory.
    """
    if not _COMPRESSED.fullmatch(text):
        return None
    runs: list[int] = []
    for part in _NUMBER.findall(text):
        digits = [ord(each) - 48 for each in part]  # five bits each, the lowest first; the sixth says that more follow
        value = sum((digit & 31) << 5 * place for place, digit in enumerate(digits))
        if digits[-1] & 16:  # negative
            value -= 1 << 5 * len(digits)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))  # from the fourth on differences from the last but one
    return runs


def _polygon(corners: Any, size: tuple[int, int], place: str) -> list[float]:
    """`x, y, x, y, …` in pixels, at most an image's side outside of it: the library's memory grows with its length."""
    if not isinstance(corners, list) or not all(isinstance(each, int | float) and finite(each) for each in corners):
        raise WsssError(f"{place} has a polygon that is no list of numbers x, y, x, y, …. Correct it.")
    if len(corners) < LEAST_NUMBERS or len(corners) % 2:
        raise WsssError(
            f"{place} has a polygon of {len(corners)} numbers: it must be x, y, x, y, … of 3 corners at least."
        )
    for values, side in ((corners[::2], size[1]), (corners[1::2], size[0])):
        if min(values) < -side or max(values) > 2 * side:
            raise WsssError(
                f"{place} has a polygon far outside its image of {list(size)} (H, W). Is it of another image?"
            )
    return [float(each) for each in corners]
