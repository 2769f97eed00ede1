"""Every example in a docstring gives what is written below it."""

import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wsss.depth.names import SOURCES
from wsss.machine.plugins import Registry
from wsss.methods.names import _ENTERED
from wsss.methods.registry import METHODS, PROPOSALS
from wsss.paths import PACKAGE
from wsss.pseudo.refinement import REFINEMENTS

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


@pytest.fixture
def nothing_stays() -> Iterator[None]:
    """What an example enters under a name is taken out again."""
    registries: tuple[Registry[Any], ...] = (SOURCES, METHODS, REFINEMENTS)
    before = [set(registry.loaded()) for registry in registries]
    yield
    for registry, known in zip(registries, before, strict=True):
        for name in set(registry.loaded()) - known:
            del registry[name]
            PROPOSALS.pop(name, None)
    _ENTERED.clear()


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize("name", [name for name in MODULES if name not in NOT_HERE])
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for examples that write a file
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted > 0
    assert done.failed == 0


def test_no_module_is_left_out_for_nothing() -> None:
    assert set(MODULES) > NOT_HERE
