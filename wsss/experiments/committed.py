"""What `make results` makes, and whether a record tree is all of that and up to date."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.config import RESULT_LABELS, RESULT_METHODS, profile
from wsss.data.series import SERIES
from wsss.data.tabletop import FROZEN
from wsss.errors import WsssError
from wsss.experiments.ablation import VARIANTS, ablation_path
from wsss.experiments.results import FULL_SUPERVISION, STAGES, Stage, config_hash, display_name, hashed_splits
from wsss.experiments.series import series_path
from wsss.io import content_hash
from wsss.pipeline.run import ALGORITHM_VERSION, Run
from wsss.pseudo.refinement import split_refinement
from wsss.records.build import check_fresh, check_not_smoke, find_record
from wsss.report.ablation_charts import load_ablation
from wsss.report.series_charts import load_series

__all__ = ["check_committed", "committed_names"]

Record = Mapping[str, Any]


def committed_names(run: Run, stage: Stage) -> tuple[str, ...]:
    """Names of the methods whose records `make results` makes for a stage."""
    methods = {
        "cam": RESULT_METHODS[run.config.data],
        "pseudo": RESULT_LABELS[run.config.data],
        "segmentation": (*run.config.label_methods, FULL_SUPERVISION),
    }
    return tuple(display_name(run, method) for method in methods[stage])


def check_committed(records: Sequence[Record], root: Path) -> None:
    """Refuse records that are not all that `make results` makes, or not what the code would make now.

    Real data need not be there: its records are checked for their settings, those of `tabletop` for their data as well. How
    many seeds a record has is not checked; the tables say it.

    Args:
        records: all below `root`.
        root: of the tree, for the records of series and ablation.

    Raises:
        WsssError: a record is missing, stale, left over or of the smoke profile; the message names it and the remedy.
    """
    check_not_smoke(records)
    expected = 0
    for data in RESULT_METHODS:
        run = Run(profile("default", data), progress=False)
        # Data in VOC layout has the name of its folder.
        own = [r for r in records if r["data"] == data or (data == "voc" and r["data"] not in RESULT_METHODS)]
        for stage in STAGES:
            for name in committed_names(run, stage):
                plain, refinement = split_refinement(name)
                record = find_record(
                    own, data=own[0]["data"] if own else data, stage=stage, method=plain, refinement=refinement
                )
                expected += 1
                digest = record["provenance"]["data_sha256"]
                if data == "tabletop":
                    names = ("test" if split == "report" else split for split in hashed_splits(stage))
                    digest = content_hash([FROZEN[name] for name in names])
                check_fresh(record, config_hash(run), digest, ALGORITHM_VERSION[stage])
    if len(records) > expected:
        raise WsssError(
            f"{root} holds {len(records)} records, but `make results` makes {expected}. Delete those left over."
        )
    _check_others(root)


def _check_others(root: Path) -> None:
    """The series and the ablation: there, not of the smoke profile, and of the settings and the version of the code."""
    wanted = config_hash(Run(profile("default", "tabletop"), progress=False)), ALGORITHM_VERSION["cam"]
    ablation = load_ablation(ablation_path(root, "tabletop", 0))
    if ablation is None:
        raise WsssError(f"there is no record {ablation_path(root, 'tabletop', 0)}. Make it with `make results`.")
    if [row["variant"] for row in ablation["rows"]] != [each.name for each in VARIANTS]:
        raise WsssError(
            f"{ablation_path(root, 'tabletop', 0)} has other rows than the code. Make it with `make results`."
        )
    paths = {ablation_path(root, "tabletop", 0): ablation}
    paths |= {series_path(root, name): load_series(series_path(root, name)) for name in SERIES}
    for path, record in paths.items():
        made = record["provenance"]
        if record["profile"] == "smoke" or (made["config_sha256"], made["algorithm_version"]) != wanted:
            raise WsssError(f"{path} is stale, or of the smoke profile. Make it with `make results`.")
