"""Tables of README and other pages, written from records between `<!-- table:NAME -->` and `<!-- /table:NAME -->`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from wsss.errors import WsssError
from wsss.io import atomic_path
from wsss.records.claims import Claim
from wsss.records.convergence import convergence_text, load_doubled_records
from wsss.records.experiments import load_budgets, load_constants, load_tools
from wsss.records.record import (
    BudgetRecord,
    ClaimsRecord,
    ConstantsRecord,
    DoubledRecord,
    PresetRecord,
    Record,
    ToolsRecord,
)
from wsss.records.store import (
    check_not_smoke,
    load_claims,
    load_preset_records,
    select_records,
)
from wsss.report.budget_charts import budget_table
from wsss.report.captions import folded_settings
from wsss.report.claims_table import claims_block
from wsss.report.comparisons import best_control
from wsss.report.constants_table import constants_table, ends_table
from wsss.report.effect_charts import effects_table
from wsss.report.found import found_block
from wsss.report.headline import headline_table, own_depth
from wsss.report.order import HEADLINE
from wsss.report.preset_charts import PRESET_TABLES
from wsss.report.record_table import record_example
from wsss.report.reproducibility import claim_list_block, compute_block
from wsss.report.tables import label_quality_table, object_differences, stage_table, strata_grid
from wsss.report.text import number_text, to_markdown
from wsss.report.tool_table import tool_table

__all__ = ["PAGES", "TABLES", "Others", "is_current", "load_others", "write_tables"]

T = TypeVar("T")

PAGES = (
    Path("README.md"),
    Path("REPRODUCIBILITY.md"),
    Path("docs", "results.md"),
    Path("docs", "method-tried.md"),
    Path("docs", "own-photographs.md"),
    Path("results", "README.md"),
)
"""The pages with tables of the committed records, from the root of the checkout."""

_MARKER = re.compile(r"<!-- (/?)table:(.*?) -->")
_STRATA_METHODS = ("cam", "zoom", "crop-only@sensor", "depth@sensor")  # and the best control


@dataclass(frozen=True)
class Others:
    """Records of other kinds, for the tables of these.

    Attributes:
        presets: what presets are worth.
        doubled: what twice the iterations change of networks.
        claims: what came of the confirmatory comparisons; None where nothing has been compared.
        listed: those comparisons, as they were listed.
        budgets: what more megapixels give.
        tools: what other libraries' maps give.
        constants: searches of settings.
    """

    presets: Sequence[PresetRecord] = ()
    doubled: Sequence[DoubledRecord] = ()
    claims: ClaimsRecord | None = None
    listed: Sequence[Claim] = ()
    budgets: Sequence[BudgetRecord] = ()
    tools: Sequence[ToolsRecord] = ()
    constants: Sequence[ConstantsRecord] = ()


NONE = Others()


def load_others(root: Path, listed: Sequence[Claim] = ()) -> Others:
    """Those below the root of a record tree, with the confirmatory comparisons as they were `listed`."""
    return Others(
        presets=load_preset_records(root),
        doubled=load_doubled_records(root),
        claims=load_claims(root),
        listed=listed,
        budgets=load_budgets(root),
        tools=load_tools(root),
        constants=load_constants(root),
    )


def write_tables(page: Path, records: Sequence[Record], others: Others = NONE) -> None:
    """Put tables of `records`, and of others, between a page's markers; everything else stays as it is.

    Raises:
        WsssError: a marker is unknown or not closed, records are missing or no results, or the file cannot be read.
    """
    text = _with_tables(page, records, others)
    with atomic_path(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def is_current(page: Path, records: Sequence[Record], others: Others = NONE) -> bool:
    """Whether `write_tables` would leave the file as it is. Raises what that does."""
    return _with_tables(page, records, others) == _read(page)


def _read(page: Path) -> str:
    try:
        return Path(page).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WsssError(f"cannot read {page}: {error}.") from error


def _with_tables(page: Path, records: Sequence[Record], others: Others) -> str:
    """The page's text with its tables drawn anew."""
    check_not_smoke(records)
    made: dict[str, Callable[[], str]] = {name: partial(table, records) for name, table in TABLES.items()}
    made |= {name: partial(_of_presets, name, others.presets) for name in PRESET_TABLES}
    made |= {"networks": partial(_networks, records, others.doubled), "claims": partial(claims_block, others.claims)}
    made["found"] = partial(found_block, records, others.claims)
    made |= {
        "claim-list": partial(claim_list_block, others.listed, others.claims, records),
        "compute": partial(compute_block, records),
        "budgets": partial(_budgets, others.budgets),
        "tools": partial(_tools, others.tools),
        "constants": partial(_constants, others.constants),
        "ends": partial(_ends, records),
    }
    text, parts, end = _read(page), [], 0
    markers = list(_MARKER.finditer(text))
    for opening, closing in zip(markers[::2], [*markers[1::2], None], strict=False):
        name = opening[2]
        if opening[1] or closing is None or not closing[1] or closing[2] != name:
            raise WsssError(f"{page}: `{opening[0]}` is not followed by `<!-- /table:{name} -->`. Close the marker.")
        if name not in made:
            raise WsssError(f"{page}: unknown table {name!r}; choose from {', '.join(made)}")
        parts += [text[end : opening.end()], "\n", made[name](), closing[0]]
        end = closing.end()
    return "".join([*parts, text[end:]])


