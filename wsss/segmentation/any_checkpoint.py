"""A checkpoint of any kind of network that this package trains, with what its file says of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from wsss.cam.classifier import METADATA as CLASSIFIER
from wsss.cam.classifier import Classifier, ClassifierInfo, load_classifier, save_classifier
from wsss.depth.monocular import METADATA as DEPTH
from wsss.depth.monocular import DepthNetwork, load_depth_network, save_depth_network
from wsss.errors import WsssError
from wsss.networks.checkpoints import is_checkpoint
from wsss.segmentation.network import load_network, save_network
from wsss.segmentation.predictor import Predictor, load_predictor, predictor_facts

__all__ = ["AnyCheckpoint", "Network", "load_any", "save_any"]

Network = Predictor | DepthNetwork | tuple[Classifier, ClassifierInfo]


@dataclass(frozen=True)
class AnyCheckpoint:
    """What a checkpoint holds.

    Attributes:
        kind: `segmentation network`, `classifier` or `depth network`.
        network: as its own loader gives it.
        module: of torch, in evaluation mode.
        classes: names of labels 1…C; none of a depth network.
        mean, std: of the normalisation of images in [0, 1].
        side: long side in pixels of an image at scale 1.
        facts: what else it says of itself, plain values.
    """

    kind: str
    network: Network
    module: nn.Module
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    side: int
    facts: Mapping[str, Any]


def load_any(path: Path) -> AnyCheckpoint:
    """Read a checkpoint of `wsss train`, `wsss segment` or `wsss train-depth`.

    Raises:
        WsssError: the file is missing, broken, or none of these; the message names it.
    """
    if not path.is_file():
        raise WsssError(f"there is no file {path}. Give a checkpoint of `wsss train`, `segment` or `train-depth`.")
    if is_checkpoint(path, CLASSIFIER):
        model, info = load_classifier(path)
        facts = {"backbone": info.backbone, "output_stride": info.output_stride, "chosen": info.chosen}
        return AnyCheckpoint(
            "classifier", (model, info), model, info.classes, info.mean, info.std, info.base_side, facts
        )
    if is_checkpoint(path, DEPTH):
        depth = load_depth_network(path)
        facts = {"backbone": depth.backbone, "trained_on": depth.trained_on}
        return AnyCheckpoint("depth network", depth, depth.module, (), depth.mean, depth.std, depth.side, facts)
    one = load_predictor(path)
    arguments: Any = one.network.build_arguments
    facts = {**arguments, "scales": one.scales, "labels": _labels_of(load_network(path)[1])}
    return AnyCheckpoint("segmentation network", one, one.network, one.classes, one.mean, one.std, one.long_side, facts)


def _labels_of(meta: Mapping[str, str]) -> str | None:
    """What a segmentation network has learnt from, a label method or `full-supervision`; None where it is not said."""
    try:
        found = json.loads(meta.get("labels", "null"))
    except ValueError:
        return None
    return found if isinstance(found, str) else None


def save_any(path: Path, network: Network) -> None:
    """Write what a loader of this package gave, with its own writer, atomically.

    Raises:
        WsssError: it is something else, or the file cannot be written.
    """
    match network:
        case Predictor():
            save_network(path, network.network, predictor_facts(network))
        case DepthNetwork():
            save_depth_network(path, network)
        case (Classifier() as model, ClassifierInfo() as info):
            save_classifier(path, model, info)
        case _:
            raise WsssError(
                f"what is saved must be a checkpoint's file, or what load_classifier, load_predictor or "
                f"load_depth_network gave, not {type(network).__name__}"
            )
