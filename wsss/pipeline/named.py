"""Names for people: links in a run's folder that lead to results in the cache, which lie there under hashes."""

import os
from pathlib import Path

from wsss.machine.processes import is_main
from wsss.pipeline.run import Run

__all__ = ["named"]


def named(run: Run, kind: str, name: str, result: Path) -> Path:
    """The place `runs/PROFILE/DATA/seed-SEED/KIND/METHOD` of a result of a run, a link to the result itself.

    It leads to what was asked for last: nothing is copied, so that nothing in it is older than the run. Where files
    cannot be linked, or something else lies there, it is the result's place in the cache.

    Args:
        kind: `pseudo-labels` or `networks`.
        name: of a method, as in the run's settings; records' names are used.
        result: a file or a folder.
    """
    suffix = result.suffix if result.is_file() else ""
    place = run.folder / run.data_name / f"seed-{run.config.seed}" / kind / f"{run.full_name(name)}{suffix}"
    return place if not is_main() or _linked(place, result) else result


def _linked(place: Path, result: Path) -> bool:
    """Whether `place` now is a link to `result`; what lies there and is no link stays."""
    if place.exists() and not place.is_symlink():
        return False
    temporary = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(result.resolve(), place.parent.resolve()))
        os.replace(temporary, place)
    except OSError:  # a file system without links: the result has its place in the cache
        return False
    return True
