"""The examples of the pages: every block marked `ci` runs as it is written, alone, in an empty folder."""

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from wsss import cli
from wsss.data.registry import _OPENERS
from wsss.depth.names import SOURCES
from wsss.machine.plugins import Registry
from wsss.methods.names import _ENTERED
from wsss.methods.registry import METHODS, PROPOSALS
from wsss.pipeline import open_run
from wsss.pseudo.refinement import REFINEMENTS
from wsss.segmentation.registry import NETWORKS

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```python ci\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(page: str) -> list[tuple[str, str]]:
    """Heading and code of each example of a page."""
    found, text = [], (ROOT / "docs" / page).read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        heading = re.findall(r"^#+ (.*)$", text[: match.start()], re.MULTILINE)[-1]
        found.append((heading, match[1]))
    return found


def in_folder(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs and rendered data lie below a folder."""
    monkeypatch.setenv("WSSS_RUNS", str(runs))
    monkeypatch.setenv("WSSS_CACHE", str(runs / "rendered"))


COMMANDS = re.findall(
    r"^```bash ci\n(.*?)^```$", (ROOT / "docs" / "depth.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
EXTEND, DEPTH, HAND_OVER = examples("extend.md"), examples("depth.md"), examples("hand-over.md")
RUN = [*EXTEND, *DEPTH, *HAND_OVER]


@pytest.fixture
def nothing_stays() -> Iterator[None]:
    """What an example enters is gone afterwards."""
    registries: tuple[Registry[Any], ...] = (_OPENERS, SOURCES, METHODS, REFINEMENTS, NETWORKS)
    before = [set(registry.loaded()) for registry in registries]
    yield
    for registry, names in zip(registries, before, strict=True):
        for name in set(registry.loaded()) - names:
            del registry[name]
    PROPOSALS.clear()
    _ENTERED.clear()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all examples: a classifier is trained once."""
    return tmp_path_factory.mktemp("runs")


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize(("heading", "code"), RUN, ids=[heading for heading, _ in RUN])
def test_an_example_runs(heading: str, code: str, tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if ("tabletop" in code or '"smoke"' in code) and importlib.util.find_spec("pybullet") is None:
        pytest.skip("rendering needs PyBullet")
    monkeypatch.chdir(tmp_path)
    in_folder(runs, monkeypatch)
    exec(compile(code, f"docs: {heading}", "exec"), {"__name__": "example"})


@pytest.mark.skipif(importlib.util.find_spec("pybullet") is None, reason="rendering needs PyBullet")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(
    command: str, tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder with the depth of two cameras, under the names that the command asks for."""
    monkeypatch.chdir(tmp_path)
    in_folder(runs, monkeypatch)
    run = open_run("smoke", progress=False)
    for sample in (sample for split in ("tune", "report") for sample in run.data(split)):
        assert sample.depth is not None
        for path, values in (
            (Path("phone", f"{sample.id}_depth.tiff"), 1 / (sample.depth + 0.2)),
            (Path("stereo", f"{sample.id}.tiff"), 40 * sample.depth + 5),
        ):
            path.parent.mkdir(exist_ok=True)
            tifffile.imwrite(path, values.astype(np.float32))
    said = subprocess.run(
        ["bash", "-c", command.replace("wsss", "printf '%s\\n'")], capture_output=True, text=True, check=True
    )
    monkeypatch.setattr("sys.argv", ["wsss", *said.stdout.splitlines()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code, capsys.readouterr()
    records = {path.name for path in runs.rglob("results/tabletop/cam/test/*.json")}
    assert {"depth@lidar.json", "depth@stereo.json"} <= records


def test_every_thing_that_can_be_added_has_an_example() -> None:
    code = "\n".join(code for _, code in EXTEND)
    for registry in ("dataset", "depth_source", "proposal", "refinement", "network"):
        assert f"@register_{registry}(" in code
