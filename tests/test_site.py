"""The site's own check of links, and its assembly; building it needs Sphinx, which `make site` installs."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from wsss.experiments.notebooks import NOTEBOOKS
from wsss.paths import notebook_folder


@pytest.fixture(scope="module")
def build() -> ModuleType:
    path = notebook_folder().parent / "docs" / "build.py"
    spec = importlib.util.spec_from_file_location("site_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_that_lead_nowhere_are_found(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top">x</h1><a href="#top">ok</a><a href="#gone">no</a><a href="deep/a.html#part">ok</a>'
        '<a href="deep/a.html#other">no</a><img src="no.png"><a href="https://example.org/x">not followed</a>'
    )
    (tmp_path / "deep" / "a.html").write_text('<p id="part"></p><a href="..">no, but the index is there</a>')
    assert list(build.broken_links(tmp_path)) == [
        ("index.html", "#gone"),
        ("index.html", "deep/a.html#other"),
        ("index.html", "no.png"),
    ]


def test_the_site_has_all_notebooks_and_the_figures_of_the_readme(build: ModuleType, tmp_path: Path) -> None:
    build.assemble(notebook_folder(), tmp_path)
    assert sorted(path.stem for path in (tmp_path / "notebooks").iterdir()) == sorted(NOTEBOOKS)
    assert (tmp_path / "figures" / "method.png").exists()
    text = (tmp_path / "README.md").read_text()
    assert "](figures)" not in text
    index = (tmp_path / "index.md").read_text()
    for name in NOTEBOOKS:
        assert f"notebooks/{name}" in index


def test_pages_that_are_listed_or_linked_to_are_there(build: ModuleType, tmp_path: Path) -> None:
    build.assemble(notebook_folder(), tmp_path)
    listed = re.findall(r"```{toctree}.*?\n\n(.*?)\n```", (tmp_path / "index.md").read_text(), re.DOTALL)
    pages = [name for part in listed for name in part.splitlines()]
    assert len(pages) == len(set(pages)) > len(NOTEBOOKS)
    for name in pages:
        assert list(tmp_path.glob(f"{name}.*")), f"{name} is no page"
    linked = re.findall(r"\]\(([\w./-]+\.md)(?:#[\w-]+)?\)", (tmp_path / "README.md").read_text())
    assert "docs/scale.md" in linked
    for name in linked:
        assert (tmp_path / name).exists(), f"{name} leads nowhere"


def test_the_landing_page_finds_its_parts_in_the_readme(build: ModuleType) -> None:
    readme, index = (build.ROOT / "README.md").read_text(), (build.HERE / "index.md").read_text()
    marks = [line.split(": ", 1)[1].strip('"') for line in index.splitlines() if line.startswith((":start", ":end"))]
    assert marks
    for mark in marks:
        assert mark in readme


def test_no_notebooks_are_an_error(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(SystemExit, match="no notebooks in"):
        build.assemble(tmp_path, tmp_path / "source")
