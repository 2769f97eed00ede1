"""How numbers and data frames are written: a true minus sign, a dash for what is not known, GitHub's tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

__all__ = ["MISSING", "difference_text", "interval_text", "mean_std", "number_text", "signed", "to_markdown"]

MISSING = "–"
_LONG = 32  # characters: longer cells are texts, no numbers with their intervals


def number_text(value: float | None, decimals: int = 1, sign: str = "") -> str:
    """A number with a true minus sign; a dash for None."""
    return MISSING if value is None else f"{value:{sign}.{decimals}f}".replace("-", "−")


def signed(value: float | None) -> str:
    """A difference with one decimal, its sign always written."""
    return number_text(value, 1, "+")


def interval_text(interval: Sequence[float | None] | None) -> str:
    """`[low, high]` with one decimal; dashes where there is none."""
    low, high = interval or (None, None)
    return f"[{number_text(low)}, {number_text(high)}]"


def difference_text(value: float | None, interval: Sequence[float | None] | None) -> str:
    """A difference and its interval: `+1.2 [0.3, 2.1]`."""
    return f"{signed(value)} {interval_text(interval)}"


def mean_std(miou: Mapping[str, Any]) -> str:
    """`mean ± std` of `{"mean", "std"}`; without ± where one seed has no spread."""
    spread = "" if miou["std"] is None else f" ± {number_text(miou['std'])}"
    return f"{number_text(miou['mean'])}{spread}"


def to_markdown(frame: pd.DataFrame) -> str:
    """A data frame as a GitHub table, index first; long texts begin at the left. Bars inside cells are escaped."""
    columns = [str(name or "") for name in frame.index.names] + [str(name) for name in frame.columns]
    rows = [
        [*(index if isinstance(index, tuple) else (index,)), *values]
        for index, values in zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
    ]
    align = [":--"] * frame.index.nlevels + [
        ":--" if any(len(str(cell)) > _LONG for cell in cells) else "--:" for _, cells in frame.items()
    ]
    lines = [columns, align, *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
