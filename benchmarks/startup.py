"""How long one waits: for the import, for the help, for all charts and tables of the committed records, for unchanged data."""

import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import CHECKOUT, Effort, Measured, at_most, child, shown, timed_in_turns
from wsss.machine.contents import SETTLED
from wsss.report.pages import PAGES

__all__ = ["measure"]

FILES = 10_000
ASK = "import sys; from pathlib import Path; from wsss.machine.contents import folder_hash; folder_hash(Path(sys.argv[1]))"


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
    seconds = quick | drawn | again | {"hashes, again": _hashes_again(effort)}
    middle = {name: float(np.median(runs)) for name, runs in seconds.items()}
    found = (
        at_most("import wsss", middle["import wsss"], 0.3, "s"),
        at_most("python -m wsss --help", middle["python -m wsss --help"], 0.5, "s"),
        at_most("report from records", middle["report, again"], 5, "s"),
        shown("report from records, all charts anew", middle["report, nothing drawn yet"], "s"),
        at_most("hashes of 10,000 unchanged files, import included", middle["hashes, again"], 1, "s"),
        shown("python alone", middle["python"], "s"),
    )
    return Measured(found, seconds)


def _hashes_again(effort: Effort) -> list[float]:
    """Seconds of processes that ask for the hashes of small files which an earlier one has read."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "files")
        files.mkdir()
        for number in range(FILES):
            (files / f"{number}.bin").write_bytes(number.to_bytes(4, "big") * 500)
        time.sleep(SETTLED / 1e9 + 0.1)
        ask = partial(child, "-c", ASK, str(files), WSSS_RUNS=str(Path(folder, "runs")))
        ask()
        return timed_in_turns({"again": ask}, effort.rounds)["again"]
