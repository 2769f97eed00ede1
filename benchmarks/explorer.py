"""Milliseconds from moving a slider of the crop explorer to the picture that is sent to the page.

Every slider is moved through its range on a few scenes; two cores are assumed, and the run's stages are made first if they are not
in the cache. By the median of its moves a slider must have its picture in 150 ms where no new crops are needed, in 1 s where they
are.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.measure import Effort, Measured, at_most, shown
from wsss.pipeline import Run, open_run
from wsss.widgets.explorer import Explorer
from wsss.widgets.explorer_figure import draw, numbers_of
from wsss.widgets.live import picture_html, settle
from wsss.widgets.parameters import SLIDERS, ExplorerParameters, chosen_parameters

LIMITS = {False: 150, True: 1000}  # milliseconds, without and with new crops
PLACES, SCENES = 6, 3  # on the way of each slider; looked at

__all__ = ["measure"]


def measure(effort: Effort) -> Measured:
    """Milliseconds of the slowest slider, by its median and at worst, without and with new crops."""
    run = open_run("smoke" if effort.quick else "default", progress=False)
    taken = _sliders(run, 1 if effort.quick else SCENES)
    figures = []
    for looks, text in ((False, "without new crops"), (True, "with new crops")):
        of_kind = [taken[spec.label] for spec in SLIDERS if spec.looks == looks]
        slowest = max(float(np.median(times)) for times in of_kind)
        figures.append(at_most(f"slowest slider {text}", slowest, LIMITS[looks], "ms"))
        figures.append(shown(f"slowest move {text}", max(max(times) for times in of_kind), "ms"))
    return Measured(tuple(figures), {name: [each / 1000 for each in times] for name, times in taken.items()})


def _sliders(run: Run, scenes: int) -> dict[str, list[float]]:
    """Milliseconds of each move of each slider, and of another scene."""
    spaced = np.linspace(0, len(run.data("report")) - 1, scenes).round().astype(int).tolist()
    starts = [chosen_parameters(run, scene) for scene in spaced]
    taken = {"another scene": [milliseconds(Explorer(run), start) for start in starts]}
    settle()  # as the panel does
    for spec in SLIDERS:
        times = taken.setdefault(spec.label, [])
        for start in starts:
            explorer = Explorer(run)
            milliseconds(explorer, start)
            for value in np.linspace(spec.low, spec.high, PLACES):
                kind: Callable[[float], float] = int if spec.name in ("max_regions", "count") else float
                moved: dict[str, Any] = {spec.name: kind(value)}
                times.append(milliseconds(explorer, replace(start, **moved)))
    return taken


def milliseconds(explorer: Explorer, parameters: ExplorerParameters) -> float:
    """What the kernel does when a slider moves."""
    start = time.perf_counter()
    view = explorer.view(parameters)
    picture_html(draw(view), numbers_of(view))
    return 1000 * (time.perf_counter() - start)
