"""What a preset loses against tuning on masks, what a few masks are worth, and how criteria without masks do.

A data set is labelled by the preset that leaves it out. Everything is chosen on its tune split, or on no mask at all;
the reported split only scores. All of it follows from counts of each image, of every trial at every threshold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.analysis import bootstrap_miou, mean_iou, paired_bootstrap
from wsss.analysis.thresholds import choose_threshold, threshold_place
from wsss.config import ALGORITHM_VERSION
from wsss.data.base import scene_numbers
from wsss.experiments.by_image import counts_by_image, read_blocks, statistics_by_image
from wsss.experiments.criteria import CRITERIA, mean_statistics, thresholds_without_masks
from wsss.experiments.record_facts import rounded
from wsss.io import write_json
from wsss.methods.presets import Preset, preset_for
from wsss.methods.registry import method, uses_depth
from wsss.methods.scoring import best_trial
from wsss.pipeline import Run
from wsss.records.provenance import provenance
from wsss.records.record import PresetRecord
from wsss.records.store import preset_path

__all__ = ["DRAWS", "MASKS", "MEASURED", "Counted", "SeedFacts", "few_masks", "measure_presets", "seed_facts"]

MEASURED = ("cam", "zoom", "rgb-region", "depth")
"""Methods that photographs with tags are labelled by."""

COLOUR = "rgb-region"
"""The control that the others are compared with, by preset."""

MASKS = (5, 10, 20, 50)
"""How many masks choose, in turn."""

DRAWS = 200
"""How often so many of the tune split's masks are drawn."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """Counts of one method with one training seed; confusions `(…,C+1,C+2)` of each of T trials at all 47 thresholds.

    Attributes:
        own_tune: `(T,47,…)` of the whole tune split, with the data set's own settings of regions and crops.
        own_report: `(N,T,47,…)` of the images of the reported split, with these.
        tune, report: `(M,T,47,…)` and `(N,T,47,…)` with the settings of the preset.
        statistics: `(5,47)`, means over the tune split, of the preset's trial.
    """

    own_tune: Counts
    own_report: Counts
    tune: Counts
    report: Counts
    statistics: NDArray[np.float64]


@dataclass(frozen=True)
class SeedFacts:
    """What came of one method with one training seed; mIoU in percent on the reported split.

    Attributes:
        tuned, preset: confusions `(N,C+1,C+2)` of each image.
        chosen: trial and threshold that the whole tune split chose.
        few: number of masks → `(draws,)` mIoU of what so many of them choose.
        few_threshold: the same where they choose the threshold alone, and the parameters are the preset's.
        thresholds, criteria: of each criterion without masks, its threshold and the mIoU with the preset's parameters.
        best: the highest mIoU of any threshold, with the preset's parameters.
    """

    tuned: Counts
    preset: Counts
    chosen: tuple[int, float]
    few: Mapping[int, NDArray[np.float64]]
    few_threshold: Mapping[int, NDArray[np.float64]]
    thresholds: Mapping[str, float]
    criteria: Mapping[str, float]
    best: float


def few_masks(tune: Counts, report: Counts, masks: int, draws: int, seed: int = 0) -> NDArray[np.float64]:
    """mIoU on the reported split, `(draws,)`, of the trial and the threshold that a few masks choose.

    Args:
        tune: `(M,T,47,C+1,C+2)` of each image of the tune split, of which `masks` are drawn without replacement.
        report: `(T,47,C+1,C+2)` of the whole reported split.
        seed: of the draws.
    """
    generator, scores = np.random.default_rng(seed), mean_iou(report)
    found = []
    for _ in range(draws):
        drawn = np.sort(generator.choice(len(tune), masks, replace=False))
        trial, (threshold, _) = best_trial(tune[drawn].sum(axis=0), choose_threshold)
        found.append(scores[trial, threshold_place(threshold)])
    return np.array(found)


def seed_facts(counted: Counted, trial: int, threshold: float, prior: float | None, draws: int = DRAWS) -> SeedFacts:
    """What comes of one method's counts.

    Args:
        trial, threshold: of the preset.
        prior: see `thresholds_without_masks`.
    """
    own, (own_threshold, _) = best_trial(counted.own_tune, choose_threshold)
    report, only = counted.report.sum(axis=0), slice(trial, trial + 1)
    curve = mean_iou(report[trial])
    enough = [masks for masks in MASKS if masks <= len(counted.tune)]
    thresholds = thresholds_without_masks(counted.statistics, prior)
    return SeedFacts(
        tuned=counted.own_report[:, own, threshold_place(own_threshold)],
        preset=counted.report[:, trial, threshold_place(threshold)],
        chosen=(own, own_threshold),
        few={masks: few_masks(counted.tune, report, masks, draws) for masks in enough},
        few_threshold={masks: few_masks(counted.tune[:, only], report[only], masks, draws) for masks in enough},
        thresholds=thresholds,
        criteria={name: float(curve[threshold_place(each)]) for name, each in thresholds.items()},
        best=float(np.nanmax(curve)),
    )


def row_of(found: Sequence[SeedFacts], scenes: NDArray[np.int64] | None = None) -> dict[str, Any]:
    """A method's row of the record, from all training seeds: means over them, and 95 % intervals over scenes."""
    tuned, preset = np.stack([one.tuned for one in found]), np.stack([one.preset for one in found])
    by_preset = mean_iou(preset.sum(axis=1))
    return {
        "tuned": _scored(tuned, scenes) | {"thresholds": [one.chosen[1] for one in found]},
        "preset": _scored(preset, scenes),
        "lost": _difference(tuned, preset, scenes),
        "best_threshold": round(float(np.mean([one.best for one in found])), 3),
        "few": _curve([one.few for one in found], by_preset),
        "few_threshold": _curve([one.few_threshold for one in found], by_preset),
        "criteria": {
            name: {
                "miou": round(float(np.mean([one.criteria[name] for one in found])), 3),
                "thresholds": [one.thresholds[name] for one in found],
            }
            for name in CRITERIA
            if all(name in one.criteria for one in found)
        },
    }


