"""Scores methods on a split, image by image: nothing but counts is kept, so memory does not grow with the data."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.confusion import threshold_confusions
from wsss.analysis.instances import instances_of
from wsss.analysis.score import Score
from wsss.analysis.tally import Tally
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold, pseudo_label
from wsss.data.base import Dataset
from wsss.machine.parallel import each_image
from wsss.machine.processes import gathered, share
from wsss.methods.evidence import Depths, Looker
from wsss.methods.fusion import fuse
from wsss.methods.parameters import FusionParameters
from wsss.methods.registry import method

__all__ = ["Cost", "choose_parameters", "looks_facts", "score_seeds"]


Cost = tuple[float, float, float]
"""Megapixels, seconds and trust of a method's evidence of one image."""


def choose_parameters(
    looker: Looker,
    names: Sequence[str],
    data: Dataset,
    depths: Depths,
    *,
    given: Mapping[str, tuple[FusionParameters, float]] | None = None,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """Fusion parameters and threshold of each method, by mIoU over the whole grid of its trials.

    Args:
        data: the tune split.
        depths: see `Depths`.
        given: methods that have no choice: their parameters and threshold are only scored.

    Returns:
        Per method "parameters", "threshold", "miou" and "trials", for those without a choice also "chosen_on", which is "file".
    """
    fixed = {name: pair for name, pair in (given or {}).items() if name in names}
    trials = {name: (fixed[name][0],) if name in fixed else method(name).trials for name in names}
    thresholds = {name: np.array([fixed[name][1]]) if name in fixed else THRESHOLDS for name in names}
    shape = (len(data.classes) + 1, len(data.classes) + 2)
    totals = {name: np.zeros((len(trials[name]), len(thresholds[name]), *shape), np.int64) for name in names}

    def counts_of(index: int) -> dict[str, NDArray[np.int64]]:
        sample = data[index]
        present = np.flatnonzero(sample.labels)
        look, counts = looker.at(sample, present), {}
        for name in names:
            evidence = looker.evidence(name, look, sample, depths, index)
            fused = (fuse(evidence, parameters).numpy() for parameters in trials[name])
            rest = present + 1, sample.mask, len(data.classes), thresholds[name]
            counts[name] = np.stack([threshold_confusions(scores, *rest) for scores in fused])
        return counts

    text = f"tune {', '.join(names)}"
    for counts in each_image(counts_of, share(len(data)), text, device=looker.device, progress=progress):
        for name in names:
            totals[name] += counts[name]
    parts = gathered([totals])
    chosen = {
        name: _best(trials[name], np.sum([part[name] for part in parts], axis=0), thresholds[name]) for name in names
    }
    return {name: {**best, "chosen_on": "file"} if name in fixed else best for name, best in chosen.items()}


def _best(
    trials: Sequence[FusionParameters], totals: NDArray[np.int64], thresholds: NDArray[np.float64]
) -> dict[str, Any]:
    """The trial with the highest mIoU at its chosen threshold; the first one at ties."""
    results = [choose_threshold(total, thresholds) for total in totals]
    best = int(np.argmax([miou for _, miou in results]))
    threshold, miou = results[best]
    return {"parameters": asdict(trials[best]), "threshold": threshold, "miou": miou, "trials": len(trials)}


def score_seeds(
    looker: Looker,
    choices: Mapping[str, Mapping[str, Any]],
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
    """
    tallies = {name: Tally(data, len(THRESHOLDS)) for name in choices}

    def costs_of(index: int) -> dict[str, Cost]:
        sample, costs = data[index], {}
        present = np.flatnonzero(sample.labels if predicted is None else sample.labels | predicted[index])
        given = sample.labels[present]
        look, instances = looker.at(sample, present), instances_of(sample)
        for name, choice in choices.items():
            apart = method(name).proposal == "cam"  # whose boxes hang on the classes that are looked for
            named = present[given]
            evidence = looker.evidence(name, looker.at(sample, named) if apart else look, sample, depths, index)
            start = time.perf_counter()
            scores = fuse(evidence, FusionParameters(**choice["parameters"])).numpy()
            of_named = scores if apart else scores[given]
            label = pseudo_label(of_named, named + 1, choice["threshold"])
            seconds = evidence.seconds + time.perf_counter() - start
            costs[name] = evidence.megapixels, seconds, evidence.trust
            tallies[name].add(index, sample, label, instances, dict(zip((named + 1).tolist(), of_named, strict=True)))
            tallies[name].add_curve(sample, of_named, named + 1)
            if predicted is not None:
                own = predicted[index][present]
                if apart:
                    evidence = looker.evidence(name, looker.at(sample, present[own]), sample, depths, index)
                    scores = fuse(evidence, FusionParameters(**choice["parameters"])).numpy()
                label = pseudo_label(scores if apart else scores[own], present[own] + 1, choice["threshold"])
                tallies[name].add_predicted(index, sample, label)
        return costs

    text = f"{', '.join(choices)} on {data.split}"
    costs = list(each_image(costs_of, share(len(data)), text, device=looker.device, progress=progress))
    return {
        name: tallies[name].merged(looks_facts(name, choices[name], [each[name] for each in costs], looker))
        for name in choices
    }


def looks_facts(name: str, choice: Mapping[str, Any], costs: Sequence[Cost], looker: Looker) -> dict[str, Any]:
    """What a record says of a method's passes and their cost, means over the images of all processes.

    Args:
        costs: of each image of this process.
    """
    plan = method(name)
    megapixels, seconds, trust = np.mean(gathered(costs), axis=0).tolist()
    return {
        **choice,
        "megapixels": megapixels,
        "seconds": seconds,
        "scales": list(looker.crops.scales if plan.crops else plan.scales),
        "flip": plan.flip and not plan.crops,
        "crops": looker.crops.count if plan.crops else 0,
        "trust": trust if plan.uses_depth else None,
    }
