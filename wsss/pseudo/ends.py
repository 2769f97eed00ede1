"""Where what was chosen for a record lies at the end of the grid that it was chosen from."""

from collections.abc import Mapping
from typing import Any

from wsss.methods.grid_ends import unnatural_ends
from wsss.methods.names import MethodName
from wsss.methods.registry import METHODS
from wsss.pseudo.trials import TRIALS
from wsss.records.record import Record

__all__ = ["choice_ends", "record_ends"]


def choice_ends(name: str, facts: Mapping[str, Any]) -> list[str]:
    """The ends of grids, beyond which something may lie, that one training seed's choice is at.

    Of refinements those of this package.

    Args:
        name: of a method or label method, such as `depth@sensor+par`.
        facts: of its `Score`: `parameters` of the fusion, `refinement` of labels.
    """
    parts, found = MethodName.parse(name), []
    if parts.base in METHODS and facts.get("parameters"):
        found += unnatural_ends(facts["parameters"], METHODS[parts.base].trials)
    if parts.refinement in TRIALS and facts.get("refinement"):
        found += unnatural_ends(facts["refinement"], TRIALS[parts.refinement])
    return found


def record_ends(record: Record) -> list[str]:
    """`choice_ends` of a record of seeds or pseudo-labels, each with how many of its training seeds are there."""
    name = record["method"] + (f"+{record['refinement']}" if record["refinement"] else "")
    refined = record.get("refinement_parameters") or [{}] * len(record["parameters"])
    each = [
        end
        for parameters, refinement in zip(record["parameters"], refined, strict=True)
        for end in choice_ends(name, {"parameters": parameters, "refinement": refinement})
    ]
    several = len(record["seeds"]) > 1
    return [
        f"{end} ({each.count(end)} of {len(record['seeds'])} training seeds)" if several else end
        for end in dict.fromkeys(each)
    ]