def _difference(first: Counts, second: Counts, scenes: NDArray[np.int64] | None) -> dict[str, Any]:
    """mIoU of the first minus that of the second, on the same images with the same seeds."""
    mean, interval = paired_bootstrap(first, second, scenes=scenes)
    return {"mean": round(mean, 3), "ci": rounded(interval)}


def _scored(confusions: Counts, scenes: NDArray[np.int64] | None) -> dict[str, Any]:
    """mIoU of `(S,N,C+1,C+2)`: mean over S seeds, each of them, and an interval over scenes."""
    each = mean_iou(confusions.sum(axis=1))
    interval = rounded(bootstrap_miou(confusions, scenes=scenes))
    return {"miou": round(float(each.mean()), 3), "per_seed": rounded(each), "ci": interval}


def _curve(found: Sequence[Mapping[int, NDArray[np.float64]]], preset: NDArray[np.float64]) -> list[dict[str, Any]]:
    """For each number of masks mean, 5th and 95th percentile over draws and seeds, and the share better than the
    preset.

    Args:
        preset: `(S,)` mIoU by the preset.
    """
    rows = []
    for masks in found[0]:
        draws = np.stack([one[masks] for one in found])
        low, high = np.quantile(draws, (0.05, 0.95))
        better = float((draws > preset[:, None]).mean())
        rows.append(
            {
                "masks": masks,
                "miou": round(float(draws.mean()), 3),
                "low": round(float(low), 3),
                "high": round(float(high), 3),
                "better": round(better, 3),
            }
        )
    return rows


def with_preset(run: Run, preset: Preset, name: str) -> Run:
    """The run with the settings of a preset, as far as method `name` looks at them: the rest is then counted once."""
    regions = preset.regions if uses_depth(name) else run.config.regions
    crops = preset.crops if method(name).crops else run.config.crops
    if (regions, crops) == (run.config.regions, run.config.crops):
        return run
    return Run(replace(run.config, regions=regions, crops=crops), run.cache, progress=run.progress)


