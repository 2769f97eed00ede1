"""Pseudo-labels of the train split: seeds, refined, and parted into classes, background and ignored pixels by two
thresholds."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.boundary import boundary_counts, boundary_scores
from wsss.analysis.instances import instances_of
from wsss.analysis.score import Score, joined_scores
from wsss.analysis.tally import Tally
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold, choose_two_thresholds, pseudo_label
from wsss.data.base import Dataset, Sample
from wsss.data.reduced import enlarged
from wsss.machine.blocks import Blocks, at_once, share_of
from wsss.machine.parallel import each_image
from wsss.machine.processes import gathered
from wsss.methods.choice import Choice
from wsss.methods.cost import Cost, cost_facts, cost_of, costs_in, looks_facts
from wsss.methods.depth_cam import DepthCAM, Depths
from wsss.methods.evidence import Look
from wsss.methods.fusion import fuse
from wsss.methods.names import MethodName
from wsss.methods.scoring import Sweep, best_trial, sweep
from wsss.pseudo.confidence import region_facts
from wsss.pseudo.labels import save_pseudo_label
from wsss.pseudo.refinement import REFINEMENTS, RefinementParameters, Scene, refine

__all__ = ["LabelChoice", "Labeller", "choose_labels", "write_labels"]


@dataclass(frozen=True)
class LabelChoice:
    """Refinement and the two thresholds of one label method.

    Attributes:
        low, high: scores up to `low` are background, above `high` a class; between them a pixel is ignored.
        threshold: the single one that is best.
        miou, trials: as of `Choice`.
        facts: what else is said of it: of a file that gives the threshold, what it gives.
    """

    refinement: RefinementParameters
    low: float
    high: float
    threshold: float
    miou: float | None
    trials: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As in JSON files: the inverse of `of_plain`."""
        own = asdict(self)
        return {**own.pop("facts"), **own}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> "LabelChoice":
        """A choice from plain values that `plain` gave."""
        own = {name: plain[name] for name in ("low", "high", "threshold", "miou", "trials")}
        facts = {name: value for name, value in plain.items() if name not in (*own, "refinement")}
        return cls(RefinementParameters(**plain["refinement"]), **own, facts=facts)

    @classmethod
    def given(cls, seeds: Choice) -> "LabelChoice":
        """The threshold of a file, which parts unrefined labels too: nothing is chosen, and nothing ignored."""
        threshold, own = seeds.threshold, seeds.plain()
        facts = {name: own[name] for name in ("parameters", "chosen_on")}
        return cls(RefinementParameters(), threshold, threshold, threshold, seeds.miou, seeds.trials, facts)


