"""The record of the confirmatory comparisons, kept up to date as parts are merged."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from wsss.experiments.plan import CLAIMS, RESULT_SEEDS
from wsss.io import write_json
from wsss.records.claims import Claim, claim_rows, decided
from wsss.records.convergence import bound_converged, load_doubled
from wsss.records.parts import StagePart
from wsss.records.record import Numbers, Stage
from wsss.records.store import claims_path, load_claims

__all__ = ["write_claims"]


def write_claims(data: str, folder: Path, parts: Mapping[Stage, Sequence[StagePart]]) -> Path | None:
    """Replace a data set's rows of `CLAIMS` in the record below `folder`, and adjust all of them anew.

    Args:
        parts: of the data set, by stage.

    Returns:
        The record's path; None where the parts of no data set hold a comparison with all seeds.
    """
    path, known = claims_path(folder), load_claims(folder)
    others = [row for row in known["rows"] if row["data"] != data] if known else []
    rows = [*others, *claim_rows([claim for claim in CLAIMS if claim.data == data], parts, RESULT_SEEDS)]
    if not rows:
        path.unlink(missing_ok=True)
        return None
    places = {_place(claim): place for place, claim in enumerate(CLAIMS)}
    rows = sorted((row for row in rows if _key(row) in places), key=lambda row: places[_key(row)])
    converged = {row["data"]: bound_converged(load_doubled(folder, row["data"])) for row in rows}
    write_json(path, decided(rows, len(CLAIMS), converged))
    return path


def _place(claim: Claim) -> tuple[object, ...]:
    return claim.data, claim.stage, claim.method, claim.measure, claim.kind


def _key(row: Numbers) -> tuple[object, ...]:
    return row["data"], row["stage"], row["claimed"], row["measure"], row["kind"]
