"""NYU Depth v2, the labelled set: 1,449 indoor photographs with Kinect depth and NYU40 labels.

Silberman, Hoiem, Kohli, Fergus: Indoor Segmentation and Support Inference from RGBD Images. ECCV 2012. The 40 classes:
Gupta, Arbeláez, Malik: Perceptual Organization and Recognition of Indoor Scenes from RGB-D Images. CVPR 2013.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from wsss.data.base import IGNORE, Sample, labels_of_mask, subset
from wsss.data.folder import FolderDataset, existing_folder, read_uint8_map
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.data.picture_files import PictureFolder
from wsss.data.pictures import read_image
from wsss.data.splits import check_split, cut_scenes, read_split, without
from wsss.errors import WsssError

__all__ = ["NYU40_IDS", "SCENES_FILE", "SPLITS", "NyuV2Dataset", "nyu40_to_things", "read_scenes"]

NYU40_IDS = {
    "bed": 4,
    "chair": 5,
    "sofa": 6,
    "table": 7,
    "bookshelf": 10,
    "picture": 11,
    "desk": 14,
    "pillow": 18,
    "television": 25,
    "toilet": 33,
    "sink": 34,
    "lamp": 35,
    "bathtub": 36,
    "refrigerator": 24,
    "night_stand": 32,
    "dresser": 17,
}
"""The 16 things in the order of labels 1…16, with their NYU40 ids."""

SPLITS = ("train", "tune", "test")

TUNE_IMAGES = 80  # of the 795 training images
SCENES_FILE = Path(__file__).with_name("nyuv2_scenes.txt")
"""A line with the ids of each scene, found from the photographs by `wsss.data.same_scene`."""

VALUES_PER_METRE = 25.5  # of the 8-bit depth maps: 10 m is 255


def nyu40_to_things(labels: np.ndarray) -> np.ndarray:
    """Map NYU40 ids to labels: the 16 things 1…16, the other ids of 1…39 background 0, 0 and 40 (otherprop) 255.

    Args:
        labels: `H×W uint8`, 0…40.

    Raises:
        ValueError: an id above 40.
    """
    if labels.size and labels.max() > 40:
        raise ValueError(f"NYU40 ids are 0…40, but the label map holds {labels.max()}.")
    table = np.zeros(41, dtype=np.uint8)
    table[[0, 40]] = IGNORE
    table[list(NYU40_IDS.values())] = np.arange(1, len(NYU40_IDS) + 1)
    return np.asarray(table[labels])


@cache
def read_scenes() -> Mapping[str, int]:
    """Number of the scene of each of the 1,449 ids."""
    lines = SCENES_FILE.read_text(encoding="utf-8").splitlines()
    return MappingProxyType({name: number for number, line in enumerate(lines) for name in line.split()})


class NyuV2Dataset(FolderDataset):
    """A folder `rgb/ID.jpg depth/ID.png labels/ID.png train.txt test.txt`.

    Images may have any suffix of `wsss.data.picture_files.SUFFIXES`.

    Depth is 8-bit, metres = value / 25.5, 0 missing; the samples' depth is its normalised inverse.

    `tune` is whole scenes with about 80 images, spread evenly over `train.txt` and removed from `train`.

    Attributes:
        scenes: number of the scene of each id; images of one scene are not independent.
    """

    def __init__(self, root: Path, split: str, limit: int | None = None) -> None:
        """Open a split; `limit` keeps that many ids, evenly spaced. No such folder or split is a `WsssError`."""
        check_split(split, SPLITS, "nyuv2")
        self.root = existing_folder(root, "Give the folder that holds rgb/, depth/, labels/, train.txt and test.txt.")
        self.name = "nyuv2"
        self.split = split
        self.classes = tuple(NYU40_IDS)
        self.has_depth = True
        self.scenes = read_scenes()
        self._pictures = PictureFolder(self.root / "rgb")
        self.ids = subset(self._split_ids(), limit)

    def _split_ids(self) -> tuple[str, ...]:
        if self.split == "test":
            return read_split(self.root / "test.txt")
        listed = read_split(self.root / "train.txt")
        tune = cut_scenes(listed, self.scenes, TUNE_IMAGES)
        return tune if self.split == "tune" else without(listed, tune)

    def _files(self, name: str) -> list[Path]:
        return [self._pictures.path(name), *(self.root / part / f"{name}.png" for part in ("labels", "depth"))]

    def _read(self, name: str) -> Sample:
        image_file, label_file, depth_file = self._files(name)
        image = read_image(image_file)
        labels = read_uint8_map(label_file, image.shape[:2])
        try:
            mask = nyu40_to_things(labels)
        except ValueError as error:
            raise WsssError(f"{label_file}: {error} Replace it by the map of NYU40 ids.") from error
        metres = read_uint8_map(depth_file, image.shape[:2]) / VALUES_PER_METRE
        depth = normalise_inverse_depth(inverse_depth(metres, "metric"))
        return Sample(name, image, labels_of_mask(mask, len(self.classes)), mask, depth=depth)

    def metres(self, index: int) -> np.ndarray:
        """Distance from the camera `H×W float64` in metres, in steps of about 4 cm; 0 where it was not measured."""
        image_file, _, depth_file = self._files(self.ids[index])
        return read_uint8_map(depth_file, read_image(image_file).shape[:2]) / VALUES_PER_METRE
