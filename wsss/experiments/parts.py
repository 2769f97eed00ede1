"""The parts of `make results`: each is made where it is missing, and records are merged from what is there.

A part is one training seed on one data set, or an experiment of its own: the controlled series, the ablation, trainings
of double length, other libraries' maps, mIoU over megapixels. Each goes on where it was broken off, and they may be
made in any order, several at once, and on other machines: `wsss results tabletop-0` here, `wsss results nyuv2-2` there,
and `wsss results --from THERE` at the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsss.config import algorithms_of
from wsss.data.series import SERIES
from wsss.errors import WsssError
from wsss.experiments.ablation import ablate
from wsss.experiments.budget import measure_budgets
from wsss.experiments.claims import write_claims
from wsss.experiments.doubled import double_trainings
from wsss.experiments.other_tools import compare_tools
from wsss.experiments.plan import (
    RESULT_LABELS,
    RESULT_METHODS,
    RESULT_SEEDS,
    RESULT_TEACHERS,
    SERIES_METHODS,
    VARIANTS,
)
from wsss.experiments.results import stage_methods, stage_part
from wsss.experiments.series import measure_series
from wsss.io import read_json, read_table
from wsss.machine.processes import is_main
from wsss.machine.stopwatch import Stopwatch
from wsss.paths import runs_folder
from wsss.pipeline import Run, open_run
from wsss.pseudo.ends import choice_ends
from wsss.pseudo.refinement import require_libraries
from wsss.records.merging import merge_parts
from wsss.records.parts import load_part, load_parts, part_path, save_part
from wsss.records.record import Stage
from wsss.records.store import (
    STAGES,
    ablation_path,
    budget_path,
    doubled_path,
    series_path,
    stale_facts,
    tools_path,
    write_record,
)

__all__ = ["PARTS", "Part", "bring_parts", "data_with_parts", "make_part", "merge_data", "part_state", "parts_named"]

Say = Callable[[str], None]

_OF_EACH_DATA = ("doubled", "tools", "budget")
"""Kinds of experiments that are made with seed 0 on each data set."""


@dataclass(frozen=True)
class Part:
    """One part of the committed records.

    Attributes:
        data: `tabletop`, `nyuv2` or `voc`.
        kind: `seed`, `series`, `ablation`, `doubled`, `tools` or `budget`.
        seed: of training.
    """

    data: str
    kind: str = "seed"
    seed: int = 0

    @property
    def name(self) -> str:
        """As on the command line: `tabletop-0`, `series`, `doubled-nyuv2`."""
        if self.kind == "seed":
            return f"{self.data}-{self.seed}"
        return f"{self.kind}-{self.data}" if self.kind in _OF_EACH_DATA else self.kind


PARTS = (
    *(Part(data, "seed", seed) for data in RESULT_METHODS for seed in RESULT_SEEDS),
    Part("tabletop", "series"),
    Part("tabletop", "ablation"),
    *(Part(data, kind) for kind in _OF_EACH_DATA for data in RESULT_METHODS),
)
"""All parts, in the order in which they are made."""


def parts_named(names: Sequence[str]) -> list[Part]:
    """The parts of the names, each whole, or of a data set or kind (`nyuv2`, `doubled`); all without any.

    Raises:
        WsssError: there is no such part.
    """
    found: list[Part] = []
    for name in names:
        own = [part for part in PARTS if name in (part.name, part.kind) or (part.kind, part.data) == ("seed", name)]
        if not own:
            raise WsssError(f"there is no part {name!r}; choose from {', '.join(part.name for part in PARTS)}")
        found += own
    return list(dict.fromkeys(found)) if names else list(PARTS)


def open_part(part: Part, root: Path | None) -> Run:
    """The run of a part: the reference profile with the methods and labels of the records."""
    compared: dict[str, Any] = {
        "methods": RESULT_METHODS[part.data],
        "pseudo_methods": RESULT_LABELS[part.data],
        "label_methods": RESULT_TEACHERS[part.data],
    }
    return open_run("reference", part.data, seed=part.seed, root=str(root) if root else None, **compared)


def part_state(part: Part, run: Run, folder: Path) -> dict[str, str]:
    """What of a part is missing below `folder`, and why, by stage; nothing where it is there and up to date.

    Data that are not rendered yet are not looked at.
    """
    if part.kind == "seed":
        found: dict[str, str | None] = {stage: _why_part(run, stage, folder) for stage in STAGES}
    elif part.kind == "series":
        found = {name: _why(run, series_path(folder, name), "cam") for name in SERIES}
    elif part.kind == "ablation":
        path = ablation_path(folder, _data_name(run), part.seed)
        found = {part.kind: _why(run, path, "cam", [each.name for each in VARIANTS])}
    elif part.kind == "tools":
        split = run.config.report_split
        found = {part.kind: _why(run, tools_path(folder, _data_name(run), split), "cam")}
    elif part.kind == "budget":
        found = {part.kind: _why(run, budget_path(folder, _data_name(run), part.seed), "cam")}
    else:
        found = {part.kind: _why(run, doubled_path(folder, _data_name(run), part.seed), "segmentation")}
    return {name: why for name, why in found.items() if why}


def _data_name(run: Run) -> str:
    """The data set's name in records; that of data which are not rendered yet is known without them."""
    return run.data_name if run.data_is_there else run.config.data


