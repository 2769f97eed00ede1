"""The site's assembly and its own checks of links and pictures; building it needs Sphinx, which `make site` installs."""

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.alone import script
from wsss.experiments.notebooks import NOTEBOOKS
from wsss.paths import notebook_folder


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return script("docs/build.py")


@pytest.fixture(scope="module")
def source(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Sphinx is given."""
    folder: Path = tmp_path_factory.mktemp("source")
    build.assemble(notebook_folder(), folder)
    return folder


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


def test_pictures_without_a_text_are_found(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<img src="1.png"><img src="2.png" alt=" "><img src="3.png" alt="a bar a method"><img src="4.png" alt="x/4.png"/>'
    )
    assert list(build.silent_pictures(tmp_path)) == [("a.html", "1.png"), ("a.html", "2.png"), ("a.html", "4.png")]


def test_pictures_of_the_text_lead_to_themselves(build: ModuleType) -> None:
    page = '<p><img alt="a" src="../_images/a.png"/></p><a href="x"><img src="_images/b.png"></a><img src="logo.png">'
    assert build.with_whole_pictures(page) == (
        '<p><a class="whole" href="../_images/a.png"><img alt="a" src="../_images/a.png"/></a></p>'
        '<a href="x"><img src="_images/b.png"></a><img src="logo.png">'
    )


def test_all_pages_of_the_contents_are_there_once(build: ModuleType, source: Path) -> None:
    index = (source / "index.md").read_text(encoding="utf-8")
    listed = [name for part in re.findall(r"```{toctree}.*?\n\n(.*?)\n```", index, re.DOTALL) for name in part.split()]
    assert len(listed) == len(set(listed))
    for name in listed:
        assert [path.suffix for path in source.glob(f"{name}.*")] in [[".md"], [".ipynb"]], f"{name} is no page"
    for path in (path for place in (build.HERE, build.ROOT) for path in place.glob("*.md")):
        assert path.stem == "index" or path.stem in {name.rpartition("/")[2] for name in listed}
    assert {f"notebooks/{name}" for name in NOTEBOOKS} <= set(listed)
    assert {"figures/README", "results/README", "README", "api"} <= set(listed)


def test_what_the_reference_lists_is_there(build: ModuleType) -> None:
    text = (build.HERE / "api.md").read_text(encoding="utf-8")
    names = re.findall(r"^   ~(wsss\.[\w.]+)\.(\w+)$", text, re.MULTILINE)
    assert len(names) == len(set(names)) > 30
    for module, name in names:
        assert name in importlib.import_module(module).__all__, f"{module} does not hand on {name}"


def test_a_new_page_is_taken_up_by_itself(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("index", "a-new-page", "scale"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n")
    monkeypatch.setattr(build, "HERE", tmp_path)
    assert {"docs/a-new-page.md", "docs/scale.md"} <= set(build.pages())
    assert build.contents({}).endswith("```{toctree}\n:hidden:\n:caption: More\n\ndocs/a-new-page\n```")


def test_the_landing_page_has_what_other_files_say(source: Path) -> None:
    index = (source / "index.md").read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- /?([^:>]*?) -->", index)) == set()
    assert "Can a depth map help a classifier find small and hidden objects?" in index
    assert "from wsss import DepthCAM" in index
    found = index[index.index("<!-- table:found -->") : index.index("<!-- /table:found -->")]
    assert len(re.findall(r"^- \*\*", found, re.MULTILINE)) == 4
    rows = re.findall(r"^\| \[(\d\d · [^]]+)\]\(notebooks/(\w+)\.ipynb\) \| (.*\?.*) \|$", index, re.MULTILINE)
    assert [name for _, name, _ in rows] == list(NOTEBOOKS)
    pictures = re.findall(r"!\[[^]]{20,}\]\(figures/([\w-]+)\.png\)", index)
    assert len(pictures) == 2
    assert pictures[0] in ("method-diagram", "method")


def test_a_readme_without_its_parts_is_an_error(build: ModuleType) -> None:
    with pytest.raises(SystemExit, match="must begin with a question"):
        build.landing_page("<!-- question -->", "# Title\n\nWhy?\n\n## Run it\n", {})


def test_links_of_the_assembled_pages_lead_somewhere(source: Path) -> None:
    for page in source.rglob("*.md"):
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)", text):
            assert (page.parent / link).is_file(), f"{page.relative_to(source)}: {link}"


def test_every_picture_of_a_notebook_has_a_text(source: Path) -> None:
    for name in NOTEBOOKS:
        notebook = json.loads((source / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if any("image/png" in output.get("data", {}) for output in cell.get("outputs", ())):
                text = cell["metadata"]["mystnb"]["image"]["alt"]
                assert len(text) > 12, name
                assert not re.search(r"[*`$\n]", text), text


def markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": [text], "metadata": {}}


def test_a_picture_is_described_by_what_was_said_before_it(build: ModuleType) -> None:
    def drawn() -> dict[str, Any]:
        return {"cell_type": "code", "source": [], "metadata": {}, "outputs": [{"data": {"image/png": "…"}}]}

    own = drawn() | {"metadata": {"mystnb": {"image": {"alt": "its own"}}}}
    cells = [markdown("## Two *suspicions*\n\n| a |\n\nSize `a`, and [shape](b.md). Then more."), drawn(), own]
    cells += [markdown("Now by class:\n\n- x"), drawn(), markdown("## Another"), drawn()]
    build.describe_pictures({"cells": cells})
    texts = [cell["metadata"]["mystnb"]["image"]["alt"] for cell in cells if cell["cell_type"] == "code"]
    assert texts == [
        "Two suspicions: Size a, and shape.",
        "its own",
        "Two suspicions: Now by class:",
        "Figure: Another",
    ]


@pytest.mark.parametrize(
    ("cell", "question"),
    [
        ("# 01 · CAM\n\n[contents](../README.md)\n\n**Question.** How far?\n\n**Needs.** Why not?", "How far?"),
        ("# 01 · CAM\n\nHow far,\nand when?", "How far, and when?"),
        ("# 01 · CAM", ""),
    ],
)
def test_a_chapter_says_its_question(build: ModuleType, cell: str, question: str) -> None:
    assert build.title_and_question(cell) == ("01 · CAM", question)


def test_a_page_that_moves_up_leads_where_it_led(build: ModuleType) -> None:
    text = "[a](results.md#x) [b](../README.md) ![c](../figures/method.png) [d](api.md#y) [e](#z) [f](https://a.b/c)"
    assert build.moved_up(text, "docs") == (
        "[a](docs/results.md#x) [b](README.md) ![c](figures/method.png) [d](api.md#y) [e](#z) [f](https://a.b/c)"
    )


def test_links_to_folders_lead_to_the_page_in_them(build: ModuleType) -> None:
    text = "[figures/](figures), [these](results/) and [`docs/`](docs); [a](README.md)"
    assert build.without_folders(text, "") == (
        "[figures/](figures/README.md), [these](results/README.md) and `docs/`; [a](README.md)"
    )


def test_no_notebooks_are_an_error(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(SystemExit, match="no notebooks in"):
        build.assemble(tmp_path, tmp_path / "source")
