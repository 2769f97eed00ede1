"""Ten classifiers of other libraries through DepthCAM, pytorch-grad-cam and torch-cam: seconds, memory, lines, maps.

All tools are given the same photograph, of the size that the models take, and make one map of one class, of the same
layer, in float32: CAM where a network ends in global average pooling and a linear layer, LayerCAM elsewhere.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.measure import (
    Effort,
    Figure,
    Measured,
    at_most,
    child,
    ratio,
    shown,
    timed_in_turns,
    versions_of,
)
from benchmarks.own_models_tools import MODELS, TOOLS, Given, Model, bare_pass, given, motorcycle, written
from wsss.methods.depth_cam import DepthCAM

__all__ = ["measure", "plain_maps"]

TURN = 0.15
"""Seconds that a turn of a bare pass lasts at least: those of small networks take some milliseconds."""

THREADS = (1, 2)

Row = dict[str, Any]


def measure(effort: Effort) -> Measured:
    """What each tool takes for each model, and how far the maps are apart."""
    versions = versions_of("grad-cam", "torchcam", "torchvision", "transformers", "timm")
    rows: list[Row] = []
    seconds: dict[str, list[float]] = {}
    models = list(MODELS.values())[:: 9 if effort.quick else 1]
    for model in models:
        row, own = _row(model, effort)
        rows.append(row)
        seconds |= {f"{model.name}, {name}": runs for name, runs in own.items()}
    return Measured(_figures(rows), seconds, versions, tuple(rows))


def plain_maps(own: Given, model: Model) -> dict[str, NDArray[np.float32]]:
    """The plain map `(H,W)` of each tool, from its own code: rectified and stretched to [0, 1].

    torch-cam's are taken before it normalises them, which it does to maps of CAM that are not rectified.
    """
    found = {}
    for tool in TOOLS:
        code = written(model, tool)
        names = code.set_up(own)
        if tool == "torch-cam":
            names["extractor"] = _rectified(names["extractor"])
        found[tool] = stretched(np.asarray(code.plain(names), np.float32))
    return found


def _rectified(extractor: Any) -> Callable[..., list[Tensor]]:
    return lambda *given: [cells.relu() for cells in extractor(*given, normalized=False)]


def stretched(one: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map brought to [0, 1]."""
    low, high = one.min(), one.max()
    return np.asarray((one - low) / max(high - low, 1e-7), np.float32)


