"""What stands under tables: units, and the settings that the numbers were made with."""

from collections.abc import Callable, Sequence

from wsss.records.record import Record
from wsss.records.store import full_name
from wsss.report.order import in_order

__all__ = ["folded_settings", "notebook_caption", "settings_caption"]

UNITS = "In percent; differences (Δ) in points; brackets: 95 % intervals over scenes."


def notebook_caption(*records: Record) -> str:
    """What stands under a table of a notebook, as Markdown: units in a line, and `folded_settings`."""
    smoke = "NOT A RESULT (smoke profile). " if any(record["profile"] == "smoke" for record in records) else ""
    return f"*{smoke}{UNITS}*\n\n{folded_settings(*records)}"


def folded_settings(*records: Record) -> str:
    """`settings_caption` folded away, as Markdown."""
    return f"<details><summary>Settings</summary>\n\n{settings_caption(*records)}\n\n</details>"


def settings_caption(*records: Record) -> str:
    """What a table was made with: backbone, depth source, refinement, scales, flip, megapixels, seconds per image.

    With several records, settings that differ are listed method by method.
    """
    ordered = in_order(records)
    parts = [
        f"Backbone {_listed(ordered, lambda r: r['backbone'])}",
        f"depth {_listed(ordered, _depth_text)}",
        f"refinement {_listed(ordered, lambda r: r['refinement'] or 'none')}",
        _listed(ordered, _scales_text),
        f"per image {_listed(ordered, _cost_text)}",
        f"image labels {_listed(ordered, lambda r: r['image_labels'])}",
        f"training seeds {_listed(ordered, lambda r: ', '.join(map(str, r['seeds'])))}",
    ]
    smoke = "NOT A RESULT (smoke profile). " if any(record["profile"] == "smoke" for record in records) else ""
    return f"{smoke}{'; '.join(parts)}."


def _listed(records: Sequence[Record], text_of: Callable[[Record], str]) -> str:
    """One text if all records share it, otherwise each with the methods that it holds for."""
    methods: dict[str, list[str]] = {}
    for record in records:
        names = methods.setdefault(text_of(record), [])
        if full_name(record) not in names:
            names.append(full_name(record))
    if len(methods) == 1:
        return next(iter(methods))
    return ", ".join(f"{text} ({', '.join(names)})" for text, names in methods.items())


def _depth_text(record: Record) -> str:
    source = record["depth_source"] or "none"
    return f"{source} (extra supervision: depth of the train split)" if source == "learned" else source


def _scales_text(record: Record) -> str:
    scales = ", ".join(f"{scale:g}" for scale in record["scales"]) if record["scales"] else "not stated"
    return f"scales {scales} {'with' if record['flip'] else 'without'} flip"


def _cost_text(record: Record) -> str:
    megapixels, seconds = record["megapixels_per_image"], record["seconds_per_image"]
    known = [f"{value:.2f} {unit}" for value, unit in ((megapixels, "MP"), (seconds, "s")) if value is not None]
    return " and ".join(known) or "not measured"
