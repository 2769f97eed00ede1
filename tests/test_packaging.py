"""The files that say what is installed agree: pyproject.toml, requirements.lock, environment.yml and the rest.

They are compared as files, not with what happens to be installed, so that the tests also hold where somebody works with
other versions within the bounds.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import wsss

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
LOCK_LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
LOCKED_ON = {"python_version": "3.11", "sys_platform": "linux", "platform_machine": "x86_64"}
LOCKED = ("notebooks", "render", "hub", "seg", "export", "bench", "dev")
"""Extras that the lock holds; `all` is the first five of them."""
# The pairs are published on the torchvision project page; add one when the lock moves on.
TORCHVISION_OF_TORCH = {"2.14.1": "0.29.1"}


def pins() -> dict[str, Version]:
    """Canonical name → exact version of every line of the lock."""
    requirements = [Requirement(line) for line in LOCK_LINES]
    return {
        canonicalize_name(requirement.name): Version(str(requirement.specifier).removeprefix("=="))
        for requirement in requirements
    }


def declared(*groups: str) -> list[Requirement]:
    """The runtime dependencies of pyproject.toml and those of the named extras."""
    extras = [text for group in groups for text in PROJECT["optional-dependencies"][group]]
    return [Requirement(text) for text in PROJECT["dependencies"] + extras]


def test_every_line_of_the_lock_is_one_exact_pin() -> None:
    for line in LOCK_LINES:
        (specifier,) = Requirement(line).specifier
        assert specifier.operator == "==", line
        assert "*" not in specifier.version, line
    assert len(pins()) == len(LOCK_LINES), "a package is locked twice"


@pytest.mark.parametrize("requirement", declared(*LOCKED), ids=lambda requirement: requirement.name)
def test_lock_satisfies_pyproject(requirement: Requirement) -> None:
    pinned = pins().get(canonicalize_name(requirement.name))
    assert pinned is not None, f"{requirement.name} is not in requirements.lock: run `make lock`"
    assert requirement.specifier.contains(pinned), f"{requirement.name}=={pinned} breaks {requirement}: run `make lock`"


def test_lock_holds_on_the_platform_that_it_is_for() -> None:
    markers = {line: Requirement(line).marker for line in LOCK_LINES}
    assert not [line for line, marker in markers.items() if marker is not None and not marker.evaluate(LOCKED_ON)]


@pytest.mark.parametrize("requirement", declared(*LOCKED[:-1], "crf"), ids=lambda requirement: requirement.name)
def test_runtime_dependencies_have_a_floor_and_a_cap(requirement: Requirement) -> None:
    assert {specifier.operator for specifier in requirement.specifier} == {">=", "<"}


def test_the_lock_is_made_from_all_extras_that_it_holds() -> None:
    (whole,) = (Requirement(text) for text in PROJECT["optional-dependencies"]["all"])
    assert (whole.name, sorted(whole.extras)) == (PROJECT["name"], sorted(LOCKED[:5]))
    assert re.search(r'^EXTRAS = "all,dev,bench"$', (ROOT / ".ci/lock.py").read_text(), flags=re.MULTILINE)
    assert "extras all, dev and bench need" in (ROOT / "requirements.lock").read_text()


def test_torch_and_torchvision_are_a_pair() -> None:
    assert str(pins()["torchvision"]) == TORCHVISION_OF_TORCH[str(pins()["torch"])]


def test_conda_environment_takes_its_versions_from_the_lock() -> None:
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert conda["name"] == "wsss"
    *packages, pip = conda["dependencies"]
    assert packages == [f"python={LOCKED_ON['python_version']}", "pip"]
    assert pip == {"pip": ["-r requirements.lock", "-e ."]}


def test_one_python_version_everywhere() -> None:
    python = LOCKED_ON["python_version"]
    assert f"with Python {python};" in (ROOT / "requirements.lock").read_text()
    assert f"(3, {python.removeprefix('3.')})" in (ROOT / "Makefile").read_text()
    assert f'python-version: "{python}"' in (ROOT / ".github/workflows/ci.yml").read_text()
    assert PYPROJECT["tool"]["mypy"]["python_version"] == python
    assert Version(python) in Requirement(f"python{PROJECT['requires-python']}").specifier


def test_the_hosted_checks_install_on_every_python_that_the_metadata_names() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    matrix = jobs["install"]["strategy"]["matrix"]
    named = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if "Python :: 3." in text]
    assert matrix["python"] == named == ["3.11", "3.12", "3.13"]
    systems = {"ubuntu-latest": "Linux", "macos-latest": "MacOS", "windows-latest": "Windows"}
    told = {text.rpartition(" ")[2] for text in PROJECT["classifiers"] if text.startswith("Operating System")}
    assert {systems[name] for name in matrix["os"]} == told


def test_citation_agrees_with_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == wsss.__version__
    assert citation["license"] == PROJECT["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Makefile, without what a surrounding `make test` hands down."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_makefile_explains_every_public_target() -> None:
    targets = re.findall(r"^  make (\w+) +\S", make().stdout, flags=re.MULTILINE)
    assert targets == [
        "help", "env", "reproduce", "smoke", "lab", "results", "report", "figures", "site", "release", "test", "lint", "lock", "clean"
    ]  # fmt: skip


def test_makefile_refuses_another_python(tmp_path: Path) -> None:
    result = make("env", "PYTHON=/bin/false", f"VENV={tmp_path / 'venv'}")
    assert result.returncode != 0
    assert result.stderr.startswith(
        "error: Python 3.11 is needed (the lock is for it; 'pip install .' takes newer ones), "
    )
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("name", ["Makefile", ".ci/run"])
def test_no_message_of_a_script_is_run_as_a_command(name: str) -> None:
    """What stands between backticks is, where the shell reads it: a message that named `pip install .` did that."""
    lines = (ROOT / name).read_text().splitlines()
    assert [line for line in lines if "`" in line and not line.lstrip().startswith("#")] == []


def test_makefile_leaves_a_foreign_directory_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    result = make("env", "PYTHON=/bin/true", f"VENV={tmp_path}")
    assert result.returncode != 0
    assert "was not made by this Makefile" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_interrupted_environment_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    for _ in range(2):  # the second time it is made anew, and fails again
        assert make("env", "PYTHON=/bin/true", f"VENV={venv}").returncode != 0  # /bin/true makes no environment
        assert [path.name for path in venv.iterdir()] == [".unfinished"]


def test_finished_environment_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".installed").touch()
    assert make("--question", "env", f"VENV={tmp_path}").returncode == 0
