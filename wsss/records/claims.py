"""The confirmatory family: comparisons that are listed before the data are scored, and what the parts say of them.

Only these have verdicts. The estimate is a mean over training seeds that all methods have, its interval and p value
come from the paired bootstrap over scenes, and Holm's correction is over the whole list, comparisons that are not
computed yet included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.bootstrap import RESAMPLES, interval_of, ratio
from wsss.analysis.significance import bootstrap_p, holm
from wsss.analysis.strata import MEASURES
from wsss.methods.names import CONTROLS, MethodName
from wsss.records.paired import require_alike, share_of
from wsss.records.parts import StagePart
from wsss.records.record import ClaimsRecord, Numbers, Stage
from wsss.records.resampled import Resampled

__all__ = ["ALPHA", "CELLS", "Claim", "claim_rows", "decided"]

ALPHA = 0.05

CELLS: dict[str, tuple[str, str, str] | None] = {
    "mIoU": None,
    "IoU of objects < 1 %": ("<1 %", "all", "iou"),
    "IoU of objects > 40 % hidden": ("all", ">40 %", "iou"),
    "recall of objects > 40 % hidden": ("all", ">40 %", "recall"),
    "share of mIoU": None,
}
"""What is compared: of objects the size, occlusion and measure of their cell in the size × occlusion table."""

Parts = Mapping[Stage, Sequence[StagePart]]


@dataclass(frozen=True)
class Claim:
    """One comparison of the family.

    Attributes:
        data: as records name it.
        method: of seeds as records name them, such as `depth@sensor`; of networks, what their labels are made from.
        aim: how large the difference is meant to be, in points; None where it is not to be a gain.
        stage: `cam` (seeds) or `segmentation` (networks), on the reported split.
        against: methods of which the best on the tune split is compared with; by default all controls.
        measure: a key of `CELLS`.
        kind: `gain`: the difference is above 0 with every seed. `no loss`: it is above `bound`, which is negative.
            `share`: the share of the other's mIoU, in percent, is above `bound`.
    """

    data: str
    method: str
    aim: float | None
    stage: Stage = "cam"
    against: tuple[str, ...] = CONTROLS
    measure: str = "mIoU"
    kind: Literal["gain", "no loss", "share"] = "gain"
    bound: float = 0.0


def claim_rows(claims: Sequence[Claim], parts: Parts, seeds: Sequence[int]) -> list[Numbers]:
    """What the parts of a data set say of its comparisons; those that they do not hold with every seed are left out.

    Args:
        parts: of one data set, by stage.
        seeds: of training, over which is averaged.

    Returns:
        Of each comparison what it is (`data`, `stage`, `split`, `claimed`: the method as it was listed, `method`: with
        its refinement, `against`: the one that is best on the tune split, `tune`: mIoU there of all that it was chosen
        from, `measure`, `kind`, `aim`, `bound`), what was compared (`seeds`, `num_images`, `num_scenes`), and the mean
        `own` and `other`, their `difference` (of the kind `share` the share) with its interval `ci`, `per_seed` and
        unadjusted two-sided `p`.
    """
    found = {stage: {part.seed: part for part in parts.get(stage, ())} for stage in ("cam", "pseudo", "segmentation")}
    rows = []
    for claim in claims:
        chosen = [found[claim.stage].get(seed) for seed in seeds]
        compared = [part for part in chosen if part is not None and part.data == claim.data]
        if len(compared) < len(seeds):
            continue
        labels = [part for seed in seeds if (part := found["pseudo"].get(seed))]
        row = _row(claim, compared, labels)
        rows += [row] if row else []
    return rows


def _row(claim: Claim, parts: Sequence[StagePart], labels: Sequence[StagePart]) -> Numbers | None:
    first, tune_of = parts[0], parts if claim.stage == "cam" else labels
    own, _ = _best(parts, (claim.method,), tune_of)
    other, tune = _best(parts, claim.against, tune_of)
    if own is None or other is None:
        return None
    one, two = (Resampled([part.scores[name] for part in parts], first.scenes) for name in (own, other))
    require_alike([*one.scores, *two.scores], range(2 * len(parts)))
    numbers = _numbers(claim, one, two)
    return {
        "data": claim.data, "stage": claim.stage, "split": first.split,
        "claimed": claim.method, "method": own, "against": other, "tune": tune,
        "measure": claim.measure, "kind": claim.kind, "aim": claim.aim, "bound": claim.bound,
        "seeds": [part.seed for part in parts], "num_images": len(first.scenes), "num_scenes": one.num_scenes,
        **numbers,
        "made": {name: first.made[name] for name in ("config_sha256", "data_sha256", "algorithms")},
    }  # fmt: skip


def _best(
    parts: Sequence[StagePart], wanted: Sequence[str], tune_of: Sequence[StagePart]
) -> tuple[str | None, dict[str, float]]:
    """The method of `wanted`, refined or not, that is best on the tune split over the seeds of the parts.

    Args:
        wanted: names of seeds with their source, or of methods whatever their source.
        tune_of: parts that know the mIoU on the tune split: of networks, those of their labels.

    Returns:
        Its full name, None if there is none, or several and of one of them nothing is known; and all that it was
        chosen from with their mIoU on tune.
    """
    names = [name for name in parts[0].scores if {(seeds := MethodName.parse(name)).seeds, seeds.base} & set(wanted)]
    names = [name for name in names if all(name in part.scores for part in parts)]
    tune = {name: value for name in names if (value := _tune(name, [part.seed for part in parts], tune_of)) is not None}
    if len(names) < 2:
        return (names[0] if names else None), tune
    return (max(tune, key=tune.__getitem__) if len(tune) == len(names) else None), tune


def _tune(name: str, seeds: Sequence[int], parts: Sequence[StagePart]) -> float | None:
    """mIoU on the tune split, mean over the seeds; None where one is not known."""
    values = [part.scores[name].facts.get("miou") for part in parts if part.seed in seeds and name in part.scores]
    return round(float(np.mean(values)), 3) if len(values) == len(seeds) and None not in values else None  # type: ignore[arg-type]


def _numbers(claim: Claim, one: Resampled, two: Resampled) -> dict[str, Any]:
    cell = CELLS[claim.measure]
    if claim.kind == "share":
        share = share_of(one, two)
        value, per_seed, drawn = share["value"], share["per_seed"], 100 * ratio(one.miou, two.miou)
        each = np.stack([one.per_seed, two.per_seed])
    else:
        methods = one, two
        if cell is None:
            each, both = np.stack([method.per_seed for method in methods]), np.stack([one.miou, two.miou])
        else:
            each = np.array([[_of_cell(score.instances, *cell) for score in method.scores] for method in methods])
            both = np.stack([_drawn(method, *cell) for method in methods])
        value, per_seed, drawn = (each[0] - each[1]).mean(), (each[0] - each[1]).tolist(), both[0] - both[1]
    own, other = each.mean(axis=1).tolist()
    numbers = {"own": own, "other": other, "difference": value, "ci": list(interval_of(drawn)), "per_seed": per_seed}
    p = bootstrap_p(drawn, claim.bound)
    return {**{name: _rounded(number) for name, number in numbers.items()}, "p": _rounded(p, 6)}


def _of_cell(objects: Any, size: str, occlusion: str, measure: str) -> float:
    """Mean of a measure of one seed's objects in a cell, in percent; NaN where there is none."""
    inside = np.ones(len(objects), bool)
    for column, wanted in (("size", size), ("occlusion", occlusion)):
        inside &= wanted == "all" or (objects[column] == wanted).to_numpy(bool, na_value=False)
    return float(100 * objects[measure][inside].mean()) if inside.any() else float("nan")


