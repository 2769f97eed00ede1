"""Refinement of seeds: the pixel-adaptive one, a batch at a time, beside pydensecrf2 at the same size."""

import numpy as np
import torch

from benchmarks.material import labelled
from benchmarks.measure import Effort, Measured, at_most, ratio, shown, timed_in_turns, versions_of
from wsss.pseudo.adaptive import adaptive_kernel, colour_differences, spread
from wsss.pseudo.crf import dense_crf

__all__ = ["measure"]

CLASSES, ITERATIONS, COLOUR, THRESHOLD = 2, 10, 0.2, 0.4


def measure(effort: Effort) -> Measured:
    """Seconds for all images, two classes in each."""
    versions = versions_of("pydensecrf2")
    pictures = [sample.image for sample in labelled(effort.images)]
    height, width = pictures[0].shape[:2]
    coarse = torch.rand(len(pictures), CLASSES, 16, 16, generator=torch.Generator().manual_seed(0))
    scores = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()

    def adaptive() -> None:
        spread(scores, adaptive_kernel(colour_differences(batch), COLOUR), ITERATIONS)

    def one_by_one() -> None:
        for image, maps in zip(batch.split(1), scores.split(1), strict=True):
            spread(maps, adaptive_kernel(colour_differences(image), COLOUR), ITERATIONS)

    def crf() -> None:
        for image, maps in zip(pictures, scores.numpy(), strict=True):
            dense_crf(image, maps, THRESHOLD)

    tasks = {"pixel-adaptive": adaptive, "pixel-adaptive, one by one": one_by_one, "pydensecrf2": crf}
    seconds = timed_in_turns(tasks, effort.rounds)
    figures = (
        at_most("pixel-adaptive / pydensecrf2", ratio(seconds, "pixel-adaptive", "pydensecrf2"), 1),
        shown(
            "one by one / in a batch", ratio(seconds, "pixel-adaptive, one by one", "pixel-adaptive"), "×", "at least"
        ),
    )
    return Measured(figures, seconds, versions)
