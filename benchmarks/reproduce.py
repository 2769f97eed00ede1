"""The whole default reproduction in empty folders, rendering included, installation excluded. Takes as long as it takes."""

import tempfile
import time
from pathlib import Path

from benchmarks.measure import Effort, Figure, Measured, at_least, at_most, child, shown
from wsss.experiments.notebooks import chapter_times
from wsss.io import read_json
from wsss.records.store import find_record, load_records

__all__ = ["measure"]

LIMIT_MINUTES, LIMIT_GIGABYTES, LEAST_MAP = 12, 3, 75


def measure(effort: Effort) -> Measured:
    """Minutes for the seven notebooks of the default profile (of the smoke profile in a quick run), memory, results."""
    profile = "smoke" if effort.quick else "default"
    with tempfile.TemporaryDirectory() as folder:
        places = {"WSSS_RUNS": f"{folder}/runs", "WSSS_CACHE": f"{folder}/cache"}
        start = time.perf_counter()
        child("-m", "wsss", "run", "--profile", profile, **places)
        seconds = time.perf_counter() - start
        run = Path(folder, "runs", profile)
        executed = run / "notebooks" / "tabletop"
        chapters = chapter_times(executed)
        gigabytes = read_json(executed / "times.json")["provenance"]["peak_gigabytes"]
        figures = (
            at_most("whole default reproduction", seconds / 60, LIMIT_MINUTES, "min"),
            at_most("its largest process", gigabytes, LIMIT_GIGABYTES, "GB"),
            *(shown(f"chapter {name.partition('_')[0]}", each / 60, "min") for name, each in chapters.items()),
            *_results(run / "results"),
        )
    return Measured(figures, {"run": [seconds], **{name: [each] for name, each in chapters.items()}})


def _results(folder: Path) -> tuple[Figure, ...]:
    """What a first run finds: the classifier's mAP, depth before zoom, and a network on depth's labels before CAM's."""
    records = load_records(folder)
    depth = find_record(records, data="tabletop", stage="cam", method="depth@sensor")
    (pair,) = (pair for pair in depth["paired"] if pair["against"] == "zoom")
    networks = [one for one in records if one["stage"] == "segmentation"]
    best = {
        kind: max(one["miou"]["mean"] for one in networks if one["method"].partition("@")[0] == kind)
        for kind in ("cam", "depth")
    }
    return (
        at_least("mAP on test", depth["mAP"] or 0.0, LEAST_MAP, "%"),
        at_least("depth − zoom, lower end of the interval", pair["ci"][0], 0, "mIoU"),
        at_least("network: depth's labels − the best of CAM's", best["depth"] - best["cam"], 0, "mIoU"),
    )
