"""What records are merged from: the counts of one training seed on one data set, small enough to be committed.

`root/{data}/parts/seed-{n}/{stage}.json` says of a stage what was computed, from what, with what, and in what time;
`{stage}.npz` beside it holds, of every method, the counts of each image and a row for each object. The JSON file is
written last and names the other by its hash: one without the other is no part. Parts are made one by one, on any day
and machine, and `wsss.records.merging` makes records of them without data or networks.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wsss.analysis.objects import InstanceScore
from wsss.analysis.score import Score
from wsss.analysis.strata import binned
from wsss.errors import WsssError
from wsss.io import atomic_path, file_hash, read_json, write_json
from wsss.records.record import Stage

__all__ = ["StagePart", "load_part", "load_parts", "part_path", "save_part"]

_COUNTS = ("confusions", "curve", "predicted")
_MEASURED = ("recall", "iou", "pointing", "activation")
"""Columns of objects that hang on the method; all others say what the objects are."""

_IN_ARRAYS = ("scores", "scenes")
"""What of a part is in its npz file."""

_TYPES: dict[str, type] = {"int": np.int64, "float": np.float64, "bool": np.bool_, "str": np.object_}
_COLUMNS = {field.name: _TYPES[str(getattr(field.type, "__name__", field.type))] for field in fields(InstanceScore)}

_DAY_ONE = (1980, 1, 1, 0, 0, 0)  # of the files in an archive, so that the same counts have the same bytes

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class StagePart:
    """One stage of one configuration with one training seed.

    Attributes:
        data, split, profile, stage, backbone, image_labels: see `wsss.records.build.Subject`.
        seed: of training.
        settings: the configuration, without places (`Config.portable`).
        made: `config_sha256`, `data_sha256`, `algorithms` (versions of all stages that it depends on, by stage), and
            `wall_s`, `cpu_s`, `device`, `threads`, with commit, processor, versions of packages and time.
        read: per method, what its record says of the inputs (`wsss.records.inputs.inputs_read`).
        notes: what else the records say: `not_scored`, `left_out`.
        scores: per method, by its name in records with its refinement; all of the same images and objects.
        scenes: number of the scene of each image; images of one scene are resampled together.
    """

    data: str
    split: str
    profile: str
    stage: Stage
    backbone: str
    image_labels: Literal["given", "predicted", "none"]
    seed: int
    settings: Mapping[str, Any]
    made: Mapping[str, Any]
    read: Mapping[str, Any]
    notes: Mapping[str, Any]
    scores: Mapping[str, Score]
    scenes: tuple[int, ...]


def part_path(root: Path, data: str, seed: int, stage: Stage) -> Path:
    """The JSON file of a part below the root of the record tree."""
    return Path(root) / data / "parts" / f"seed-{seed}" / f"{stage}.json"


def save_part(root: Path, part: StagePart) -> Path:
    """Write a part to its place below `root`; returns the path of its JSON file."""
    path = part_path(root, part.data, part.seed, part.stage)
    counts = path.with_suffix(".npz")
    _write_arrays(counts, _packed(part.scores, part.scenes))
    facts = {field.name: getattr(part, field.name) for field in fields(part) if field.name not in _IN_ARRAYS}
    methods = {name: round(score.miou, 3) if score.miou == score.miou else None for name, score in part.scores.items()}
    write_json(path, {**facts, "miou": methods, "counts_sha256": file_hash(counts)})
    return path


def load_part(path: Path) -> StagePart:
    """Read what `save_part` wrote.

    Raises:
        WsssError: a file is missing or broken, or the two are not of one part; the message names it and the remedy.
    """
    found, counts = read_json(path), path.with_suffix(".npz")
    remedy = "Delete both files and run `wsss results` again."
    try:
        if file_hash(counts) != found.pop("counts_sha256"):
            raise ValueError(f"{counts.name} beside it is of another part")
        names = list(found.pop("miou"))
        with np.load(counts, allow_pickle=False) as file:
            scores, scenes = _unpacked({name: file[name] for name in file.files})
        if list(scores) != names:
            raise ValueError(f"{counts.name} beside it is of other methods")
        return StagePart(scores=scores, scenes=scenes, **found)
    except Exception as error:  # NumPy, zip, LZMA, JSON and pandas raise a dozen types on a broken file
        raise WsssError(f"{path} is no part of the records: {error}. {remedy}") from error


def load_parts(root: Path, data: str, stage: Stage) -> list[StagePart]:
    """All parts of a stage of a data set, in the order of their seeds; none if there is no such folder."""
    found = [load_part(path) for path in Path(root).glob(f"{data}/parts/seed-*/{stage}.json")]
    return sorted(found, key=lambda part: part.seed)


def _packed(scores: Mapping[str, Score], scenes: Sequence[int]) -> dict[str, NDArray[Any]]:
    """The arrays of a part's file. Of counts only cells that are not 0 everywhere are kept, a column for each method.

    Recall and IoU of objects are kept as the pixels that they are ratios of, so that they come back to the bit.
    """
    first = next(iter(scores.values()))
    shared = [name for name in _COLUMNS if name not in _MEASURED]
    objects = first.instances.astype(_COLUMNS)
    for score in scores.values():
        if score.ids != first.ids or not score.instances.astype(_COLUMNS)[shared].equals(objects[shared]):
            raise ValueError("methods of one part have scored different images or objects")
    text = {
        "classes": first.classes,
        "ids": first.ids,
        "scenes": scenes,
        "facts": {name: score.facts for name, score in scores.items()},
        "shapes": {name: [list(getattr(score, name).shape) for score in scores.values()] for name in _COUNTS},
    }
    arrays: dict[str, NDArray[Any]] = {"text": np.frombuffer(json.dumps(text).encode(), np.uint8)}
    for name in _COUNTS:
        arrays |= {f"{name}_{key}": value for key, value in _cells([getattr(s, name) for s in scores.values()]).items()}
    places = {image_id: index for index, image_id in enumerate(first.ids)}
    for name in shared:
        values = objects["image_id"].map(places).astype(np.int64) if name == "image_id" else objects[name]
        arrays[f"object_{name}"] = values.to_numpy()
    return arrays | _of_methods([score.instances for score in scores.values()], objects["area"].to_numpy())


def _of_methods(frames: Sequence[pd.DataFrame], area: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """What the methods found of the objects, `(M,O)` each: pixels hit, those of the union, pointing and activation."""
    columns = {name: np.stack([frame[name].to_numpy(np.float64) for frame in frames]) for name in _MEASURED}
    hit = np.round(columns["recall"] * area)
    union = np.divide(hit, columns["iou"], out=np.zeros_like(hit), where=hit > 0)
    return {
        "method_hit": hit.astype(np.int32),
        "method_union": np.round(union).astype(np.int32),
        "method_pointing": columns["pointing"],
        "method_activation": columns["activation"].astype(np.float32),
    }


def _unpacked(arrays: Mapping[str, NDArray[Any]]) -> tuple[dict[str, Score], tuple[int, ...]]:
    """The scores and scenes that `_packed` was given."""
    text = json.loads(arrays["text"].tobytes())
    classes, ids = tuple(text["classes"]), tuple(text["ids"])
    shared = pd.DataFrame({k.removeprefix("object_"): v for k, v in arrays.items() if k.startswith("object_")})
    shared["image_id"] = [ids[place] for place in shared["image_id"]]
    counts = {
        name: _from_cells(arrays[f"{name}_cells"], arrays[f"{name}_counts"], text["shapes"][name]) for name in _COUNTS
    }
    scores = {}
    for index, (name, facts) in enumerate(text["facts"].items()):
        hit, union = arrays["method_hit"][index].astype(np.int64), arrays["method_union"][index].astype(np.int64)
        own = shared.assign(
            recall=hit / shared["area"].to_numpy(np.int64),
            iou=hit / np.maximum(union, 1),
            pointing=arrays["method_pointing"][index],
            activation=arrays["method_activation"][index].astype(np.float64),
        )
        found = {key: values[index] for key, values in counts.items()}
        scores[name] = Score(classes, ids, instances=binned(own[list(_COLUMNS)]), facts=facts, **found)
    return scores, tuple(text.get("scenes", range(len(ids))))  # parts of before have none: each image is one


def _cells(counts: Sequence[Counts]) -> dict[str, NDArray[Any]]:
    """Counts of methods as the cells in which one of them is not 0, `(E,)`, and the counts there, `(M,E)`.

    Methods without counts, where others have some, count as 0 everywhere.
    """
    size = max(each.size for each in counts)
    flat = np.stack([each.ravel() if each.size else np.zeros(size, np.int64) for each in counts])
    cells = np.flatnonzero(flat.any(axis=0))
    return {"cells": cells.astype(np.uint32), "counts": flat[:, cells].astype(np.int64)}


def _from_cells(cells: NDArray[Any], counts: NDArray[Any], shapes: Sequence[Sequence[int]]) -> list[Counts]:
    out = []
    for own, shape in zip(counts, shapes, strict=True):
        dense = np.zeros(int(np.prod(shape)), np.int64)
        if dense.size:
            dense[cells] = own
        out.append(dense.reshape(shape))
    return out


def _write_arrays(target: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as an npz file that LZMA has packed, a third smaller than NumPy's own; the same arrays give the same
    bytes."""
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, values in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", _DAY_ONE)
            member.compress_type = zipfile.ZIP_LZMA
            with archive.open(member, "w") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(values), allow_pickle=False)
