"""Class activation maps of one image, guided by its depth: a classifier with the settings of its crops.

Everything that looks at images goes through `DepthCAM`: the methods' scores on a split, pseudo-labels, notebooks,
sliders.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from scipy.ndimage import find_objects
from torch import nn

from wsss.analysis.instances import instances_of
from wsss.analysis.thresholds import pseudo_label
from wsss.cam.classifier import ClassifierInfo, load_classifier
from wsss.cam.training import predict_probabilities
from wsss.checks import settings_from
from wsss.data.base import Sample
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.depth.files import read_depth_file, resized
from wsss.depth.sources import DepthSource
from wsss.errors import WsssError
from wsss.io import read_image
from wsss.machine.memory import require_memory
from wsss.machine.parallel import images_at_once
from wsss.machine.runtime import pick_device
from wsss.methods.choice import Choice
from wsss.methods.crops import Box
from wsss.methods.evidence import Look, gather
from wsss.methods.fusion import Evidence, fuse
from wsss.methods.names import MethodName
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters
from wsss.methods.registry import method as method_of
from wsss.networks.lean import lean_copy

__all__ = ["DepthCAM", "Depths", "ImageResult", "settings_of_looks", "true_boxes"]

Depths = Mapping[str | None, DepthSource]
"""The depth source of each `@source` that the methods in question name; the run's own under None."""

PRESENT = 0.5
"""Probability above which the classifier's own prediction stands in for image labels that are not given."""


@dataclass(frozen=True)
class ImageResult:
    """What one method makes of one image; K classes are looked for.

    Attributes:
        image: `H×W×3 uint8`.
        names: of the K classes.
        classes: `(K,) int64`, their labels in 1…C.
        evidence: the classifier's maps before fusion.
        scores: `(K,H,W) float32` in [0, 1].
        threshold: that was chosen for the method; None where nothing was.
    """

    image: NDArray[np.uint8]
    names: tuple[str, ...]
    classes: NDArray[np.int64]
    evidence: Evidence
    scores: NDArray[np.float32]
    threshold: float | None = None

    def label(self, threshold: float | None = None) -> NDArray[np.uint8]:
        """Label map `H×W uint8`: the strongest class where its score reaches the threshold, else 0, background.

        Args:
            threshold: in [0, 1]; None takes the one that was chosen for the method.

        Raises:
            WsssError: no threshold was chosen, and none is given.
        """
        chosen = self.threshold if threshold is None else threshold
        if chosen is None:
            raise WsssError("no threshold was chosen for this method: give one, as in result.label(0.4)")
        return pseudo_label(self.scores, self.classes, chosen)


