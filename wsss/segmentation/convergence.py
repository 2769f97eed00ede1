"""Whether a training had come to rest, said by a number."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Convergence", "convergence"]

_STEADY = 0.05  # of the whole fall


@dataclass(frozen=True)
class Convergence:
    """What the loss did at the end of a training.

    Attributes:
        first: loss of the first point of the history.
        before: mean loss of the last fifth but one.
        last: mean loss of the last fifth.
        converged: whether the loss changed by less than 5 % of its whole fall over the last fifth.

    Of a network that was not trained the losses are NaN, and nothing is left to converge.
    """

    first: float
    before: float
    last: float
    converged: bool

    def __str__(self) -> str:
        if math.isnan(self.first):
            return "not trained"
        word = "at rest" if self.converged else "NOT at rest"
        change = self.last - self.before
        sign = "−" if change < 0 else "+"
        return (
            f"loss {self.first:.3f} at the start, {self.before:.3f} in the fourth fifth, {self.last:.3f} in the last "
            f"({sign}{abs(change):.3f}): {word}"
        )


def convergence(history: Sequence[Mapping[str, float]]) -> Convergence:
    """Judge a training by the loss of its last fifth against the fifth before.

    The rule is relative: the training is at rest when that change is below 5 % of the whole fall, from the first point
    to the last fifth. A loss that never fell is not.

    Args:
        history: points with `loss`, as from `train_segmentation`; at least two, or none of a network that was not
            trained.

    Raises:
        ValueError: a single point.
    """
    if not history:
        return Convergence(math.nan, math.nan, math.nan, converged=True)
    if len(history) < 2:
        raise ValueError(f"convergence needs a history of two points or more, got {len(history)}")
    losses = [point["loss"] for point in history]
    fifth = max(1, len(losses) // 5)
    first, before, last = losses[0], float(np.mean(losses[-2 * fifth : -fifth])), float(np.mean(losses[-fifth:]))
    return Convergence(first, before, last, abs(last - before) < _STEADY * (first - last))
