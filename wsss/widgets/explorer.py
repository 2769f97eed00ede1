"""The crop explorer without its panel: method `depth` on one scene with any parameters, quickly.

What moving a slider does not change is kept: passes over the whole image, evidence of the last settings, and what the
classifier said of every crop that it has seen.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsss.analysis.confusion import confusion_matrix, iou_per_class, mean_iou
from wsss.analysis.thresholds import pseudo_label
from wsss.data.base import IGNORE, Sample
from wsss.errors import WsssError
from wsss.methods.choice import Choice
from wsss.methods.evidence import Look
from wsss.methods.fusion import Evidence, fuse
from wsss.pipeline.crop_file import GIVEN_METHOD
from wsss.widgets.parameters import ExplorerParameters
from wsss.widgets.scenes import Scenes

__all__ = ["Explorer", "ExplorerView", "KeptLook"]

Key = TypeVar("Key")
Value = TypeVar("Value")

CONTROL = "rgb-region"
"""What is shown in place of the truth where there is no mask: the same with regions of colour in place of depth."""

KEPT_SCENES, KEPT_EVIDENCE, KEPT_PARTS = 3, 4, 12


@dataclass
class KeptLook(Look):
    """A `Look` that asks the classifier once about each crop: the same pixels get the same answer."""

    answers: dict[bytes, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def see(self, views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        keys = [hashlib.blake2b(view.numpy().tobytes(), digest_size=16).digest() for view in views]
        new = {key: view for key, view in zip(keys, views, strict=True) if key not in self.answers}
        if new:
            maps, probabilities = super().see(list(new.values()))
            self.answers |= dict(zip(new, zip(maps, probabilities, strict=True), strict=True))
        found = [self.answers[key] for key in keys]
        return torch.stack([maps for maps, _ in found]), torch.stack([each for _, each in found])


@dataclass(frozen=True)
class Before:
    """What a method makes of a scene with what was chosen for it: scores `(K,H,W)`, label `H×W`."""

    scores: NDArray[np.float32]
    label: NDArray[np.uint8]


@dataclass(frozen=True)
class ExplorerView:
    """One scene with one set of parameters; K classes are present.

    Attributes:
        names: of the data's classes 1…C.
        labels: `(K,)`, the present classes' labels.
        depth: `H×W float32` inverse depth.
        before: of the plain CAM.
        control: of regions of colour, where the truth of no pixel is known; else None.
        evidence: of method `depth`; `scores` and `label` are made from it.
        new_passes: crops that the classifier had not seen before.
    """

    parameters: ExplorerParameters
    sample: Sample
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    depth: NDArray[np.float32]
    before: Before
    control: Before | None
    evidence: Evidence
    scores: NDArray[np.float32]
    label: NDArray[np.uint8]
    new_passes: int

    @property
    def passes(self) -> tuple[int, int]:
        """Forward passes: over the whole image, and over crops."""
        return len(self.evidence.levels), len(self.evidence.plan)

    @property
    def has_truth(self) -> bool:
        """Whether any pixel's truth is known, so that labels can be compared with it."""
        return self.control is None

    def iou(self, label: NDArray[np.uint8], shown: str | None = None) -> float:
        """IoU of a class, or mean IoU with background, in this one image, in percent; NaN where nothing is there."""
        confusion = confusion_matrix(self.sample.truth, label, len(self.names))
        if shown is None:
            return float(mean_iou(confusion))
        return float(iou_per_class(confusion)[self.names.index(shown) + 1])

    def map_of(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """`H×W`: the shown class's map, or the strongest of any."""
        shown = self.parameters.shown
        if shown is None:
            return np.asarray(scores.max(axis=0, initial=0))
        place: int = self.labels.tolist().index(self.names.index(shown) + 1)
        return np.asarray(scores[place])


Scene = tuple[Sample, KeptLook, Before, Before | None]
"""What is kept of a scene: the plain CAM's, and the control's where there is no mask."""


class Explorer:
    """A split of a run, or a photograph, looked at with any parameters.

    Results are those of the method; only the time differs.
    """

    def __init__(self, scenes: Scenes, split: str = "report") -> None:
        self.scenes, self.split = scenes, split
        self._looks: OrderedDict[int, Scene] = OrderedDict()
        self._evidence: OrderedDict[object, tuple[NDArray[np.float32], Evidence]] = OrderedDict()
        self._choices: dict[str, Choice] = {}

    def classes_of(self, scene: int) -> list[str]:
        """Names of the classes that a scene's image label names."""
        data = self.scenes.data(self.split)
        return [data.classes[index] for index in np.flatnonzero(self._look(scene)[0].labels)]

    def view(self, parameters: ExplorerParameters) -> ExplorerView:
        """Look at a scene.

        Raises:
            WsssError: the split has no such scene, or the scene no such class.
        """
        data, p = self.scenes.data(self.split), parameters
        if p.scene >= len(data):
            raise WsssError(f"{data.split} has {len(data)} images; there is no scene {p.scene}")
        if p.shown is not None and p.shown not in self.classes_of(p.scene):
            raise WsssError(f"there is no {p.shown} in {data.ids[p.scene]}")
        sample, look, before, control = self._look(p.scene)
        seen = len(look.answers)
        depth, evidence = self._gathered(p, look)
        if len(evidence.parts) > KEPT_PARTS:
            evidence.parts.clear()  # a slider that is drawn along leaves maps of every value behind
        labels = np.flatnonzero(sample.labels) + 1
        fusion = p.fusion(self._chosen(GIVEN_METHOD).parameters)
        self.scenes.depth_cam.check_weight(fusion, evidence)
        scores = fuse(evidence, fusion).numpy()
        label = pseudo_label(scores, labels, p.threshold)
        new = len(look.answers) - seen
        return ExplorerView(p, sample, data.classes, labels, depth, before, control, evidence, scores, label, new)

    def _look(self, scene: int) -> Scene:
        def made() -> Scene:
            sample = self.scenes.data(self.split)[scene]
            present = np.flatnonzero(sample.labels)
            cam = self.scenes.depth_cam
            plain = cam.look(sample.id, sample.image, present)
            look = KeptLook(plain.model, plain.info, plain.image, plain.present, plain.device)

            def by(method: str) -> Before:
                found = cam.result(look, cam.gathered(method, look), self._chosen(method))
                return Before(found.scores, found.label())

            return sample, look, by("cam"), None if (sample.truth != IGNORE).any() else by(CONTROL)

        return _kept(self._looks, scene, made, KEPT_SCENES)

    def _gathered(self, p: ExplorerParameters, look: KeptLook) -> tuple[NDArray[np.float32], Evidence]:
        cam = self.scenes.depth_cam
        regions, crops = p.regions(cam.regions), p.crops(cam.crops)

        def made() -> tuple[NDArray[np.float32], Evidence]:
            depth = self.scenes.depth_of(self.split, p.source)(p.scene)
            return depth, replace(cam, regions=regions, crops=crops).gathered(GIVEN_METHOD, look, depth)

        return _kept(self._evidence, (p.scene, p.source, regions, crops), made, KEPT_EVIDENCE)

    def _chosen(self, name: str) -> Choice:
        if name not in self._choices:
            self._choices |= self.scenes.choose([name])
        return self._choices[name]


def _kept(cache: OrderedDict[Key, Value], key: Key, make: Callable[[], Value], most: int) -> Value:
    """The value of a key, made if missing; the `most` used last are kept."""
    if key not in cache:
        cache[key] = make()
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
    return cache[key]
