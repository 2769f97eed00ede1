"""Where records lie, and how they are found again: `root/{data}/{stage}/{split}/{method}[@depth][+refinement].json`."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.data.series import SERIES
from wsss.errors import WsssError
from wsss.io import read_json, write_json
from wsss.records.record import (
    AblationRecord,
    ClaimsRecord,
    PresetRecord,
    Record,
    RecordPlace,
    SeriesRecord,
    Stage,
)

__all__ = [
    "FULL_SUPERVISION",
    "NO_FULL_SUPERVISION",
    "STAGES",
    "ablation_path",
    "budget_path",
    "check_fresh",
    "check_not_smoke",
    "claims_path",
    "constants_path",
    "doubled_path",
    "find_record",
    "load_ablation",
    "load_claims",
    "load_preset_records",
    "load_records",
    "load_series",
    "preset_path",
    "read_rows",
    "record_path",
    "select_records",
    "series_path",
    "stale_facts",
    "tools_path",
    "write_record",
]

STAGES: tuple[Stage, ...] = ("cam", "pseudo", "segmentation")

_EVERY_RECORD = ("profile", "seeds", "num_images", "classes", "miou", "iou", "strata", "paired", "provenance")
"""What a record has besides what its place says: enough to tell it from another file."""

_REMEDY = "Make it with `wsss results` (committed records) or `wsss run` (one profile, one data set)."


def full_name(record: RecordPlace) -> str:
    """Method, depth source and refinement: the stem of a record's file and its name in tables."""
    refinement = f"+{record['refinement']}" if record["refinement"] else ""
    return f"{record['method']}{refinement}"


def record_path(root: Path, record: RecordPlace) -> Path:
    """The file of a record below `root`.

    Raises:
        WsssError: a part of the path would lead out of its folder.
    """
    parts = (record["data"], record["stage"], record["split"], f"{full_name(record)}.json")
    for part in parts:
        if not re.fullmatch(r"[\w@+][\w.@+ -]*", part):
            raise WsssError(f"a record cannot be stored under {part!r}: use letters, digits, dots and hyphens in names")
    return Path(root).joinpath(*parts)


def write_record(root: Path, record: Record) -> Path:
    """Write a record to its place below `root`, atomically; returns the path."""
    path = record_path(root, record)
    write_json(path, record)
    return path


def load_records(root: Path) -> list[Record]:
    """All records below `root`, in the order of their paths; none if there is no such folder.

    Raises:
        WsssError: a file is broken or lies where its content does not belong.
    """
    records = []
    for path in sorted(path for stage in STAGES for path in Path(root).glob(f"*/{stage}/*/[!.]*.json")):
        record = read_json(path)
        try:
            expected = record_path(root, record)
            missing = [key for key in _EVERY_RECORD if key not in record]
        except (KeyError, TypeError, AttributeError, WsssError) as error:
            raise WsssError(f"{path} is no record: {error}. Delete it and run its stage again.") from error
        if missing:
            raise WsssError(f"{path} is no record: it lacks {missing[0]}. Delete it and run its stage again.")
        if expected != path:
            raise WsssError(f"{path} holds the record of {expected}. Delete it and run its stage again.")
        records.append(record)
    return records


def select_records(records: Sequence[Record], **wanted: Any) -> list[Record]:
    """The records whose fields equal `wanted`, such as `data="nyuv2", stage="cam"`.

    Raises:
        WsssError: there is none; the message names what was looked for and the command that makes it.
    """
    found = [record for record in records if _holds(record, wanted)]
    if not found:
        described = ", ".join(f"{key} {value}" for key, value in wanted.items())
        raise WsssError(f"there is no record with {described}. {_REMEDY}")
    return found


def _holds(record: Mapping[str, object], wanted: Mapping[str, Any]) -> bool:
    return all(record[key] == value for key, value in wanted.items())


def find_record(
    records: Sequence[Record],
    *,
    data: str,
    stage: str,
    method: str,
    refinement: str | None = None,
    **wanted: Any,
) -> Record:
    """The one record of a method.

    Args:
        method: as in the record, such as `depth@sensor`.
        wanted: further fields, such as `split`.

    Raises:
        WsssError: there is none, or more than one.
    """
    found = select_records(records, data=data, stage=stage, method=method, refinement=refinement, **wanted)
    if len(found) > 1:
        splits = ", ".join(record["split"] for record in found)
        raise WsssError(
            f"there are {len(found)} records of {method} on {data}, stage {stage} ({splits}): say which split."
        )
    return found[0]


def check_not_smoke(records: Sequence[Record]) -> None:
    """Raise a `WsssError` if a record was made by the `smoke` profile, whose numbers are no results."""
    for record in records:
        if record["profile"] == "smoke":
            raise WsssError(
                f"{full_name(record)} on {record['data']} was made by the smoke profile: not a result. {_REMEDY}"
            )


