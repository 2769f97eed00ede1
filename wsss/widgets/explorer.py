"""The crop explorer without its panel: method `depth` on one scene with any parameters, quickly.

What moving a slider does not change is kept: passes over the whole image, evidence of the last settings, and what the classifier
said of every crop that it has seen.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsss.analysis.confusion import confusion_matrix, iou_per_class, mean_iou
from wsss.crop_settings import GIVEN_METHOD
from wsss.data.base import Sample
from wsss.depth.crops import CropParameters
from wsss.depth.fusion import Evidence, FusionParameters, fuse
from wsss.depth.methods import Look, gather, method
from wsss.depth.regions import RegionParameters
from wsss.errors import WsssError
from wsss.pipeline import Run
from wsss.pseudo.labels import pseudo_label
from wsss.widgets.controls import SliderSpec

__all__ = [
    "SLIDERS",
    "Explorer",
    "ExplorerParameters",
    "ExplorerView",
    "chosen_parameters",
    "sections_of",
    "static_grid",
]

SLIDERS = (
    SliderSpec("plane_tolerance", "plane tolerance", 0.001, 0.05, 60, "inverse depth",
               "How far a pixel may lie from floor, table or wall and still be part of it.", log=True, looks=True),
    SliderSpec("jump", "depth jump", 0.002, 0.1, 60, "inverse depth",
               "Smallest step between neighbouring pixels that cuts a layer in two.", log=True, looks=True),
    SliderSpec("max_regions", "layers", 1, 60, 59, "at most",
               "How many regions of depth are kept, largest first.", looks=True),
    SliderSpec("min_area", "minimum area", 0.0002, 0.02, 60, "of the image",
               "Smaller regions join their nearest neighbour.", log=True, looks=True),
    SliderSpec("context", "context", 0.0, 1.0, 20, "of the side",
               "Margin around a region, on each side, in shares of its longer side.", looks=True),
    SliderSpec("count", "crops", 1, 20, 19, "per image",
               "How many crops are looked at: each costs one forward pass.", looks=True),
    SliderSpec("gate", "gate sharpness", 0.0, 4.0, 40, "exponent",
               "0 lets every crop speak, large values only those that are sure of the class."),
    SliderSpec("crop_weight", "fusion weight", 0.0, 10.0, 50, "× whole image",
               "What the crops' evidence counts beside that of the whole image."),
    SliderSpec("vote", "vote", 0.0, 1.0, 20, "share",
               "0 keeps the maps as they are, 1 gives every pixel the mean of its region."),
    SliderSpec("colour", "second opinion", 0.0, 1.0, 20, "share of the vote",
               "Share of regions of colour and depth; at 1 with vote 1 nothing else is heard."),
    SliderSpec("reach", "sharing", 0.0, 0.98, 49, "probability",
               "How far regions that look alike share their votes."),
    SliderSpec("threshold", "background threshold", 0.02, 0.94, 46, "score",
               "Pixels whose strongest score is below become background."),
)  # fmt: skip
"""The sliders, those first that take new crops. The method has no count of layers and no threshold of votes: the most regions
that are kept and the share of the votes stand in for them."""

_LIMITS = {spec.name: (spec.low, spec.high) for spec in SLIDERS}
_REGIONS, _CROPS = ("plane_tolerance", "jump", "max_regions", "min_area"), ("context", "count")
_FUSION = ("gate", "crop_weight", "vote", "colour", "reach")
Key = TypeVar("Key")
Value = TypeVar("Value")

KEPT_SCENES, KEPT_EVIDENCE, KEPT_PARTS = 3, 4, 12


@dataclass(frozen=True)
class ExplorerParameters:
    """What the panel says.

    Attributes:
        scene: index of the image in the split, ≥ 0.
        shown: name of the class whose maps are shown; None shows the strongest of all.
        source: depth, as in `depth@source`; None is the run's own.
        plane_tolerance, jump, max_regions, min_area: see `wsss.depth.regions.RegionParameters`.
        context, count: see `wsss.depth.crops.CropParameters`.
        gate, crop_weight, vote, colour, reach: see `wsss.depth.fusion.FusionParameters`.
        threshold: background threshold of the scores in [0, 1].

    Raises:
        WsssError: a value lies outside its slider's range.
    """

    scene: int
    shown: str | None
    source: str | None
    plane_tolerance: float
    jump: float
    max_regions: int
    min_area: float
    context: float
    count: int
    gate: float
    crop_weight: float
    vote: float
    colour: float
    reach: float
    threshold: float

    def __post_init__(self) -> None:
        if self.scene < 0:
            raise WsssError(f"scene must be 0 or more, not {self.scene}")
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise WsssError(f"{name} must lie between {low:g} and {high:g}, not {value}")

    def of(self, names: Sequence[str]) -> dict[str, Any]:
        """Some of the parameters by name."""
        return {name: getattr(self, name) for name in names}

    def regions(self, base: RegionParameters) -> RegionParameters:
        """`base` with what the sliders say of regions."""
        return replace(base, **self.of(_REGIONS))

    def crops(self, base: CropParameters) -> CropParameters:
        """`base` with what the sliders say of crops."""
        return replace(base, **self.of(_CROPS))

    def fusion(self, base: FusionParameters) -> FusionParameters:
        """`base` with what the sliders say of fusion."""
        return replace(base, **self.of(_FUSION))


def sections_of(parameters: ExplorerParameters) -> dict[str, dict[str, float | int]]:
    """The parameters by sections of a file of crop settings."""
    p = parameters
    label = {"threshold": p.threshold}
    return {"regions": p.of(_REGIONS), "crops": p.of(_CROPS), "fusion": p.of(_FUSION), "label": label}


def chosen_parameters(run: Run, scene: int) -> ExplorerParameters:
    """The run's own settings for method `depth`, with what was chosen for it on the tune split, within the sliders' ranges."""
    choice = run.choose([GIVEN_METHOD])[GIVEN_METHOD]
    known = {**vars(run.config.regions), **vars(run.config.crops), **choice["parameters"], **choice}
    kinds = {each.name: int if each.type is int else float for each in fields(ExplorerParameters)}
    inside: dict[str, Any] = {
        name: kinds[name](np.clip(known[name], low, high)) for name, (low, high) in _LIMITS.items()
    }
    return ExplorerParameters(scene, None, None, **inside)


def static_grid(parameters: ExplorerParameters) -> dict[str, ExplorerParameters]:
    """The fixed grid that stands in for the sliders: one row a change from `parameters`."""
    p = parameters
    return {
        "as chosen": p,
        "no crops,\nno vote": replace(p, crop_weight=0.0, vote=0.0),
        "depth jump × 4": replace(p, jump=min(4 * p.jump, _LIMITS["jump"][1])),
        "threshold\nhalved": replace(p, threshold=max(p.threshold / 2, _LIMITS["threshold"][0])),
    }


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
    """What the plain CAM makes of a scene: scores `(K,H,W)`, label `H×W`."""

    scores: NDArray[np.float32]
    label: NDArray[np.uint8]


@dataclass(frozen=True)
class ExplorerView:
    """One scene with one set of parameters; K classes are present.

    Attributes:
        names: of the data's classes 1…C.
        labels: `(K,)`, the present classes' labels.
        depth: `H×W float32` inverse depth.
        evidence: of method `depth`; `scores` and `label` are made from it.
        new_passes: crops that the classifier had not seen before.
    """

    parameters: ExplorerParameters
    sample: Sample
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    depth: NDArray[np.float32]
    before: Before
    evidence: Evidence
    scores: NDArray[np.float32]
    label: NDArray[np.uint8]
    new_passes: int

    @property
    def passes(self) -> tuple[int, int]:
        """Forward passes: over the whole image, and over crops."""
        return len(self.evidence.levels), len(self.evidence.plan)

    def iou(self, label: NDArray[np.uint8], shown: str | None = None) -> float:
        """IoU of a class, or mean IoU with background, of a label map in this one image, in percent; NaN where nothing is there."""
        confusion = confusion_matrix(self.sample.mask, label, len(self.names))
        if shown is None:
            return float(mean_iou(confusion))
        return float(iou_per_class(confusion)[self.names.index(shown) + 1])

    def map_of(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """`H×W`: the shown class's map, or the strongest of any."""
        shown = self.parameters.shown
        if shown is None:
            return scores.max(axis=0, initial=0)
        place: int = self.labels.tolist().index(self.names.index(shown) + 1)
        return scores[place]


