"""Whether a segmentation network has converged: what a record of trainings of double length says of it."""

from collections.abc import Sequence
from pathlib import Path

from wsss.records.record import DoubledRecord
from wsss.records.store import FULL_SUPERVISION, doubled_path, read_rows

__all__ = ["LARGEST_CHANGE", "bound_converged", "convergence_text", "load_doubled", "load_doubled_records"]

LARGEST_CHANGE = 1.0
"""Points of mIoU on the tune split: a network has converged if twice the iterations change it by less."""


def load_doubled(folder: Path, data: str) -> DoubledRecord | None:
    """The record of trainings of double length, training seed 0, below the root of the record tree; None without one.

    Raises:
        WsssError: the file is broken.
    """
    path = doubled_path(folder, data, 0)
    return read_rows(path, "trainings of double length", "results") if path.exists() else None


def load_doubled_records(folder: Path) -> list[DoubledRecord]:
    """Those of all data sets, training seed 0."""
    names = sorted(path.parents[2].name for path in Path(folder).glob("*/doubled/tune/seed-0.json"))
    return [record for name in names if (record := load_doubled(folder, name)) is not None]


def bound_converged(record: DoubledRecord | None) -> bool:
    """Whether the network of true masks, the upper bound, is known to have converged."""
    rows = record["rows"] if record else []
    return any(row["labels"] == FULL_SUPERVISION and abs(row["difference"]) < LARGEST_CHANGE for row in rows)


def convergence_text(data: str, records: Sequence[DoubledRecord]) -> str:
    """What may be said of a data set's networks: that they have converged, or that they are compared at equal
    iterations."""
    rows = next((record["rows"] for record in records if record["data"] == data), [])
    if not rows:
        return "networks at equal iterations"
    changes = ", ".join(f"{_signed(row['difference'])} points ({row['labels']})" for row in rows)
    word = "converged" if all(abs(row["difference"]) < LARGEST_CHANGE for row in rows) else "at equal iterations"
    return f"networks {word}: twice the iterations change mIoU on tune by {changes}"


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")