def _of_presets(name: str, presets: Sequence[PresetRecord]) -> str:
    return PRESET_TABLES[name](_there(presets, "what a preset is worth", "wsss presets --measure"))


def _budgets(budgets: Sequence[BudgetRecord]) -> str:
    note = "*Tune split, training run 0; paired differences in points, with 95 % intervals over scenes, unadjusted.*\n"
    found = _there(budgets, "mIoU over megapixels", "wsss results budget")
    return "\n".join([*(to_markdown(budget_table(one)) for one in found), note])


def _tools(tools: Sequence[ToolsRecord]) -> str:
    blocks = [
        f"**{one['data']}**, {one['split']} split, {one['num_images']} images\n\n{to_markdown(tool_table(one))}"
        for one in _there(tools, "other libraries' maps", "wsss results tools")
    ]
    return "\n".join(blocks)


def _constants(constants: Sequence[ConstantsRecord]) -> str:
    return to_markdown(constants_table(_there(constants, "searched settings", "wsss.experiments.constants")))


def _there(records: Sequence[T], subject: str, made_by: str) -> Sequence[T]:
    """The records themselves; a `WsssError` where there are none."""
    if not records:
        raise WsssError(f"there is no record of {subject}. Make it with `{made_by}`.")
    return records


def _ends(records: Sequence[Record]) -> str:
    table = ends_table(records)
    return "No choice lies at an end of its grid.\n" if table is None else to_markdown(table)


def _block(table: str, records: Sequence[Record], title: str = "") -> str:
    """A table with its settings folded away, as Markdown."""
    return f"{title}{table}\n{folded_settings(*records)}\n"


def _headline(records: Sequence[Record]) -> str:
    """A table of the seeds, one of what becomes of them."""
    seeds = select_records(records, stage="cam")
    later = [record for record in records if record["stage"] != "cam"]
    data_of: dict[str, list[str]] = {}
    for data, source in own_depth(seeds).items():
        data_of.setdefault(source, []).append(f"`{data}`")
    own = "; ".join(f"`{source}` on {', '.join(sorted(names, reverse=True))}" for source, names in data_of.items())
    note = (
        "*mIoU in percent, background included: mean ± standard deviation where there are several training seeds; all "
        "else has one, but for *not in early tries*, a mean over the same seeds without its spread. Without `@`, "
        f"depth is that which comes with the data: {own}. Thresholds and fusion parameters were chosen on the tune "
        "split. Seeds use image labels, networks do not; the two are not ranked against each other. Settings are in "
        "the tables below.*\n"
    )
    tables = [to_markdown(headline_table(part)) for part in (seeds, later) if part]
    return "\n".join([*tables, note])


