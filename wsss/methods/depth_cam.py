"""Class activation maps of one image, guided by its depth: a classifier with the settings of its crops.

Everything that looks at images goes through `DepthCAM`: the methods' scores on a split, pseudo-labels, notebooks,
sliders.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsss.cam.adapters import AdaptedClassifier
from wsss.cam.classifier import ClassifierInfo, load_classifier
from wsss.cam.model_facts import require_activation
from wsss.cam.training import PREDICTED_THRESHOLD, predict_probabilities
from wsss.data.base import Sample
from wsss.depth.sources import DepthSource
from wsss.errors import WsssError
from wsss.machine.memory import require_memory
from wsss.machine.parallel import images_at_once
from wsss.machine.runtime import pick_device
from wsss.methods import parameters
from wsss.methods.asked import asked_device, asked_method, require_info, warn_unchosen
from wsss.methods.choice import Choice
from wsss.methods.crops import Box, true_boxes
from wsss.methods.evidence import Look, evidence_key, gather
from wsss.methods.fusion import Evidence, fuse
from wsss.methods.given import MOST_LABELS, Depth, Photograph, class_numbers, nearness, pixels_of
from wsss.methods.image_result import ImageResult
from wsss.methods.names import MethodName
from wsss.methods.own_model import adapted, facts_of, is_fixed, of_one_scale
from wsss.methods.parameters import ColourParameters, CropParameters, FusionParameters, RegionParameters
from wsss.methods.presets import MEASURED_DEPTH, read_preset
from wsss.methods.registry import method as method_of
from wsss.networks.lean import lean_copy

__all__ = ["DepthCAM", "Depths", "true_boxes"]

_PRESET = read_preset(MEASURED_DEPTH)

Depths = Mapping[str | None, DepthSource]
"""The depth source of each `@source` that the methods in question name; the run's own under None."""