class Explorer:
    """A split of a run, looked at with any parameters. Results are those of the method; only the time differs."""

    def __init__(self, run: Run, split: str = "report") -> None:
        self.run, self.split = run, split
        self._looks: OrderedDict[int, tuple[Sample, KeptLook, Before]] = OrderedDict()
        self._evidence: OrderedDict[object, tuple[NDArray[np.float32], Evidence]] = OrderedDict()
        self._choices: dict[str, tuple[FusionParameters, float]] = {}

    def classes_of(self, scene: int) -> list[str]:
        """Names of the classes that a scene's image-level label names."""
        data = self.run.data(self.split)
        return [data.classes[index] for index in np.flatnonzero(self._look(scene)[0].labels)]

    def view(self, parameters: ExplorerParameters) -> ExplorerView:
        """Look at a scene.

        Raises:
            WsssError: the split has no such scene, or the scene no such class.
        """
        data, p = self.run.data(self.split), parameters
        if p.scene >= len(data):
            raise WsssError(f"{data.split} has {len(data)} images; there is no scene {p.scene}")
        if p.shown is not None and p.shown not in self.classes_of(p.scene):
            raise WsssError(f"there is no {p.shown} in {data.ids[p.scene]}")
        sample, look, before = self._look(p.scene)
        seen = len(look.answers)
        depth, evidence = self._gathered(p, look)
        if len(evidence.parts) > KEPT_PARTS:
            evidence.parts.clear()  # a slider that is drawn along leaves maps of every value behind
        labels = np.flatnonzero(sample.labels) + 1
        scores = fuse(evidence, p.fusion(self._chosen(GIVEN_METHOD)[0])).numpy()
        label = pseudo_label(scores, labels, p.threshold)
        return ExplorerView(
            p, sample, data.classes, labels, depth, before, evidence, scores, label, len(look.answers) - seen
        )

    def _look(self, scene: int) -> tuple[Sample, KeptLook, Before]:
        def made() -> tuple[Sample, KeptLook, Before]:
            sample = self.run.data(self.split)[scene]
            present = np.flatnonzero(sample.labels)
            plain = self.run.looker.at(sample, present)
            look = KeptLook(plain.model, plain.info, plain.image, plain.present, plain.device)
            evidence = self.run.looker.evidence("cam", look, sample, {}, scene)
            parameters, threshold = self._chosen("cam")
            scores = fuse(evidence, parameters).numpy()
            return sample, look, Before(scores, pseudo_label(scores, present + 1, threshold))

        return _kept(self._looks, scene, made, KEPT_SCENES)

    def _gathered(self, p: ExplorerParameters, look: KeptLook) -> tuple[NDArray[np.float32], Evidence]:
        regions, crops = p.regions(self.run.config.regions), p.crops(self.run.config.crops)

        def made() -> tuple[NDArray[np.float32], Evidence]:
            depth = self.run.depth_of(self.split, p.source)(p.scene)
            return depth, gather(method(GIVEN_METHOD), look, regions=regions, crops=crops, depth=depth)

        return _kept(self._evidence, (p.scene, p.source, regions, crops), made, KEPT_EVIDENCE)

    def _chosen(self, name: str) -> tuple[FusionParameters, float]:
        if name not in self._choices:
            choice = self.run.choose([name])[name]
            self._choices[name] = FusionParameters(**choice["parameters"]), choice["threshold"]
        return self._choices[name]


def _kept(cache: OrderedDict[Key, Value], key: Key, make: Callable[[], Value], most: int) -> Value:
    """The value of a key, made if missing; the `most` used last are kept."""
    if key not in cache:
        cache[key] = make()
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
    return cache[key]
