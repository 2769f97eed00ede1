"""P values of bootstrap samples, and Holm's correction for a family of them."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["bootstrap_p", "holm"]


def bootstrap_p(drawn: NDArray[np.floating], null: float = 0.0) -> float:
    """Two-sided p value that a number is `null`: twice the share of resamples on the thinner side of it, at most 1.

    It belongs to the percentile interval: below α, the interval of level 1 − α does not hold `null`. One resample is
    added to the count on either side (Davison & Hinkley 1997, chapter 4), so that p is never 0.

    Args:
        drawn: `(B,)` the number in each resample; NaN is left out, and without anything else p is NaN.
    """
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return math.nan
    thinner = min((known <= null).sum(), (known >= null).sum())
    return float(min(1.0, 2 * (thinner + 1) / (len(known) + 1)))


def holm(values: Sequence[float], size: int | None = None) -> list[float]:
    """Adjusted p values: rejecting those below α errs in any of the family with probability α at most (Holm 1979).

    Args:
        values: p values, NaN where there is none yet: these count as 1, and stay NaN.
        size: of the family, if it has more members than are listed; these count as 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    known = [1.0 if math.isnan(value) else value for value in values]
    size, highest, adjusted = size or len(known), 0.0, [0.0] * len(known)
    for rank, place in enumerate(sorted(range(len(known)), key=known.__getitem__)):
        highest = max(highest, min(1.0, (size - rank) * known[place]))
        adjusted[place] = highest
    return [math.nan if math.isnan(value) else each for value, each in zip(values, adjusted, strict=True)]
