"""Arrays of each image of a split, kept in the cache of a run in blocks of images, so that a broken run goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.config import SCORING_VERSION
from wsss.data.base import Dataset
from wsss.experiments.criteria import STATISTICS_VERSION, image_statistics
from wsss.io import content_hash, read_array, write_array
from wsss.machine.parallel import each_image, image_bar
from wsss.methods.depth_cam import Depths
from wsss.methods.fusion import fuse
from wsss.methods.parameters import FusionParameters
from wsss.methods.registry import uses_depth
from wsss.methods.scoring import image_counts, trial_sweeps
from wsss.pipeline import Run
from wsss.pipeline.cache import StageCache

__all__ = ["counts_by_image", "kept_by_image", "read_blocks", "statistics_by_image"]

BLOCK = 16
"""Images in a file: as many are made again where a run broke off."""

Work = Callable[[Sequence[str], int], Mapping[str, NDArray[Any]]]


def kept_by_image(run: Run, data: Dataset, keys: Mapping[str, str], work: Work, text: str) -> dict[str, list[Path]]:
    """Files with the arrays that `work` makes of each image of a data set, a file for each block; see `read_blocks`.

    Args:
        keys: name → hash of everything that its arrays depend on.
        work: names that are missing, index of an image → the array of each name.
        text: of the progress bar.
    """
    cache = StageCache(run.cache)
    blocks = [range(start, min(start + BLOCK, len(data))) for start in range(0, len(data), BLOCK)]
    files = [
        {name: cache.path("by-image", content_hash([key, block.start, block.stop])) for name, key in keys.items()}
        for block in blocks
    ]
    wanted = any(not path.exists() for each in files for path in each.values())
    shown = image_bar(list(zip(blocks, files, strict=True)), f"{text}, {BLOCK} at a time", run.progress and wanted)
    for block, own in shown:

        def made(missing: list[str], block: range = block) -> Mapping[str, NDArray[Any]]:
            found = list(each_image(lambda index: work(missing, index), block, text, device=run.device, progress=False))
            return {name: np.stack([one[name] for one in found]) for name in missing}

        cache.get(own, made, write_array, lambda path: path)
    return {name: [own[name] for own in files] for name in keys}


def read_blocks(paths: Sequence[Path]) -> NDArray[Any]:
    """The arrays of all images, `(N, …)`, from the files of `kept_by_image`."""
    return np.concatenate([read_array(path) for path in paths])


def counts_by_image(run: Run, names: Sequence[str], split: str) -> dict[str, list[Path]]:
    """Files with the confusion matrices of every trial at every threshold of each image, `(N,T,47,C+1,C+2) int32`."""
    data = run.data(split)
    cam = run.depth_cam
    depths: Depths = {None: run.depth_of(split)} if any(map(uses_depth, names)) else {}
    sweeps = trial_sweeps(cam, names, depths)

    def counted(missing: Sequence[str], index: int) -> Mapping[str, NDArray[Any]]:
        found = image_counts(cam, data, {name: sweeps[name] for name in missing}, index)
        return {name: one.astype(np.int32) for name, one in found.items()}

    keys = {name: content_hash(["counts", SCORING_VERSION, run.seed_key(name, split)]) for name in names}
    return kept_by_image(run, data, keys, counted, f"count {', '.join(names)} on {data.split}")


def statistics_by_image(run: Run, name: str, parameters: FusionParameters) -> list[Path]:
    """Files with what criteria without masks look at of each image of the tune split, `(N,5,47)`; no mask is read.

    Args:
        parameters: of the fusion; those of the other scales (`zoom`, or of that itself `cam`) are the plain ones.
    """
    data, cam = run.data("tune"), run.depth_cam
    depths: Depths = {None: run.depth_of("tune")} if uses_depth(name) else {}
    other = "cam" if name == "zoom" else "zoom"

    def looked(_: Sequence[str], index: int) -> Mapping[str, NDArray[Any]]:
        sample = data[index]
        look = cam.look(sample.id, sample.image, np.flatnonzero(sample.labels))
        own = fuse(cam.evidence(name, look, sample, depths, index), parameters).numpy()
        second = fuse(cam.evidence(other, look, sample, depths, index), FusionParameters()).numpy()
        return {name: image_statistics(look, own, second, look.ranks)}

    key = content_hash([STATISTICS_VERSION, run.seed_key(name, "tune"), other, asdict(parameters)])
    return kept_by_image(run, data, {name: key}, looked, f"statistics of {name} on {data.split}")[name]
