"""What is installed by which extra: each is enough for what it is for, and where it is missing one line names it."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name

from tests.alone import PROJECT, ROOT, declared, environment_of, script
from wsss.machine.lazy import EXTRAS

OPTIONAL = PROJECT["optional-dependencies"]
CARD = [
    "jupyterlab",
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "numpy",
    "matplotlib",
    "seaborn",
    "papermill",
    "ipywidgets",
]
"""The packages that the project was asked to use."""


def alone(name: str) -> subprocess.CompletedProcess[str]:
    """`tests/alone.py` in a process of its own."""
    return subprocess.run([sys.executable, str(ROOT / "tests" / "alone.py"), name], capture_output=True, text=True)


@pytest.mark.parametrize("name", script(".ci/extras.py").CHECKS)
def test_an_extra_alone_is_enough_for_what_it_is_for(name: str) -> None:
    wanted = declared(None if name == "core" else name)
    there = environment_of(wanted)
    if lacking := {canonicalize_name(each.name) for each in wanted} - there:
        pytest.skip(f"not installed: {', '.join(sorted(lacking))}")
    done = alone(name)
    assert done.returncode == 0, done.stderr[-2000:]


def test_without_extras_one_line_names_the_one_that_is_needed() -> None:
    done = alone("missing")
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert re.fullmatch(r"error: \w+ is not installed: pip install 'wsss-depth-cam\[notebooks\]'", line)


def test_every_module_of_an_extra_is_known_to_be() -> None:
    owners = packages_distributions()
    for module, extra in EXTRAS.items():
        assert extra in OPTIONAL, module
        if module in owners:
            assert {canonicalize_name(each) for each in owners[module]} & environment_of(declared(extra)), module


def imported(path: Path) -> set[str]:
    """Top-level modules that a file imports, anywhere in it, by statement or by `lazy` and `needed`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("lazy", "needed"):
            found |= {str(each.value) for each in node.args[:1] if isinstance(each, ast.Constant)}
    return {name.partition(".")[0] for name in found}


def test_the_package_imports_what_it_declares() -> None:
    """By a line of its own: not what comes with something else."""
    owners = {name: {canonicalize_name(one) for one in found} for name, found in packages_distributions().items()}
    core = {canonicalize_name(each.name) for each in declared(None)}
    undeclared = {
        f"{path.name}: {name}"
        for path in (ROOT / "wsss").rglob("*.py")
        for name in imported(path) - sys.stdlib_module_names - {"wsss", "benchmarks"} - set(EXTRAS)
        if not owners.get(name, set()) & core
    }
    assert undeclared == set()


def test_the_core_is_without_the_extras() -> None:
    """Nothing of the core brings along what an extra is for."""
    there = environment_of(declared(None))
    assert there.isdisjoint({"jupyterlab", "transformers", "embreex", "segmentation-models-pytorch", "onnx", "seaborn"})


def test_conda_users_get_the_ten_packages_of_the_card_and_all_extras_of_the_notebooks() -> None:
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert "-r requirements.lock" in conda["dependencies"][-1]["pip"]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE))
    assert locked >= set(CARD)
    wanted = {
        canonicalize_name(each.name) for extra in ("notebooks", "render", "hub", "seg") for each in declared(extra)
    }
    assert locked >= wanted
