"""Why a CAM fails: one object that shrinks, or is covered, step by step, and everything else unchanged.

Two things are measured of each picture: how the method's label map finds the object, and what the classifier itself says,
its logit for the image and the mean of its class map over the object. The logit is the mean of the class map over the image
(global average pooling), so an object that is recognised as well as before still loses weight as it shrinks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from wsss.analysis.bootstrap import bootstrap_ratios
from wsss.cam.cam import class_maps, resize_maps, scaled_size
from wsss.data.base import Sample
from wsss.data.series import SERIES
from wsss.data.transforms import to_tensor
from wsss.io import write_json
from wsss.pipeline import ALGORITHM_VERSION, Run
from wsss.report.provenance import provenance
from wsss.results import config_hash, display_name

__all__ = ["COVER_EDGES", "SERIES_MEASURES", "measure_series", "object_logits", "series_path", "series_rows"]

COVER_EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""Lower ends of the bins of `covering` by hidden share; the last reaches to 1."""

SERIES_MEASURES = ("recall", "iou", "hit", "pointing", "activation", "image_logit", "object_logit")
"""Shares in percent, logits as they are."""

_LOGITS = SERIES_MEASURES[-2:]


def series_path(folder: Path, name: str, profile_data: str = "tabletop") -> Path:
    """Where the record of a series lies below the root of the record tree."""
    return Path(folder) / profile_data / "series" / f"{name}.json"


def measure_series(runs: Sequence[Run], methods: Sequence[str], folder: Path) -> list[Path]:
    """Measure every series with every seed and write a record of each; returns their paths.

    Args:
        runs: of `tabletop`, the same configuration with different seeds.
    """
    paths = []
    for name in SERIES:
        data = runs[0].series(name)
        rows = []
        for method in methods:
            frames = [_objects(run, method, name) for run in runs]
            numbers = [column for column in frames[0] if frames[0][column].dtype.kind == "f"]
            mean = frames[0].copy()
            mean[numbers] = np.mean([frame[numbers].to_numpy() for frame in frames], axis=0)
            rows += [{"method": display_name(runs[0], method), **row} for row in series_rows(mean, name)]
        record = {
            "data": "tabletop", "series": name, "profile": runs[0].config.profile,
            "seeds": [run.config.seed for run in runs], "num_images": len(data), "rows": rows,
            "provenance": provenance(
                config_sha256=config_hash(runs[0]), data_sha256=data.fingerprint(),
                algorithm_version=ALGORITHM_VERSION["cam"],
            ),
        }  # fmt: skip
        paths.append(series_path(folder, name))
        write_json(paths[-1], record)
    return paths


def _objects(run: Run, method: str, name: str) -> pd.DataFrame:
    """One row for each picture in which the object is seen: its scores, logits, group and step."""
    data = run.series(name)
    frame = run.seeds([method], name)[method].instances
    places = np.array([data.place(image_id) for image_id in frame["image_id"]])
    numbers = [data.ids.index(image_id) for image_id in frame["image_id"]]
    logits = np.array([object_logits(run, data[number]) for number in numbers])
    return frame.assign(group=places[:, 0], step=places[:, 1], image_logit=logits[:, 0], object_logit=logits[:, 1])


@torch.inference_mode()
def object_logits(run: Run, sample: Sample) -> tuple[float, float]:
    """The classifier's logit for the class of the sample's one object, and its class map's mean over the object's pixels."""
    looker = run.looker
    height, width = sample.mask.shape
    tensor = to_tensor(sample.image, looker.info.mean, looker.info.std).to(looker.device)[None]
    size = scaled_size(height, width, looker.info.base_side, 1.0)
    maps, _ = class_maps(looker.model, F.interpolate(tensor, size=size, mode="bilinear"), flip=True)
    index = int(np.flatnonzero(sample.labels)[0])
    own = resize_maps(maps[0, [index]], (height, width))[0].cpu().numpy()
    return float(maps[0, index].mean()), float(own[sample.mask == index + 1].mean())


def series_rows(objects: pd.DataFrame, name: str, resamples: int = 2000) -> list[dict[str, Any]]:
    """The steps of a series: means over objects and 95 % bootstrap intervals over groups (an object in a room).

    Args:
        objects: one row an object, with `group`, `step`, `relative_area`, `occlusion_ratio` and `SERIES_MEASURES`.
        name: `shrinking` (rows are its steps) or `covering` (rows are bins of the hidden share).

    Returns:
        Per row `n`, `area` and `occlusion` (means in percent), and each measure with its interval `…_ci`.
    """
    places = objects["step"].to_numpy()
    if name == "covering":
        places = np.digitize(np.round(objects["occlusion_ratio"].to_numpy(np.float64), 6), COVER_EDGES) - 1
    groups, _ = pd.factorize(objects["group"])
    steps = np.unique(places)
    members = (places[:, None] == steps).astype(np.float64)
    counts = np.zeros((groups.max() + 1, len(steps)))
    np.add.at(counts, groups, members)
    rows: list[dict[str, Any]] = [{"n": int(n)} for n in members.sum(axis=0)]
    sources = {"area": "relative_area", "occlusion": "occlusion_ratio"} | {name: name for name in SERIES_MEASURES}
    for measure, column in sources.items():
        scale = 1.0 if measure in _LOGITS else 100.0
        sums = np.zeros_like(counts)
        np.add.at(sums, groups, scale * objects[column].to_numpy(np.float64)[:, None] * members)
        for row, value, low, high in zip(rows, *bootstrap_ratios(sums, counts, resamples), strict=True):
            row[measure] = round(float(value), 3)
            if measure in SERIES_MEASURES:
                row[f"{measure}_ci"] = [round(float(low), 3), round(float(high), 3)]
    return rows