def _main_tables(records: Sequence[Record], more: Callable[[str], str] = lambda data: "") -> str:
    """Main tables, one for each data set, stage and split in `records`, with headings; `more` says more of a data
    set."""
    keys = sorted({(r["data"], r["stage"], r["split"]) for r in records}, key=lambda key: (key[0] != "tabletop", key))
    blocks = []
    for data, stage, split in keys:
        rows = select_records(records, data=data, stage=stage, split=split)
        title = f"**{data}**, {split} split, {rows[0]['num_images']} images{_classifier_text(rows)}{more(data)}\n\n"
        blocks.append(_block(to_markdown(stage_table(records, data, stage, split)), rows, title))
    return "\n".join(blocks)


def _classifier_text(rows: Sequence[Record]) -> str:
    """How well the classifiers tell what is in these images: mean, and each of as many as there are."""
    known = max(rows, key=lambda record: len(record["seeds"]))
    if known["mAP"] is None:
        return ""
    each = ", ".join(number_text(value) for value in known.get("mAP_per_seed") or ())
    seeds = f" (training seeds {', '.join(map(str, known['seeds']))}: {each})" if each else ""
    return f"; mAP of the classifier's image labels {number_text(known['mAP'])} %{seeds}"


def _tabletop_seeds(records: Sequence[Record]) -> str:
    return _main_tables(select_records(records, data="tabletop", stage="cam", split="test"))


def _strata(records: Sequence[Record], data: str) -> str:
    rows = select_records(records, data=data, stage="cam", split="test", refinement=None)
    shown = [record for record in rows if record["method"] in (*_STRATA_METHODS, best_control(rows))]
    return _block(to_markdown(strata_grid(shown, data, "cam", "test")), shown)


def _effects(records: Sequence[Record]) -> str:
    """Odds ratios of the headline's methods, a table for each data set."""
    blocks = []
    for data in sorted({record["data"] for record in records}, key=lambda name: (name != "tabletop", name)):
        rows = select_records(records, data=data, stage="cam", refinement=None)
        rows = [record for record in rows if record["method"] in HEADLINE]
        title = f"**{data}**, {rows[0]['split']} split, {rows[0]['num_images']} images\n\n"
        blocks.append(_block(to_markdown(effects_table(rows)), rows, title))
    return "\n".join(blocks)


def _real_seeds(records: Sequence[Record]) -> str:
    real = [record for record in records if record["data"] != "tabletop"]
    return _main_tables(select_records(real, stage="cam"))


def _labels(records: Sequence[Record]) -> str:
    """Pseudo-labels before and after refinement, a table for each data set."""
    found, blocks = select_records(records, stage="pseudo"), []
    for data in sorted({record["data"] for record in found}, key=lambda name: (name != "tabletop", name)):
        rows = select_records(found, data=data)
        title = f"**{data}**, {rows[0]['split']} split, {rows[0]['num_images']} images\n\n"
        blocks.append(f"{title}{to_markdown(label_quality_table(rows))}")
    return "\n".join(blocks)


def _networks(records: Sequence[Record], doubled: Sequence[DoubledRecord] = ()) -> str:
    networks = select_records(records, stage="segmentation")
    return _main_tables(networks, lambda data: f"; {convergence_text(data, doubled)}")


def _objects(records: Sequence[Record]) -> str:
    """Objects by size and occlusion, of all data sets."""
    note = "*Differences in points, means over the training seeds; brackets: 95 % intervals over scenes, unadjusted.*\n"
    return f"{to_markdown(object_differences(select_records(records, stage='cam')))}\n{note}"


TABLES: dict[str, Callable[[Sequence[Record]], str]] = {
    "headline": _headline,
    "record": record_example,
    "tabletop-seeds": _tabletop_seeds,
    "tabletop-strata": lambda records: _strata(records, "tabletop"),
    "nyuv2-strata": lambda records: _strata(records, "nyuv2"),
    "effects": _effects,
    "objects": _objects,
    "real-seeds": _real_seeds,
    "labels": _labels,
    "networks": _networks,
}
