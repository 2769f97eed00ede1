"""The seven notebooks: their common form, the strict check of parameters, and a smoke run of all of them."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import numpy as np
import pytest
import skimage.data
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from wsss.errors import WsssError
from wsss.experiments.notebooks import (
    NOTEBOOKS,
    WITHOUT_RUN,
    check_outputs,
    check_parameters,
    execute,
    parameters_of,
)
from wsss.io import read_json
from wsss.paths import notebook_folder

PARAMETERS = {
    "profile": "default",
    "data": "tabletop",
    "root": None,
    "classes": None,
    "depth": None,
    "depth_kind": None,
    "crops": None,
    "seed": 0,
}
OWN_PARAMETERS = {"photo": None, "depth": None, "depth_kind": None, "classes": None}
"""Of the chapter that opens no run."""

CELL_LINES, FUNCTION_LINES, COMMITTED_BYTES = 30, 10, 2_500_000
SMOKE_SECONDS = 900  # a limit for a busy machine; two idle cores need less than three minutes

CROPS = """
[crops]
count = 5
[fusion]
crop_weight = 1
gate = 2
vote = 1
colour = 0.5
reach = 0.9
[label]
threshold = 0.6
"""

every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
every_notebook_of_a_run = pytest.mark.parametrize("name", [name for name in NOTEBOOKS if name not in WITHOUT_RUN])


def parameters_for(name: str) -> Mapping[str, object]:
    return OWN_PARAMETERS if name in WITHOUT_RUN else PARAMETERS


def path_of(name: str) -> Path:
    return notebook_folder() / f"{name}.ipynb"


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_of(notebook: nbformat.NotebookNode) -> list[str]:
    """Sources of the code cells, without lines that are IPython's (`%matplotlib inline`)."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return [re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE) for source in sources]


