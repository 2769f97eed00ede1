"""Draws the charts whose records or code have changed, several at once, and leaves the others as they are.

`drawn.json` beside the charts says what each was drawn from, and what its files looked like then.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from wsss.io import content_hash, file_hash, read_json, write_json
from wsss.machine.processes import end_with_parent, usable_cores
from wsss.report.style import save_figure

__all__ = ["Chart", "draw_charts", "remove_others"]

INDEX = "drawn.json"
WORTH_A_PROCESS = 6
"""Charts for each further process: starting one takes as long as drawing a few."""


@dataclass(frozen=True)
class Chart:
    """A chart that is to be on disk.

    Attributes:
        path: without suffix; PNG and SVG are written.
        draw: a function of a module, so that another process finds it.
        arguments: what `draw` is called with, JSON-able; together with the code it decides the picture.
        provenance: see `save_figure`.
    """

    path: Path
    draw: Callable[..., Figure]
    arguments: tuple[Any, ...]
    provenance: Mapping[str, Any]

    @property
    def files(self) -> list[Path]:
        """The PNG and the SVG file."""
        return _files(self.path)

    def inputs(self) -> str:
        """Hash of all that the files depend on."""
        name = f"{self.draw.__module__}.{self.draw.__qualname__}"
        return content_hash([name, self.arguments, dict(self.provenance), _code()])


@cache
def _code() -> list[str]:
    """What draws: the sources of this package, and the versions of the libraries below it."""
    sources = [file_hash(path) for path in sorted(Path(__file__).parent.glob("*.py"))]
    return [*sources, *(version(name) for name in ("matplotlib", "seaborn", "numpy", "pandas"))]


def draw_charts(charts: Sequence[Chart], processes: int | None = None) -> list[Path]:
    """Bring the files of all charts up to date; returns the paths of all of them, in order.

    A chart is drawn anew if its records, the code that draws it, a library below that or its files have changed.

    Args:
        processes: how many draw at once (default: one for each core that may be used). The files do not depend on it.

    Raises:
        WsssError: `drawn.json` is broken, or a file cannot be written.
    """
    by_folder: dict[Path, list[Chart]] = {}
    for chart in charts:
        by_folder.setdefault(chart.path.parent, []).append(chart)
    for folder, own in by_folder.items():
        known = read_json(folder / INDEX) if (folder / INDEX).exists() else {}
        stale = [chart for chart in own if known.get(chart.path.name) != _state(chart)]
        if stale:
            _draw_all(stale, processes or usable_cores())
            known |= {chart.path.name: _state(chart) for chart in stale}
            write_json(folder / INDEX, dict(sorted(known.items())))
    return [path for chart in charts for path in chart.files]


def remove_others(folder: Path, charts: Sequence[Chart]) -> list[Path]:
    """Remove charts that `draw_charts` once drew in a folder and that are none of `charts` now; returns their files.

    Files that somebody has changed since stay.
    """
    known = read_json(folder / INDEX) if (folder / INDEX).exists() else {}
    others = {name: state for name, state in known.items() if name not in {chart.path.name for chart in charts}}
    removed = []
    for name, state in others.items():
        for path, drawn in zip(_files(folder / name), state["files"], strict=True):
            if path.exists() and file_hash(path) == drawn:
                path.unlink()
                removed.append(path)
    if others:
        write_json(folder / INDEX, {name: state for name, state in known.items() if name not in others})
    return removed


def _files(path: Path) -> list[Path]:
    """The PNG and the SVG file of a path without suffix."""
    return [path.with_name(f"{path.name}.{suffix}") for suffix in ("png", "svg")]


def _state(chart: Chart) -> dict[str, Any]:
    """What the chart would be drawn from now, and its files' hashes, None for a missing one."""
    return {"inputs": chart.inputs(), "files": [file_hash(path) if path.exists() else None for path in chart.files]}


def _draw_all(charts: Sequence[Chart], processes: int) -> None:
    workers = min(processes, len(charts) // WORTH_A_PROCESS)
    if workers < 2:
        for chart in charts:
            _draw(chart)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent) as pool:
        list(pool.map(_draw, charts))


def _draw(chart: Chart) -> None:
    save_figure(chart.draw(*chart.arguments), chart.path, chart.provenance)
