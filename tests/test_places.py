"""Where things are kept, from a checkout and from an installed copy, and the environment variables that say otherwise."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsss import paths
from wsss.checks import switched_on
from wsss.data import download
from wsss.data.tabletop import default_root
from wsss.errors import WsssError
from wsss.paths import PACKAGE, cache_folder, checkout, checkout_folder, runs_folder

ROOT = Path(__file__).resolve().parent.parent
VARIABLES = re.findall(
    r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8"), flags=re.MULTILINE
)
"""The names in the table of the page on the command line."""

OF_LAUNCHERS = ("wsss/machine/processes.py",)
"""Files that read variables which a launcher sets and no person."""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy in `site-packages`, as it looks to the package; the current folder is another."""
    package = tmp_path / "site-packages" / "wsss"
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(paths, "PACKAGE", package)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("WSSS_RUNS", raising=False)
    return package


def test_runs_of_a_checkout_lie_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WSSS_RUNS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert checkout() == ROOT == PACKAGE.parent
    assert runs_folder() == ROOT / "runs"
    assert checkout_folder("notebooks") == ROOT / "notebooks"


def test_runs_of_an_installed_copy_lie_in_the_current_folder(installed: Path) -> None:
    assert checkout() is None
    assert runs_folder() == Path.cwd() / "runs"
    for folder in ("notebooks", "benchmarks"):
        with pytest.raises(WsssError, match=f"no {folder}/ beside .*: run from a checkout"):
            checkout_folder(folder)


@pytest.mark.parametrize("text", ['[project]\nname = "another"\n', "[tool.ruff]\n", "project = 1\n", "name = [", "\0"])
def test_a_copy_in_another_project_is_no_checkout(installed: Path, text: str) -> None:
    installed.mkdir(parents=True)
    (installed.parent / "pyproject.toml").write_text(text)
    assert checkout() is None
    assert runs_folder() == Path.cwd() / "runs"


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch, installed: Path, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "mine"))
    monkeypatch.setenv("WSSS_CACHE", str(tmp_path / "data"))
    assert runs_folder() == tmp_path / "mine"
    assert cache_folder() == default_root().parent == download.default_root().parent == tmp_path / "data"
    monkeypatch.setenv("WSSS_RUNS", "")
    monkeypatch.setenv("WSSS_CACHE", "")
    assert runs_folder() == Path.cwd() / "runs"
    assert cache_folder() == Path.home() / ".cache" / "wsss"


def test_an_installed_copy_leaves_nothing_beside_itself(tmp_path: Path) -> None:
    """In a process of its own, as it is imported from `site-packages`."""
    packages, here = tmp_path / "site-packages", tmp_path / "here"
    shutil.copytree(PACKAGE, packages / "wsss", ignore=shutil.ignore_patterns("__pycache__"))
    here.mkdir()
    code = "import wsss.paths as paths; print(paths.__file__); print(paths.runs_folder())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, env={"PYTHONPATH": str(packages)}, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stdout.split() == [str(packages / "wsss" / "paths.py"), str(here / "runs")]


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("yes", True), ("0", False), ("", False), (None, False)])
def test_switches(monkeypatch: pytest.MonkeyPatch, value: str | None, expected: bool) -> None:
    monkeypatch.delenv("WSSS_DEBUG", raising=False)
    if value is not None:
        monkeypatch.setenv("WSSS_DEBUG", value)
    assert switched_on("WSSS_DEBUG") is expected


def read_from_the_environment() -> Iterator[tuple[str, str | None]]:
    """File and name of each environment variable that the package reads or sets; None where the name is no literal."""
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found: list[ast.expr] = []
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                found += [word.value for word in node.keywords if word.arg == "envvar"]
                if name in ("os.environ.get", "os.getenv", "os.environ.setdefault", "os.environ.pop", "switched_on"):
                    found += node.args[:1]
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                found.append(node.slice)
            for one in found:
                yield place, str(one.value) if isinstance(one, ast.Constant) else None


def test_every_variable_that_is_read_is_in_the_table() -> None:
    names = {name for place, name in read_from_the_environment() if place not in OF_LAUNCHERS and name is not None}
    assert {"WSSS_RUNS", "WSSS_CACHE", "WSSS_PROFILE", "WSSS_DEBUG", "WSSS_HEADLESS"} <= names
    assert names == set(VARIABLES)
    assert len(VARIABLES) == len(set(VARIABLES))
    unknown = {place for place, name in read_from_the_environment() if name is None}
    assert unknown <= {*OF_LAUNCHERS, "wsss/checks.py"}  # of `switched_on`, which is told the name
    text = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert set(re.findall(r"WSSS_[A-Z]+", text)) == {
        name for name in VARIABLES if name.startswith("WSSS_")
    }  # docstrings and messages name no other
