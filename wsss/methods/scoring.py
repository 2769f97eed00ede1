"""Scores methods on a split, image by image: nothing but counts is kept, so memory does not grow with the data."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.confusion import threshold_confusions
from wsss.analysis.instances import instances_of
from wsss.analysis.score import Score
from wsss.analysis.tally import Tally
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold, pseudo_label
from wsss.data.base import Dataset, Sample
from wsss.errors import WsssError
from wsss.machine.parallel import each_image
from wsss.machine.processes import gathered, share
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM, Depths
from wsss.methods.evidence import Look
from wsss.methods.fusion import Evidence, fuse
from wsss.methods.magnification import Magnification, magnification, magnification_facts
from wsss.methods.parameters import FusionParameters
from wsss.methods.registry import method

__all__ = [
    "Cost",
    "Sweep",
    "best_trial",
    "choose_parameters",
    "cost_of",
    "image_counts",
    "looks_facts",
    "scales_of",
    "score_seeds",
    "sweep",
    "trial_sweeps",
]


@dataclass(frozen=True)
class Cost:
    """What a method's evidence of one image took: megapixels, seconds, trust in its depth, and how much it enlarged."""

    megapixels: float
    seconds: float
    trust: float
    magnification: Magnification


@dataclass(frozen=True)
class Sweep:
    """What `sweep` tries of one method.

    Attributes:
        trials: how many.
        thresholds: `(N,)`, at which each trial's scores are counted.
        scores: of an image, `(K,H,W)` for each trial in turn.
    """

    trials: int
    thresholds: NDArray[np.float64]
    scores: Callable[[Look, Sample, int], Iterable[NDArray[np.float32]]]


def sweep(
    cam: DepthCAM, data: Dataset, sweeps: Mapping[str, Sweep], text: str, *, progress: bool = True
) -> dict[str, NDArray[np.int64]]:
    """Confusion matrices of every trial of several methods at every threshold, `(T,N,C+1,C+2)` each, summed over a
    split.

    Args:
        data: the tune split.
        sweeps: by method.
        text: of the progress bar.
    """
    shape = (len(data.classes) + 1, len(data.classes) + 2)
    totals = {name: np.zeros((one.trials, len(one.thresholds), *shape), np.int64) for name, one in sweeps.items()}
    counted = partial(image_counts, cam, data, sweeps)
    for counts in each_image(counted, share(len(data)), text, device=cam.device, progress=progress):
        for name in sweeps:
            totals[name] += counts[name]
    parts = gathered([totals])
    summed = {name: np.sum([part[name] for part in parts], axis=0) for name in sweeps}
    if not any(total.any() for total in summed.values()):
        raise WsssError(
            f"{data.name}, {data.split} has no masks, by which parameters and thresholds are chosen. Give it some."
        )
    return summed


def image_counts(cam: DepthCAM, data: Dataset, sweeps: Mapping[str, Sweep], index: int) -> dict[str, NDArray[np.int64]]:
    """Confusion matrices of every trial at every threshold, as of `sweep`, of image `index` alone."""
    sample = data[index]
    present = np.flatnonzero(sample.labels)
    look, counts = cam.look(sample.id, sample.image, present), {}
    for name, one in sweeps.items():
        rest = present + 1, sample.truth, len(data.classes), one.thresholds
        counts[name] = np.stack([threshold_confusions(scores, *rest) for scores in one.scores(look, sample, index)])
    return counts


def trial_sweeps(cam: DepthCAM, names: Sequence[str], depths: Depths) -> dict[str, Sweep]:
    """What `sweep` tries of methods whose parameters and thresholds are chosen from their whole grids."""

    def fused(name: str, look: Look, sample: Sample, index: int) -> Iterator[NDArray[np.float32]]:
        evidence = cam.evidence(name, look, sample, depths, index)
        return (fuse(evidence, parameters).numpy() for parameters in method(name).trials)

    return {name: Sweep(len(method(name).trials), THRESHOLDS, partial(fused, name)) for name in names}


def best_trial(
    totals: NDArray[np.int64], choose: Callable[[NDArray[np.int64]], tuple[float, ...]]
) -> tuple[int, tuple[float, ...]]:
    """The trial with the highest mIoU at its chosen thresholds, the first one at ties, and what was chosen for it.

    Args:
        totals: `(T,N,C+1,C+2)` of T trials at N thresholds, from `sweep`.
        choose: thresholds of one trial, and last its mIoU.
    """
    found = [choose(total) for total in totals]
    best = int(np.argmax([each[-1] for each in found]))
    return best, found[best]