def write_notebook(folder: Path, cells: dict[str, list[str]]) -> Path:
    """A notebook with code cells: source → tags."""
    notebook = new_notebook(
        cells=[new_code_cell(source, metadata={"tags": tags}) for source, tags in cells.items()],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    path = folder / "some.ipynb"
    nbformat.write(notebook, path)
    return path


# ---- form ---------------------------------------------------------------------------------------------------------


def test_there_are_these_seven_notebooks_and_no_other():
    assert sorted(path.stem for path in notebook_folder().glob("*.ipynb")) == sorted(NOTEBOOKS)


@every_notebook
def test_valid_with_distinct_cell_ids_and_the_plain_kernel(name: str):
    notebook = read(path_of(name))
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell["id"] for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


@every_notebook
def test_one_parameters_cell_with_the_same_names_and_defaults(name: str):
    cells = [cell for cell in read(path_of(name)).cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(cells) == 1
    values: dict[str, object] = {}
    for statement in ast.parse(cells[0].source).body:
        assert isinstance(statement, ast.Assign)
        assert isinstance(statement.targets[0], ast.Name)
        values[statement.targets[0].id] = ast.literal_eval(statement.value)
    assert values == parameters_for(name)
    assert list(values) == list(parameters_for(name))
    # What papermill understands of the cell must be all of it: a comment can confuse its parser.
    assert list(parameters_of(path_of(name))) == list(parameters_for(name))


@every_notebook
def test_opens_with_number_question_needs_and_leaves(name: str):
    first = read(path_of(name)).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {name[:2]} · ")
    for part in ("**Question.**", "**Needs.**", "**Leaves behind.**", "**Time.**"):
        assert part in first.source


@every_notebook
def test_navigation_leads_to_its_neighbours_and_all_links_exist(name: str):
    markdown = [cell.source for cell in read(path_of(name)).cells if cell.cell_type == "markdown"]
    place = NOTEBOOKS.index(name)
    expected = {
        f"{other}.ipynb" for other in (*NOTEBOOKS[max(0, place - 1) : place], *NOTEBOOKS[place + 1 : place + 2])
    }
    assert {"../README.md", *expected} <= set(re.findall(r"\]\(([^)]+)\)", markdown[0]))
    links = {link for text in markdown for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link}
    missing = [link for link in links if not (notebook_folder() / link.partition("#")[0]).exists()]
    assert not missing


@every_notebook
def test_ends_with_what_was_learnt_and_exercises(name: str):
    text = "\n".join(cell.source for cell in read(path_of(name)).cells if cell.cell_type == "markdown")
    learnt, exercises = text.index("## What was learnt"), text.index("## Exercises")
    assert learnt < exercises
    assert re.findall(r"^(\d)\. ", text[exercises:], flags=re.MULTILINE) == ["1", "2", "3"]


@every_notebook
def test_cells_and_functions_are_short(name: str):
    for source in code_of(read(path_of(name))):
        assert len(source.splitlines()) <= CELL_LINES, source
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < FUNCTION_LINES, node.name


@every_notebook_of_a_run
def test_smoke_runs_are_stamped_as_no_result(name: str):
    code = "\n".join(code_of(read(path_of(name))))
    assert "run_line(run)" in code or "NOT A RESULT" in code


@every_notebook
def test_what_is_committed_is_small_and_shows_no_error_or_warning(name: str):
    assert path_of(name).stat().st_size < COMMITTED_BYTES
    assert problems(read(path_of(name))) == []


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """Errors and what was written to stderr, of all cells."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    errors = [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
    return errors + [output.text for output in outputs if output.get("name") == "stderr"]


def test_outputs_belong_to_code_and_not_to_text(tmp_path: Path):
    notebook = read(path_of("02_failure_analysis"))
    path = tmp_path / "some.ipynb"

    def write(kind: str, added: str) -> None:
        changed = nbformat.from_dict(notebook)
        cell = next(cell for cell in changed.cells if cell.cell_type == kind)
        source, cell.source = cell.source, cell.source + added
        nbformat.write(changed, path)
        cell.source = source

    write("markdown", "A sentence more.")
    check_outputs(path)
    write("code", "\n")
    with pytest.raises(WsssError, match="not of this code"):
        check_outputs(path)


# ---- strict parameters --------------------------------------------------------------------------------------------


@every_notebook
def test_declared_parameters_are_accepted(name: str):
    check_parameters(path_of(name), parameters_for(name))


@every_notebook
def test_an_unknown_parameter_is_an_error_that_lists_the_known_ones(name: str):
    known = next(iter(parameters_for(name)))
    with pytest.raises(WsssError, match=r"'sed'.*depth_kind.*"):
        check_parameters(path_of(name), {known: 1, "sed": 2})


@pytest.mark.parametrize("tags", [[], ["parameter"], ["Parameters"]])
def test_a_missing_tag_is_an_error(tmp_path: Path, tags: list[str]):
    with pytest.raises(WsssError, match="0 cells tagged"):
        parameters_of(write_notebook(tmp_path, {"seed = 0": tags}))


def test_two_parameters_cells_are_an_error(tmp_path: Path):
    path = write_notebook(tmp_path, {"seed = 0": ["parameters"], "data = 1": ["parameters"]})
    with pytest.raises(WsssError, match="2 cells tagged"):
        parameters_of(path)


def test_parameters_of_a_cell(tmp_path: Path):
    path = write_notebook(tmp_path, {"import os": [], "seed = 0  # of training\nroot = None": ["parameters"]})
    assert list(parameters_of(path)) == ["seed", "root"]


@pytest.mark.parametrize("content", [None, "", "{}"])
def test_a_broken_notebook_is_named(tmp_path: Path, content: str | None):
    path = tmp_path / "broken.ipynb"
    if content is not None:
        path.write_text(content)
    with pytest.raises(WsssError, match=r"broken\.ipynb"):
        parameters_of(path)


def test_nothing_runs_with_an_unknown_parameter_or_notebook(tmp_path: Path):
    with pytest.raises(WsssError, match="no parameter 'speed'"):
        execute({"speed": 1}, tmp_path / "out")
    with pytest.raises(WsssError, match="unknown notebook '07"):
        execute({}, tmp_path / "out", ["07_more"])
    assert not (tmp_path / "out").exists()


def test_a_chapter_without_run_takes_no_parameter_of_one(tmp_path: Path):
    assert WITHOUT_RUN == ("00_quickstart",)
    with pytest.raises(WsssError, match="no parameter 'profile'"):
        execute({"profile": "smoke"}, tmp_path / "out", WITHOUT_RUN)


# ---- the smoke run ------------------------------------------------------------------------------------------------


def smoke_run(folder: Path, *options: str) -> None:
    """The notebooks in a process of their own, as `make smoke` does it; everything they leave is below `folder`."""
    places = {"WSSS_RUNS": str(folder / "runs"), "WSSS_CACHE": str(folder / "data")}
    command = [sys.executable, "-m", "wsss", "run", "--profile", "smoke", "--data", "tabletop", *options]
    done = subprocess.run(
        command,
        env=os.environ | places,
        cwd=folder,  # not the checkout: nothing may depend on where a run is started
        capture_output=True,
        text=True,
        timeout=SMOKE_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_smoke_run_of_all_notebooks(tmp_path: Path):
    smoke_run(tmp_path)
    folder = tmp_path / "runs" / "smoke"
    executed = {path.stem: path for path in folder.rglob("*.ipynb")}
    if keep := os.environ.get("WSSS_KEEP"):  # for whoever wants to look at them
        for path in executed.values():
            Path(keep).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, keep)
    assert sorted(executed) == sorted(NOTEBOOKS)
    for name, path in executed.items():
        notebook = read(path)
        assert problems(notebook) == [], name
        code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
        assert all(cell.execution_count for cell in code), name
        assert name in WITHOUT_RUN or "NOT A RESULT" in str([cell.outputs for cell in code]), name

    records = [read_json(path) for path in (folder / "results").glob("tabletop/*/*/*.json")]
    assert {record["stage"] for record in records} == {"cam", "pseudo", "segmentation"}
    assert {record["profile"] for record in records} == {"smoke"}
    assert list((folder / "figures").glob("*.png"))

    # With a file of crop parameters a run has a folder of its own, and its records say where the threshold is from.
    file = tmp_path / "mine.toml"
    file.write_text(CROPS)
    smoke_run(tmp_path, "--crops", str(file), "--notebooks", "04_pseudo_labels")
    (record,) = [read_json(path) for path in (tmp_path / "runs/smoke-mine/results").rglob("depth@sensor.json")]
    assert (record["threshold"]["chosen_on"], record["threshold"]["value"]) == ("file", 0.6)
    assert "crops of mine.toml" in (tmp_path / "runs/smoke-mine/notebooks/tabletop/04_pseudo_labels.ipynb").read_text()

    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs" / "cache").rglob("*") if path.is_file()}
    assert any(path.suffix == ".safetensors" for path in made)
    smoke_run(tmp_path, "--notebooks", "06_miou_tables")  # it needs every stage: all come from the cache
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs" / "cache").rglob("*") if path.is_file()}
    assert after == made


# ---- chapter 00 from an installed wheel ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs; no checkout is near."""
    root, folder = notebook_folder().parent, tmp_path_factory.mktemp("wheel")
    shutil.copytree(root / "wsss", folder / "source" / "wsss", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(root / name, folder / "source")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([*command, "-w", str(folder), str(folder / "source")], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    shutil.unpack_archive(wheel, folder / "site", "zip")
    return folder / "site"


@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True], ids=["motorcycle", "own photograph"])
def test_chapter_00_runs_from_a_wheel_without_network(installed: Path, tmp_path: Path, own: bool):
    shutil.copy(path_of("00_quickstart"), tmp_path)
    places = {"PYTHONPATH": str(installed), "WSSS_HEADLESS": "1", "WSSS_CACHE": str(tmp_path / "cache")}
    offline = {"HF_HUB_OFFLINE": "1", "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    parameters: list[str] = []
    if own:
        image, _, disparity = skimage.data.stereo_motorcycle()
        Image.fromarray(image[::3, ::3]).save(tmp_path / "mine.png")
        np.save(tmp_path / "near.npy", disparity[::3, ::3])
        given = {"photo": "mine.png", "depth": "near.npy", "depth_kind": "inverse", "classes": "moped,crash helmet"}
        parameters = [text for pair in given.items() for text in ("-p", *pair)]

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            env=os.environ | places | offline,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SMOKE_SECONDS,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    assert Path(run("-c", "import wsss.paths; print(wsss.__file__, wsss.paths.checkout())").split()[0]).is_relative_to(
        installed
    )
    run("-m", "papermill", "00_quickstart.ipynb", "out.ipynb", "--kernel", "python3", "--no-progress-bar", *parameters)
    executed = read(tmp_path / "out.ipynb")
    assert problems(executed) == []
    said = str([cell.get("outputs") for cell in executed.cells])
    assert ("mine: 247×167 pixels, with depth" if own else "motorcycle: 741×500 pixels, with depth") in said
    assert ("there is no outline" in said) is own
    assert not list((tmp_path / "cache").glob("*"))
