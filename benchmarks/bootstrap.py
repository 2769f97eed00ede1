"""Seconds for the intervals of a record: 2,000 resamples of 654 images, 16 classes, 3,000 objects.

python benchmarks/bootstrap.py
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

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

IMAGES, OBJECTS, CLASSES, REPEATS = 654, 3000, 16, 5


def main() -> None:
    """Print the median of `REPEATS` runs of each."""
    rng = np.random.default_rng(0)
    confusions = rng.integers(0, 1000, (2, IMAGES, CLASSES + 1, CLASSES + 2))
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
    objects["relative_area"] = objects["area"] / (480 * 640)
    tasks: dict[str, Callable[[], Any]] = {
        "mIoU": lambda: bootstrap_miou(confusions[0]),
        "paired difference of mIoU": lambda: paired_bootstrap(confusions[0], confusions[1]),
        "size × occlusion, four measures": lambda: strata_table(objects),
        "object mIoU": lambda: object_miou(objects),
        "effects of size and occlusion, 2,000 regressions": lambda: hit_effects(objects),
    }
    for name, task in tasks.items():
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            task()
            seconds.append(time.perf_counter() - start)
        print(f"{name:48s} {np.median(seconds):6.2f} s")


if __name__ == "__main__":
    main()