def choose_parameters(
    cam: DepthCAM,
    names: Sequence[str],
    data: Dataset,
    depths: Depths,
    *,
    given: Mapping[str, tuple[FusionParameters, float]] | None = None,
    progress: bool = True,
) -> dict[str, Choice]:
    """Fusion parameters and threshold of each method, by mIoU over the whole grid of its trials.

    Args:
        data: the tune split.
        depths: see `Depths`.
        given: methods that have no choice: their parameters and threshold are only scored.
    """
    fixed = {name: pair for name, pair in (given or {}).items() if name in names}
    trials = {name: (fixed[name][0],) if name in fixed else method(name).trials for name in names}
    thresholds = {name: np.array([fixed[name][1]]) if name in fixed else THRESHOLDS for name in names}

    def fused(name: str, look: Look, sample: Sample, index: int) -> Iterator[NDArray[np.float32]]:
        evidence = cam.evidence(name, look, sample, depths, index)
        return (fuse(evidence, parameters).numpy() for parameters in trials[name])

    sweeps = {name: Sweep(len(trials[name]), thresholds[name], partial(fused, name)) for name in names}
    totals = sweep(cam, data, sweeps, f"tune {', '.join(names)}", progress=progress)
    chosen = {}
    for name in names:
        best, (threshold, miou) = best_trial(totals[name], partial(choose_threshold, thresholds=thresholds[name]))
        file = "file" if name in fixed else None
        chosen[name] = Choice(trials[name][best], threshold, miou, len(trials[name]), file)
    return chosen


def score_seeds(
    cam: DepthCAM,
    choices: Mapping[str, Choice],
    data: Dataset,
    depths: Depths,
    *,
    predicted: NDArray[np.bool_] | None = None,
    progress: bool = True,
) -> dict[str, Score]:
    """Score methods with the parameters that were chosen for them; passes that they share are made once per image.

    Args:
        choices: per method, from `choose_parameters`.
        depths: see `Depths`.
        predicted: `(N,C) bool` image labels from the classifier; None scores with given labels only.

    Raises:
        WsssError: no pixel of the split shows a class, so that a score would be that of background alone.
    """
    tallies = {name: Tally(data, len(THRESHOLDS)) for name in choices}

    def costs_of(index: int) -> dict[str, Cost]:
        sample, costs = data[index], {}
        named = np.flatnonzero(sample.labels)
        own = named[:0] if predicted is None else np.flatnonzero(predicted[index])
        present = np.union1d(named, own)
        look, instances = cam.look(sample.id, sample.image, present), instances_of(sample)
        for name, choice in choices.items():
            apart = method(name).proposal == "cam"  # whose boxes hang on the classes that are looked for
            one = cam.look(sample.id, sample.image, named) if apart else look
            evidence = cam.evidence(name, one, sample, depths, index)
            start = time.perf_counter()
            scores = fuse(evidence, choice.parameters).numpy()
            of_named = scores if apart else scores[np.isin(present, named)]
            label = pseudo_label(of_named, named + 1, choice.threshold)
            seconds = evidence.seconds + time.perf_counter() - start
            costs[name] = cost_of(name, cam, sample, evidence, seconds)
            tallies[name].add_scored(index, sample, label, instances, of_named, named + 1)
            if predicted is not None:
                if apart:
                    other = cam.evidence(name, cam.look(sample.id, sample.image, own), sample, depths, index)
                    scores = fuse(other, choice.parameters).numpy()
                of_own = scores if apart else scores[np.isin(present, own)]
                tallies[name].add_predicted(index, sample, pseudo_label(of_own, own + 1, choice.threshold))
        return costs

    text = f"{', '.join(choices)} on {data.split}"
    costs = list(each_image(costs_of, share(len(data)), text, device=cam.device, progress=progress))
    scores = {
        name: tallies[name].merged(looks_facts(name, choice.plain(), [each[name] for each in costs], cam))
        for name, choice in choices.items()
    }
    for score in scores.values():
        _require_shown(score, data)
    return scores


def _require_shown(score: Score, data: Dataset) -> None:
    """Raise a `WsssError` where no pixel shows a class: the score would be that of background alone."""
    pixels = score.confusions.sum(axis=(0, 2))  # of background and each class
    if pixels[0] and not pixels[1:].any():
        raise WsssError(
            f"no pixel of {data.name}, {data.split} shows {' or '.join(data.classes)}, so a score would be that of "
            "background alone. Give images that show them, or other --classes."
        )


def scales_of(name: str, cam: DepthCAM) -> tuple[float, ...]:
    """Scales of a method's passes over the whole image."""
    return method(name).whole(cam.crops, cam.colour)[0]


def cost_of(name: str, cam: DepthCAM, sample: Sample, evidence: Evidence, seconds: float) -> Cost:
    """What a method's evidence of an image took, in so many seconds."""
    height, width = sample.image.shape[:2]
    enlarged = magnification((height, width), scales_of(name, cam), evidence.plan, cam.info.base_side)
    return Cost(evidence.megapixels, seconds, evidence.trust, enlarged)


def looks_facts(name: str, choice: Mapping[str, Any], costs: Sequence[Cost], cam: DepthCAM) -> dict[str, Any]:
    """What a record says of a method's passes and their cost, means over the images of all processes.

    Args:
        costs: of each image of this process.
    """
    plan = method(name)
    costs = gathered(costs)
    megapixels, seconds, trust = np.mean([(one.megapixels, one.seconds, one.trust) for one in costs], axis=0).tolist()
    return {
        **choice,
        "megapixels": megapixels,
        "seconds": seconds,
        "scales": list(scales_of(name, cam)),
        "magnification": magnification_facts([one.magnification for one in costs]),
        "flip": plan.whole(cam.crops, cam.colour)[1],
        "crops": cam.crops.count if plan.crops else 0,
        "trust": trust if plan.uses_depth else None,
    }