def measure_presets(
    runs: Sequence[Sequence[Run]], folder: Path, say: Callable[[str], None] = lambda _: None
) -> list[PresetRecord]:
    """Measure for each data set what the preset that leaves it out is worth, and write a record of each.

    Args:
        runs: of each data set those of its training seeds; what is in their cache is not computed again.
        folder: root of the record tree.
    """
    for run in (one for seeds in runs for one in seeds):
        run.require_apart(folder)
        run.say_left_out()
        _count(run)
    shares = {seeds[0].data_name: _labelled_share(seeds[0]) for seeds in runs}
    records = []
    for seeds in runs:
        others = [share for name, share in shares.items() if name != seeds[0].data_name]
        record = _record(seeds, float(np.mean(others)) if others else None)
        write_json(preset_path(folder, record["data"], record["split"]), record)
        for row in record["rows"]:
            lost = row["lost"]
            say(f"{record['data']} {row['method']}: {row['tuned']['miou']:.1f} tuned, {row['preset']['miou']:.1f} by "
                f"{record['preset']}, lost {lost['mean']:.1f} [{lost['ci'][0]:.1f}, {lost['ci'][1]:.1f}]")  # fmt: skip
        records.append(record)
    return records


def _count(run: Run) -> None:
    """Count all images of a run, first of all: methods of the same looks together."""
    preset = preset_for(run.data_name)
    for split in ("tune", "report"):
        counts_by_image(run, MEASURED, split)
        for name in MEASURED:
            counts_by_image(with_preset(run, preset, name), [name], split)
    for name in MEASURED:
        statistics_by_image(with_preset(run, preset, name), name, preset.choice(name).parameters)


def _labelled_share(run: Run) -> float:
    """Share of the pixels of the tune split's masks that have a class."""
    counts = read_blocks(counts_by_image(run, ["cam"], "tune")["cam"])[:, 0, 0].sum(axis=(0, 2))
    return float(counts[1:].sum() / counts.sum())


def _counted(run: Run, preset: Preset, name: str) -> Counted:
    changed = with_preset(run, preset, name)

    def counts(of: Run, split: str) -> Counts:
        return read_blocks(counts_by_image(of, [name], split)[name])

    report = counts(changed, "report")
    tune = counts(changed, "tune")
    own_tune, own_report = (tune, report) if changed is run else (counts(run, "tune"), counts(run, "report"))
    statistics = read_blocks(statistics_by_image(changed, name, preset.choice(name).parameters))
    return Counted(own_tune.sum(axis=0), own_report, tune, report, mean_statistics(statistics))


def _record(runs: Sequence[Run], prior: float | None) -> PresetRecord:
    first = runs[0]
    preset, rows, by_preset = preset_for(first.data_name), [], {}
    scenes = scene_numbers(first.data("report"))
    for name in MEASURED:
        choice = preset.choice(name)
        trial = method(name).trials.index(choice.parameters)
        found = [seed_facts(_counted(run, preset, name), trial, choice.threshold, prior) for run in runs]
        by_preset[name] = np.stack([one.preset for one in found])
        rows.append({"method": first.full_name(name), "threshold": choice.threshold, **row_of(found, scenes)})
    for name, row in zip(MEASURED, rows, strict=True):
        row["from_colour"] = _difference(by_preset[name], by_preset[COLOUR], scenes) if name != COLOUR else None
    return {
        "data": first.data_name,
        "split": first.data("report").split,
        "profile": first.config.profile,
        "seeds": [run.config.seed for run in runs],
        "num_images": len(first.data("report")),
        "tune_images": len(first.data("tune")),
        "preset": preset.name,
        "made_from": list(preset.made_from),
        "draws": DRAWS,
        "prior": prior,
        "rows": rows,
        "left_out": first.left_out(),
        "provenance": provenance(
            config_sha256=first.config_hash,
            data_sha256=first.data_hash("cam"),
            algorithm_version=ALGORITHM_VERSION["cam"],
            preset_sha256=preset.whole_identity,
        ),
    }
