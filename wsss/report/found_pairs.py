"""What the README compares: depth with the best control, crops with the best one without regions, networks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from wsss.analysis.strata import ALL
from wsss.methods.names import CONTROLS, WITHOUT_REGIONS, MethodName
from wsss.records.record import Record
from wsss.records.store import FULL_SUPERVISION, full_name
from wsss.report.comparisons import best_control
from wsss.report.headline import own_depth

__all__ = [
    "GROUPS",
    "ONE_RUN",
    "Group",
    "Networks",
    "Pair",
    "data_sets",
    "find_pair",
    "networks_of",
    "object_cells",
    "once",
    "seed_pairs",
    "seeds_of",
]

ONE_RUN = "¹"
"""Mark of numbers of one training run."""

Pair = Mapping[str, Any]
"""A paired comparison, as records have it."""

METHODS = {"depth": CONTROLS, "crop-only": WITHOUT_REGIONS}
"""The whole method and its crops alone, and the controls of which the best on the tune split is compared with."""


class Group(NamedTuple):
    """A cell of the table of size and occlusion, what it is about, and how its objects are called."""

    size: str
    occlusion: str
    kind: str
    words: str


GROUPS = (
    Group("<1 %", ALL, "Small objects", "<1 % of the image"),
    Group(ALL, ">40 %", "Hidden objects", ">40 % hidden"),
    Group(ALL, "border >30 %", "Hidden objects", "border >30 % hidden"),
)
"""What is told of objects, where a data set has such ones."""


class Networks(NamedTuple):
    """Records of a data set's networks, by the labels that they learn from; refined ones where there are any."""

    depth: Record | None
    control: Record | None
    cam: Record | None
    truth: Record | None


def data_sets(records: Sequence[Record]) -> list[str]:
    """Names of the data sets, rendered scenes first."""
    return sorted({record["data"] for record in records}, key=lambda name: (name != "tabletop", name))


def seeds_of(records: Sequence[Record], data: str) -> dict[str, Record]:
    """Records of seeds by name, those with the data's own depth without `@`."""
    found = [record for record in records if record["data"] == data and record["stage"] == "cam"]
    own, named = own_depth(found).get(data), {}
    for record in found:
        name = MethodName.of_seeds(record["method"])
        named[name.base if name.source and name.source == own else full_name(record)] = record
    return named


def seed_pairs(named: Mapping[str, Record]) -> dict[str, Pair]:
    """For each of `METHODS` that has been compared with its best control, the paired difference."""
    controls = {name: best_control(list(named.values()), among) for name, among in METHODS.items() if name in named}
    return {name: pair for name, other in controls.items() if (pair := find_pair(named[name], other))}


def find_pair(record: Record, against: str | None) -> Pair | None:
    """The comparison of a record with another, where it has one."""
    return next((pair for pair in record["paired"] if pair["against"] == against), None)


def once(pair: Pair) -> str:
    """The mark of one training run, for a comparison that has no more."""
    return ONE_RUN if len(pair["per_seed"]) == 1 else ""


def object_cells(records: Sequence[Record], data: str) -> Iterator[tuple[str, Group, Mapping[str, Any], Pair]]:
    """Method, group, differences of its objects and the pair that they belong to, for each group that has objects."""
    pairs = seed_pairs(seeds_of(records, data))
    for group in GROUPS:
        for name, pair in pairs.items():
            for cell in pair["strata"]:
                if (cell["size"], cell["occlusion"]) == group[:2] and cell["n"]:
                    yield name, group, cell, pair


def networks_of(records: Sequence[Record], data: str) -> Networks:
    """The networks of a data set. Refined labels take the place of others."""
    found = [record for record in records if record["data"] == data and record["stage"] == "segmentation"]

    def first(bases: Sequence[str]) -> Record | None:
        own = [record for record in found if MethodName.of_seeds(record["method"]).base in bases]
        return next(iter([record for record in own if record["refinement"]] or own), None)

    return Networks(first(["depth"]), first(CONTROLS), first(["cam"]), first([FULL_SUPERVISION]))
