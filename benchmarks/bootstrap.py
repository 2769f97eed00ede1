"""The intervals of a record: 20,000 resamples of 654 images, 16 classes, 3,000 objects."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.measure import Effort, Measured, at_most, shown, timed_in_turns
from wsss.analysis import (
    BORDER_BINS,
    COCO_BINS,
    MEASURES,
    SIZE_BINS,
    bootstrap_miou,
    hit_effects,
    object_miou,
    paired_bootstrap,
    strata_table,
)

__all__ = ["measure"]

IMAGES, OBJECTS, CLASSES = 654, 3000, 16


def measure(effort: Effort) -> Measured:
    """Seconds of each kind of interval."""
    rng = np.random.default_rng(0)
    confusions = rng.integers(0, 1000, (2, IMAGES, CLASSES + 1, CLASSES + 2))
    objects = _objects(rng)
    tasks: dict[str, Callable[[], object]] = {
        "mIoU": lambda: bootstrap_miou(confusions[0]),
        "paired difference of mIoU": lambda: paired_bootstrap(confusions[0], confusions[1]),
        "size × occlusion, four measures": lambda: strata_table(objects),
        "object mIoU": lambda: object_miou(objects),
    }
    seconds = timed_in_turns(tasks, min(effort.rounds, 5))
    regressions = timed_in_turns({"effects, 2,000 regressions": lambda: hit_effects(objects)}, min(effort.rounds, 3))
    middle = {name: float(np.median(runs)) for name, runs in (seconds | regressions).items()}
    figures = (
        *(at_most(name, middle[name], 2, "s") for name in tasks),
        shown("effects, 2,000 regressions", middle["effects, 2,000 regressions"], "s"),
    )
    return Measured(figures, seconds | regressions)


def _objects(rng: np.random.Generator) -> pd.DataFrame:
    """As many objects as `nyuv2` has, with random scores."""
    objects = pd.DataFrame({name: rng.random(OBJECTS) for name in MEASURES})
    objects = objects.assign(
        hit=(objects["iou"] > 0.5).astype(float),
        image_id=rng.integers(0, IMAGES, OBJECTS).astype(str),
        class_id=rng.integers(1, CLASSES + 1, OBJECTS),
        area=rng.integers(16, 9000, OBJECTS),
        occlusion_ratio=np.nan,
        marked_occluded=np.nan,
        border_occlusion=rng.random(OBJECTS),
        **{
            name: np.array(bins, object)[rng.integers(0, 3, OBJECTS)]
            for name, bins in (("size", SIZE_BINS), ("coco", COCO_BINS), ("occlusion", BORDER_BINS))
        },
    )
    return objects.assign(relative_area=objects["area"] / (480 * 640))
