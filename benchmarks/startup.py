"""How long one waits: for the import, for the help, for all charts and tables of the committed records."""

import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import CHECKOUT, Effort, Measured, at_most, child, shown, timed_in_turns
from wsss.report.pages import PAGES

__all__ = ["measure"]


def measure(effort: Effort) -> Measured:
    """Seconds of processes, from start to end; the interpreter's own start is in them and also shown alone."""
    quick = timed_in_turns(
        {
            "python": partial(child, "-c", "pass"),
            "import wsss": partial(child, "-c", "import wsss"),
            "python -m wsss --help": partial(child, "-m", "wsss", "--help"),
        },
        3 * effort.rounds,
    )
    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copy(CHECKOUT / page, folder) for page in PAGES]
        pages = [argument for copy in copies for argument in ("--page", str(copy))]
        report = partial(child, "-m", "wsss", "report", "--figures", str(Path(folder, "figures")), *pages)
        start = time.perf_counter()
        report()
        drawn = {"report, nothing drawn yet": [time.perf_counter() - start]}
        again = timed_in_turns({"report, again": report}, max(1, effort.rounds // 2))
    seconds = quick | drawn | again
    middle = {name: float(np.median(runs)) for name, runs in seconds.items()}
    found = (
        at_most("import wsss", middle["import wsss"], 0.3, "s"),
        at_most("python -m wsss --help", middle["python -m wsss --help"], 0.5, "s"),
        at_most("report from records", middle["report, again"], 5, "s"),
        shown("report from records, all charts anew", middle["report, nothing drawn yet"], "s"),
        shown("python alone", middle["python"], "s"),
    )
    return Measured(found, seconds)
