"""What the records of experiments have in common: their run, their origin, and how numbers are rounded."""

from collections.abc import Iterable
from typing import Any

from wsss.config import ALGORITHM_VERSION, algorithms_of
from wsss.pipeline import Run
from wsss.records.provenance import provenance
from wsss.records.record import Numbers, TuneRecord

__all__ = ["provenance_of", "rounded", "tune_record"]


def tune_record(run: Run, rows: list[Numbers], data_sha256: str | None = None, stage: str = "cam") -> TuneRecord:
    """The record of what was measured on the tune split.

    Args:
        data_sha256: of all the data that the numbers depend on; None for the images of that split.
        stage: that they are of.
    """
    data = run.data("tune")
    return {
        "data": run.data_name,
        "split": "tune",
        "profile": run.config.profile,
        "seed": run.config.seed,
        "num_images": len(data),
        "rows": rows,
        "provenance": provenance_of(run, data_sha256 or data.fingerprint(), stage),
    }


def provenance_of(run: Run, data_sha256: str, stage: str = "cam") -> dict[str, Any]:
    """The `provenance` of a record of numbers of a stage, by a run's settings and these data."""
    return provenance(
        config_sha256=run.config_hash,
        data_sha256=data_sha256,
        algorithm_version=ALGORITHM_VERSION[stage],
        algorithms=algorithms_of(stage),
    )


def rounded(values: Iterable[float], decimals: int = 3) -> list[float]:
    """Numbers, such as the ends of an interval, with so many decimals."""
    return [round(float(value), decimals) for value in values]
