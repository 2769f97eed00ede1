"""Makes the presets: what the committed records say was chosen on the tune splits, for data that have no masks."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from wsss.depth.specs import source_name
from wsss.errors import WsssError
from wsss.io import content_hash
from wsss.methods.names import MethodName
from wsss.methods.presets import MEASURED_DEPTH, PHOTOGRAPHS
from wsss.methods.registry import METHODS, uses_depth
from wsss.pseudo.refinement import REFINEMENTS, RefinementParameters
from wsss.records.record import Record

__all__ = ["make_presets"]

DATA = ("nyuv2", "voc-animals")
"""Data sets of photographs. Rendered pictures (`tabletop`) are left out: their thresholds are twice as high."""

BASES = tuple(base for base in METHODS if base != "oracle-box")
"""All but the one that looks at masks."""

GRID = 0.02  # of thresholds


def make_presets(records: Sequence[Record]) -> dict[str, Any]:
    """A preset of all data sets in `DATA`, for each of them one of the others, and one of that with measured depth.

    Parameters are those that most training seeds of these data sets chose, the first trial at ties; thresholds are
    means over the seeds. Regions and crops are those of the last of the data sets. Methods without any record are
    left out.

    Args:
        records: of the profile `default`.

    Raises:
        WsssError: a record that is needed is not there.
    """
    others = {f"without-{name}": tuple(other for other in DATA if other != name) for name in DATA}
    named = {PHOTOGRAPHS: DATA, MEASURED_DEPTH: (MEASURED_DEPTH,), **others}
    made = {name: _preset(records, data) for name, data in named.items()}
    plain: dict[str, Any] = json.loads(json.dumps(made))  # lists for tuples, as they are read again
    return plain


def _preset(records: Sequence[Record], data: Sequence[str]) -> dict[str, Any]:
    methods, known = {}, {MethodName.of_seeds(one["method"]).base for one in records if one["stage"] == "cam"}
    for base in BASES:
        found = [one for name in data for one in _of(records, name, "cam", base, None)]
        if base not in known:
            continue
        if {one["data"] for one in found} != set(data):
            raise WsssError(f"a preset of {', '.join(data)} needs the records of {base} on each: run `make results`.")
        trials = [asdict(trial) for trial in METHODS[base].trials]
        methods[base] = {
            "parameters": _usual(_each(found, "parameters"), trials),
            "threshold": _mean(found, "per_seed"),
        }
    labels = {}
    for base in BASES:
        for refinement in ("par", "par-depth"):
            found = [one for name in data for one in _of(records, name, "pseudo", base, refinement)]
            if found:
                tried = [asdict(trial) for trial in REFINEMENTS[refinement].trials]
                labels[f"{base}+{refinement}"] = {
                    "refinement": _usual(map(_refinement, _each(found, "refinement_parameters")), tried),
                    **{name: _mean(found, key) for name, key in _THRESHOLDS.items()},
                }
    plain = _of(records, data[-1], "cam", "cam", None)
    if not plain:
        raise WsssError(f"a preset of {', '.join(data)} needs the record of cam on {data[-1]}: run `make results`.")
    settings = plain[0]["provenance"]["settings"]
    shared = {name: settings[name] for name in ("regions", "crops", "colour") if name in settings}
    return {"made_from": list(data), **shared, "methods": methods, "labels": labels}


_THRESHOLDS = {"low": "low", "high": "high", "threshold": "per_seed"}


def _of(records: Sequence[Record], data: str, stage: str, base: str, refinement: str | None) -> list[Record]:
    """The record of a method with the data set's own depth, if there is one."""

    def fits(record: Record) -> bool:
        own = source_name(record["provenance"]["settings"]["depth"]) if uses_depth(base) else None
        name = f"{base}@{own}" if own else base
        return (record["data"], record["stage"], record["method"]) == (data, stage, name)

    return [one for one in records if one["refinement"] == refinement and fits(one)]


def _each(records: Iterable[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
    return [parameters for record in records for parameters in record[key]]


def _refinement(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """With all fields: those that came later are missing in early records."""
    return asdict(RefinementParameters(**parameters))


def _usual(chosen: Iterable[Mapping[str, Any]], trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was chosen most often; of several the one that comes first among the trials."""
    counts = Counter(map(_key, chosen))
    best = max(range(len(trials)), key=lambda number: counts[_key(trials[number])])
    return dict(trials[best])


def _key(one: Mapping[str, Any]) -> str:
    """The same for 1 and 1.0."""
    return content_hash({name: float(value) if isinstance(value, int) else value for name, value in one.items()})


def _mean(records: Sequence[Record], key: str) -> float:
    """Mean over all seeds of a threshold, on the grid."""
    values = [value for record in records for value in (record["threshold"] or {})[key]]
    return round(GRID * round(float(np.mean(values)) / GRID), 2)
