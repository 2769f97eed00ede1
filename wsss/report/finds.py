"""What was found, in four sentences that are made from records: for the front page of the site."""

from collections.abc import Sequence

from wsss.methods.names import WITHOUT_REGIONS, MethodName
from wsss.records.record import Record
from wsss.report.comparisons import best_control, one_each, rivals
from wsss.report.headline import own_depth
from wsss.report.sentences import difference_sentence, strata_sentences

__all__ = ["finds_block"]


def finds_block(records: Sequence[Record]) -> str:
    """Rendered scenes, photographs, small and hidden objects, networks: a point of a list for each that has records.

    Depth is that which comes with the data, and is compared with the best control without depth.
    """
    seeds = _by_data([record for record in records if record["stage"] == "cam" and not record["refinement"]])
    networks = _by_data([record for record in records if record["stage"] == "segmentation"])
    rendered = seeds.get("tabletop", [])
    finds = {
        "Rendered scenes, exact depth": [_gain(rendered, "depth"), _gain(rendered, "crop-only")],
        "Photographs": [_gain(rows, "depth") for data, rows in seeds.items() if data != "tabletop"],
        "Small and hidden objects": [_by_objects(rendered)],
        "Networks that learn from the labels": [_network(rows) for rows in networks.values()],
    }
    return "".join(
        f"- **{title}.** {' '.join(found)}\n" for title, each in finds.items() if (found := list(filter(None, each)))
    )


def _by_data(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of each data set, `tabletop` first."""
    names = sorted({record["data"] for record in records}, key=lambda name: (name != "tabletop", name))
    return {name: [record for record in records if record["data"] == name] for name in names}


def _of(rows: Sequence[Record], base: str) -> Record | None:
    """The record of a method with the depth that comes with the data; of labels the refinement that tune prefers."""
    own = own_depth(rows)
    for record in one_each(rows):
        name = MethodName.of_seeds(record["method"])
        if name.base == base and name.source == own.get(record["data"]):
            return record
    return None


def _compared(record: Record | None, names: Sequence[str | None]) -> str | None:
    """The first of the names that the record has been compared with."""
    known = {pair["against"] for pair in record["paired"]} if record else set()
    return next((name for name in names if name in known), None)


def _gain(rows: Sequence[Record], base: str) -> str | None:
    """What a method gains over the best control: where it has crops alone, over the best one without regions."""
    record = _of(rows, base)
    control = _compared(record, [best_control(rows, WITHOUT_REGIONS) if base == "crop-only" else best_control(rows)])
    return f"`{record['data']}`: {difference_sentence(record, control)}" if record and control else None


def _by_objects(rows: Sequence[Record]) -> str | None:
    record = _of(rows, "depth")
    control = _compared(record, [best_control(rows)])
    return f"`{record['data']}`: {strata_sentences(record, control)}" if record and control else None


def _network(rows: Sequence[Record]) -> str | None:
    """What the network of depth's labels gains over that of the plain CAM's, refined where there is such a one."""
    record = _of(rows, "depth")
    control = _compared(record, rivals(rows)[::-1])
    return f"`{record['data']}`: {difference_sentence(record, control)}" if record and control else None
