"""Says where a choice lies at the end of its grid: what lies beyond was not tried, and may be better.

Some ends are natural: nothing lies beyond a weight of 0, which leaves a part out, or beyond a share of 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wsss.methods.parameters import FusionParameters

__all__ = ["GridEnd", "grid_ends", "unnatural_ends"]

NATURAL: Mapping[str, tuple[float, ...]] = {"vote": (0, 1), "colour": (0, 1), "reach": (0,)}
"""Values of `FusionParameters` that nothing lies beyond; of all other fields it is 0."""

WITHOUT: Mapping[str, str] = {"gate": "crop_weight", "colour": "vote", "reach": "vote"}
"""Fields that do not matter where another is 0."""


FIXED = ("down",)
"""Fields that are not searched: 1 where nothing is refined, and one value elsewhere."""


@dataclass(frozen=True)
class GridEnd:
    """A chosen value that is the lowest or the highest of its grid.

    Attributes:
        natural: whether nothing can lie beyond it.
    """

    name: str
    value: float
    highest: bool
    natural: bool

    def __str__(self) -> str:
        end = f"{self.name} {self.value:g} is the {'highest' if self.highest else 'lowest'} of its grid"
        return f"{end}, and nothing lies beyond" if self.natural else end


def grid_ends(chosen: Any, trials: Sequence[Any]) -> list[GridEnd]:
    """The fields of a choice that are at the end of their grid.

    Of `level_weights` nothing is said: grids hold every level alone, beyond which nothing lies.

    Args:
        chosen: a dataclass of numbers, such as `FusionParameters`, or its fields as a mapping.
        trials: dataclasses of this kind, from which it was chosen.

    >>> trials = [FusionParameters(vote=v, reach=r) for v in (0, 0.5, 1) for r in (0.5, 0.9)]
    >>> [str(end) for end in grid_ends(trials[-1], trials)]
    ['vote 1 is the highest of its grid, and nothing lies beyond', 'reach 0.9 is the highest of its grid']
    """
    own = dict(chosen) if isinstance(chosen, Mapping) else asdict(chosen)
    tried = [asdict(trial) for trial in trials]
    natural = NATURAL if trials and isinstance(trials[0], FusionParameters) else {}
    found = []
    for name, value in own.items():
        values = {trial[name] for trial in tried if isinstance(trial.get(name), int | float)}
        silent = not own.get(WITHOUT.get(name, name), 1) and name in WITHOUT and bool(natural)
        if name in FIXED or len(values) < 2 or silent or value not in (min(values), max(values)):
            continue
        found.append(GridEnd(name, float(value), value == max(values), value in natural.get(name, (0,))))
    return found


def unnatural_ends(chosen: Any, trials: Sequence[Any]) -> list[str]:
    """What `grid_ends` finds that something may lie beyond, in words; arguments likewise."""
    return [str(end) for end in grid_ends(chosen, trials) if not end.natural]
