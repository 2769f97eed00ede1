"""`tabletop`: rendered table scenes with exact masks, amodal occlusion and depth.

`wsss.data.tabletop_rendering` makes them on this machine, from nothing:

    wsss render                # renders the three splits into the default folder
    wsss render --root DIR     # elsewhere
    wsss render --series       # the controlled series too (`wsss.data.series`), as further splits

A scene is a function of (generator version, seed, split, index) alone. A folder holds
`{split}/{rgb,masks,instances,depth}/NNNN.png`, `kinect/{split}-NNNN.png` and, written last, `{split}/index.json`: a
split without its index is unfinished, and rendering goes on with the scenes that are missing. `depth` is exact inverse
depth; `kinect` is depth in millimetres as a camera measures it (`wsss.data.depth_camera`), the source `files:kinect`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wsss.data.base import IGNORE, Sample, labels_of_mask, subset
from wsss.data.pictures import read_image
from wsss.data.scenes import CLASSES
from wsss.data.series import SERIES
from wsss.errors import WsssError
from wsss.io import content_hash, read_json
from wsss.machine.contents import file_hashes
from wsss.paths import cache_folder

__all__ = [
    "CLASSES",
    "FROZEN",
    "GENERATOR_VERSION",
    "SPLITS",
    "TabletopDataset",
    "TabletopSpec",
    "default_root",
]

GENERATOR_VERSION = 3
"""Raised whenever the same seed gives another picture; part of the data hash."""

SPLITS = {"train": 400, "tune": 80, "test": 400}
FROZEN = {
    "train": "022b2f23a01c4aa4c852380e5fa765d77850d40ced4865b0ebedcefedb778dc0",
    "tune": "1ff00a9b85ffda18de9957b6e59198bb514a32edc5a1602e7a063430e3f3a03b",
    "test": "701f7d3d69e4523dd9aa0bbc16f48aaa9b36337c339bf84f2a9483239eab3882",
}
"""Fingerprints of the default data: those of `test` were written down before any method was scored on it."""


@dataclass(frozen=True)
class TabletopSpec:
    """What a rendered folder holds.

    Attributes:
        seed: of the whole data set.
        side: picture side in pixels.
        splits: scenes of `train`, `tune` and `test`, of those that are wanted; by default the frozen 400, 80, 400.

    Raises:
        WsssError: another split.
    """

    seed: int = 0
    side: int = 512
    splits: tuple[tuple[str, int], ...] = tuple(SPLITS.items())

    def __post_init__(self) -> None:
        if unknown := [name for name, _ in self.splits if name not in SPLITS]:
            raise WsssError(f"tabletop has no split {unknown[0]!r} to render; choose from {', '.join(SPLITS)}")

    def identity(self) -> dict[str, Any]:
        return {"version": GENERATOR_VERSION, "seed": self.seed, "side": self.side, "splits": dict(self.splits)}


def default_root(spec: TabletopSpec | None = None) -> Path:
    """`$WSSS_CACHE` or `~/.cache/wsss`, and in it a folder named by the hash of `spec`."""
    base = cache_folder()
    return base / f"tabletop-{content_hash((spec or TabletopSpec()).identity())[:12]}"


def _checked(scene: dict[str, Any], split: str) -> dict[str, Any]:
    """The facts of a scene as `wsss.data.tabletop_rendering` wrote them; else a `ValueError`."""
    if not re.fullmatch(rf"{split}-\d{{4,8}}", scene["id"]):  # it names files
        raise ValueError(f"scene id {scene['id']!r}")
    labels, hidden = scene["classes"], scene["occlusion"]
    if len(labels) != len(hidden) or not all(label in range(1, len(CLASSES) + 1) for label in labels):
        raise ValueError(f"classes {labels} of {scene['id']}")
    if not all(0 <= share <= 1 for share in hidden):
        raise ValueError(f"occlusion {hidden} of {scene['id']}")
    return scene


class TabletopDataset:
    """One split of a rendered folder (see `wsss.data.base.Dataset`).

    Raises:
        WsssError: the split is unknown or not rendered completely.
    """

    name = "tabletop"
    has_depth = True
    classes = CLASSES

    def __init__(self, root: Path, split: str, limit: int | None = None) -> None:
        self.folder, self.split = Path(root) / split, split
        if split not in (*SPLITS, *SERIES):
            raise WsssError(f"tabletop has no split {split!r}; it has {', '.join((*SPLITS, *SERIES))}")
        if not (self.folder / "index.json").exists():
            option = " --series" if split in SERIES else ""
            raise WsssError(f"{self.folder} is not rendered completely; run `wsss render{option} --root {root}`")
        index = read_json(self.folder / "index.json")
        try:
            self._identity = index["identity"]
            self._facts = {_checked(scene, split)["id"]: scene for scene in index["scenes"]}
        except (KeyError, TypeError, ValueError) as error:
            raise WsssError(
                f"{self.folder / 'index.json'} is no index of rendered scenes ({error!r}). Delete {self.folder} and "
                "run `wsss render` again."
            ) from error
        self.ids = subset(list(self._facts), limit)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        facts = self._facts[self.ids[index]]
        name = f"{facts['id'].rsplit('-', 1)[1]}.png"
        image = read_image(self.folder / "rgb" / name)
        mask = self._map("masks", name, image, np.append(np.arange(len(CLASSES) + 1), IGNORE))
        return Sample(
            id=facts["id"],
            image=image,
            labels=labels_of_mask(mask, len(CLASSES)),
            mask=mask,
            instances=self._map("instances", name, image, np.arange(len(facts["classes"]) + 1)).astype(np.uint16),
            instance_classes=np.array(facts["classes"], np.uint8),
            occlusion=np.array(facts["occlusion"], np.float32),
            depth=self._map("depth", name, image, None).astype(np.float32) / 65535,
        )

    def _map(self, kind: str, name: str, image: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
        """The map `H×W` in folder `kind`; a `WsssError` where it does not fit the image or the index."""
        path = self.folder / kind / name
        array = read_image(path, mode=None)
        if array.shape != image.shape[:2] or (allowed is not None and not np.isin(np.unique(array), allowed).all()):
            raise WsssError(
                f"{path} does not belong to its image and index. Delete {self.folder} and run `wsss render` again."
            )
        return array

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def place(self, sample_id: str) -> tuple[int, int]:
        """Group and step of a picture of a controlled series (see `wsss.data.series`)."""
        facts = self._facts[sample_id]
        return facts["group"], facts["step"]

    def _files(self, name: str) -> list[Path]:
        own = [self.folder / kind / f"{name.rsplit('-', 1)[1]}.png" for kind in ("rgb", "masks", "instances", "depth")]
        return [*own, self.folder.parent / "kinect" / f"{name}.png"]

    def contents(self) -> list[str]:
        """Hashes of the files of every scene, in order (see `wsss.data.base.data_key`)."""
        try:
            return file_hashes(file for name in self.ids for file in self._files(name))
        except WsssError as error:
            raise WsssError(f"{error} Delete {self.folder} and run `wsss render` again.") from error

    def fingerprint(self) -> str:
        """Hash of generator version, seed, sizes and of every scene's facts: what decides the pictures."""
        facts = [self._facts[name] for name in self.ids]
        return content_hash({"identity": self._identity, "split": self.split, "scenes": facts})
