"""Scores methods on a split, image by image: nothing but counts is kept, so memory does not grow with the data."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.confusion import threshold_confusions
from wsss.analysis.instances import instances_of
from wsss.analysis.score import Score, joined_scores
from wsss.analysis.tally import Tally
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold, pseudo_label
from wsss.data.base import Dataset, Sample
from wsss.errors import WsssError
from wsss.machine.blocks import Blocks, at_once, share_of
from wsss.machine.parallel import each_image
from wsss.machine.processes import gathered
from wsss.methods.choice import Choice
from wsss.methods.cost import Cost, cost_facts, cost_of, costs_in, looks_facts
from wsss.methods.depth_cam import DepthCAM, Depths
from wsss.methods.evidence import Look
from wsss.methods.fusion import fuse
from wsss.methods.parameters import FusionParameters
from wsss.methods.registry import method

__all__ = [
    "Sweep",
    "best_trial",
    "choose_parameters",
    "image_counts",
    "score_seeds",
    "sweep",
    "trial_sweeps",
]


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
    cam: DepthCAM,
    data: Dataset,
    sweeps: Mapping[str, Sweep],
    text: str,
    *,
    blocks: Blocks[NDArray[np.int64]] = at_once,
    progress: bool = True,
) -> dict[str, NDArray[np.int64]]:
    """Confusion matrices of every trial of several methods at every threshold, `(T,N,C+1,C+2)` each, summed over a
    split.

    Args:
        data: the tune split.
        sweeps: by method.
        text: of the progress bar.
        blocks: keeps what was counted of a block of images; see `wsss.machine.blocks`.
    """
    shape = (len(data.classes) + 1, len(data.classes) + 2)

    def summed_over(names: list[str], block: range) -> dict[str, NDArray[np.int64]]:
        own = {name: sweeps[name] for name in names}
        totals = {name: np.zeros((one.trials, len(one.thresholds), *shape), np.int64) for name, one in own.items()}
        of = block.start, len(data)
        counted = partial(image_counts, cam, data, own)
        for counts in each_image(counted, share_of(block), text, device=cam.device, progress=progress, of=of):
            for name in own:
                totals[name] += counts[name]
        parts = gathered([totals])
        return {name: np.sum([part[name] for part in parts], axis=0) for name in own}

    found = blocks(list(sweeps), len(data), summed_over)
    summed = {name: np.sum(parts, axis=0) for name, parts in found.items()}
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
        look.forget(name, [other for other in sweeps if other not in counts])
    return counts


Given = Mapping[str, tuple[FusionParameters, float]]
"""By method: parameters and threshold that are not chosen."""


def trial_sweeps(cam: DepthCAM, names: Sequence[str], depths: Depths, given: Given | None = None) -> dict[str, Sweep]:
    """What `sweep` tries of methods: their whole grids, or the parameters and the threshold that are given for them."""
    fixed = given or {}

    def fused(name: str, look: Look, sample: Sample, index: int) -> Iterator[NDArray[np.float32]]:
        evidence = cam.evidence(name, look, sample, depths, index)
        return (fuse(evidence, parameters).numpy() for parameters in _trials(name, fixed))

    thresholds = {name: np.array([fixed[name][1]]) if name in fixed else THRESHOLDS for name in names}
    return {name: Sweep(len(_trials(name, fixed)), thresholds[name], partial(fused, name)) for name in names}


def _trials(name: str, given: Given) -> Sequence[FusionParameters]:
    return (given[name][0],) if name in given else method(name).trials


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
    given: Given | None = None,
    blocks: Blocks[NDArray[np.int64]] = at_once,
    progress: bool = True,
) -> dict[str, Choice]:
    """Fusion parameters and threshold of each method, by mIoU over the whole grid of its trials.

    Args:
        data: the tune split.
        depths: see `Depths`.
        given: methods that have no choice: their parameters and threshold are only scored.
        blocks: keeps what was counted of a block of images; see `wsss.machine.blocks`.
    """
    fixed, chosen = given or {}, {}
    sweeps = trial_sweeps(cam, names, depths, fixed)
    totals = sweep(cam, data, sweeps, f"tune {', '.join(names)}", blocks=blocks, progress=progress)
    for name, one in sweeps.items():
        best, (threshold, miou) = best_trial(totals[name], partial(choose_threshold, thresholds=one.thresholds))
        file = "file" if name in fixed else None
        chosen[name] = Choice(_trials(name, fixed)[best], threshold, miou, one.trials, file)
    return chosen


def score_seeds(
    cam: DepthCAM,
    choices: Mapping[str, Choice],
    data: Dataset,
    depths: Depths,
    *,
    predicted: NDArray[np.bool_] | None = None,
    blocks: Blocks[Score] = at_once,
    progress: bool = True,
) -> dict[str, Score]:
    """Score methods with the parameters that were chosen for them; passes that they share are made once per image.

    Args:
        choices: per method, from `choose_parameters`.
        depths: see `Depths`.
        predicted: `(N,C) bool` image labels from the classifier; None scores with given labels only.
        blocks: keeps the scores of a block of images, whose only facts are the costs; see `wsss.machine.blocks`.

    Raises:
        WsssError: no pixel of the split shows a class, so that a score would be that of background alone.
    """

    def scored(names: list[str], block: range) -> dict[str, Score]:
        wanted = {name: choices[name] for name in names}
        return _score_block(cam, wanted, data, depths, predicted, block, progress=progress)

    found = blocks(list(choices), len(data), scored)
    scores = {
        name: joined_scores(found[name], looks_facts(name, choice.plain(), costs_in(found[name]), cam))
        for name, choice in choices.items()
    }
    for score in scores.values():
        _require_shown(score, data)
    return scores


def _score_block(
    cam: DepthCAM,
    choices: Mapping[str, Choice],
    data: Dataset,
    depths: Depths,
    predicted: NDArray[np.bool_] | None,
    block: range,
    *,
    progress: bool,
) -> dict[str, Score]:
    """The scores of a block of images; their only facts are the costs of each image."""
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
            look.forget(name, [other for other in choices if other not in costs])
        return costs

    text = f"{', '.join(choices)} on {data.split}"
    of = block.start, len(data)
    costs = list(each_image(costs_of, share_of(block), text, device=cam.device, progress=progress, of=of))
    return {name: tally.merged(cost_facts([each[name] for each in costs])) for name, tally in tallies.items()}


def _require_shown(score: Score, data: Dataset) -> None:
    """Raise a `WsssError` where no pixel shows a class: the score would be that of background alone."""
    pixels = score.confusions.sum(axis=(0, 2))  # of background and each class
    if pixels[0] and not pixels[1:].any():
        raise WsssError(
            f"no pixel of {data.name}, {data.split} shows {' or '.join(data.classes)}, so a score would be that of "
            "background alone. Give images that show them, or other --classes."
        )