def _drawn(method: Resampled, size: str, occlusion: str, measure: str) -> NDArray[np.float64]:
    """The same of each resample, mean over seeds; a single NaN where there is no such cell."""
    strata = method.strata
    if (size, occlusion) not in strata.cells:
        return np.full(1, np.nan)
    return strata.drawn[:, MEASURES.index(measure), strata.cells.index((size, occlusion))].astype(np.float64)


def _rounded(value: Any, decimals: int = 3) -> Any:
    """Numbers as they stand in a record; None for what is not known."""
    if isinstance(value, list):
        return [_rounded(each, decimals) for each in value]
    return round(float(value), decimals) if np.isfinite(value) else None


def decided(rows: Sequence[Numbers], size: int, converged: Mapping[str, bool]) -> ClaimsRecord:
    """The record of the family: its rows with adjusted p values and verdicts.

    Args:
        rows: from `claim_rows`, of all data sets that have parts.
        size: how many comparisons were listed.
        converged: by data set, whether the bound of a share is known to have converged.
    """
    adjusted = holm([float("nan") if row["p"] is None else row["p"] for row in rows], size)
    told = []
    for row, p in zip(rows, adjusted, strict=True):
        known = {"p_holm": _rounded(p, 6), "verdict": _verdict(row, p, converged.get(row["data"], False))}
        told.append({**row, **known})
    return {"size": size, "alpha": ALPHA, "resamples": RESAMPLES, "rows": told}


def _verdict(row: Numbers, p: float, converged: bool) -> str:
    """`gain`, `loss`, `no loss`, `reached`, or `not shown`; of a share whose bound may rise, `at equal iterations`."""
    sure, value = p <= ALPHA, row["difference"]
    if row["kind"] == "share":
        return "at equal iterations" if not converged else "reached" if sure and value > row["bound"] else "not shown"
    if row["kind"] == "no loss":
        return "no loss" if sure and value > row["bound"] else "not shown"
    each = row["per_seed"]
    return "not shown" if not sure else "gain" if min(each) > 0 else "loss" if max(each) < 0 else "not shown"
