"""What `make results` makes, and whether a record tree is all of that and up to date."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wsss.config import ALGORITHM_VERSION, Config, algorithms_of, config_hash, hashed_splits
from wsss.data.series import SERIES
from wsss.data.tabletop import FROZEN
from wsss.errors import WsssError
from wsss.experiments.plan import CLAIMS, PRESET_IMAGES, RESULT_LABELS, RESULT_METHODS, RESULT_TEACHERS, VARIANTS
from wsss.io import content_hash, file_hash, read_json, write_json
from wsss.methods.names import MethodName
from wsss.methods.presets import preset_for, preset_names
from wsss.paths import PACKAGE, runs_folder
from wsss.pipeline.profiles import profile
from wsss.records.parts import part_path
from wsss.records.record import AblationRecord, Record, SeriesRecord, Stage
from wsss.records.store import (
    FULL_SUPERVISION,
    STAGES,
    ablation_path,
    check_fresh,
    check_not_smoke,
    doubled_path,
    find_record,
    load_ablation,
    load_preset_records,
    load_records,
    load_series,
    record_path,
    series_path,
    stale_facts,
)

__all__ = ["check_committed", "check_once", "committed_names"]


def committed_names(config: Config, stage: Stage) -> tuple[str, ...]:
    """Names of the methods whose records `make results` makes for a stage."""
    methods = {
        "cam": RESULT_METHODS[config.data],
        "pseudo": RESULT_LABELS[config.data],
        "segmentation": (*RESULT_TEACHERS[config.data], FULL_SUPERVISION),
    }
    return tuple(config.full_name(method) for method in methods[stage])


def check_committed(records: Sequence[Record], root: Path) -> None:
    """Refuse records that are not all that `make results` makes, or not what the code would make now.

    Real data need not be there: its records are checked for their settings, those of `tabletop` for their data as well.
    How many seeds a record has is not checked; the tables say it.

    Args:
        records: all below `root`.
        root: of the tree, for the records of series and ablation.

    Raises:
        WsssError: a record is missing, stale, left over or of the smoke profile; the message names it and the remedy.
    """
    check_not_smoke(records)
    expected = 0
    for data in RESULT_METHODS:
        config = profile("reference", data)
        # Data in VOC layout has the name of its folder.
        own = [r for r in records if r["data"] == data or (data == "voc" and r["data"] not in RESULT_METHODS)]
        for stage in STAGES:
            for name in committed_names(config, stage):
                parts = MethodName.parse(name)
                record = find_record(
                    own,
                    data=own[0]["data"] if own else data,
                    stage=stage,
                    method=parts.seeds,
                    refinement=parts.refinement,
                )
                expected += 1
                digest = record["provenance"]["data_sha256"]
                if data == "tabletop":
                    names = ("test" if split == "report" else split for split in hashed_splits(stage))
                    digest = content_hash([FROZEN[name] for name in names])
                check_fresh(record, config_hash(config), digest, algorithms_of(stage))
    if len(records) > expected:
        raise WsssError(
            f"{root} holds {len(records)} records, but `make results` makes {expected}. Delete those left over."
        )
    _check_others(root)


def _check_others(root: Path) -> None:
    """The series and the ablation: there, not of the smoke profile, and of the settings and the version of the code."""
    wanted = config_hash(profile("reference", "tabletop")), algorithms_of("cam")
    ablation = load_ablation(ablation_path(root, "tabletop", 0))
    if ablation is None:
        raise WsssError(f"there is no record {ablation_path(root, 'tabletop', 0)}. Make it with `make results`.")
    if [row["variant"] for row in ablation["rows"]] != [each.name for each in VARIANTS]:
        raise WsssError(
            f"{ablation_path(root, 'tabletop', 0)} has other rows than the code. Make it with `make results`."
        )
    paths: dict[Path, AblationRecord | SeriesRecord] = {ablation_path(root, "tabletop", 0): ablation}
    paths |= {series_path(root, name): load_series(series_path(root, name)) for name in SERIES}
    for path, record in paths.items():
        if record["profile"] == "smoke" or stale_facts(record["provenance"], *wanted):
            raise WsssError(f"{path} is stale, or of the smoke profile. Make it with `make results`.")
    _check_presets(root)
    _check_parts(root)


def _check_parts(root: Path) -> None:
    """The doubled trainings that a listed comparison needs; and of each record, that it was merged from the parts that
    lie there."""
    for data in sorted({claim.data for claim in CLAIMS if claim.kind == "share"}):
        path = doubled_path(root, data, 0)
        made = read_json(path)["provenance"] if path.exists() else {}
        if stale_facts(made, config_hash(profile("reference", data)), algorithms_of("segmentation")):
            raise WsssError(f"{path} is missing or stale. Make it with `wsss results doubled-{data}`.")
    for record in load_records(root):
        for one in record["provenance"].get("parts", ()):
            path = part_path(root, record["data"], one["seed"], record["stage"])
            if not path.exists() or read_json(path)["made"]["utc"] != one["utc"]:
                raise WsssError(
                    f"{record_path(root, record)} was not merged from {path}. Merge again with `wsss results`."
                )


def _check_presets(root: Path) -> None:
    """Of each data set that a preset leaves out, what that is worth there: of the presets and the settings of now."""
    found = {record["data"]: record for record in load_preset_records(root)}
    for name in sorted(each.removeprefix("without-") for each in preset_names() if each.startswith("without-")):
        remedy = "Make it with `wsss presets --measure`."
        if name not in found:
            raise WsssError(f"there is no record in {root} of what the preset for {name} is worth. {remedy}")
        record, data = found[name], name if name in RESULT_METHODS else "voc"
        made, wanted = record["provenance"], config_hash(profile("reference", data, report_limit=PRESET_IMAGES))
        now = wanted, ALGORITHM_VERSION["cam"], preset_for(name).whole_identity
        if (made["config_sha256"], made["algorithm_version"], made["preset_sha256"]) != now:
            raise WsssError(f"the record of what the preset for {name} is worth is stale. {remedy}")


def check_once(records: Sequence[Record], root: Path) -> None:
    """`check_committed`, unless it has already found these files good with this code; `checked.json` in `runs/` says
    so.

    Args:
        records: all below `root`.
        root: of the record tree.

    Raises:
        WsssError: see `wsss.experiments.committed.check_committed`.
    """
    mark, state = runs_folder() / "checked.json", {"passed": _state(root)}
    if _read(mark) == state:
        return
    check_committed(records, root)
    write_json(mark, state)


def _state(root: Path) -> str:
    """Hash of the records and of this package's sources, names and contents."""
    files = [
        (base, path) for base, kind in ((root, "json"), (PACKAGE, "py")) for path in sorted(base.rglob(f"*.{kind}"))
    ]
    return content_hash([[str(path.relative_to(base)), file_hash(path)] for base, path in files])


def _read(mark: Path) -> Any:
    try:
        return read_json(mark) if mark.exists() else None
    except WsssError:  # broken: as good as none
        return None