def _why_part(run: Run, stage: Stage, folder: Path) -> str | None:
    """Why a stage of a run is to be computed; None where its part is there."""
    path = part_path(folder, _data_name(run), run.config.seed, stage)
    if not path.exists():
        return "missing"
    found = read_table(path)
    data = run.data_hash(stage) if run.data_is_there else None
    stale = stale_facts(found.get("made", {}), run.config_hash, algorithms_of(stage), data)
    if stale:
        return f"of other {', '.join(stale)}"
    names = [run.full_name(name) for name in stage_methods(run, stage)]
    return None if list(found.get("miou", ())) == names else "of other methods"


def _why(run: Run, path: Path, stage: Stage, variants: Sequence[str] | None = None) -> str | None:
    """Why an experiment's record at `path` is to be made; None where it is there."""
    if not path.exists():
        return "missing"
    record = read_table(path)
    stale = stale_facts(record.get("provenance", {}), run.config_hash, algorithms_of(stage))
    if stale:
        return f"of other {', '.join(stale)}"
    rows = [row.get("variant") for row in record.get("rows", ())]
    return "of other rows" if variants is not None and rows != list(variants) else None


def make_part(part: Part, run: Run, folder: Path, say: Say) -> None:
    """Compute what of a part is missing, and write it below `folder`."""
    missing = part_state(part, run, folder)
    if not missing:
        say(f"{part.name}: is there")
    elif part.kind == "series":
        measure_series([run], SERIES_METHODS, folder)
    elif part.kind == "ablation":
        ablate(run, folder, say=say)
    elif part.kind == "doubled":
        double_trainings(run, folder, say)
    elif part.kind == "tools":
        compare_tools([run], folder)
    elif part.kind == "budget":
        measure_budgets(run, folder)
    else:
        run.require_apart(folder)
        run.require_runs_apart()
        if "pseudo" in missing:
            require_libraries(run.config.pseudo_methods)
        for stage in STAGES:
            if stage in missing:
                _make_stage(part, run, stage, folder, say)


def _make_stage(part: Part, run: Run, stage: Stage, folder: Path, say: Say) -> None:
    clock = Stopwatch(runs_folder() / "parts" / f"{part.name}-{stage}-{run.config_hash[:8]}.json")
    made = stage_part(run, stage, folder, clock)
    if is_main():
        save_part(folder, made)
        clock.forget()
    for name, score in made.scores.items():
        for end in choice_ends(name, score.facts):
            say(f"{part.name} {name}: {end}")
    say(f"{part.name} {stage}: {len(made.scores)} records in {clock.wall_s / 60:.1f} min")


def bring_parts(source: Path, folder: Path) -> list[Path]:
    """Copy the parts below another tree, of another machine perhaps; returns their paths below `folder`.

    Raises:
        WsssError: there is none, one is broken, or one that is here already is another.
    """
    paths = sorted(Path(source).glob("*/parts/seed-*/*.json"))
    if not paths:
        raise WsssError(f"there are no parts of records below {source}: give a folder that `wsss results --out` filled")
    brought = []
    for path in paths:
        part = load_part(path)
        target = part_path(folder, part.data, part.seed, part.stage)
        if target.exists() and read_json(target) != read_json(path):
            raise WsssError(f"{path} and {target} are of one part but not equal: delete the one that is not wanted")
        brought.append(save_part(folder, part))
    return brought


def data_with_parts(folder: Path) -> list[str]:
    """Names of the data sets that have parts below `folder`."""
    return sorted({path.parents[2].name for path in Path(folder).glob("*/parts/seed-*/*.json")})


def merge_data(data: str, folder: Path) -> list[Path]:
    """Write the records of a data set from all its parts below `folder`, and what they say of the confirmatory
    comparisons (`wsss.experiments.claims`); returns the paths of the records."""
    stages = {stage: load_parts(folder, data, stage) for stage in STAGES}
    paths = [write_record(folder, record) for parts in stages.values() if parts for record in merge_parts(parts)]
    write_claims(data, folder, stages)
    return paths
