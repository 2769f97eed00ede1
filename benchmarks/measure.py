"""How things are timed and compared: in turns, by the median, as ratios of runs that lie beside each other in time."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from wsss.errors import WsssError
from wsss.machine import runtime
from wsss.records.provenance import processor

__all__ = [
    "CHECKOUT",
    "FULL",
    "QUICK",
    "Effort",
    "Figure",
    "Measured",
    "at_least",
    "at_most",
    "child",
    "float32",
    "machine",
    "ratio",
    "shown",
    "timed_in_turns",
    "versions_of",
]

Seconds = dict[str, list[float]]

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Effort:
    """How much is measured: `rounds` of everything, on `images` pictures. The quick one only shows that a part runs."""

    quick: bool
    rounds: int
    images: int


FULL, QUICK = Effort(False, 7, 6), Effort(True, 1, 2)


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        unit: `×` for a ratio of two things measured in the same run; else `s`, `ms`, `GB`, `%`, ….
        limit: what is to be reached; None where the figure is only shown.
        direction: `at least` or `at most`.
    """

    name: str
    value: float
    unit: str
    limit: float | None
    direction: str

    @property
    def reached(self) -> bool | None:
        """Whether the limit is kept; None without one."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.direction == "at least" else self.value <= self.limit


@dataclass(frozen=True)
class Measured:
    """What a part found.

    Attributes:
        figures: what is shown, and compared with earlier records.
        seconds: of every run that they are made from.
        peers: versions of the libraries that it compares with.
        rows: of a table of its own, JSON-able.
    """

    figures: tuple[Figure, ...]
    seconds: Mapping[str, list[float]]
    peers: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()


def at_least(name: str, value: float, limit: float, unit: str = "×") -> Figure:
    """A figure that is better when it is larger."""
    return Figure(name, float(value), unit, limit, "at least")


def at_most(name: str, value: float, limit: float, unit: str = "×") -> Figure:
    """A figure that is better when it is smaller."""
    return Figure(name, float(value), unit, limit, "at most")


def shown(name: str, value: float, unit: str, direction: str = "at most") -> Figure:
    """A figure without a limit; `direction` says which way is better."""
    return Figure(name, float(value), unit, None, direction)


def timed_in_turns(tasks: Mapping[str, Callable[[], object]], rounds: int) -> Seconds:
    """Wall seconds of each task in each round.

    Every task runs once unmeasured, then all take turns: what slows the machine down for a while slows all of them down. Each
    round begins with another task, since the first one finds the cache as the last one left it.
    """
    names = list(tasks)
    for task in tasks.values():
        task()
    seconds: Seconds = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            tasks[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """How many times longer `slow` takes: the median over rounds of the ratio within a round."""
    return float(np.median(np.array(seconds[slow]) / np.array(seconds[fast])))


def child(*arguments: str, **environment: str) -> str:
    """What this Python prints with `arguments`, run in the checkout.

    Raises:
        WsssError: it failed; the message has the end of what it said.
    """
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise WsssError(f"`python {' '.join(arguments[:3])}` failed: {done.stderr.strip()[-300:]}")
    return done.stdout


@contextmanager
def float32() -> Iterator[None]:
    """Context in which the package computes in float32, as it does on a CPU without bfloat16."""
    with mock.patch.object(runtime, "_cpu_has_bfloat16", return_value=False):
        yield


def machine() -> dict[str, object]:
    """What the figures depend on beside the code."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bfloat16": runtime._cpu_has_bfloat16(),
        "device": str(runtime.pick_device()),
        "versions": {"python": platform.python_version(), **versions_of("torch", "numpy", "timm")},
    }


def versions_of(*packages: str) -> dict[str, str]:
    """Versions of packages that a part compares with.

    Raises:
        WsssError: one is not installed.
    """
    try:
        return {name: version(name) for name in packages}
    except ImportError as error:
        raise WsssError(f"{error.name} is not installed: pip install -e '.[all,bench,crf]'") from error
