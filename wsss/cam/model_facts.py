"""What a trained classifier of another library says of itself: normalisation, size, classes, softmax or sigmoid."""

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from wsss.checks import plain_number, require_number, require_numbers
from wsss.errors import WsssError
from wsss.machine.lazy import lazy

__all__ = [
    "ACTIVATIONS",
    "IMAGENET",
    "ModelFacts",
    "class_names",
    "model_facts",
    "probabilities_of",
    "require_activation",
]

timm_data, transformers = lazy("timm.data"), lazy("transformers")

ACTIVATIONS = ("softmax", "sigmoid")

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a classifier; None where nothing says it.

    Attributes:
        mean, std: normalisation of images in [0, 1].
        side: of the square images that it was made for, in pixels.
        classes: names of its outputs.
        activation: what makes probabilities of its logits, `softmax` or `sigmoid`.
    """

    mean: Colour | None = None
    std: Colour | None = None
    side: int | None = None
    classes: tuple[str, ...] | None = None
    activation: str | None = None


IMAGENET = ModelFacts((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224)
"""What nearly all classifiers of torchvision were trained with."""


def model_facts(
    model: nn.Module,
    *,
    weights: Any = None,
    processor: Any = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    size: int | None = None,
    activation: str | None = None,
) -> ModelFacts:
    """What is said of a model: by arguments, else by `weights` or `processor`, else by the model's own configuration.

    timm's models carry a `pretrained_cfg`, those of transformers a `config`; of the latter the image processor that was
    saved with the model is read, where it is on this machine. Where nothing tells of normalisation and size there is a
    warning, and those of ImageNet are taken. An activation is never assumed: torchvision's documentation applies a
    softmax to its weights, transformers' pipeline one where its configuration names several classes of one label.

    Args:
        weights: an entry of a torchvision weights enumeration, such as `ResNet50_Weights.DEFAULT`.
        processor: an image processor of transformers.

    Raises:
        WsssError: an argument is not what it must be.
    """
    if activation is not None and activation not in ACTIVATIONS:
        raise WsssError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}")
    for name, values in (("mean", mean), ("std", std)):
        if values is not None:
            listed = tuple(values) if isinstance(values, Iterable) else values
            low, high = (0, math.inf) if name == "mean" else (1e-6, 255)  # a mean above 1 is explained below
            require_numbers(name, listed, low, high, count=3)
    if size is not None:
        require_number("size", size, 16, 16384, whole=True)
    side = None if size is None else int(plain_number(size))
    given = ModelFacts(_colour(mean), _colour(std), side, None, activation)
    known = _together(given, _of_weights(weights), _of_processor(processor), _of_timm(model), _of_transformers(model))
    if known.mean and max(known.mean) > 1:
        raise WsssError(
            f"mean is {tuple(round(each, 4) for each in known.mean)}, and is that of images in [0, 1]: of numbers from "
            "0 to 255 divide mean and std by 255, and give mean= and std="
        )
    missing = [what for what, fact in (("normalised", known.mean and known.std), ("sized", known.side)) if not fact]
    if missing:
        warnings.warn(
            f"{type(model).__name__} does not say how its images are {' and '.join(missing)}: the mean, standard "
            "deviation and 224 pixels of ImageNet are taken. Give weights= (torchvision), processor= (transformers) or "
            "mean=, std= and size=",
            stacklevel=4,  # where a DepthCAM is made
        )
    return _together(known, IMAGENET)


def class_names(classes: Iterable[str] | None, known: ModelFacts, outputs: int) -> tuple[str, ...]:
    """Different names of a model's outputs: those given, else those known, else their numbers.

    Outputs that are called alike are told apart by their number, as in `crane (134)`.

    Raises:
        WsssError: there is not one name for each output.
    """
    given = None if classes is None else _names(classes, outputs)
    if given is not None and len(given) != outputs:
        raise WsssError(f"classes has {len(given)} names, but the model {outputs} outputs: name each of them, in order")
    names = given or known.classes
    if names is None or len(names) != outputs:
        return tuple(map(str, range(outputs)))
    count = Counter(names)
    return tuple(f"{name} ({output})" if count[name] > 1 else name for output, name in enumerate(names))


def _names(classes: Iterable[str], outputs: int) -> tuple[str, ...]:
    listed = () if isinstance(classes, str) or not isinstance(classes, Iterable) else tuple(classes)
    if not listed or not all(isinstance(name, str) for name in listed):
        raise WsssError(f"classes must be a list of names, one for each of the model's {outputs} outputs")
    return tuple(map(str, listed))


def probabilities_of(logits: Tensor, activation: str) -> Tensor:
    """Probabilities `(N,C)` of logits `(N,C)`: softmax of which class it is, sigmoid of whether each is there."""
    return logits.softmax(dim=1) if activation == "softmax" else logits.sigmoid()


def require_activation(activation: str, why: str) -> None:
    """Raise a `WsssError` where it is not known how logits become probabilities, which `why` needs."""
    if activation not in ACTIVATIONS:
        raise WsssError(
            f"{why}, and the model does not say whether its outputs are of a softmax or of sigmoids: give "
            "DepthCAM(model, activation='softmax') or 'sigmoid'"
        )


def _together(*sources: ModelFacts) -> ModelFacts:
    """The first that each of the facts is known of."""
    first = sources[0]
    for source in sources[1:]:
        first = replace(first, **{name: fact for name, fact in vars(source).items() if getattr(first, name) is None})
    return first


def _of_weights(weights: Any) -> ModelFacts:
    if weights is None:
        return ModelFacts()
    try:
        preset, meta = weights.transforms(), weights.meta
        facts = ModelFacts(_colour(preset.mean), _colour(preset.std), int(preset.crop_size[0]))
    except (AttributeError, TypeError, IndexError) as error:
        raise WsssError(
            f"weights must be an entry of torchvision's weights for classification, such as ResNet50_Weights.DEFAULT, "
            f"not {str(weights)[:60]}"
        ) from error
    return replace(facts, classes=tuple(meta["categories"]), activation="softmax")


def _of_processor(processor: Any) -> ModelFacts:
    if processor is None:
        return ModelFacts()
    said = (
        processor if isinstance(processor, Mapping) else processor.to_dict() if hasattr(processor, "to_dict") else None
    )
    if said is None:
        raise WsssError(f"processor must be an image processor of transformers, not {type(processor).__name__}")
    if said.get("do_flip_channel_order") or said.get("rescale_offset"):
        raise WsssError("the image processor changes channels or offsets, which is not read: give mean= and std=")
    factor = 255 * said["rescale_factor"] if said.get("do_rescale", True) and said.get("rescale_factor") else 1.0
    normalises = said.get("do_normalize", True) and said.get("image_mean")
    mean, std = (said["image_mean"], said["image_std"]) if normalises else ([0.0] * 3, [1.0] * 3)
    size = said.get("crop_size") if said.get("do_center_crop") else None
    side = _side(size or said.get("size"))
    return ModelFacts(_colour([each / factor for each in mean]), _colour([each / factor for each in std]), side)


def _of_timm(model: nn.Module) -> ModelFacts:
    model = getattr(model, "timm_model", model)  # in transformers' wrapper
    config = getattr(model, "pretrained_cfg", None)
    if not isinstance(config, Mapping) or "mean" not in config:
        return ModelFacts()
    data: Mapping[str, Any] = timm_data.resolve_model_data_config(model)
    built = getattr(getattr(model, "patch_embed", None), "img_size", None)  # of the model, not of its weights
    side = _side(built) or int(data["input_size"][-1])
    return ModelFacts(_colour(data["mean"]), _colour(data["std"]), side, _timm_names(model, config))


def _timm_names(model: nn.Module, config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names that timm has of the head with which the weights came, not of another one."""
    if getattr(model, "num_classes", None) != config.get("num_classes"):
        return None
    names, described = config.get("label_names"), config.get("label_descriptions")
    if names:
        return tuple(described[name] for name in names) if described else tuple(names)
    subset = timm_data.infer_imagenet_subset(model)
    return tuple(timm_data.ImageNetInfo(subset).label_descriptions()) if subset else None


