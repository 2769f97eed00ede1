"""The README and the page on own data: blocks marked `ci` run as they are written, at the smoke profile.

The README's is Python, with the weights that are installed.
"""

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
SECONDS = 1800  # for a busy machine; two idle cores need two minutes


BLOCKS = re.findall(
    r"^```bash ci\n(.*?)^```$",
    (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE | re.DOTALL,
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
        "OTHERDEPTH": str(tiny_voc / "DepthMETER"),
    }  # fmt: skip
    command = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(
        command, cwd=work, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    assert "identical: every number is that of the record" in done.stdout
    assert (work / "exported" / "classes.txt").is_file()
