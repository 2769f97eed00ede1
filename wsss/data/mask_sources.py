"""The few masks that there are of one's own photographs: a folder of PNG files, or the outlines of a COCO file."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wsss.data.coco import label_map_of, pycocotools_mask, read_instances
from wsss.data.masks import Colours, read_class_mask
from wsss.data.tag_names import composed
from wsss.data.vocabulary import read_class_names
from wsss.errors import WsssError
from wsss.io import content_hash
from wsss.machine.contents import file_hashes

__all__ = ["CocoMasks", "MaskFolder", "MaskSource", "open_masks"]

MASK_CLASSES = "classes.txt"
"""File in a folder of masks that names the ids 1…N."""


class MaskSource(Protocol):
    """Masks of some photographs.

    Attributes:
        names: of the ids 1…N of the masks.
        ids: of the photographs that have a mask.
        left_out: one sentence for each kind of thing that is not used.
    """

    names: tuple[str, ...]
    ids: frozenset[str]
    left_out: tuple[str, ...]

    def read(self, name: str, size: tuple[int, int]) -> np.ndarray:
        """The mask `H×W uint8` of a photograph, 0…N and 255; a `WsssError` where it is broken or of another size."""
        ...

    def identity(self, ids: Sequence[str]) -> list[str]:
        """What of the masks of some photographs enters keys: hashes of their contents, wherever they lie."""
        ...


def open_masks(place: Path, files: Mapping[str, str], classes: Sequence[str]) -> MaskSource:
    """The masks in a folder, or in a `.json` file of COCO's instances.

    Args:
        files: the photographs, as paths below their folder, by id, which is the path without suffix.
        classes: of the photographs; each must be among the names of the masks.

    Raises:
        WsssError: it cannot be read, has no mask of a photograph, or does not name a class.
    """
    return CocoMasks(place, files, classes) if place.suffix.lower() == ".json" else MaskFolder(place, files, classes)


class MaskFolder:
    """`ID.png` for some of the photographs, in the class ids that `classes.txt` names."""

    left_out: tuple[str, ...] = ()

    def __init__(self, folder: Path, files: Mapping[str, str], classes: Sequence[str]) -> None:
        self.folder, self.names = folder.resolve(), _names(folder.resolve(), classes)
        self.ids = frozenset(name for name in files if self._file(name).is_file())
        self._colours: Colours = {}
        if not self.ids:
            raise WsssError(f"{folder} has no mask of a photograph with tags: masks are called {next(iter(files))}.png")

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.png"

    def read(self, name: str, size: tuple[int, int]) -> np.ndarray:
        return read_class_mask(self._file(name), size, len(self.names), self._colours)

    def identity(self, ids: Sequence[str]) -> list[str]:
        return list(file_hashes([self._file(name) for name in ids]))


def _names(folder: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """Names of the mask ids 1…N; every class must be among them."""
    if not (folder / MASK_CLASSES).is_file():
        raise WsssError(
            f"there is no {folder / MASK_CLASSES}, which says what the numbers of the masks mean: write the name "
            f"of id 1 into its first line, of id 2 into the second, … (such as {classes[0]})."
        )
    names = tuple(map(composed, read_class_names(folder)))
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise WsssError(
            f"{folder / MASK_CLASSES} names {repeated} twice, with accents written in two ways. Rename one."
        )
    _require_named(classes, names, folder / MASK_CLASSES)
    return names


def _require_named(classes: Sequence[str], names: Sequence[str], place: Path) -> None:
    if missing := [name for name in classes if name not in names]:
        raise WsssError(f"{place} does not name {missing[0]}, which the tags do. Leave it out with --classes.")


class CocoMasks:
    """The outlines of COCO's instances, painted in order of decreasing area; crowd regions are 255.

    Categories that are none of the classes, of which there may be any number, are painted as background. A photograph
    has a mask where it has annotations and all of them have an outline.
    """

    def __init__(self, path: Path, files: Mapping[str, str], classes: Sequence[str]) -> None:
        pycocotools_mask()  # a missing library is said before anything is trained
        self._held = read_instances(path.resolve())
        self.names = tuple(classes)
        _require_named(classes, tuple(self._held.categories.values()), path)
        named: dict[str, Mapping[str, Any]] = {}
        for image in self._held.images:
            if named.setdefault(Path(image["file_name"]).as_posix(), image) is not image:
                raise WsssError(f"{path} has the image {image['file_name']} twice. Remove one.")
        found = {name: named.get(file, named.get(name)) for name, file in files.items()}
        listed = {name: image for name, image in found.items() if image is not None}
        self._image = {name: image for name, image in listed.items() if self._outlined(image)}
        self.ids = frozenset(self._image)
        if not self.ids:
            first = f" Its images are called {next(iter(named))}, the photographs {next(iter(files.values()))}."
            raise WsssError(f"{path} has no outlines of a photograph with tags.{first if named and not listed else ''}")
        boxes = [name for name in listed if name not in self._image and self._held.annotations[listed[name]["id"]]]
        self.left_out: tuple[str, ...] = ()
        if boxes:
            few = f"{len(boxes)} photograph{'s' if len(boxes) > 1 else ''} (such as {boxes[0]})"
            self.left_out = (f"the masks of {few} in {path.name}, where not all objects have an outline",)

    def _outlined(self, image: Mapping[str, Any]) -> bool:
        annotations = self._held.annotations[image["id"]]
        return bool(annotations) and all(each.get("segmentation") for each in annotations)

    def read(self, name: str, size: tuple[int, int]) -> np.ndarray:
        image, path = self._image[name], self._held.path
        said = [image.get("height"), image.get("width")]
        if None not in said and said != list(size):
            raise WsssError(
                f"{path} says that {image['file_name']} is {said} (H, W), but the photograph is {list(size)}. Draw the "
                "outlines on the photograph as it is."
            )
        place = f"{path}, image {image['file_name']}"
        return label_map_of(self._held.annotations[image["id"]], size, self._labels, place)

    @cached_property
    def _labels(self) -> dict[Any, int]:
        known = {name: label for label, name in enumerate(self.names, start=1)}
        return {category: known.get(name, 0) for category, name in self._held.categories.items()}

    def identity(self, ids: Sequence[str]) -> list[str]:
        return [content_hash(self._contents(name)) for name in ids]

    def _contents(self, name: str) -> list[Any]:
        annotations = self._held.annotations[self._image[name]["id"]]
        return [[self._labels[each["category_id"]], each.get("iscrowd"), each["segmentation"]] for each in annotations]