def _of_transformers(model: nn.Module) -> ModelFacts:
    config = getattr(model, "config", None)
    if config is None or not hasattr(config, "id2label"):
        return ModelFacts()
    names = _in_order(config.id2label)
    kind, labels = getattr(config, "problem_type", None), len(config.id2label)
    activation = {"multi_label_classification": "sigmoid", "single_label_classification": "softmax"}.get(kind or "")
    if activation is None and kind is None:  # as transformers' own pipeline does
        activation = "softmax" if labels > 1 else "sigmoid"
    own = ModelFacts(None, None, _side(getattr(config, "image_size", None)), names, activation)
    return _together(_saved_processor(getattr(config, "_name_or_path", "")), own)


def _in_order(labels: Mapping[Any, Any]) -> tuple[str, ...] | None:
    """Names by the number of their output, which may be written as text; None where these are not 0, 1, 2…"""
    try:
        by_number = {int(number): str(name) for number, name in labels.items()}
    except (TypeError, ValueError):
        return None
    numbers = sorted(by_number)
    return tuple(by_number[number] for number in numbers) if numbers == list(range(len(labels))) else None


def _saved_processor(place: str) -> ModelFacts:
    """What the image processor that was saved with a model says, where it is on this machine; nothing is downloaded."""
    if not place:
        return ModelFacts()
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(
            place, local_files_only=True, trust_remote_code=False
        )
    except Exception:  # of many types: none was saved, it is not here, or it needs a library that is not here
        return ModelFacts()
    return _of_processor(processor)


def _side(size: Any) -> int | None:
    """One number of a size: of a square, or the shortest edge."""
    if isinstance(size, Mapping):
        size = size.get("shortest_edge") or size.get("height")
    if isinstance(size, list | tuple):
        size = size[0] if size else None
    return int(size) if isinstance(size, int) and size > 0 else None


def _colour(values: Any) -> Colour | None:
    if values is None:
        return None
    red, green, blue = (float(value) for value in values)
    return red, green, blue
