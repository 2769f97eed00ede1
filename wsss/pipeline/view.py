"""What methods make of one image of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsss.data.base import Sample
from wsss.methods.fusion import Evidence
from wsss.methods.names import MethodName
from wsss.methods.registry import method
from wsss.pipeline.run import Run

__all__ = ["SeedView", "seed_view", "seed_views"]


@dataclass(frozen=True)
class SeedView:
    """One image as one method sees it; K classes are present.

    Attributes:
        name: of the method.
        sample: the image.
        classes: `(K,) int64`, their labels in 1…C.
        evidence: the classifier's maps before fusion.
        scores: `(K,H,W) float32` in [0, 1].
        label: `H×W uint8` at the threshold that was chosen on the tune split.
    """

    name: str
    sample: Sample
    classes: NDArray[np.int64]
    evidence: Evidence
    scores: NDArray[np.float32]
    label: NDArray[np.uint8]

    @property
    def strongest(self) -> NDArray[np.float32]:
        """`H×W`, the highest score of any class; 0 in an image without classes."""
        return np.asarray(self.scores.max(axis=0, initial=0))


def seed_views(run: Run, names: Sequence[str], index: int, split: str = "report") -> dict[str, SeedView]:
    """Look at image `index` of a split with several methods, with the parameters that were chosen for them on `tune`.

    Passes and regions that methods share are made once.
    """
    sample = run.data(split)[index]
    cam, choices = run.depth_cam, run.choose(names)
    sources = {MethodName.of_seeds(name).source for name in names if method(name).uses_depth}
    depths = {source: run.depth_of(split, source) for source in sources}
    look = cam.look(sample.id, sample.image, np.flatnonzero(sample.labels))
    views = {}
    for name in names:
        found = cam.result(look, cam.evidence(name, look, sample, depths, index), choices[name])
        views[name] = SeedView(name, sample, found.classes, found.evidence, found.scores, found.label())
    return views


def seed_view(run: Run, name: str, index: int, split: str = "report") -> SeedView:
    """`seed_views` of one method."""
    return seed_views(run, [name], index, split)[name]
