"""Pseudo-labels for others: a folder in the layout of PASCAL VOC, on which any toolbox trains as it is."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image
from tqdm.auto import tqdm

from wsss.data.base import Dataset
from wsss.io import atomic_path
from wsss.pseudo.labels import load_pseudo_label, save_pseudo_label

__all__ = ["export_voc"]

QUALITY = 95  # of the JPEGs, without colour subsampling: VOC readers want JPEG, whatever the images were


def export_voc(data: Dataset, labels: Path | None, out: Path, split: str, *, progress: bool = True) -> Path:
    """Write a split as `JPEGImages/ID.jpg`, `SegmentationClass/ID.png`, `ImageSets/Segmentation/SPLIT.txt` and `classes.txt`.

    The list is written last, so that a reader never finds an id without its files. Further splits may be added to a folder.

    Args:
        labels: folder of label maps `ID.png`; None takes the true masks.
        out: the folder to fill.
        split: name of the list.

    Returns:
        The list.

    Raises:
        WsssError: a label map is missing or broken, or a file cannot be written; the message names it.
    """
    for index in tqdm(range(len(data)), desc=f"export {split}", unit="image", leave=False, disable=not progress):
        sample = data[index]
        label = sample.mask if labels is None else load_pseudo_label(labels / f"{sample.id}.png")
        save_pseudo_label(out / "SegmentationClass" / f"{sample.id}.png", label)
        with atomic_path(out / "JPEGImages" / f"{sample.id}.jpg") as path:
            Image.fromarray(sample.image).save(path, format="JPEG", quality=QUALITY, subsampling=0)
    _write_lines(out / "classes.txt", data.classes)
    return _write_lines(out / "ImageSets" / "Segmentation" / f"{split}.txt", data.ids)


def _write_lines(path: Path, lines: Iterable[str]) -> Path:
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
