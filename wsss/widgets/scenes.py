"""What the crop explorer looks at: the scenes of a run, or one photograph."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import nn

from wsss.data.base import Dataset, Sample
from wsss.depth.sources import DepthSource, open_depth
from wsss.errors import WsssError
from wsss.io import content_hash
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.given import Depth, Photograph, class_numbers, nearness, pixels_of

__all__ = ["OnePhotograph", "Scenes"]


class Scenes(Protocol):
    """As much of a `Run` as the explorer needs."""

    @property
    def depth_cam(self) -> DepthCAM:
        """The classifier with its settings of regions and crops."""
        ...

    def data(self, split: str) -> Dataset:
        """A split."""
        ...

    def depth_of(self, split: str, source: str | None = None) -> DepthSource:
        """The depth source of a split, index → `H×W` inverse depth; None is the scenes' own."""
        ...

    def choose(self, names: Sequence[str]) -> dict[str, Choice]:
        """Fusion parameters and threshold of each method."""
        ...


class _Single:
    """A split of one image."""

    def __init__(self, sample: Sample, classes: tuple[str, ...]) -> None:
        self.sample, self.classes = sample, classes
        self.ids: tuple[str, ...] = (sample.id,)
        self.name, self.split, self.has_depth = "photograph", "report", True

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        return (self.sample,)[index]

    def __iter__(self) -> Iterator[Sample]:
        return iter((self.sample,))

    def fingerprint(self) -> str:
        return content_hash([self.sample.image.tolist(), self.classes])


class OnePhotograph:
    """A photograph with its depth under a classifier, which the explorer takes in place of a run.

    Attributes:
        depth_cam: knows the `classes` alone, whose labels are then 1…K.
    """

    def __init__(
        self,
        image: Photograph,
        model: DepthCAM | nn.Module,
        depth: Depth | None,
        kind: str | None,
        classes: Sequence[str | int] | None = None,
    ) -> None:
        """See `DepthCAM.__call__` for the arguments.

        Args:
            model: a `DepthCAM`, or a classifier that it takes without being told more.

        Raises:
            WsssError: an argument is not what it must be, there is no depth, or the classifier finds no class likely.
        """
        if depth is None:
            raise WsssError("the crop explorer moves crops and regions of depth: give depth= and kind=")
        cam = model if isinstance(model, DepthCAM) else DepthCAM(model)
        pixels = pixels_of(image)
        near = nearness(depth, kind, (pixels.shape[0], pixels.shape[1]))
        if classes is None:
            names = cam(pixels, method="cam").names
        else:
            names = tuple(cam.classes[index] for index in class_numbers(cam.classes, classes))
        if not names:
            raise WsssError("the classifier finds no class likely in the photograph: name some, as in classes=['cat']")
        self.depth_cam = replace(cam, classes=names)
        name = Path(image).stem if isinstance(image, str | Path) else "photograph"
        self._split = _Single(Sample(name, pixels, np.ones(len(names), bool), None, depth=near), names)

    def data(self, split: str) -> Dataset:
        """The photograph, whatever the split."""
        return self._split

    def depth_of(self, split: str, source: str | None = None) -> DepthSource:
        """Its depth, or a control made from it, such as `inverted`."""
        return open_depth(source or "sensor", self._split)

    def choose(self, names: Sequence[str]) -> dict[str, Choice]:
        """What was chosen for methods, of the classifier's checkpoint or on other photographs."""
        known = self.depth_cam.choices
        if missing := [name for name in names if name not in known]:
            raise WsssError(
                f"nothing was chosen for method {missing[0]} with this classifier: give "
                f"DepthCAM(…, choices={{'{missing[0]}': …}})"
            )
        return {name: known[name] for name in names}
