"""Label maps for others: a folder in the layout of PASCAL VOC, or COCO's instances, each with its images."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.checks import require_folder
from wsss.data.base import Dataset, Sample
from wsss.data.coco import annotations_of, category_list, pycocotools_mask
from wsss.data.masks import read_class_mask
from wsss.errors import WsssError
from wsss.io import atomic_path, content_hash, read_json, write_json
from wsss.machine.contents import file_hashes
from wsss.machine.progress import progress_bar
from wsss.pseudo.labels import save_pseudo_label

__all__ = ["FACTS", "FORMATS", "claim", "export_coco", "export_voc", "require_same_export", "write_lines"]

FORMATS = ("voc", "coco", "cam-npy")
"""Of exports: label maps in VOC's layout, COCO's instances, and class maps (`wsss.pseudo.cam_files`)."""

FACTS = "export.json"
"""File that says what a folder was filled with: of each list its data and labels. It is written before the first
picture."""

_LAYOUT = ("classes.txt", "JPEGImages", "SegmentationClass", "ImageSets", "annotations", "images", "*.npy")

QUALITY = 95  # of the JPEGs, without colour subsampling: VOC readers want JPEG, whatever the images were


def export_voc(data: Dataset, labels: Path | None, out: Path, split: str, *, progress: bool = True) -> Path:
    """Write a split as `JPEGImages/ID.jpg`, `SegmentationClass/ID.png`, `ImageSets/Segmentation/SPLIT.txt` and
    `classes.txt`.

    The list is written last, so that a reader never finds an id without its files. Further splits may be added to a
    folder, and an interrupted export goes on; a folder that was filled with something else is left as it is.

    Args:
        labels: folder of label maps `ID.png`; None takes the true masks.
        out: the folder to fill.
        split: name of the list.

    Returns:
        The list.

    Raises:
        WsssError: a label map is missing or broken, or a file cannot be written, the message names it; or the folder
            holds something else, see `require_same_export`.
    """
    claim(data, out, split, _labels_of(data, labels), "voc")
    for sample, label in _pairs(data, labels, split, progress):
        save_pseudo_label(out / "SegmentationClass" / f"{sample.id}.png", label)
        _write_photograph(out / "JPEGImages" / f"{sample.id}.jpg", sample)
    return write_lines(out / "ImageSets" / "Segmentation" / f"{split}.txt", data.ids)


def export_coco(data: Dataset, labels: Path | None, out: Path, split: str, *, progress: bool = True) -> Path:
    """Write a split as `images/SPLIT/ID.jpg`, `annotations/instances_SPLIT.json` and `classes.txt`.

    Categories have the ids of the label maps, 1 for the first class. A label map does not say which pixels belong to
    one object, so an image has one annotation for each class that it shows: `iscrowd` 0, run-length code, area and box
    of its whole mask. Where a label map says nothing (255), a crowd region (`iscrowd` 1) of each class that it may be
    does: those of the image's labels, or any where it has none. `pycocotools` gives the label map back to the pixel.

    The annotations are written last. Arguments, errors and further splits are those of `export_voc`.

    Returns:
        The annotations' file.
    """
    claim(data, out, split, _labels_of(data, labels), "coco")
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, (sample, label) in enumerate(_pairs(data, labels, split, progress), start=1):
        _write_photograph(out / "images" / split / f"{sample.id}.jpg", sample)
        height, width = label.shape
        images.append({"id": number, "file_name": f"{sample.id}.jpg", "height": height, "width": width})
        annotations += annotations_of(label, number, len(annotations) + 1, _maybe(sample, label, len(data.classes)))
    what = "true masks" if labels is None else "labels that wsss has made: guesses of a network, not truth"
    path = out / "annotations" / f"instances_{split}.json"
    write_json(
        path,
        {
            "info": {"description": f"{data.name}, {split}: {what}"},
            "licenses": [],
            "categories": category_list(data.classes),
            "images": images,
            "annotations": annotations,
        },
    )
    return path


def _maybe(sample: Sample, label: NDArray[np.uint8], num_classes: int) -> list[int]:
    """Labels 1…C of which a pixel of 255 may be."""
    shown = np.bincount(label.ravel(), minlength=256)[1 : num_classes + 1] > 0
    return (np.flatnonzero(shown | sample.labels) + 1).tolist() or list(range(1, num_classes + 1))


def _pairs(
    data: Dataset, labels: Path | None, split: str, progress: bool
) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
    """Each sample with its label map `H×W uint8`, 0…C and 255."""
    for index in progress_bar(range(len(data)), f"export {split}", shown=progress):
        sample = data[index]
        if labels is None:
            yield sample, sample.required_mask
        else:
            yield sample, read_class_mask(labels / f"{sample.id}.png", sample.image.shape[:2], len(data.classes))


def _write_photograph(path: Path, sample: Sample) -> None:
    with atomic_path(path) as temporary:
        Image.fromarray(sample.image).save(temporary, format="JPEG", quality=QUALITY, subsampling=0)


def claim(data: Dataset, out: Path, split: str, labels: str, form: str, more: Mapping[str, Any] | None = None) -> None:
    """Write into `export.json` what a folder is to be filled with, and `classes.txt`.

    Raises what `require_same_export` does.

    Args:
        labels: what tells the labels apart.
        form: one of `FORMATS`.
        more: facts of the list.
    """
    lists = require_same_export(data, out, split, labels, form)
    facts = {"name": data.name, "data": data.fingerprint(), "labels": labels, "ids": list(data.ids), **(more or {})}
    write_json(out / FACTS, {"format": form, "classes": list(data.classes), "lists": {**lists, split: facts}})
    write_lines(out / "classes.txt", data.classes)


def _labels_of(data: Dataset, labels: Path | None) -> str:
    """What tells label maps apart: the contents of their files, or that they are the true masks."""
    if labels is None:
        return "truth"
    return content_hash(file_hashes(labels / f"{name}.png" for name in data.ids))


def require_same_export(
    data: Dataset, out: Path, split: str, labels: str | None = None, form: str = "voc"
) -> Mapping[str, Any]:
    """Raise a `WsssError` unless a split can be written into a folder without replacing or mixing anything.

    A folder that was filled before must have the same format and classes and be of the same data set; a list of the
    same name must be of the same images and labels; no image may be in two lists with labels of two kinds.

    Args:
        labels: what tells the label maps apart; None where they are not made yet.
        form: one of `FORMATS`.

    Returns:
        What is known of the lists that are there.
    """
    require_folder(out)
    if form == "coco":
        pycocotools_mask()  # a missing library is said before anything is made
    remedy = f"Give another folder with --out, or delete {out}."
    if not (out / FACTS).exists():
        found = next((path.name for name in _LAYOUT for path in out.glob(name)), None)
        if found is not None:
            raise WsssError(
                f"{out} holds {found} already, and does not say ({FACTS}) what it was filled with. {remedy}"
            )
        return {}
    known = read_json(out / FACTS)
    try:
        classes, lists, held = tuple(known["classes"]), dict(known["lists"]), known.get("format", "voc")
        if held != form:
            raise WsssError(f"{out} holds an export as {held}, not as {form}. {remedy}")
        if classes != tuple(data.classes):
            raise WsssError(
                f"{out} has the classes {', '.join(classes)}, not {', '.join(data.classes)}: its masks would mean "
                f"something else. {remedy}"
            )
        for name, facts in lists.items():
            shared = set(facts["ids"]) & set(data.ids)
            if facts["name"] != data.name:
                raise WsssError(f"{out} holds images of {facts['name']}, not of {data.name}. {remedy}")
            if name == split and facts["data"] != data.fingerprint():
                lost = len(facts["ids"]) - len(shared)
                left = f" ({len(facts['ids'])}, of which {lost} would be left out)" if lost else ", or of other masks"
                raise WsssError(f"{out} holds a list {split} of other images{left}. {remedy}")
            if name == split and labels not in (None, facts["labels"]):
                raise WsssError(f"{out} holds other labels of the list {split}. {remedy}")
            if name != split and shared:
                raise WsssError(f"{out} holds image {min(shared)} in its list {name} already. {remedy}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise WsssError(f"{out / FACTS} does not say what {out} was filled with ({error!r}). {remedy}") from error
    return lists


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write a text file of lines, atomically; returns its path."""
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
