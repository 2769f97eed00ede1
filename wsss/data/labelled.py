"""A folder of photographs, and a folder of label maps of them that `wsss label` or `wsss predict` has written."""

from pathlib import Path

import numpy as np

from wsss.data.base import Sample, require_class_names
from wsss.data.folder import FolderDataset, existing_folder
from wsss.data.picture_files import refusal
from wsss.data.tags import counted, photographs_in
from wsss.data.vocabulary import read_class_names
from wsss.errors import WsssError
from wsss.io import is_turned, read_image, read_json

__all__ = ["LabelledPhotographs"]

FACTS = "labels.json"
"""File in such a folder that names the classes where `classes.txt` does not."""


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
            WsssError: no such folder, no classes, or no label map of a photograph.
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


def _classes(folder: Path) -> tuple[str, ...]:
    if (folder / "classes.txt").is_file():
        return read_class_names(folder)
    known = read_json(folder / FACTS) if (folder / FACTS).is_file() else None
    classes = known.get("classes") if isinstance(known, dict) else None
    if not isinstance(classes, list) or not classes:
        raise WsssError(
            f"{folder} has no classes.txt or {FACTS} that names the classes of its label maps. Give a folder of "
            "`wsss label` or `wsss predict`, or write the name of class 1 into the first line of classes.txt, …"
        )
    require_class_names(classes, str(folder / FACTS))
    return tuple(classes)
