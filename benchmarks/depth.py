"""What depth costs: the depth-guided CAM beside the plain multi-scale CAM of as many megapixels, and the proposal of its crops."""

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.material import CONFIG, depth_cam, labelled, side_by_side
from benchmarks.measure import Effort, Measured, at_most, ratio, shown, timed_in_turns
from wsss.data.base import Sample
from wsss.methods.crops import crop_plan, region_boxes
from wsss.methods.fusion import fuse
from wsss.methods.parameters import FusionParameters
from wsss.methods.proposals import by_depth
from wsss.methods.regions import depth_regions
from wsss.methods.trust import edge_ranks

__all__ = ["measure"]

_FUSION = {"cam": FusionParameters(), "depth": FusionParameters(crop_weight=1.0, vote=0.75, colour=0.5, reach=0.9)}


def measure(effort: Effort) -> Measured:
    """Seconds for all images with and without depth; milliseconds an image on one core of what comes before the classifier."""
    samples = labelled(effort.images)
    seconds = timed_in_turns({name: _seeds(name, samples) for name in _FUSION}, 3 * effort.rounds)
    with threadpool_limits(1):
        alone = timed_in_turns(
            {"crop proposal": lambda: _crops(samples), "votes": lambda: _votes(samples)}, 3 * effort.rounds
        )
    milliseconds = {name: 1000 * float(np.median(runs)) / len(samples) for name, runs in alone.items()}
    figures = (
        at_most("depth-guided CAM / multi-scale CAM", ratio(seconds, "depth", "cam"), 1.3),
        at_most("crop proposal: planes, regions, boxes", milliseconds["crop proposal"], 15, "ms"),
        shown("regions, averages over them, and trust", milliseconds["votes"], "ms"),
    )
    return Measured(figures, seconds | alone)


def _seeds(name: str, samples: list[Sample]) -> Callable[[], None]:
    """Evidence and scores of a method as the pipeline goes through a split; nothing is kept from one run to the next."""
    view = depth_cam()

    def scores_of(sample: Sample) -> None:
        look, depth = view.look(sample.id, sample.image, np.flatnonzero(sample.labels)), sample.depth
        assert depth is not None
        fuse(view.evidence(name, look, sample, {None: lambda _: depth}, 0), _FUSION[name])

    return side_by_side(scores_of, samples)


def _crops(samples: list[Sample]) -> None:
    for sample in samples:
        assert sample.depth is not None
        regions = depth_regions(sample.depth, CONFIG.regions)
        crop_plan(region_boxes(regions), sample.depth.shape, CONFIG.crops)


def _votes(samples: list[Sample]) -> None:
    for sample in samples:
        assert sample.depth is not None
        by_depth(sample.image, sample.depth, CONFIG.regions, edge_ranks(sample.image))