@dataclass(frozen=True, init=False, eq=False)
class DepthCAM:
    """Class activation maps that depth guides, of one image at a time, by any trained image classifier.

    A classifier of torchvision, timm or transformers, or one's own, and a photograph with its disparity:

    >>> cam = DepthCAM(model, classes=["car", "moped"])
    >>> result = cam("photo.png", classes=["moped"], depth=disparity, kind="inverse")
    >>> result.scores.shape, result.plain.shape, result.label(0.4).shape
    ((1, 48, 70), (1, 48, 70), (48, 70))

    With a checkpoint of `wsss train`, and depth in metres:

    >>> cam = DepthCAM.from_checkpoint("classifier.safetensors")
    >>> result = cam("photo.png", classes=["mug", "cat"], depth="photo.npy", kind="metric")
    >>> len(result.evidence.plan)  # crops that the classifier looked at; none where they have no weight
    3

    Where a method gives crops a weight, what the classifier says of a crop counts as much as its probability of the
    class there. A sigmoid says whether it is there; a softmax, which class it is, which another thing then hides.

    Attributes:
        model: `(N,3,H,W)` → class maps `(N,C,h,w)` in logits, whose mean over h and w are the logits of the image; or
            another network, adapted (`AdaptedClassifier`).
        info: what the classifier says of itself.
        classes: names of the data's classes 1…C, each of which the classifier must know; matched by name.
        regions, crops, colour: settings of regions of depth, of crops, and of regions of colour.
        choices: what was chosen for methods, by name.
        at_once: images that will be worked on side by side, as far as is known when this is made.
    """

    model: nn.Module
    info: ClassifierInfo
    classes: tuple[str, ...]
    regions: RegionParameters
    crops: CropParameters
    device: torch.device
    choices: Mapping[str, Choice]
    colour: ColourParameters
    at_once: int = field(init=False)

    def __init__(
        self,
        model: nn.Module,
        info: ClassifierInfo | None = None,
        classes: Iterable[str] | None = None,
        regions: RegionParameters = _PRESET.regions,
        crops: CropParameters = _PRESET.crops,
        device: torch.device | str | None = None,
        choices: Mapping[str, Choice] | None = None,
        colour: ColourParameters = _PRESET.colour,
        *,
        activation: str | None = None,
        weights: Any = None,
        processor: Any = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        size: int | None = None,
        layer: str | None = None,
    ) -> None:
        """Class activation maps of a model.

        Args:
            model: a trained classifier, `(N,3,H,W)` → logits `(N,C)`. It stays where it is, and as it is. Where it ends
                in global average pooling and a linear layer, the mean of its maps equals its logits; the maps of other
                networks come from gradients (LayerCAM).
            info: of a classifier of this package, whose `model` gives class maps; None for any other.
            classes: names of the model's outputs, in order; None takes those that it or `weights` names, else numbers.
            regions, crops, choices, colour: settings, and fusion with threshold by method; default: of preset `nyuv2`.
            device: None takes the model's own.
            activation: `softmax` or `sigmoid`, of a model that does not say it.
            weights: those of torchvision that it has, such as `ResNet50_Weights.DEFAULT`.
            processor: the image processor of a model of transformers.
            mean, std, size: normalisation of images in [0, 1], and the side in pixels of those it was trained with.
            layer: name of the module whose maps are read, by LayerCAM, such as `layer3`; None finds the last one.

        Raises:
            WsssError: an argument is not what it must be, or the model has no class maps.
        """
        if (info := require_info(info)) is None:
            made_for: dict[str, Any] = {"mean": mean, "std": std, "size": size}
            told: dict[str, Any] = {"activation": activation, "weights": weights, "processor": processor, **made_for}
            model, info = adapted(model, classes, layer, **told)
            classes, choices = info.classes, _PRESET.choices if choices is None else choices
            if is_fixed(model):
                crops, colour = replace(crops, scales=(1.0,)), replace(colour, scales=(1.0,), flip=False)
                choices = of_one_scale(choices)
        place = asked_device(device) or next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
        names = info.classes if classes is None else tuple(classes)
        values = model, info, names, regions, crops, place, choices or {}, colour, images_at_once(place)
        for name, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, name, value)
        unknown = [name for name in self.classes if name not in info.classes]
        if unknown:
            raise WsssError(f"the checkpoint does not know class {unknown[0]!r}; it knows {', '.join(info.classes)}")

    @classmethod
    def from_checkpoint(cls, path: str | Path, *, device: str = "auto") -> "DepthCAM":
        """The classifier of `wsss train`, with the settings and parameters that were chosen for it.

        Args:
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            WsssError: the file cannot be read, or does not say how its crops were made.
        """
        model, info = load_classifier(Path(path))
        regions, crops, colour = parameters.settings_of_looks(Path(path), info.looks)
        place = pick_device(device)
        model.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        choices = {name: Choice.of_plain(choice) for name, choice in info.chosen.items()}
        return cls(lean_copy(model), info, info.classes, regions, crops, place, choices, colour)

    def __call__(
        self,
        image: Photograph,
        classes: Iterable[str | int] | None = None,
        *,
        depth: Depth | None = None,
        kind: str | None = None,
        method: str | None = None,
    ) -> ImageResult:
        """Where the classes are in an image.

        Args:
            image: RGB: an array `H×W×3` or a tensor `(3,H,W)`, uint8 or floats in [0, 1]; a PIL image; or a file.
            classes: names, or indices into `classes`, of those that the image shows; None takes those that the
                classifier finds more likely than not, and of a softmax the likeliest one.
            depth: `h×w`, real numbers in any unit, or a file (PNG, npy, npz); resized to the image.
            kind: `metric` where its numbers grow with distance, `inverse` where they grow with nearness (disparity).
            method: a key of `METHODS` but for `oracle-box`; None takes `depth` where there is depth, and else `cam`.
                One without a choice has plain parameters, its crops and regions no weight, and a warning says so.

        Raises:
            WsssError: an argument is not what it must be, or a class is none of the classifier's.
        """
        name = asked_method(method, kind, depth is not None)
        pixels = pixels_of(image, turn=depth is None)
        warn_unchosen(name, tuple(self.choices), stacklevel=2)
        near = None if depth is None else nearness(depth, kind, (pixels.shape[0], pixels.shape[1]))
        present = self._likely(pixels) if classes is None else class_numbers(self.classes, classes)
        look, choice = self.look("the image", pixels, present), self.choices.get(name)
        look.closer = choice is None or choice.parameters.crop_weight > 0
        found = self.result(look, self.gathered(name, look, near), choice)
        sources = tuple(Path(each) for each in (image, depth) if isinstance(each, str | Path))
        facts = {"model": facts_of(self.model, self.info, self.device), "kind": kind}
        return replace(found, method=name, depth=near, sources=sources, facts=facts)

    def plain(self, image: Photograph, classes: Iterable[str | int] | None = None) -> NDArray[np.float32]:
        """The plain CAM `(K,H,W) float32` in [0, 1] by one pass (`Look.plain`); arguments and errors as of a call."""
        pixels = pixels_of(image, turn=True)
        present = self._likely(pixels) if classes is None else class_numbers(self.classes, classes)
        return self.look("the image", pixels, present).plain().numpy()

    def each(
        self,
        images: Iterable[Photograph] | Tensor,
        classes: Iterable[str | int] | None = None,
        *,
        depth: Iterable[Depth] | None = None,
        kind: str | None = None,
        method: str | None = None,
    ) -> Iterator[ImageResult]:
        """The results of several images, such as a list of files or a batch `(N,3,H,W)`, one at a time.

        Args:
            depth: of each image, in the same order; a `WsssError` unless they are as many.
        """
        classes = tuple(classes) if isinstance(classes, Iterator) else classes
        depths = repeat(None) if depth is None else iter(depth)
        for number, image in enumerate(images):
            near = next(depths, None)
            if depth is not None and near is None:
                raise WsssError(f"depth has {number} maps, and there are more images")
            yield self(image, classes, depth=near, kind=kind, method=method)
        if depth is not None and next(depths, None) is not None:
            raise WsssError("depth has more maps than there are images")

    def result(self, look: Look, evidence: Evidence, choice: Choice | None = None) -> ImageResult:
        """The scores that a method's evidence gives, with what was chosen for it; without, with its plain
        parameters.

        Labels are the classes' places in `classes`, from 1; in that order 1…K where there are more than 254 classes.
        """
        parameters = choice.parameters if choice else FusionParameters()
        self.check_weight(parameters, evidence)
        names = tuple(self.info.classes[output] for output in look.present)
        few = len(self.classes) <= MOST_LABELS
        labels = [self.classes.index(name) + 1 if few else number for number, name in enumerate(names, start=1)]
        return ImageResult(
            look.image,
            names,
            np.array(labels, np.int64),
            evidence,
            fuse(evidence, parameters).numpy(),
            choice.threshold if choice else None,
            look=look,
            choice=choice,
        )

    def check_weight(self, parameters: FusionParameters, evidence: Evidence) -> None:
        """Raise a `WsssError` where crops are to count, and it is not known what makes probabilities of the logits."""
        if parameters.crop_weight > 0 and evidence.plan and isinstance(self.model, AdaptedClassifier):
            require_activation(self.info.activation, "crops count as much as their class is probable")

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
        """Evidence of method `name` for an image that has been looked at, at scale 1 alone by a network of one size.

        Args:
            depth: `H×W float32` inverse depth in [0, 1]; only methods that use depth need it.
            boxes: of the true objects; only `oracle-box` looks at them.
        """
        plan = replace(method_of(name), scales=(1.0,)) if is_fixed(self.model) else method_of(name)
        return gather(plan, look, regions=self.regions, crops=self.crops, colour=self.colour, depth=depth, boxes=boxes)

    def evidence(self, name: str, look: Look, sample: Sample, depths: Depths, index: int) -> Evidence:
        """`gathered` for a data set's image `index`, once for all methods with the same passes and depth."""
        plan, source, key = method_of(name), MethodName.of_seeds(name).source, evidence_key(name)
        if key not in look.gathered:
            depth = depths[source](index) if plan.uses_depth and source in depths else None
            boxes = true_boxes(sample) if plan.proposal == "oracle" else ()
            look.gathered[key] = self.gathered(name, look, depth, boxes)
        return look.gathered[key]

    def _likely(self, image: NDArray[np.uint8]) -> list[int]:
        if isinstance(self.model, AdaptedClassifier):
            require_activation(self.info.activation, "classes are None, so the likely ones are looked for")
        probabilities = predict_probabilities(self.model, self.info, [image], self.device)[0]
        own = [float(probabilities[self.info.classes.index(name)]) for name in self.classes]
        if self.info.activation == "softmax":
            return [int(np.argmax(own))]
        likely = [index for index, probability in enumerate(own) if probability > PREDICTED_THRESHOLD]
        if len(likely) > MOST_LABELS:
            raise WsssError(f"{len(likely)} classes are likely, more than {MOST_LABELS}: say which by classes=")
        return likely
