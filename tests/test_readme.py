"""The README: its links lead somewhere, and its blocks marked `ci` run as they are written, at the smoke profile.

The first of them is Python, with the weights that are installed.
"""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SECONDS = 1800  # for a busy machine; two idle cores need two minutes


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """The anchor that code hosts make of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def test_what_is_known_not_to_hold_is_said_alike() -> None:
    """On the README, on the page of results and in chapter 03: the same note, of six lines."""
    chapter = json.loads((ROOT / "notebooks" / "03_depth_guided_cropping.ipynb").read_text(encoding="utf-8"))
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/results.md")]
    texts.append("\n".join("".join(cell["source"]) for cell in chapter["cells"] if cell["cell_type"] == "markdown"))
    notes = [
        re.findall(r"^> \*\*Read these results with care\.\*\*.*(?:\n> .*)*", text, re.MULTILINE) for text in texts
    ]
    assert all(len(found) == 1 for found in notes)
    assert len({found[0] for found in notes}) == 1
    assert len(notes[0][0].splitlines()) == 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    assert links or page.parent != ROOT
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)}
    lost = []
    for link in links:
        place, _, fragment = link.partition("#")
        if "://" in link:
            if not link.startswith("https://"):
                lost.append(link)
        elif place == "README.md":  # of the site, which takes it from the root
            pass
        elif (place and not (page.parent / place).exists()) or (not place and fragment not in anchors):
            lost.append(link)
    assert lost == []


BLOCKS = re.findall(
    r"^```bash ci\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
)


def test_the_quickstart_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing after the question: a picture, and Python that makes one, with no network."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    picture, (code,) = (
        text.index("](figures/quickstart.png)"),
        re.findall(r"^```python ci\n(.*?)^```$", text, re.M | re.S),
    )
    assert picture < text.index(code) < text.index("00_quickstart") < text.index("## Run it")

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the quickstart reaches for the network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    found: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "README.md", "exec"), found)
    assert found["result"].names == ("moped",)
    with Image.open("motorcycle.png") as drawn:
        assert drawn.width > 500


def test_there_are_blocks_to_run() -> None:
    assert BLOCKS


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split()[1])
def test_blocks_run_as_written(block: str, tiny_voc: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "WSSS_PROFILE": "smoke", "WSSS_RUNS": str(tmp_path / "runs"), "WSSS_CACHE": str(tmp_path / "cache"),
        "DIR": str(tiny_voc), "DEPTHDIR": str(tiny_voc / "DepthMETER"), "OTHER": str(tiny_voc),
    }  # fmt: skip
    command = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(
        command, cwd=work, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    assert "identical: every number is that of the record" in done.stdout
    assert (work / "exported" / "classes.txt").is_file()
