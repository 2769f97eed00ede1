"""The parts of the benchmark by name, and running some of them."""

import gc
import importlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import FULL, QUICK, Effort, Measured
from benchmarks.record import COMMITTED, add_part, load_record, slower, table, write_table
from wsss.errors import WsssError
from wsss.machine.runtime import keep_freed_memory, pick_device

__all__ = ["LONG_PARTS", "PARTS", "run_bench"]

PARTS = {
    "cam": "benchmarks.cam",
    "depth": "benchmarks.depth",
    "training": "benchmarks.training",
    "miou": "benchmarks.miou",
    "bootstrap": "benchmarks.bootstrap",
    "refinement": "benchmarks.refinement",
    "startup": "benchmarks.startup",
    "memory": "benchmarks.memory",
    "scaling": "benchmarks.scaling",
    "waiting": "benchmarks.waiting",
}
"""Part → module, whose `measure` takes an `Effort`. All together take a quarter of an hour on two cores."""

LONG_PARTS = {
    "own-models": "benchmarks.own_models",
    "growth": "benchmarks.growth",
    "explorer": "benchmarks.explorer",
    "quality": "benchmarks.quality",
    "reproduce": "benchmarks.reproduce",
}
"""Parts that take long, train to the end, or need what a default run has trained: only on request."""


def run_bench(
    only: Sequence[str] | None,
    out: Path,
    *,
    quick: bool = False,
    compare: bool = False,
    say: Callable[[str], None] = print,
) -> bool:
    """Measure parts one after the other, each written to `out` when it is done, and print the table.

    The table of the committed record is also written into `docs/performance.md`.

    Args:
        only: names of parts; None for all but the long ones.
        out: record to write; parts that are not measured now stay in it.
        quick: see whether the parts run.
        compare: also say what has become slower since the committed record. A part that seems to be is measured once
            more, and a figure is named if it is worse both times.

    Returns:
        Whether every part could be measured and, with `compare`, nothing has become slower.

    Raises:
        WsssError: no such part, `compare` without a committed record, or a device other than the CPU.
    """
    known = PARTS | LONG_PARTS
    names = list(PARTS) if only is None else list(only)
    for name in names:
        if name not in known:
            raise WsssError(f"unknown part {name!r}; choose from {', '.join(known)}")
    committed = load_record(COMMITTED)
    if compare and not committed["parts"]:
        raise WsssError(f"there is no record {COMMITTED} to compare with. Make it with `wsss bench --out {COMMITTED}`.")
    if pick_device().type != "cpu":  # nothing waits for a GPU, and libraries are given tensors on the CPU
        raise WsssError("the benchmark measures the CPU: set WSSS_DEVICE=cpu")
    keep_freed_memory()
    effort = QUICK if quick else FULL
    complete = _measure_all(names, out, effort, say)
    found = _parts(out, names)
    worse = slower(committed, found) if compare else {}
    if worse:  # machines have slow minutes
        for line in worse.values():
            say(f"measured once more: {line}")
        complete &= _measure_all(list(dict.fromkeys(part for part, _ in worse)), out, effort, say)
        found = _parts(out, names)
        again = slower(committed, found)
        worse = {each: line for each, line in again.items() if each in worse}
    say(f"\n{table(found)}\n\nrecord {out}")
    if out.resolve() == COMMITTED.resolve():
        write_table(load_record(out))
        if "own-models" in found["parts"]:
            from benchmarks.own_models_page import publish

            publish(found["parts"]["own-models"])
    for line in worse.values():
        say(f"slower: {line}")
    return complete and not worse


def _measure_all(names: Sequence[str], out: Path, effort: Effort, say: Callable[[str], None]) -> bool:
    """Measure parts, each written to `out` when it is done; whether all could be measured."""
    complete = True
    for name in names:
        start = time.perf_counter()
        try:
            measured = _measure((PARTS | LONG_PARTS)[name], effort)
        except WsssError as error:  # one part that cannot be measured must not take the others with it
            say(f"{name}: not measured: {error}")
            complete = False
            continue
        wall = time.perf_counter() - start
        add_part(out, name, measured, wall, quick=effort is QUICK)
        say(f"{name}: {wall:.0f} s")
        gc.collect()
    return complete


def _parts(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Those parts of a record that have these names."""
    return {"parts": {name: part for name, part in load_record(path)["parts"].items() if name in names}}


def _measure(module: str, effort: Effort) -> Measured:
    measured: Measured = importlib.import_module(module).measure(effort)
    return measured
