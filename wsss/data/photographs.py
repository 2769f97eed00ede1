"""A folder of photographs with image-level tags, and with masks of none or a few of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wsss.data.base import Sample, subset
from wsss.data.classes import check_classes, select_classes
from wsss.data.folder import FolderDataset, existing_folder
from wsss.data.masks import Colours, read_class_mask
from wsss.data.splits import check_split
from wsss.data.tags import read_tags
from wsss.data.vocabulary import read_class_names
from wsss.errors import WsssError
from wsss.io import content_hash, is_turned, read_image
from wsss.machine.contents import file_hashes

__all__ = ["SPLITS", "TaggedPhotographs"]

SPLITS = ("train", "tune")

MASK_CLASSES = "classes.txt"
"""File in a folder of masks that names the ids 1…N."""


class TaggedPhotographs(FolderDataset):
    """Photographs whose classes are known, and hardly a mask.

    `train` is every photograph with tags, without masks. `tune` is those that have a mask; where there are no masks it
    is `train`. The id of a photograph is its path below the folder without suffix.

    Attributes:
        has_masks: whether the split has masks.
        left_out: one sentence for each kind of thing that is not used.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        tags: str | Path,
        masks: Path | None = None,
        classes: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> None:
        """Open a split.

        Args:
            root: folder of the photographs; its name is the name of the data set.
            split: one of `SPLITS`.
            tags: see `read_tags`.
            masks: folder with `ID.png` for some of the photographs, in the class ids that its `classes.txt` names.
            classes: names that become labels 1…C in this order, the others background; None takes all.
            limit: keep that many ids, evenly spaced.

        Raises:
            WsssError: no such folder, split or class, tags that cannot be read, or masks that fit no photograph.
        """
        self.root = existing_folder(root, "Give the folder of photographs with --images.")
        self.name, self.split, self.has_depth = self.root.name, split, False
        check_split(split, SPLITS, self.name)
        known = read_tags(tags, self.root)
        self.vocabulary, self.left_out = known.classes, known.left_out
        self.classes = known.classes if classes is None else check_classes(classes, known.classes, self.name)
        self._file = {str(Path(file).with_suffix("")): file for file in known.of}
        self._tags = {name: known.of[file] for name, file in self._file.items()}
        self._colours: Colours = {}
        self._masks = masks.resolve() if masks is not None and split == "tune" else None
        self.has_masks = self._masks is not None
        self._mask_names = self._named_masks(self._masks) if self._masks else ()
        self.ids = subset(tuple(name for name in self._file if not self._masks or self._mask_file(name)), limit)
        if not self.ids:
            raise WsssError(
                f"{masks} has no mask of a photograph with tags: masks are called {next(iter(self._file))}.png"
            )

    def _named_masks(self, folder: Path) -> tuple[str, ...]:
        """Names of the mask ids 1…N; every class must be among them."""
        if not (folder / MASK_CLASSES).is_file():
            raise WsssError(
                f"there is no {folder / MASK_CLASSES}, which says what the numbers of the masks mean: write the name "
                f"of id 1 into its first line, of id 2 into the second, … (such as {self.classes[0]})."
            )
        names = read_class_names(folder)
        if missing := [name for name in self.classes if name not in names]:
            raise WsssError(
                f"{folder / MASK_CLASSES} does not name {missing[0]}, which the tags do. Leave it out with --classes."
            )
        return names

    def _mask_file(self, name: str) -> Path | None:
        path = (self._masks or self.root) / f"{name}.png"
        return path if self._masks and path.is_file() else None

    def _labels(self, name: str) -> np.ndarray:
        """`(N,) bool` by the vocabulary."""
        return np.array([one in self._tags[name] for one in self.vocabulary])

    def _read(self, name: str) -> Sample:
        photograph, mask = self.root / self._file[name], self._mask_file(name)
        image = read_image(photograph, turn=mask is None)
        sample = Sample(name, image, self._labels(name), None, turned=mask is None and is_turned(photograph))
        sample = select_classes(sample, self.vocabulary, self.classes)
        if mask is None:
            return sample
        held = read_class_mask(mask, image.shape[:2], len(self._mask_names), self._colours)
        truth = select_classes(
            Sample(name, image, np.zeros(len(self._mask_names), bool), held), self._mask_names, self.classes
        )
        return Sample(name, image, sample.labels, truth.mask)

    def _files(self, name: str) -> list[Path]:
        return [self.root / self._file[name]]

    def fingerprint(self) -> str:
        """As of `FolderDataset`, and over the tags, and the masks with the names of their ids, wherever these lie."""
        tags = [sorted(self._tags[name] & set(self.classes)) for name in self.ids]
        masks = [file for file in map(self._mask_file, self.ids) if file is not None]
        return content_hash([super().fingerprint(), tags, list(file_hashes(masks)), self._mask_names])
