"""A folder of photographs with image tags, and with masks of none or a few of them."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wsss.data.base import Sample, subset
from wsss.data.classes import check_classes, select_classes
from wsss.data.folder import FolderDataset, existing_folder
from wsss.data.mask_sources import open_masks
from wsss.data.pictures import is_turned, picture_size, read_image
from wsss.data.reduced import reduced
from wsss.data.splits import check_split
from wsss.data.tag_files import OUTLINES
from wsss.data.tag_names import composed
from wsss.data.tags import Tags, alike, counted, read_tags
from wsss.io import content_hash

__all__ = ["SPLITS", "TaggedPhotographs"]

SPLITS = ("train", "tune")


class TaggedPhotographs(FolderDataset):
    """Photographs whose classes are known, and hardly a mask.

    `train` is every photograph with tags, without masks. `tune` is those that have a mask; where there are no masks it
    is `train`. The id of a photograph is its path below the folder without suffix.

    Attributes:
        has_masks: whether the split has masks.
        left_out: one sentence for each kind of thing that is not used.
        doubts: one sentence for each thing about the tags that may not be meant.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        tags: str | Path,
        masks: Path | None = None,
        classes: Sequence[str] | None = None,
        limit: int | None = None,
        side: int | None = None,
    ) -> None:
        """Open a split.

        Args:
            root: folder of the photographs; its name is the name of the data set.
            split: one of `SPLITS`.
            tags: see `read_tags`.
            masks: of some of the photographs: a folder with `ID.png`, in the class ids that its `classes.txt` names; or
                COCO's `instances.json`, see `wsss.data.mask_sources`.
            classes: names that become labels 1…C in this order, the others background; None takes all that a
                photograph shows.
            limit: keep that many ids, evenly spaced.
            side: larger photographs, and their masks, are reduced to that many pixels on the long side; None keeps
                their own size.

        Raises:
            WsssError: no such folder, split or class, tags that cannot be read, or masks that fit no photograph.
        """
        self.root = existing_folder(root, "Give the folder of photographs with --images.")
        self.name, self.split, self.has_depth, self.side = self.root.name, split, False, side
        check_split(split, SPLITS, self.name)
        known = read_tags(tags, self.root)
        self.left_out = tuple(each for each in known.left_out if each != OUTLINES or masks is None)
        having = frozenset[str]().union(*known.of.values())
        shown = [name for name in known.classes if name in having]
        if classes is None:
            self.classes = tuple(shown)
            self.left_out += _absent([name for name in known.classes if name not in having])
        else:
            self.classes = check_classes([composed(name) for name in classes], known.classes, self.name)
        self.doubts = _doubts(known, shown, self.classes)
        self._file = {str(Path(file).with_suffix("")): file for file in known.of}
        self._tags = {name: known.of[file] for name, file in self._file.items()}
        self._long: dict[str, int] = {}  # sides of photographs, as they are asked for
        self._masks = open_masks(masks, self._file, self.classes) if masks is not None and split == "tune" else None
        self.has_masks = self._masks is not None
        if self._masks:
            self.left_out += self._masks.left_out
        self.ids = subset(tuple(name for name in self._file if not self._masks or name in self._masks.ids), limit)

    def _labels(self, name: str) -> np.ndarray:
        """`(C,) bool`."""
        return np.array([one in self._tags[name] for one in self.classes])

    def _read(self, name: str) -> Sample:
        photograph, masks = self.root / self._file[name], self._masks
        image = read_image(photograph, turn=masks is None)
        sample = Sample(name, image, self._labels(name), None, turned=masks is None and is_turned(photograph))
        if masks is not None:
            held = masks.read(name, sample.own_size)
            known = Sample(name, image, np.zeros(len(masks.names), bool), held)
            sample = replace(sample, mask=select_classes(known, masks.names, self.classes).mask)
        return sample if self.side is None else reduced(sample, self.side)

    def _files(self, name: str) -> list[Path]:
        return [self.root / self._file[name]]

    def photographs(self) -> dict[str, Path]:
        """The file of each photograph, by id."""
        return {name: self.root / self._file[name] for name in self.ids}

    @property
    def larger(self) -> tuple[str, ...]:
        """Ids of the photographs that are larger than `side`."""
        if self.side is None:
            return ()
        for name in self.ids:
            if name not in self._long:
                self._long[name] = max(picture_size(self.root / self._file[name]))
        return tuple(name for name in self.ids if self._long[name] > self.side)

    def at_own_size(self) -> "TaggedPhotographs":
        """The same photographs, none of them reduced."""
        same = copy.copy(self)
        same.side = None
        return same

    def fingerprint(self) -> str:
        """As of `FolderDataset`, and over the tags, the masks with the names of their ids, wherever these lie, and
        the side where a photograph is larger."""
        tags = [sorted(self._tags[name] & set(self.classes)) for name in self.ids]
        masks = self._masks
        held, names = (masks.identity(self.ids), masks.names) if masks else ([], ())
        return content_hash([super().fingerprint(), tags, held, names, *([self.side] if self.larger else [])])


def _absent(names: Sequence[str]) -> tuple[str, ...]:
    return (f"{counted(names, 'class', 'classes')} that no photograph shows",) if names else ()


def _doubts(known: Tags, shown: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """What of tags may not be meant: classes that differ in capitals alone, and one class that all photographs show."""
    pairs = [", ".join(names) for names in alike(shown) if set(names) & set(classes)]
    doubts = [f"classes that differ in capitals alone are not the same: {'; '.join(pairs)}"] if pairs else []
    if len(classes) == 1 and all(classes[0] in tags for tags in known.of.values()):
        doubts.append(
            f"every photograph shows {classes[0]}, the only class: nothing says what does not belong to it. Add "
            "photographs without it, or other classes."
        )
    return tuple(doubts)
