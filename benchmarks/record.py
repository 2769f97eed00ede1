"""The record of a benchmark, and what has become slower since another one."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import CHECKOUT, Figure, Measured, machine
from wsss.errors import WsssError
from wsss.io import atomic_path, read_json, write_json
from wsss.records.provenance import git_state

__all__ = [
    "COMMITTED",
    "add_part",
    "figures_of",
    "load_record",
    "slower",
    "table",
    "tables",
    "write_between",
    "write_table",
]

COMMITTED = Path(__file__).with_name("record.json")
PAGE = CHECKOUT / "docs" / "performance.md"
TOLERANCE = 0.15
"""Share by which a figure may be worse than the committed one. Quiet runs of the same code seldom differ by more, so what
differs by more is measured twice (`run_bench`)."""
ELSEWHERE = 0.3
"""The same for ratios on another processor: those beside float32 hang on its units for bfloat16 (a quarter less without AMX)."""

Record = Mapping[str, Any]


def load_record(path: Path) -> dict[str, Any]:
    """The record at `path`, empty where there is none: `{"parts": {name: part}}`.

    Raises:
        WsssError: the file is broken or something else.
    """
    if not path.exists():
        return {"parts": {}}
    record: dict[str, Any] = read_json(path)
    if not isinstance(record, dict) or "parts" not in record:
        raise WsssError(f"{path} is no record of a benchmark. Delete it, or write elsewhere with --out.")
    return record


def add_part(path: Path, name: str, measured: Measured, wall: float, quick: bool) -> None:
    """Write a part into the record at `path`, in place of an older one; the other parts stay."""
    record, (commit, dirty) = load_record(path), git_state(*COMMITTED.parent.glob("*.py"))
    part = {
        "quick": quick,
        "commit": commit,
        "dirty": dirty,
        "machine": machine(),
        **({"peers": dict(measured.peers)} if measured.peers else {}),
        "wall_s": round(wall, 1),
        "figures": [asdict(figure) | {"value": float(f"{figure.value:.6g}")} for figure in measured.figures],
        "seconds": {task: [float(f"{each:.4g}") for each in runs] for task, runs in measured.seconds.items()},
        **({"rows": list(measured.rows)} if measured.rows else {}),
    }
    write_json(path, {"parts": {**record["parts"], name: part}})


def figures_of(part: Record) -> dict[str, Figure]:
    """The figures of a part by name."""
    return {each["name"]: Figure(**each) for each in part["figures"]}


def slower(before: Record, now: Record) -> dict[tuple[str, str], str]:
    """What is worse than before by more than `TOLERANCE`: a line for each (part, figure).

    Ratios are compared always, with `ELSEWHERE` as tolerance where the processors differ; seconds and sizes only where both
    records are of the same machine. Quick parts say nothing.
    """
    lines = {}
    for name, part in now["parts"].items():
        old = before["parts"].get(name)
        if old is None or part["quick"] or old["quick"]:
            continue
        same_machine = part["machine"] == old["machine"]
        tolerance = TOLERANCE if part["machine"]["processor"] == old["machine"]["processor"] else ELSEWHERE
        known = figures_of(old)
        for figure in figures_of(part).values():
            comparable = figure.name in known and (figure.unit == "×" or same_machine)
            if comparable and _worse(known[figure.name], figure, tolerance):
                lines[name, figure.name] = f"{name}: {figure.name} was {_text(known[figure.name])}, is {_text(figure)}"
    return lines


def _worse(before: Figure, now: Figure, tolerance: float) -> bool:
    less, more = now.value < before.value * (1 - tolerance), now.value > before.value * (1 + tolerance)
    return less if now.direction == "at least" else more


def table(record: Record) -> str:
    """The figures of a record as Markdown, a row each, with what is to be reached and whether it is; then where it was measured."""
    rows = ["| part | what | measured | to reach | |", "| :-- | :-- | --: | --: | :-- |"]
    for name, part in record["parts"].items():
        for figure in figures_of(part).values():
            goal, mark = "", ""
            if figure.limit is not None:
                sign = "≥" if figure.direction == "at least" else "≤"
                goal, mark = f"{sign} {figure.limit:g} {figure.unit}", "yes" if figure.reached else "no"
            rows.append(f"| {name} | {figure.name} | {_text(figure)} | {goal} | {'quick' if part['quick'] else mark} |")
    return "\n".join([*rows, "", _places(record)])


def _places(record: Record) -> str:
    """Which parts were measured on which processor, at which commit: a sentence for each."""
    parts: dict[tuple[str, str], list[str]] = {}
    for name, part in record["parts"].items():
        commit = f"{(part['commit'] or 'no commit')[:7]}{' with changes' if part['dirty'] else ''}"
        parts.setdefault((part["machine"]["processor"], commit), []).append(name)
    places = [f"Measured on {place} at {commit}: {', '.join(names)}." for (place, commit), names in parts.items()]
    peers = {
        f"{peer} {version}" for part in record["parts"].values() for peer, version in part.get("peers", {}).items()
    }
    return " ".join([*places, *([f"Beside {', '.join(sorted(peers))}."] if peers else [])])


def write_table(record: Record, page: Path = PAGE) -> None:
    """Put the tables of a record between their marks on a page, `<!-- bench -->` and `<!-- /bench -->` for one.

    Raises:
        WsssError: the page has no such marks.
    """
    for name, content in tables(record).items():
        write_between(page, name, content)


def write_between(page: Path, name: str, content: str) -> None:
    """Put `content` between the marks `<!-- NAME -->` and `<!-- /NAME -->` of a page.

    Raises:
        WsssError: the page has no such marks.
    """
    before, mark, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not (mark and end):
        raise WsssError(f"{page} lacks the marks <!-- {name} --> and <!-- /{name} --> around its table.")
    with atomic_path(page) as temporary:
        temporary.write_text(f"{before}{mark}{content}\n{end}{after}", encoding="utf-8")


def tables(record: Record) -> dict[str, str]:
    """The tables of a record, in Markdown, by the name of their marks."""
    found = {"bench": table(record)}
    if run := record["parts"].get("reproduce"):
        found["bench reproduce"] = run_table(run)
    if rows := record["parts"].get("own-models", {}).get("rows"):
        from benchmarks.own_models_page import own_models_table

        found["bench own-models"] = own_models_table(rows)
    if rows := record["parts"].get("growth", {}).get("rows"):
        from benchmarks.growth import growth_table

        found["bench growth"] = growth_table(rows)
    return found


def run_table(part: Record) -> str:
    """What each chapter of a whole run takes, in minutes and as a share of all; then the machine."""
    figures = figures_of(part)
    total = figures["whole default reproduction"].value
    chapters = {
        name.removeprefix("chapter "): each.value for name, each in figures.items() if name.startswith("chapter ")
    }
    rows = ["| chapter | minutes | share |", "| :-- | --: | --: |"]
    rows += [f"| {name} | {minutes:.1f} | {100 * minutes / total:.0f} % |" for name, minutes in chapters.items()]
    rows.append(f"| **whole run** | **{total:.1f}** | |")
    where = part["machine"]
    return "\n".join(
        [*rows, "", f"{where['processor']}, {where['threads']} threads, at {(part['commit'] or 'no commit')[:7]}."]
    )


def _text(figure: Figure) -> str:
    return f"{figure.value:.3g} {figure.unit}"
