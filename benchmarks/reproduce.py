"""The whole default reproduction in empty folders, rendering included, installation excluded. Takes as long as it takes."""

import tempfile
import time

from benchmarks.measure import Effort, Measured, at_most, child

__all__ = ["measure"]

LIMIT_MINUTES = 20


def measure(effort: Effort) -> Measured:
    """Minutes for the seven notebooks of the default profile (of the smoke profile in a quick run)."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"WSSS_RUNS": f"{folder}/runs", "WSSS_CACHE": f"{folder}/cache"}
        start = time.perf_counter()
        child("-m", "wsss", "run", "--profile", "smoke" if effort.quick else "default", **places)
        seconds = time.perf_counter() - start
    return Measured((at_most("whole default reproduction", seconds / 60, LIMIT_MINUTES, "min"),), {"run": [seconds]})
