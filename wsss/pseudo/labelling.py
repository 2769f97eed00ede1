"""Pseudo-labels of the train split: seeds, refined, and parted into classes, background and ignored pixels by two thresholds."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.boundary import boundary_counts, boundary_scores
from wsss.analysis.confusion import threshold_confusions
from wsss.analysis.instances import instances_of
from wsss.analysis.score import Score
from wsss.analysis.tally import Tally
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold, choose_two_thresholds, pseudo_label
from wsss.data.base import Dataset, Sample
from wsss.machine.parallel import each_image
from wsss.machine.processes import gathered, share
from wsss.methods.evidence import Depths, Look, Looker
from wsss.methods.fusion import fuse
from wsss.methods.names import MethodName
from wsss.methods.parameters import FusionParameters
from wsss.methods.scoring import Cost, looks_facts
from wsss.pseudo.labels import save_pseudo_label
from wsss.pseudo.refinement import REFINEMENTS, RefinementParameters, Scene, refine

__all__ = ["Labeller", "choose_labels", "write_labels"]

Choices = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Labeller:
    """Makes the refined scores of label methods such as `depth+par-depth`, one image at a time.

    Attributes:
        seeds: per method without its refinement, what `choose_parameters` chose for it.
        depths: the sources of methods and refinements, the run's own under None; see `Depths`.
    """

    looker: Looker
    seeds: Choices
    depths: Depths

    def seed_scores(self, name: str, look: Look, sample: Sample, index: int) -> NDArray[np.float32]:
        """Scores `(K,H,W)` of label method `name` before refinement."""
        base = MethodName.parse(name).seeds
        evidence = self.looker.evidence(base, look, sample, self.depths, index)
        key = "seed", base  # several refinements start from the same seeds
        fused = evidence.once(key, lambda: fuse(evidence, FusionParameters(**self.seeds[base]["parameters"])))
        return fused.numpy()

    def refined(
        self, name: str, scores: NDArray[np.float32], sample: Sample, index: int, trials: Sequence[RefinementParameters]
    ) -> list[NDArray[np.float32]]:
        """The scores after the refinement of `name` with each of `trials`."""
        parts = MethodName.parse(name)
        base, refinement = parts.seeds, parts.refinement
        depth = None
        if refinement is not None and REFINEMENTS[refinement].uses_depth:
            source = parts.source
            depth = self.depths[source if source in self.depths else None](index)
        scene = Scene(sample.image, self.seeds[base]["threshold"], depth, self.looker.regions.jump)
        return refine(refinement, scene, scores, trials)


def _trials(name: str) -> tuple[RefinementParameters, ...]:
    refinement = MethodName.parse(name).refinement
    return REFINEMENTS[refinement].trials if refinement else (RefinementParameters(),)


def choose_labels(
    labeller: Labeller, names: Sequence[str], data: Dataset, *, progress: bool = True
) -> dict[str, dict[str, Any]]:
    """Refinement and the two thresholds of each label method, by mIoU over the whole grid of its trials.

    Pixels between the thresholds are ignored and count as a miss, so that declining to answer is not rewarded.

    Args:
        data: the tune split.

    Returns:
        For each method a dictionary of `refinement` (its parameters), `low`, `high`, `threshold` (the single one), `miou` and
        `trials`.
    """
    shape = (len(THRESHOLDS), len(data.classes) + 1, len(data.classes) + 2)
    own = {name: np.zeros((len(_trials(name)), *shape), np.int64) for name in names}

    def counts_of(index: int) -> dict[str, NDArray[np.int64]]:
        sample = data[index]
        present = np.flatnonzero(sample.labels)
        look, counts = labeller.looker.at(sample, present), {}
        for name in names:
            scores = labeller.seed_scores(name, look, sample, index)
            refined = labeller.refined(name, scores, sample, index, _trials(name))
            rest = present + 1, sample.mask, len(data.classes), THRESHOLDS
            counts[name] = np.stack([threshold_confusions(each, *rest) for each in refined])
        return counts

    text, device = f"tune labels {', '.join(names)}", labeller.looker.device
    for counts in each_image(counts_of, share(len(data)), text, device=device, progress=progress):
        for name in names:
            own[name] += counts[name]
    parts = gathered([own])
    return {name: _best(name, np.sum([part[name] for part in parts], axis=0)) for name in names}


def _best(name: str, totals: NDArray[np.int64]) -> dict[str, Any]:
    """The trial with the highest mIoU at its chosen thresholds; the first one at ties."""
    pairs = [choose_two_thresholds(total) for total in totals]
    best = int(np.argmax([miou for _, _, miou in pairs]))
    low, high, miou = pairs[best]
    threshold = choose_threshold(totals[best])[0]
    facts = {"low": low, "high": high, "threshold": threshold, "miou": miou, "trials": len(totals)}
    return {"refinement": asdict(_trials(name)[best]), **facts}


def write_labels(
    labeller: Labeller, choices: Choices, data: Dataset, folders: Mapping[str, Path], *, progress: bool = True
) -> dict[str, Score]:
    """Write the pseudo-labels of every label method as `ID.png` into its folder, and score them.

    Args:
        choices: per method, from `choose_labels`.
        data: the train split.
    """
    tallies = {name: Tally(data, len(THRESHOLDS)) for name in choices}

    def written(index: int) -> dict[str, tuple[Cost, NDArray[np.int64]]]:
        sample, found = data[index], {}
        present = np.flatnonzero(sample.labels)
        look, instances = labeller.looker.at(sample, present), instances_of(sample)
        for name, choice in choices.items():
            start = time.perf_counter()
            scores = labeller.seed_scores(name, look, sample, index)
            parameters = RefinementParameters(**choice["refinement"])
            refined = labeller.refined(name, scores, sample, index, [parameters])[0]
            label = pseudo_label(refined, present + 1, choice["low"], choice["high"])
            evidence = labeller.looker.evidence(MethodName.parse(name).seeds, look, sample, labeller.depths, index)
            cost = evidence.megapixels, time.perf_counter() - start, evidence.trust
            tallies[name].add(index, sample, label, instances, dict(zip((present + 1).tolist(), refined, strict=True)))
            tallies[name].add_curve(sample, refined, present + 1)
            save_pseudo_label(folders[name] / f"{sample.id}.png", label)
            found[name] = cost, boundary_counts(sample.mask, label)
        return found

    text, device = f"labels {', '.join(choices)}", labeller.looker.device
    parts = list(each_image(written, share(len(data)), text, device=device, progress=progress))
    out = {}
    for name, choice in choices.items():
        base = MethodName.parse(name).seeds
        borders = np.sum(gathered([part[name][1] for part in parts]), axis=0)
        facts = {
            **choice,
            "parameters": labeller.seeds[base]["parameters"],
            "boundary": dict(boundary_scores(borders)),
        }
        costs = [part[name][0] for part in parts]
        out[name] = tallies[name].merged(looks_facts(base, facts, costs, labeller.looker))
    return out
