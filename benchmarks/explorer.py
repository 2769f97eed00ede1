"""Milliseconds from moving a slider of the crop explorer to the picture that is sent to the page.

python benchmarks/explorer.py [--profile default] [--scenes 3]

Every slider is moved through its range on a few scenes; two cores are assumed, and the run's stages are made first if they are not
in the cache. The picture must be there in 150 ms where no new crops are needed, and in 1 s where they are.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from wsss.pipeline import open_run
from wsss.widgets.explorer import Explorer
from wsss.widgets.explorer_figure import draw, numbers_of
from wsss.widgets.live import picture_html, settle
from wsss.widgets.parameters import SLIDERS, ExplorerParameters, chosen_parameters

LIMITS = {False: 150, True: 1000}  # milliseconds, without and with new crops
PLACES = 6  # on the way of each slider


def main() -> None:
    """Print median and maximum of each slider."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="default")
    parser.add_argument("--scenes", type=int, default=3)
    options = parser.parse_args()
    run = open_run(options.profile)
    spaced = np.linspace(0, len(run.data("report")) - 1, options.scenes).round().astype(int).tolist()
    starts = [chosen_parameters(run, scene) for scene in spaced]
    print(f"{options.scenes} scenes of {run.data_name}, {torch.get_num_threads()} threads; median and maximum in ms")
    print(f"{'another scene':22s} {summary([milliseconds(Explorer(run), start) for start in starts])}")
    settle()  # as the panel does
    for spec in SLIDERS:
        taken = []
        for start in starts:
            explorer = Explorer(run)
            milliseconds(explorer, start)
            for value in np.linspace(spec.low, spec.high, PLACES):
                kind: Callable[[float], float] = int if spec.name in ("max_regions", "count") else float
                moved: dict[str, Any] = {spec.name: kind(value)}
                taken.append(milliseconds(explorer, replace(start, **moved)))
        verdict = "ok" if max(taken) <= LIMITS[spec.looks] else "too slow"
        print(f"{spec.label:22s} {summary(taken)}   limit {LIMITS[spec.looks]:5d}   {verdict}")


def milliseconds(explorer: Explorer, parameters: ExplorerParameters) -> float:
    """What the kernel does when a slider moves."""
    start = time.perf_counter()
    view = explorer.view(parameters)
    picture_html(draw(view), numbers_of(view))
    return 1000 * (time.perf_counter() - start)


def summary(taken: list[float]) -> str:
    """Median and maximum."""
    return f"{np.median(taken):6.0f} {max(taken):6.0f}"


if __name__ == "__main__":
    main()