@dataclass(frozen=True)
class DepthCAM:
    """Class activation maps that depth guides, of one image at a time.

    With a checkpoint of `wsss train`, a photograph and its depth in metres:

    >>> cam = DepthCAM.from_checkpoint("classifier.safetensors")
    >>> result = cam("photo.png", classes=["mug", "cat"], depth="photo.npy", kind="metric")
    >>> result.scores.shape, result.label().shape
    ((2, 48, 70), (48, 70))
    >>> len(result.evidence.plan)  # crops that the classifier looked at
    3

    Attributes:
        model: `(N,3,H,W)` → class maps `(N,C,h,w)` in logits, whose mean over h and w are the logits of the image.
        info: what the classifier says of itself.
        classes: names of the data's classes 1…C, each of which the classifier must know; matched by name.
        regions, crops: settings of regions and crops.
        choices: what was chosen for methods, by name.
        at_once: images that will be worked on side by side, as far as is known when this is made.
    """

    model: nn.Module
    info: ClassifierInfo
    classes: tuple[str, ...]
    regions: RegionParameters
    crops: CropParameters
    device: torch.device
    choices: Mapping[str, Choice] = field(default_factory=dict)
    at_once: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "at_once", images_at_once(self.device))
        unknown = [name for name in self.classes if name not in self.info.classes]
        if unknown:
            raise WsssError(
                f"the checkpoint does not know class {unknown[0]!r}; it knows {', '.join(self.info.classes)}"
            )

    @classmethod
    def from_checkpoint(cls, path: str | Path, *, device: str = "auto") -> "DepthCAM":
        """The classifier of `wsss train`, with the settings and parameters that were chosen for it.

        Args:
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            WsssError: the file cannot be read, or does not say how its crops were made.
        """
        model, info = load_classifier(Path(path))
        regions, crops = settings_of_looks(Path(path), info.looks)
        place = pick_device(device)
        model.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        choices = {name: Choice.of_plain(choice) for name, choice in info.chosen.items()}
        return cls(lean_copy(model), info, info.classes, regions, crops, place, choices)

    def __call__(
        self,
        image: NDArray[np.uint8] | Image | str | Path,
        classes: Sequence[str] | None = None,
        *,
        depth: NDArray[Any] | str | Path | None = None,
        kind: str | None = None,
        method: str | None = None,
    ) -> ImageResult:
        """Where the classes are in an image.

        Args:
            image: `H×W×3 uint8` RGB, a PIL image, or a file.
            classes: names of those that the image shows; None takes those that the classifier finds more likely than
                not.
            depth: `h×w`, real numbers in any unit, or a file (PNG, npy, npz); resized to the image.
            kind: `metric` where its numbers grow with distance, `inverse` where they grow with nearness.
            method: a key of `METHODS`; None takes `depth` where there is depth, and else `cam`.

        Raises:
            WsssError: an argument is not what it must be, or a class is none of the classifier's.
        """
        pixels = _pixels(image)
        name = method or ("cam" if depth is None else "depth")
        near = None if depth is None else _nearness(depth, kind, pixels.shape[:2])
        present = self._likely(pixels) if classes is None else [self._index_of(each) for each in classes]
        look = self.look("the image", pixels, present)
        return self.result(look, self.gathered(name, look, near), self.choices.get(name))

    def result(self, look: Look, evidence: Evidence, choice: Choice | None = None) -> ImageResult:
        """The scores that a method's evidence gives, with what was chosen for it; without, with its plain
        parameters."""
        parameters = choice.parameters if choice else FusionParameters()
        labels = np.array([self.classes.index(self.info.classes[output]) + 1 for output in look.present], np.int64)
        names = tuple(self.classes[label - 1] for label in labels)
        threshold = choice.threshold if choice else None
        return ImageResult(look.image, names, labels, evidence, fuse(evidence, parameters).numpy(), threshold)

    def look(self, name: str, image: NDArray[np.uint8], present: Iterable[int]) -> Look:
        """A look at one image for the classes `present`, indices 0…C − 1 into `classes`.

        Args:
            name: of the image, for messages.
        """
        outputs = [self.info.classes.index(self.classes[int(index)]) for index in present]
        height, width = image.shape[:2]
        maps = len(self.crops.scales) + self.crops.count
        require_memory(name, (height, width), len(outputs), maps, self.at_once)
        return Look(self.model, self.info, image, outputs, self.device)

    def gathered(
        self, name: str, look: Look, depth: NDArray[np.float32] | None = None, boxes: Sequence[Box] = ()
    ) -> Evidence:
        """Evidence of method `name` for an image that has been looked at.

        Args:
            depth: `H×W float32` inverse depth in [0, 1]; only methods that use depth need it.
            boxes: of the true objects; only `oracle-box` looks at them.
        """
        return gather(method_of(name), look, regions=self.regions, crops=self.crops, depth=depth, boxes=boxes)

    def evidence(self, name: str, look: Look, sample: Sample, depths: Depths, index: int) -> Evidence:
        """`gathered` for image `index` of a data set, which is `sample`, once for all methods with the same passes and
        depth."""
        plan, source = method_of(name), MethodName.of_seeds(name).source
        key = plan.passes, source
        if key not in look.gathered:
            depth = depths[source](index) if plan.uses_depth and source in depths else None
            boxes = true_boxes(sample) if plan.proposal == "oracle" else ()
            look.gathered[key] = self.gathered(name, look, depth, boxes)
        return look.gathered[key]

    def _index_of(self, name: str) -> int:
        if name not in self.classes:
            raise WsssError(f"the classifier does not know class {name!r}; it knows {', '.join(self.classes)}")
        return self.classes.index(name)

    def _likely(self, image: NDArray[np.uint8]) -> list[int]:
        probabilities = predict_probabilities(self.model, self.info, [image], self.device)[0]
        return [
            index for index, name in enumerate(self.classes) if probabilities[self.info.classes.index(name)] > PRESENT
        ]


def settings_of_looks(checkpoint: Path, looks: Mapping[str, Any]) -> tuple[RegionParameters, CropParameters]:
    """The settings of regions and crops that a checkpoint's parameters were chosen with.

    Raises:
        WsssError: they are missing or make no sense.
    """
    try:
        regions = settings_from(RegionParameters, looks["regions"], partial=True)
        return regions, settings_from(CropParameters, looks["crops"], partial=True)
    except (KeyError, TypeError, AttributeError, WsssError) as error:
        raise WsssError(
            f"{checkpoint} does not say how its crops were made ({error}): write it with `wsss train`"
        ) from error


def true_boxes(sample: Sample) -> list[Box]:
    """The tight boxes of the sample's visible objects, largest first."""
    objects = instances_of(sample)
    found = find_objects(objects.map, max_label=len(objects.area))
    order = np.argsort(-objects.area, kind="stable")
    slices = [found[number] for number in order if found[number]]
    return [(s[0].start, s[1].start, s[0].stop, s[1].stop) for s in slices]


def _pixels(image: NDArray[np.uint8] | Image | str | Path) -> NDArray[np.uint8]:
    """`H×W×3 uint8` of a PIL image or a file; arrays as they are, since `gather` checks them."""
    if isinstance(image, str | Path):
        return read_image(image)
    return np.asarray(image.convert("RGB")) if isinstance(image, Image) else image


def _nearness(depth: NDArray[Any] | str | Path, kind: str | None, size: tuple[int, ...]) -> NDArray[np.float32]:
    """Inverse depth `H×W float32` in [0, 1] of `size`, from numbers of a stated kind."""
    if kind not in ("metric", "inverse"):
        raise WsssError(
            "kind must be metric (larger = farther) or inverse (larger = nearer), and say which of them depth is, not "
            f"{kind!r}"
        )
    values = read_depth_file(Path(depth)) if isinstance(depth, str | Path) else np.asarray(depth)
    if values.ndim != 2 or not values.size or not (np.issubdtype(values.dtype, np.number) and np.isrealobj(values)):
        raise WsssError(f"depth must be an array H×W of real numbers, not {values.dtype} {values.shape}")
    near = normalise_inverse_depth(inverse_depth(values.astype(np.float32), kind))
    return resized(near, (size[0], size[1]))
