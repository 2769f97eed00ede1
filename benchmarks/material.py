"""What several parts work on: rendered scenes, and a classifier that needs no training to be timed."""

import copy
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsss.cam.classifier import Classifier, ClassifierInfo, build_classifier, info_for
from wsss.data.base import Dataset, Sample
from wsss.data.tabletop import TabletopDataset, TabletopSpec
from wsss.data.tabletop_rendering import render_tabletop
from wsss.machine.parallel import each_image
from wsss.machine.runtime import pick_device
from wsss.methods.depth_cam import DepthCAM, Depths
from wsss.networks.lean import lean_copy
from wsss.pipeline.profiles import profile

__all__ = ["CONFIG", "Logits", "classifier", "depth_cam", "depths_of", "labelled", "repeated", "scenes", "side_by_side"]

T = TypeVar("T")

CONFIG = profile("default", "tabletop")
_SCENES = TabletopSpec(side=256, splits=(("train", 48), ("tune", 8), ("test", 72)))


@cache
def scenes(split: str = "test") -> TabletopDataset:
    """Scenes of 256×256, rendered once into the cache (half a minute)."""
    return TabletopDataset(render_tabletop(spec=_SCENES, progress=False), split)


@cache
def labelled(count: int, split: str = "test") -> list[Sample]:
    """The first `count` scenes that hold at least one object."""
    samples = (sample for sample in scenes(split) if sample.labels.any())
    return [sample for _, sample in zip(range(count), samples, strict=False)]


def repeated(count: int, times: int) -> TabletopDataset:
    """The first `count` test scenes again and again: more images of the same content."""
    data = TabletopDataset(scenes().folder.parent, "test")
    data.ids = data.ids[:count] * times
    return data


def depths_of(data: Dataset) -> Depths:
    """The depth of rendered data."""

    def sensor(index: int) -> NDArray[np.float32]:
        depth = data[index].depth
        assert depth is not None
        return depth

    return {None: sensor}


def side_by_side(work: Callable[[T], object], items: Sequence[T]) -> Callable[[], None]:
    """`work` for what belongs to each image, as the pipeline does it: images side by side, a thread each."""

    def run() -> None:
        device = depth_cam().device
        for _ in each_image(lambda index: work(items[index]), range(len(items)), "", device=device, progress=False):
            pass

    return run


@cache
def classifier() -> tuple[Classifier, ClassifierInfo]:
    """The default backbone with its ImageNet weights and a random head: as fast as a trained one, and the same every time."""
    settings, classes = CONFIG.classifier, scenes().classes
    torch.manual_seed(0)
    model = build_classifier(settings.backbone, len(classes), settings.output_stride).eval()
    info = info_for(settings.backbone, classes, settings.output_stride, settings.base_side)
    return model.to(pick_device()), info


@cache
def depth_cam() -> DepthCAM:
    """The classifier as the pipeline uses it for seeds: folded, `channels_last`, with the crops of the default profile."""
    model, info = classifier()
    folded = lean_copy(copy.deepcopy(model).to(memory_format=torch.channels_last))
    return DepthCAM(folded, info, scenes().classes, CONFIG.regions, CONFIG.crops, pick_device(), colour=CONFIG.colour)


class Logits(nn.Module):
    """The same network in the shape that other CAM libraries expect: images `(N,3,H,W)` → logits `(N,C)`, hooks on `last`."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        own = copy.deepcopy(model)
        self.features, self.last, self.head = own.features, nn.Identity(), own.head

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(N,C)`."""
        maps: Tensor = self.head(self.last(self.features(images)[-1]))
        return maps.mean(dim=(2, 3))