@dataclass(frozen=True)
class Labeller:
    """Makes the refined scores of label methods such as `depth+par-depth`, one image at a time.

    Attributes:
        seeds: per method without its refinement, what `choose_parameters` chose for it.
        depths: the sources of methods and refinements, the run's own under None; see `Depths`.
    """

    cam: DepthCAM
    seeds: Mapping[str, Choice]
    depths: Depths

    def seed_scores(self, name: str, look: Look, sample: Sample, index: int) -> NDArray[np.float32]:
        """Scores `(K,H,W)` of label method `name` before refinement."""
        base = MethodName.parse(name).seeds
        evidence = self.cam.evidence(base, look, sample, self.depths, index)
        key = "seed", base  # several refinements start from the same seeds
        return evidence.once(key, lambda: fuse(evidence, self.seeds[base].parameters)).numpy()

    def refined(
        self, name: str, scores: NDArray[np.float32], sample: Sample, index: int, trials: Sequence[RefinementParameters]
    ) -> list[NDArray[np.float32]]:
        """The scores after the refinement of `name` with each of `trials`."""
        parts, depth = MethodName.parse(name), None
        if parts.refinement is not None and REFINEMENTS[parts.refinement].uses_depth:
            depth = self.depths[parts.source if parts.source in self.depths else None](index)
        scene = Scene(sample.image, self.seeds[parts.seeds].threshold, depth, self.cam.regions.jump)
        return refine(parts.refinement, scene, scores, trials)

    def scores_of(
        self, name: str, choice: LabelChoice, sample: Sample, index: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Indices `(K,)` of an image's classes, from 0, and the scores `(K,H,W)` that its pseudo-label is made of."""
        present = np.flatnonzero(sample.labels)
        scores = self.seed_scores(name, self.cam.look(sample.id, sample.image, present), sample, index)
        return present, self.refined(name, scores, sample, index, [choice.refinement])[0]


def _trials(name: str) -> tuple[RefinementParameters, ...]:
    refinement = MethodName.parse(name).refinement
    return REFINEMENTS[refinement].trials if refinement else (RefinementParameters(),)


def choose_labels(
    labeller: Labeller,
    names: Sequence[str],
    data: Dataset,
    *,
    blocks: Blocks[NDArray[np.int64]] = at_once,
    progress: bool = True,
) -> dict[str, LabelChoice]:
    """Refinement and the two thresholds of each label method, by mIoU over the whole grid of its trials.

    Pixels between the thresholds are ignored and count as a miss, so that declining to answer is not rewarded.

    Args:
        data: the tune split.
        blocks: keeps what was counted of a block of images; see `wsss.machine.blocks`.
    """

    def refined(name: str, look: Look, sample: Sample, index: int) -> list[NDArray[np.float32]]:
        scores = labeller.seed_scores(name, look, sample, index)
        return labeller.refined(name, scores, sample, index, _trials(name))

    sweeps = {name: Sweep(len(_trials(name)), THRESHOLDS, partial(refined, name)) for name in names}
    totals = sweep(labeller.cam, data, sweeps, f"tune labels {', '.join(names)}", blocks=blocks, progress=progress)
    chosen = {}
    for name in names:
        best, (low, high, miou) = best_trial(totals[name], choose_two_thresholds)
        threshold = choose_threshold(totals[name][best])[0]
        chosen[name] = LabelChoice(_trials(name)[best], low, high, threshold, miou, len(totals[name]))
    return chosen


def write_labels(
    labeller: Labeller,
    choices: Mapping[str, LabelChoice],
    data: Dataset,
    folders: Mapping[str, Path],
    *,
    blocks: Blocks[Score] = at_once,
    progress: bool = True,
    regions: bool = False,
) -> dict[str, Score]:
    """Write the pseudo-labels of every label method as `ID.png` into its folder, and score them.

    They have the size of the photograph, whatever that of the sample's image (`Sample.full_size`).

    Args:
        choices: per method, from `choose_labels`.
        data: the train split.
        blocks: keeps the scores of a block of images; see `wsss.machine.blocks`.
        regions: of photographs without masks, where costs are not compared: the fact `regions` says of each image what
            `region_facts` does, and crops that have no weight are not looked at.
    """

    def labelled(names: list[str], block: range) -> dict[str, Score]:
        wanted = {name: choices[name] for name in names}
        return _label_block(labeller, wanted, data, folders, block, progress=progress, regions=regions)

    out = {}
    for name, parts in blocks(list(choices), len(data), labelled).items():
        base, choice = MethodName.parse(name).seeds, choices[name]
        facts = {
            **choice.plain(),
            "parameters": labeller.seeds[base].plain()["parameters"],
            "boundary": dict(boundary_scores(np.sum([part.facts["boundary"] for part in parts], axis=0))),
        }
        if regions:
            facts["regions"] = {name: found for part in parts for name, found in part.facts["regions"].items()}
        out[name] = joined_scores(parts, looks_facts(base, facts, costs_in(parts), labeller.cam))
    return out


def _label_block(
    labeller: Labeller,
    choices: Mapping[str, LabelChoice],
    data: Dataset,
    folders: Mapping[str, Path],
    block: range,
    *,
    progress: bool,
    regions: bool,
) -> dict[str, Score]:
    """`write_labels` of a block of images; the facts are what is summed up over the blocks."""
    tallies = {name: Tally(data, len(THRESHOLDS)) for name in choices}
    chosen = [labeller.seeds[MethodName.parse(name).seeds].parameters for name in choices]
    closer = not regions or any(parameters.crop_weight > 0 for parameters in chosen)

    def written(index: int) -> dict[str, tuple[Cost, NDArray[np.int64], tuple[str, list[Any]]]]:
        sample, found = data[index], {}
        present = np.flatnonzero(sample.labels)
        look, instances = labeller.cam.look(sample.id, sample.image, present), instances_of(sample)
        look.closer = closer
        for name, choice in choices.items():
            start = time.perf_counter()
            scores = labeller.seed_scores(name, look, sample, index)
            refined = labeller.refined(name, scores, sample, index, [choice.refinement])[0]
            label = pseudo_label(refined, present + 1, choice.low, choice.high)
            evidence = labeller.cam.evidence(MethodName.parse(name).seeds, look, sample, labeller.depths, index)
            base = MethodName.parse(name).seeds
            cost = cost_of(base, labeller.cam, sample, evidence, time.perf_counter() - start)
            tallies[name].add_scored(index, sample, label, instances, refined, present + 1)
            save_pseudo_label(folders[name] / f"{sample.id}.png", enlarged(label, sample.own_size))
            shown = region_facts(label, refined, present + 1, choice.threshold, sample.own_size) if regions else []
            found[name] = cost, boundary_counts(sample.truth, label), (sample.id, shown)
            look.forget(name, [other for other in choices if other not in found])
        return found

    text, device = f"labels {', '.join(choices)}", labeller.cam.device
    of = block.start, len(data)
    parts = list(each_image(written, share_of(block), text, device=device, progress=progress, of=of))
    out = {}
    for name in choices:
        borders = np.sum(gathered([part[name][1] for part in parts]), axis=0)
        facts = {**cost_facts([part[name][0] for part in parts]), "boundary": borders.tolist()}
        if regions:
            facts["regions"] = dict(gathered([part[name][2] for part in parts]))
        out[name] = tallies[name].merged(facts)
    return out
