"""A folder of photographs, and a folder of label maps of them that `wsss label` or `wsss predict` has written."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from wsss.data.base import Sample, require_class_names
from wsss.data.folder import FolderDataset, existing_folder
from wsss.data.picture_files import refusal
from wsss.data.pictures import is_turned, read_image
from wsss.data.tags import counted, photographs_in
from wsss.data.vocabulary import read_class_names
from wsss.errors import WsssError
from wsss.io import read_json
from wsss.machine.contents import file_hashes

__all__ = ["FACTS", "LabelledPhotographs"]

FACTS = "labels.json"
"""File that says what a folder's label maps are of and made of; it is written before the first of them."""


class LabelledPhotographs(FolderDataset):
    """Photographs that have a label map `ID.png` in another folder. The id is the path below theirs without suffix.

    Attributes:
        labels: folder of the label maps.
        left_out: one sentence for each kind of thing that is not used.
    """

    has_depth = False

    def __init__(self, root: Path, labels: Path) -> None:
        """Find the photographs of a folder that have a label map.

        Raises:
            WsssError: no such folder, no classes, no label map of a photograph, or a photograph that is another one
                than was labelled.
        """
        self.root = existing_folder(root, "Give the folder of photographs with --images.")
        self.labels = existing_folder(labels, "Give a folder of `wsss label` or `wsss predict` with --labels.")
        self.name, self.split, self.classes = self.root.name, "train", _classes(self.labels)
        photos = photographs_in(self.root)
        files = {str(Path(file).with_suffix("")): file for file in photos.files}
        self._file = {name: file for name, file in files.items() if self._is_labelled(name)}
        if foreign := next(
            (each for each in photos.foreign if self._is_labelled(str(Path(each).with_suffix("")))), None
        ):
            raise refusal(self.root / foreign)
        self.ids = tuple(self._file)
        if not self.ids:
            raise WsssError(
                f"{labels} holds no label map of a photograph in {root}: that of {next(iter(files.values()))} would be "
                f"{next(iter(files))}.png. Give the folder of the photographs that were labelled with --images."
            )
        changed = _changed(self.labels, {name: self.root / file for name, file in self._file.items()})
        if changed:
            raise WsssError(
                f"{counted([self._file[name] for name in changed])} in {root} changed after the label maps in {labels} "
                "were made. Label them again (a new --out), or move them out of the folder."
            )
        without = [*(file for name, file in files.items() if name not in self._file), *photos.foreign]
        unlabelled = [f"{counted(without)} without a label map in {labels}"] if without else []
        self.left_out = (*unlabelled, *photos.left_out)

    def _is_labelled(self, name: str) -> bool:
        return (self.labels / f"{name}.png").is_file()

    def _read(self, name: str) -> Sample:
        path = self.root / self._file[name]
        nothing = np.zeros(len(self.classes), bool)
        return Sample(name, read_image(path, turn=True), nothing, None, turned=is_turned(path))

    def _files(self, name: str) -> list[Path]:
        return [self.root / self._file[name]]


def _facts(folder: Path) -> dict[str, Any]:
    known = read_json(folder / FACTS) if (folder / FACTS).is_file() else None
    return known if isinstance(known, dict) else {}


def _changed(labels: Path, photographs: dict[str, Path]) -> list[str]:
    """Names of the photographs that hold something else than when their label maps were made, as far as is known."""
    known = _facts(labels)
    made = known.get("photographs_sha256")  # of `wsss label`
    if not isinstance(made, dict):  # of `wsss predict`
        images = known.get("images")
        of_each: Iterable[tuple[str, Any]] = images.items() if isinstance(images, dict) else ()
        made = {name: one.get("contents") for name, one in of_each if isinstance(one, dict)}
    asked = [name for name in photographs if made.get(name)]
    now = file_hashes(photographs[name] for name in asked)
    return [name for name, found in zip(asked, now, strict=True) if found != made[name]]


def _classes(folder: Path) -> tuple[str, ...]:
    if (folder / "classes.txt").is_file():
        return read_class_names(folder)
    classes = _facts(folder).get("classes")
    if not isinstance(classes, list) or not classes:
        raise WsssError(
            f"{folder} has no classes.txt or {FACTS} that names the classes of its label maps. Give a folder of "
            "`wsss label` or `wsss predict`, or write the name of class 1 into the first line of classes.txt, …"
        )
    require_class_names(classes, str(folder / FACTS))
    return tuple(classes)
