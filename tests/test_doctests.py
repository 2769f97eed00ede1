"""Every example in a docstring gives what is written below it."""

import doctest
import importlib
from pathlib import Path

import pytest

from wsss.paths import PACKAGE

NOT_HERE = {
    "wsss.machine.lazy",  # of an environment without embreex
    "wsss.methods.depth_cam",  # tests/methods/test_depth_cam.py gives it a model
    "wsss.widgets.explorer_panel",  # of a run and a model of one's own
}
MODULES = sorted(
    ".".join(("wsss", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", [name for name in MODULES if name not in NOT_HERE])
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for examples that write a file
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted > 0
    assert done.failed == 0


def test_no_module_is_left_out_for_nothing() -> None:
    assert set(MODULES) > NOT_HERE