def _row(model: Model, effort: Effort) -> tuple[Row, dict[str, list[float]]]:
    """What is shown of one model, and the seconds of every run."""
    own = given(model)
    maps = plain_maps(own, model)
    setup, tasks = {}, {"bare": bare_pass(own)}
    for tool in TOOLS:
        setup[tool], tasks[tool] = _ready(own, model, tool)
    seconds: dict[str, list[float]] = {}
    row: Row = {
        "model": model.name,
        "maps": "LayerCAM" if model.head is None else "CAM",
        "lines": {tool: written(model, tool).lines for tool in TOOLS},
        "apart": {tool: _short(np.abs(maps["wsss"] - maps[tool]).max()) for tool in TOOLS[1:]},
        "setup": {tool: _short(each) for tool, each in setup.items()},
        "seconds": {},
        "of_bare": {},
    }
    for threads in THREADS:
        with _threads(threads):
            runs = _in_turns(tasks, effort.rounds)
        row["seconds"][str(threads)] = {name: _short(np.median(each)) for name, each in runs.items()}
        row["of_bare"][str(threads)] = {tool: _short(ratio(runs, tool, "bare")) for tool in TOOLS}
        seconds |= {f"{name}, {threads} threads": each for name, each in runs.items()}
    with _threads(1):
        runs = timed_in_turns(_whole(own), (effort.rounds + 1) // 2)
    row["of_passes"] = {way: _short(ratio(runs, way, f"passes of {way}")) for way in _WAYS}
    row["whole"] = {way: _short(np.median(runs[way])) for way in _WAYS}
    row["memory_mb"] = {tool: _peak(model, tool) for tool in ("bare", *TOOLS)}
    return row, seconds | runs


def _ready(own: Given, model: Model, tool: str) -> tuple[float, Callable[[], object]]:
    """Seconds of the code that is run once, the shortest of three runs, and the code for each image."""
    code = written(model, tool)
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        names = code.set_up(own)
        taken.append(time.perf_counter() - start)
    return min(taken), lambda: code.plain(names)


def _in_turns(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of one run of each task in each round; in a turn it runs until a bare pass has taken `TURN`."""
    tasks["bare"]()
    start = time.perf_counter()
    tasks["bare"]()
    times = max(1, math.ceil(TURN / (time.perf_counter() - start)))
    runs = timed_in_turns({name: _repeated(task, times) for name, task in tasks.items()}, rounds)
    return {name: [each / times for each in own] for name, own in runs.items()}


def _repeated(task: Callable[[], object], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            task()

    return run


_WAYS: Mapping[str, str | None] = {"scales": "cam", "depth": "depth"}
"""DepthCAM as it is called without depth, at four scales and mirrored, and with depth: its method."""


def _whole(own: Given) -> dict[str, Callable[[], object]]:
    """DepthCAM on the photograph as it is, and its forward passes alone."""
    image, disparity = motorcycle()
    told = {name: own.names[name] for name in ("weights", "processor") if name in own.names}
    cam = DepthCAM(own.model, **told)
    classes = [own.names["output"]]
    ways: dict[str, Callable[[], object]] = {
        "scales": lambda: cam(image, classes),
        "depth": lambda: cam(image, classes, depth=disparity, kind="inverse"),
    }
    tasks: dict[str, Callable[[], object]] = {}
    for name, way in ways.items():
        batches = _batches(own.model, way)
        tasks |= {name: way, f"passes of {name}": _passes(own.model, batches)}
    return tasks


def _batches(model: nn.Module, way: Callable[[], object]) -> list[tuple[Tensor, dict[str, Any]]]:
    """What the model is given while `way` runs."""
    found: list[tuple[Tensor, dict[str, Any]]] = []

    def remember(_module: nn.Module, inputs: tuple[Tensor], options: dict[str, Any]) -> None:
        found.append((inputs[0].detach().clone(), options))

    hook = model.register_forward_pre_hook(remember, with_kwargs=True)
    way()
    hook.remove()
    return found


def _passes(model: nn.Module, batches: Sequence[tuple[Tensor, dict[str, Any]]]) -> Callable[[], None]:
    def run() -> None:
        with torch.inference_mode():
            for batch, options in batches:
                model(batch, **options)

    return run


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _peak(model: Model, tool: str) -> int:
    """Peak memory in MB of a process that makes maps with one tool, or bare passes."""
    return round(float(child("-m", "benchmarks.own_models_tools", model.name, tool, OMP_NUM_THREADS="1")) / 1e6)


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _figures(rows: Sequence[Row]) -> tuple[Figure, ...]:
    """What of the rows is compared with earlier records."""
    others = {tool: [row["of_bare"]["1"][tool] / row["of_bare"]["1"]["wsss"] for row in rows] for tool in TOOLS[1:]}
    exact = [row["of_bare"]["1"]["wsss"] for row in rows if row["maps"] == "CAM"]
    same = [row for row in rows if "densenet" not in row["model"]]
    figures = [
        at_most("plain CAM of DepthCAM / a bare pass, one thread, median of models", np.median(exact), 1.1),
        shown("plain CAM of DepthCAM / a bare pass, one thread, largest", max(exact), "×"),
        shown("plain LayerCAM of DepthCAM / a bare pass, one thread, largest", _largest(rows), "×"),
        *(shown(f"{tool} / DepthCAM, one thread, median of models", np.median(each), "×", "at least") for tool, each in others.items()),
        *(at_most(f"difference of plain maps to {tool}", max(row["apart"][tool] for row in same), 1e-3, "") for tool in TOOLS[1:]),
        *(shown(f"DepthCAM {text} / its bare passes, median of models", np.median([row["of_passes"][way] for row in rows]), "×") for way, text in (("scales", "at four scales"), ("depth", "with depth"))),
        *(shown(f"lines of code, {tool}, most of any model", max(row["lines"][tool] for row in rows), "") for tool in TOOLS),
        *(shown(f"peak memory, {tool} / bare passes, largest of models", max(row["memory_mb"][tool] / row["memory_mb"]["bare"] for row in rows), "×") for tool in TOOLS),
    ]  # fmt: skip
    return tuple(figures)


def _largest(rows: Sequence[Row]) -> float:
    return max(row["of_bare"]["1"]["wsss"] for row in rows if row["maps"] != "CAM")
