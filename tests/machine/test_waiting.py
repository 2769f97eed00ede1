"""Threads wait briefly before they sleep, as soon as the package is imported, in child processes too, unless a user has chosen otherwise."""

import os
import subprocess
import sys

import pytest

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
ASK = "import os, subprocess, sys, wsss; subprocess.run([sys.executable, '-c', 'import os; print(dict(os.environ))'])"


def said(code: str, **chosen: str) -> "subprocess.CompletedProcess[str]":
    """What a process says that runs `code`, without variables on waiting but those that are chosen."""
    environment = {name: value for name, value in os.environ.items() if name not in CHOICES}
    environment |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **chosen}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=True
    )


def variables(**chosen: str) -> dict[str, str]:
    """Those on waiting that a child of a process has which imports the package."""
    found = eval(said(ASK, **chosen).stdout)
    return {name: found[name] for name in CHOICES if name in found}


def test_children_inherit_it() -> None:
    assert variables() == {"GOMP_SPINCOUNT": "1000"}


@pytest.mark.parametrize(
    "chosen", [{"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "5000"}, {"KMP_BLOCKTIME": "200"}]
)
def test_what_a_user_has_chosen_stays(chosen: dict[str, str]) -> None:
    assert variables(**chosen) == chosen


@pytest.mark.skipif(sys.platform != "linux", reason="torch brings another OpenMP")
def test_torch_takes_it_up() -> None:
    lines = said("import wsss, torch", OMP_DISPLAY_ENV="verbose").stderr.splitlines()
    assert any("GOMP_SPINCOUNT" in line and "'1000'" in line for line in lines)