def stale_facts(
    made: Mapping[str, Any], config_sha256: str, algorithms: Mapping[str, int], data_sha256: str | None = None
) -> list[str]:
    """Which of the facts in a provenance differ from the code's.

    Args:
        made: the provenance.
        config_sha256, data_sha256: of the settings and the data; None for data that are not there.
        algorithms: versions of the stage and of those before it.
    """
    current = {"config_sha256": config_sha256, "data_sha256": data_sha256, "algorithms": dict(algorithms)}
    return [key for key, value in current.items() if value is not None and made.get(key) != value]


def check_fresh(record: Record, config_sha256: str, data_sha256: str, algorithms: Mapping[str, int]) -> None:
    """Raise a `WsssError` if the record was made with other settings, other data or another version of its stages."""
    stale = stale_facts(record["provenance"], config_sha256, algorithms, data_sha256)
    if stale:
        place = f"{record['data']}/{record['stage']}/{record['split']}/{full_name(record)}"
        raise WsssError(f"the record {place} is stale: {', '.join(stale)} differ from the code's. {_REMEDY}")


FULL_SUPERVISION = "full-supervision"
"""Name of the labels that are the true masks: of the network that is the upper bound."""

NO_FULL_SUPERVISION = f"{FULL_SUPERVISION.replace('-', ' ')} skipped: no pixel of train has a label"


def read_rows(path: Path, what: str, command: str, fits: Callable[[dict[str, Any]], bool] = lambda _: True) -> Any:
    """The record at `path`, which has `rows`.

    Args:
        what: it is a record of, and the `command` that makes it; for messages.
        fits: whether it is of that kind.

    Raises:
        WsssError: it is missing, broken or no such record.
    """
    record = read_json(path)
    if not (isinstance(record, dict) and "rows" in record and fits(record)):
        raise WsssError(f"{path} is no record of {what}. Delete it and run `wsss {command}` again.")
    return record


def load_series(path: Path) -> SeriesRecord:
    """The record at `path`.

    Raises:
        WsssError: it is missing, broken or no record of a series.
    """
    if not path.exists():
        raise WsssError(f"there is no record {path}. Make it with `wsss series` (the committed ones: `make results`).")
    record: SeriesRecord = read_rows(path, "a series", "series", lambda found: found.get("series") in SERIES)
    return record


def load_ablation(path: Path) -> AblationRecord | None:
    """The record at `path`; None where there is none.

    Raises:
        WsssError: the file is broken.
    """
    return read_rows(path, "an ablation", "ablate") if path.exists() else None


def series_path(folder: Path, name: str) -> Path:
    """Where the record of a series lies below the root of the record tree."""
    return Path(folder) / "tabletop" / "series" / f"{name}.json"


def ablation_path(folder: Path, data: str, seed: int) -> Path:
    """The file of an ablation below the root of the record tree."""
    return folder / data / "ablation" / "tune" / f"seed-{seed}.json"


def budget_path(folder: Path, data: str, seed: int) -> Path:
    """The file below the root of the record tree that says what more megapixels give."""
    return Path(folder) / data / "budget" / "tune" / f"seed-{seed}.json"


def doubled_path(folder: Path, data: str, seed: int) -> Path:
    """The file below the root of the record tree that says what trainings of double length give."""
    return Path(folder) / data / "doubled" / "tune" / f"seed-{seed}.json"


def claims_path(folder: Path) -> Path:
    """The file below the root of the record tree that says what came of the confirmatory comparisons."""
    return Path(folder) / "claims.json"


def load_claims(folder: Path) -> ClaimsRecord | None:
    """That record; None where there is none.

    Raises:
        WsssError: the file is broken.
    """
    path = claims_path(folder)
    return read_rows(path, "the confirmatory comparisons", "results") if path.exists() else None


def constants_path(folder: Path, data: str, method: str) -> Path:
    """The file below the root of the record tree that says which constants of a method were tried on the tune split."""
    return Path(folder) / data / "constants" / "tune" / f"{method}.json"


def tools_path(folder: Path, data: str, split: str) -> Path:
    """The file below the root of the record tree that says what other libraries' maps give on the same classifier."""
    return Path(folder) / data / "tools" / f"{split}.json"


def preset_path(folder: Path, data: str, split: str) -> Path:
    """The file below the root of the record tree that says what the preset without a data set is worth on it."""
    return Path(folder) / data / "presets" / f"{split}.json"


def load_preset_records(folder: Path) -> list[PresetRecord]:
    """Those records below the root of the record tree, in the order of their paths.

    Raises:
        WsssError: a file is broken.
    """
    paths = sorted(Path(folder).glob("*/presets/[!.]*.json"))
    return [read_rows(path, "a preset", "presets --measure", lambda found: "preset" in found) for path in paths]
