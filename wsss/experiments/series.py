"""Why a CAM fails: one object that shrinks, alone or beside a large one, or is covered, in a room that stays.

Two things are measured of each picture: how the method's label map finds the object, and what the classifier itself
says. Its logit is the mean of the class map over the image (global average pooling), so an object that is recognised as
well as before still loses weight as it shrinks. Beside it stand the mean of the same map over the object, which also
falls once the object is not much larger than a cell of the map, and the logit of a square crop around the object, in
which neither happens.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import find_objects

from wsss.analysis.bootstrap import bootstrap_ratios, sums_by_group
from wsss.cam.maps import class_maps, resize_maps
from wsss.config import ALGORITHM_VERSION
from wsss.data.base import Dataset, Sample, data_key
from wsss.data.series import SERIES
from wsss.data.transforms import resize_image, to_tensor
from wsss.errors import WsssError
from wsss.experiments.record_facts import provenance_of, rounded
from wsss.io import content_hash, read_json, write_json
from wsss.methods.crops import crop, square_box
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.names import MethodName
from wsss.pipeline.run import Run
from wsss.records.store import series_path

__all__ = ["COVER_EDGES", "LOGITS", "SERIES_MEASURES", "measure_series", "object_logits", "series_rows"]

COVER_EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""Lower ends of the bins of `covering` by hidden share; the last reaches to 1."""

LOGITS = ("image_logit", "object_logit", "crop_logit")

SERIES_MEASURES = ("recall", "iou", "hit", "pointing", "activation", *LOGITS)
"""Shares in percent, logits as they are."""

CONTEXT = 0.25
"""Margin of the crop around the object, as a share of its longer side."""


def measure_series(runs: Sequence[Run], methods: Sequence[str], folder: Path) -> list[Path]:
    """Measure every series with every seed and write a record of each; returns their paths.

    Args:
        runs: of `tabletop`, the same configuration with different seeds.
    """
    paths = [series_path(folder, name) for name in SERIES]
    runs[0].require_apart(paths, *(MethodName.of_seeds(method).source for method in methods))
    for path, name in zip(paths, SERIES, strict=True):
        data = runs[0].series(name)
        by_seed = [_objects(run, methods, name) for run in runs]
        rows = []
        for method in methods:
            frames = [frames[method] for frames in by_seed]
            numbers = list(frames[0].select_dtypes("floating"))
            mean = frames[0].copy()
            mean[numbers] = np.mean([frame[numbers].to_numpy() for frame in frames], axis=0)
            rows += [{"method": runs[0].full_name(method), **row} for row in series_rows(mean, name)]
        record = {
            "data": "tabletop",
            "series": name,
            "profile": runs[0].config.profile,
            "seeds": [run.config.seed for run in runs],
            "num_images": len(data),
            "rows": rows,
            "provenance": provenance_of(runs[0], data.fingerprint()),
        }
        write_json(path, record)
    return paths


def _objects(run: Run, methods: Sequence[str], name: str) -> dict[str, pd.DataFrame]:
    """Per method one row for each picture in which the object is seen: its scores, logits, group and step."""
    rendered, data = run.series(name), run.data(name)
    frames = {method: _changing(score.instances, name) for method, score in run.seeds(methods, name).items()}
    ids = frames[methods[0]]["image_id"].tolist()
    if not ids:
        raise WsssError(f"the series {name} shows no object of {', '.join(data.classes)}")
    places = np.array([rendered.place(image_id) for image_id in ids])
    logits = np.array(_kept_logits(run, data, ids))
    known = {"group": places[:, 0], "step": places[:, 1]} | dict(zip(LOGITS, logits.T, strict=True))
    return {method: frame.assign(**known) for method, frame in frames.items()}


def _kept_logits(run: Run, data: Dataset, ids: Sequence[str]) -> list[list[float]]:
    """`object_logits` of the pictures `ids`, from the cache where they are in it."""
    cam = run.depth_cam
    key = content_hash(
        [ALGORITHM_VERSION["cam"], run.classifier_key, data_key(data), list(ids), CONTEXT, cam.crops.min_side]
    )
    path = run.cache / "logits" / f"{key[:16]}.json"
    if not path.exists():
        write_json(path, [object_logits(cam, data[data.ids.index(image_id)]) for image_id in ids])
    kept: list[list[float]] = read_json(path)
    return kept


def _changing(objects: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of the object that changes: the first of its picture, where nothing of it being seen leaves no row."""
    seen = objects.groupby("image_id")["image_id"].transform("size") == (2 if name == "outshone" else 1)
    return objects[seen].drop_duplicates("image_id").reset_index(drop=True)


@torch.inference_mode()
def object_logits(cam: DepthCAM, sample: Sample) -> tuple[float, float, float]:
    """What the classifier says of the sample's first instance, see `LOGITS`.

    Returns:
        The logit of the image; the mean of its class map over the object's pixels; the logit of a square crop around
        the object, brought to the size of the image.
    """
    size = sample.required_mask.shape
    assert sample.instances is not None  # rendered
    assert sample.instance_classes is not None
    output = cam.info.classes.index(cam.classes[sample.instance_classes[0] - 1])
    inside = sample.instances == 1
    tensor = to_tensor(sample.image, cam.info.mean, cam.info.std).to(cam.device)
    rows, columns = (slice_ for slice_ in find_objects(inside.astype(np.uint8))[0])
    box = square_box((rows.start, columns.start, rows.stop, columns.stop), CONTEXT, cam.crops.min_side)
    side = cam.info.base_side
    whole = resize_image(tensor[None], (side, side))
    near = crop(tensor, box, side, tensor.new_zeros(3))[None]
    maps, _ = class_maps(cam.model, torch.cat([whole, near]), flip=True)
    own = resize_maps(maps[0, [output]], (size[0], size[1]))[0].cpu().numpy()
    return float(maps[0, output].mean()), float(own[inside].mean()), float(maps[1, output].mean())


def series_rows(objects: pd.DataFrame, name: str) -> list[dict[str, Any]]:
    """The steps of a series: means over pictures and 95 % bootstrap intervals over groups (an object in a room).

    Args:
        objects: one row a picture, with `group`, `step`, `relative_area`, `occlusion_ratio` and `SERIES_MEASURES`.
        name: of the series; rows are its steps, of `covering` bins of the hidden share.

    Returns:
        Per row `n` (pictures), `area` and `occlusion` (means in percent), and each measure with its interval `…_ci`.
    """
    places = objects["step"].to_numpy()
    if name == "covering":
        places = np.digitize(np.round(objects["occlusion_ratio"].to_numpy(np.float64), 6), COVER_EDGES) - 1
    groups, rooms = pd.factorize(objects["group"])
    steps = np.unique(places)
    members = (places[:, None] == steps).astype(np.float64)
    counts = sums_by_group(groups, members, len(rooms))
    rows: list[dict[str, Any]] = [{"n": int(n)} for n in members.sum(axis=0)]
    sources = {"area": "relative_area", "occlusion": "occlusion_ratio"} | {name: name for name in SERIES_MEASURES}
    for measure, column in sources.items():
        scale = 1.0 if measure in LOGITS else 100.0
        sums = sums_by_group(groups, scale * objects[column].to_numpy(np.float64)[:, None] * members, len(rooms))
        for row, value, low, high in zip(rows, *bootstrap_ratios(sums, counts), strict=True):
            row[measure] = round(float(value), 3)
            if measure in SERIES_MEASURES:
                row[f"{measure}_ci"] = rounded((low, high))
    return rows
