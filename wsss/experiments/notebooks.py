"""Executes the notebooks with papermill, and refuses what papermill only warns about."""

import os
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.errors import WsssError
from wsss.io import atomic_path, content_hash, read_table, write_json
from wsss.machine.lazy import needed
from wsss.machine.memory import peak_memory
from wsss.paths import notebook_folder
from wsss.records.provenance import provenance

__all__ = [
    "NOTEBOOKS",
    "WITHOUT_RUN",
    "chapter_times",
    "check_names",
    "check_outputs",
    "check_parameters",
    "execute",
    "keep_outputs",
    "parameters_of",
]

NOTEBOOKS = (
    "00_quickstart",
    "01_baseline_cam",
    "02_failure_analysis",
    "03_depth_guided_cropping",
    "04_pseudo_labels",
    "05_segmentation_training",
    "06_miou_tables",
)

nbformat, papermill = needed("nbformat", "executing notebooks"), needed("papermill", "executing notebooks")

TIMES = "times.json"
"""File beside executed notebooks."""

WITHOUT_RUN = ("00_quickstart",)
"""Those that open no run: their parameters are their own, and what is said of a run does not concern them."""


def parameters_of(path: Path) -> dict[str, Any]:
    """Names and defaults of the cell tagged `parameters`.

    Raises:
        WsssError: unreadable, or not exactly one such cell.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        parameters = papermill.inspect_notebook(str(path))
    except Exception as error:  # nbformat raises half a dozen types on a file that is something else
        raise WsssError(f"cannot read notebook {path}: {error}. Restore it from the repository.") from error
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise WsssError(f"{path} has {len(tagged)} cells tagged `parameters`; exactly one is needed")
    return {name: parameter["default"] for name, parameter in parameters.items()}


def check_parameters(path: Path, given: Mapping[str, Any]) -> None:
    """Raise a `WsssError` when a given parameter is not declared in the notebook's parameters cell."""
    declared = parameters_of(path)
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise WsssError(f"{path.name} has no parameter {unknown[0]!r}; it has {', '.join(sorted(declared))}")


def check_names(names: Sequence[str]) -> None:
    """Raise a `WsssError` unless there are such notebooks."""
    for name in names:
        if name not in NOTEBOOKS:
            raise WsssError(f"unknown notebook {name!r}; choose from {', '.join(NOTEBOOKS)}")


def execute(
    parameters: Mapping[str, Any], output: Path, names: Sequence[str] = NOTEBOOKS, *, progress: bool = True
) -> list[Path]:
    """Execute notebooks in order, each in its own kernel, into the folder `output`; stops at the first error.

    How long each took is written to `times.json` beside them (see `chapter_times`).

    Args:
        parameters: values for the parameters cells; all are checked before anything runs.

    Raises:
        WsssError: unknown notebook or parameter, or a cell that failed (the message names notebook and cell).
    """
    folder = notebook_folder()
    check_names(names)
    for name in names:
        check_parameters(folder / f"{name}.ipynb", parameters)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WsssError(f"cannot write {output}: {error.strerror}. Check free space and permissions.") from error
    os.environ["WSSS_HEADLESS"] = "1"  # kernels inherit it: panels are drawn once instead of being live
    written = []
    for name in names:
        target, start = output / f"{name}.ipynb", time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the Jupyter stack, about itself
                papermill.execute_notebook(
                    str(folder / f"{name}.ipynb"),
                    str(target),
                    dict(parameters),
                    progress_bar=progress,
                    kernel_name="python3",
                    extra_arguments=[
                        "--log-level=ERROR"
                    ],  # the kernel warns on the console that it listens on loopback
                )
        except papermill.PapermillExecutionError as error:
            raise WsssError(
                f"{name} failed in cell {error.exec_count}: {error.ename}: {error.evalue}. The executed notebook is "
                f"{target}."
            ) from error
        except (OSError, RuntimeError) as error:  # a full disk; a kernel that died, as it does when memory runs out
            raise WsssError(
                f"{name} stopped: {error}. Check free space, memory and permissions of {output}."
            ) from error
        written.append(target)
        _keep_time(output / TIMES, name, time.perf_counter() - start, parameters)
    return written


def chapter_times(folder: Path) -> dict[str, float]:
    """Seconds that each notebook executed into `folder` took, by name; what was in the cache took none of them."""
    path = folder / TIMES
    if not path.exists():
        return {}
    found = read_table(path)
    try:
        return {str(name): float(one["seconds"]) for name, one in found["chapters"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WsssError(f"{path} holds no times of notebooks: {error!r}. Delete it.") from error


def _keep_time(path: Path, name: str, seconds: float, parameters: Mapping[str, Any]) -> None:
    """Put the time of a notebook beside those of others."""
    kept = read_table(path).get("chapters", {}) if path.exists() else {}
    chapters = {**kept, name: {"seconds": round(seconds, 1), "parameters": dict(parameters)}}
    made = provenance(cores=os.cpu_count(), peak_gigabytes=peak_memory())
    write_json(path, {"chapters": chapters, "provenance": made})


def _source_hash(notebook: Any) -> str:
    """Hash of the code that outputs come from, without the cell that papermill injects. Text between the cells makes
    none."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return content_hash([cell.source for cell in code if "injected-parameters" not in cell.metadata.get("tags", [])])


def keep_outputs(executed: Path) -> Path:
    """Put an executed notebook's outputs into `notebooks/`, with the hash of the code that they belong to."""
    notebook = nbformat.read(executed, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        for temporary in ("papermill", "execution"):  # times and states that differ in every run
            cell.metadata.pop(temporary, None)
    notebook.metadata.pop("papermill", None)
    notebook.metadata["wsss"] = {"source_sha256": _source_hash(notebook)}
    target = notebook_folder() / executed.name
    with atomic_path(target) as path:
        nbformat.write(notebook, path)
    return target


def keep_figures(folder: Path, name: str) -> None:
    """Copy figure `name` (PNG and SVG) of a run into the committed `figures/`."""
    target = notebook_folder().parent / "figures"
    for source in folder.glob(f"{name}.*"):
        with atomic_path(target / source.name) as path:
            shutil.copyfile(source, path)


def check_outputs(path: Path) -> None:
    """Raise a `WsssError` when a committed notebook's outputs do not belong to its code, or are missing."""
    notebook = nbformat.read(path, as_version=4)
    stamped = notebook.metadata.get("wsss", {}).get("source_sha256")
    if stamped != _source_hash(notebook):
        raise WsssError(f"outputs of {path} are not of this code: run `wsss run --save-outputs`")
