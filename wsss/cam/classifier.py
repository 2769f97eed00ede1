"""Multi-label classifier whose last layer is a 1×1 convolution, so that its class maps *are* its CAMs.

With global average pooling after a 1×1 convolution, the image's logit is the mean of the class map, and the class map
is the CAM of Zhou et al. 2016 (Learning Deep Features for Discriminative Localization), one forward pass for all
classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from wsss.cam.features import feature_maps
from wsss.checks import require_number
from wsss.data.base import require_class_names
from wsss.errors import WsssError
from wsss.networks.backbones import backbone_state, check_backbone, normalisation
from wsss.networks.checkpoints import (
    explained,
    is_checkpoint,
    load_tensors,
    read_checkpoint,
    require_normalisation,
    write_checkpoint,
)

__all__ = [
    "Classifier",
    "ClassifierInfo",
    "build_classifier",
    "load_classifier",
    "require_classifier",
    "save_classifier",
]

METADATA = "wsss_classifier"
"""Key of the description in a checkpoint."""


@dataclass(frozen=True)
class ClassifierInfo:
    """What a checkpoint says of itself.

    Attributes:
        backbone: timm name.
        classes: names of classes 1…C.
        output_stride: pixels per cell of the class maps of a convolutional network; other models have cells of their
            own size.
        mean, std: the backbone's normalisation of images in [0, 1].
        base_side: long side in pixels of an image at scale 1.
        chosen: parameters chosen on `tune`, per method (threshold, fusion).
        looks: settings of regions and crops that those belong to; empty before anything was chosen.
        activation: what makes probabilities of the logits. Weights do not show it, so it is stated; only `sigmoid`, of
            classes that are each present or not, has a meaning here.
    """

    backbone: str
    classes: tuple[str, ...]
    output_stride: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    base_side: int
    chosen: dict[str, Any]
    looks: dict[str, Any] = field(default_factory=dict)
    activation: str = "sigmoid"

    def check_activation(self) -> None:
        """Raise a `WsssError` unless logits are those of sigmoids: a softmax says which class, not whether."""
        if self.activation != "sigmoid":
            raise WsssError(
                f"the classifier's activation is {str(self.activation)[:40]!r}, but crops are weighted by sigmoid "
                "probabilities: train one with a binary cross-entropy per class (`wsss train` does)"
            )

    @staticmethod
    def of_facts(facts: Mapping[str, Any]) -> "ClassifierInfo":
        """What `save_classifier` wrote; a `WsssError`, `KeyError` or `TypeError` where the facts make no sense."""
        info = ClassifierInfo(**{**facts, **{name: tuple(facts[name]) for name in ("classes", "mean", "std")}})
        info.check_activation()
        check_backbone(info.backbone)
        names = info.classes
        require_class_names(names, "the description")
        require_number("output_stride", info.output_stride, 1, 64, whole=True)
        require_number("base_side", info.base_side, 16, 16384, whole=True)
        require_normalisation(info.mean, info.std)
        if not isinstance(info.chosen, dict) or not isinstance(info.looks, dict):
            raise WsssError("chosen and looks must be tables")
        return info


class Classifier(nn.Module):
    """A timm backbone and a 1×1 convolution: `(N,3,H,W) → (N,C,h,w)` class maps; their mean over h, w are the logits.

    Images of sides that the backbone does not take, such as those that are no multiple of its patches, are resized to
    the nearest that it takes (`sides`), so that the cells always cover the whole image.

    Raises:
        WsssError: the backbone has no class maps (see `feature_maps`).
    """

    def __init__(self, backbone: str, num_classes: int, output_stride: int = 16) -> None:
        super().__init__()
        found = feature_maps(backbone, output_stride)
        self.features: Any = found.module
        self.sides = found.sides
        self.head = nn.Conv2d(found.channels, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Class maps `(N,C,h,w)`, unrectified, in logits."""
        maps: Tensor = self.head(self.features(self.sides.fitted(images))[-1])
        return maps


def build_classifier(
    backbone: str, num_classes: int, output_stride: int = 16, weights: Path | None = None
) -> Classifier:
    """A `Classifier` with pretrained backbone weights and a fresh head.

    Raises:
        WsssError: see `backbone_state`; or fewer than 90 % of the backbone's tensors are found in the weights.
    """
    model = Classifier(backbone, num_classes, output_stride)
    state = backbone_state(backbone, weights)
    own = model.features.state_dict()
    # features_only wrappers flatten names ("blocks.0" → "blocks_0" or "model.blocks.0"); compare without separators.
    plain = {_plain(name): tensor for name, tensor in state.items()}
    found = {name: plain[_plain(name)] for name in own if _plain(name) in plain}
    found = {name: tensor for name, tensor in found.items() if tensor.shape == own[name].shape}
    if len(found) < 0.9 * len(own):
        raise WsssError(
            f"only {len(found)} of {len(own)} tensors of {backbone} are in the weights: give a file of that model with "
            "--weights"
        )
    model.features.load_state_dict({**own, **found})
    return model


def _plain(name: str) -> str:
    return name.removeprefix("model.").replace(".", "_")


def save_classifier(path: Path, model: Classifier, info: ClassifierInfo) -> None:
    """Write weights and `info` as one safetensors file, atomically."""
    write_checkpoint(path, model, METADATA, vars(info))


def load_classifier(path: Path) -> tuple[Classifier, ClassifierInfo]:
    """Read what `save_classifier` wrote; the model is in evaluation mode.

    Raises:
        WsssError: the file is missing, broken, holds NaN or infinity, or is no classifier of this package.
    """
    remedy = "Train one with `wsss train`."
    with explained(f"cannot read checkpoint {path}", remedy):
        state, facts = read_checkpoint(path, METADATA, "classifier")
        info = ClassifierInfo.of_facts(facts)
    with explained(f"checkpoint {path} does not fit {info.backbone} with {len(info.classes)} classes", remedy):
        model = Classifier(info.backbone, len(info.classes), info.output_stride)
        load_tensors(model, state)
    return model.eval(), info


def require_classifier(path: Path) -> None:
    """Raise a `WsssError` if a checkpoint written to `path` would replace anything but an earlier classifier."""
    remedy = "Give another file with --out."
    if path.is_dir():
        raise WsssError(f"{path} is a folder, and the checkpoint is a file. {remedy}")
    if path.exists() and not is_checkpoint(path, METADATA):
        raise WsssError(f"{path} is there and is no classifier of this package: it would be replaced. {remedy}")


def info_for(backbone: str, classes: tuple[str, ...], output_stride: int, base_side: int) -> ClassifierInfo:
    """`ClassifierInfo` with the backbone's own normalisation and nothing chosen yet."""
    mean, std = normalisation(backbone)
    return ClassifierInfo(backbone, classes, output_stride, mean, std, base_side, {})
