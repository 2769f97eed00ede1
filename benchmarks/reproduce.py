"""The whole default reproduction in empty folders, rendering included, installation excluded. Takes as long as it takes."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Effort, Measured, at_most
from wsss.errors import WsssError

__all__ = ["measure"]

CHECKOUT = Path(__file__).resolve().parent.parent
LIMIT_MINUTES = 20


def measure(effort: Effort) -> Measured:
    """Minutes for the six notebooks of the default profile (of the smoke profile in a quick run)."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"WSSS_RUNS": f"{folder}/runs", "WSSS_CACHE": f"{folder}/cache"}
        command = [sys.executable, "-m", "wsss", "run", "--profile", "smoke" if effort.quick else "default"]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=CHECKOUT, env=os.environ | places, capture_output=True, text=True)
        seconds = time.perf_counter() - start
    if done.returncode:
        raise WsssError(f"the reproduction failed: {done.stderr.strip().splitlines()[-1]}")
    return Measured((at_most("whole default reproduction", seconds / 60, LIMIT_MINUTES, "min"),), {"run": [seconds]})
