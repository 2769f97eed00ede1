"""How long one waits: for the import, for the help, for all charts and tables of the committed records."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measure import Effort, Measured, at_most, shown, timed_in_turns
from wsss.errors import WsssError
from wsss.report.pages import PAGES

__all__ = ["measure"]

CHECKOUT = Path(__file__).resolve().parent.parent


def measure(effort: Effort) -> Measured:
    """Seconds of processes, from start to end; the interpreter's own start is in them and also shown alone."""
    quick = timed_in_turns(
        {
            "python": _python("-c", "pass"),
            "import wsss": _python("-c", "import wsss"),
            "python -m wsss --help": _python("-m", "wsss", "--help"),
        },
        3 * effort.rounds,
    )
    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copy(CHECKOUT / page, folder) for page in PAGES]
        pages = [argument for copy in copies for argument in ("--page", str(copy))]
        report = _python("-m", "wsss", "report", "--figures", str(Path(folder, "figures")), *pages)
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


def _python(*arguments: str) -> Callable[[], object]:
    """Run this Python in the checkout; a failure is a `WsssError` with what it said last."""

    def run() -> None:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise WsssError(f"`python {' '.join(arguments[:3])}` failed: {done.stderr.strip()[-300:]}")

    return run
