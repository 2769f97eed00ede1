"""Pseudo-labels for others: a folder in the layout of PASCAL VOC, on which any toolbox trains as it is."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from wsss.checks import require_folder
from wsss.data.base import Dataset
from wsss.errors import WsssError
from wsss.io import atomic_path, content_hash, read_json, write_json
from wsss.machine.contents import file_hashes
from wsss.machine.progress import progress_bar
from wsss.pseudo.labels import load_pseudo_label, save_pseudo_label

__all__ = ["FACTS", "export_voc", "require_same_export"]

FACTS = "export.json"
"""File that says what a folder was filled with: of each list its data and labels. It is written before the first
picture."""

_LAYOUT = ("classes.txt", "JPEGImages", "SegmentationClass", "ImageSets")

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
    identity = _labels_of(data, labels)
    lists = require_same_export(data, out, split, identity)
    facts = {"name": data.name, "data": data.fingerprint(), "labels": identity, "ids": list(data.ids)}
    write_json(out / FACTS, {"classes": list(data.classes), "lists": {**lists, split: facts}})
    for index in progress_bar(range(len(data)), f"export {split}", shown=progress):
        sample = data[index]
        label = sample.required_mask if labels is None else load_pseudo_label(labels / f"{sample.id}.png")
        save_pseudo_label(out / "SegmentationClass" / f"{sample.id}.png", label)
        with atomic_path(out / "JPEGImages" / f"{sample.id}.jpg") as path:
            Image.fromarray(sample.image).save(path, format="JPEG", quality=QUALITY, subsampling=0)
    _write_lines(out / "classes.txt", data.classes)
    return _write_lines(out / "ImageSets" / "Segmentation" / f"{split}.txt", data.ids)


def _labels_of(data: Dataset, labels: Path | None) -> str:
    """What tells label maps apart: the contents of their files, or that they are the true masks."""
    if labels is None:
        return "truth"
    return content_hash(file_hashes(labels / f"{name}.png" for name in data.ids))


def require_same_export(data: Dataset, out: Path, split: str, labels: str | None = None) -> Mapping[str, Any]:
    """Raise a `WsssError` unless a split can be written into a folder without replacing or mixing anything.

    A folder that was filled before must have the same classes and be of the same data set; a list of the same name must
    be of the same images and labels; no image may be in two lists with labels of two kinds.

    Args:
        labels: what tells the label maps apart; None where they are not made yet.

    Returns:
        What is known of the lists that are there.
    """
    require_folder(out)
    remedy = f"Give another folder with --out, or delete {out}."
    if not (out / FACTS).exists():
        found = next((name for name in _LAYOUT if (out / name).exists()), None)
        if found is not None:
            raise WsssError(
                f"{out} holds {found} already, and does not say ({FACTS}) what it was filled with. {remedy}"
            )
        return {}
    known = read_json(out / FACTS)
    try:
        classes, lists = tuple(known["classes"]), dict(known["lists"])
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


def _write_lines(path: Path, lines: Iterable[str]) -> Path:
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
