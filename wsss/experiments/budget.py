"""What more pixels buy: mIoU on the tune split over the megapixels that the classifier looks at.

Three lines: passes over the whole image alone, regions of colour beside such passes, and depth with its regions and
crops. The sides of a pass grow by the root of the cost, the number of crops with it. Fusion parameters and thresholds
are chosen anew at each cost, on the split that is shown: all lines are too high by the same rule.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.analysis import bootstrap_miou, mean_iou, paired_bootstrap
from wsss.analysis.confusion import threshold_confusions
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold, threshold_place
from wsss.config import SCORING_VERSION, Config
from wsss.data.base import scene_numbers
from wsss.experiments.by_image import kept_by_image, read_blocks
from wsss.experiments.constants import with_settings
from wsss.experiments.record_facts import rounded, tune_record
from wsss.io import content_hash, write_json
from wsss.methods.depth_cam import Depths
from wsss.methods.fusion import fuse
from wsss.methods.registry import method
from wsss.methods.scoring import best_trial
from wsss.pipeline import Run
from wsss.records.record import TuneRecord
from wsss.records.store import budget_path

__all__ = ["BUDGETS", "LINES", "budget_settings", "measure_budgets"]

BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Costs, in multiples of that of the committed records."""

LINES = {"passes": "rgb-region", "colour": "rgb-region", "depth": "depth"}
"""The method of each line. Passes alone are the trial of `rgb-region` that leaves its regions out, the first one."""

_Counts = Mapping[str, NDArray[Any]]


def budget_settings(config: Config, times: float) -> dict[str, Any]:
    """Settings with which the passes of colour and depth, and depth's crops, cost so many times as much.

    >>> budget_settings(Config(), 4)["crops.count"]
    52
    """
    root = times**0.5
    return {
        "colour.scales": tuple(round(scale * root, 3) for scale in config.colour.scales),
        "crops.scales": tuple(round(scale * root, 3) for scale in config.crops.scales),
        "crops.count": max(1, round(config.crops.count * times)),
    }


def measure_budgets(run: Run, folder: Path, budgets: Sequence[float] = BUDGETS) -> TuneRecord:
    """Score each line at each cost on the tune split, and write a record; what is in the cache is not computed again.

    Returns:
        `{"data", "split", "seed", "rows", …}`; of each row `line`, `times` the usual cost, `megapixels` per image, the
        largest `scale` of a pass in pixels of the image (above 1 it is interpolated), `crops`, `miou` with its
        `interval`, and the paired `difference` from passes alone at the same cost with `ci`.
    """
    run.require_apart(folder)
    data = run.data("tune")
    scenes = scene_numbers(data)
    long_side = float(np.median([max(data[index].truth.shape) for index in range(len(data))]))
    rows = []
    for times in budgets:
        changed = Run(with_settings(run.config, budget_settings(run.config, times)), run.cache, progress=run.progress)
        scored = _scored(changed, times)
        for line, name in LINES.items():
            confusions, megapixels = scored[line]
            difference, interval = paired_bootstrap([confusions], [scored["passes"][0]], scenes=scenes)
            looks = changed.config.crops if name == "depth" else changed.config.colour
            rows.append(
                {
                    "line": line,
                    "times": times,
                    "megapixels": round(megapixels, 3),
                    "scale": round(max(looks.scales) * run.config.classifier.base_side / long_side, 2),
                    "crops": changed.config.crops.count if name == "depth" else 0,
                    "miou": round(float(mean_iou(confusions.sum(axis=0))), 3),
                    "interval": rounded(bootstrap_miou([confusions], scenes=scenes)),
                    "difference": round(difference, 3),
                    "ci": rounded(interval),
                }
            )
    record = tune_record(run, rows)
    write_json(budget_path(folder, run.data_name, run.config.seed), record)
    return record


def _scored(run: Run, times: float) -> dict[str, tuple[NDArray[np.int64], float]]:
    """Of each line the confusion matrices `(N,C+1,C+2)` at what is chosen for it, and megapixels per image."""
    data, cam = run.data("tune"), run.depth_cam
    depths: Depths = {None: run.depth_of("tune")}

    def counted(missing: Sequence[str], index: int) -> _Counts:
        sample = data[index]
        present = np.flatnonzero(sample.labels)
        look, found = cam.look(sample.id, sample.image, present), {}
        count = partial(threshold_confusions, thresholds=THRESHOLDS)
        for name in {each.removesuffix(" megapixels") for each in missing}:
            evidence = cam.evidence(name, look, sample, depths, index)
            scores = (fuse(evidence, trial).numpy() for trial in method(name).trials)
            counts = [count(one, present + 1, sample.truth, len(data.classes)) for one in scores]
            found[name] = np.stack(counts).astype(np.int32)
            found[f"{name} megapixels"] = np.array(evidence.megapixels)
        return found

    keys: dict[str, str] = {}
    for name in dict.fromkeys(LINES.values()):
        own = ["budget", SCORING_VERSION, run.seed_key(name, "tune")]
        keys |= {name: content_hash(own), f"{name} megapixels": content_hash([*own, "megapixels"])}
    files = kept_by_image(run, data, keys, counted, f"{times:g} times the cost, on {data.split}")
    out = {}
    for line, name in LINES.items():
        counts = read_blocks(files[name])
        totals = counts.sum(axis=0, dtype=np.int64)[: 1 if line == "passes" else None]
        best, (threshold, _) = best_trial(totals, choose_threshold)
        megapixels = float(read_blocks(files[f"{name} megapixels"]).mean())
        out[line] = counts[:, best, threshold_place(threshold)].astype(np.int64), megapixels
    return out
