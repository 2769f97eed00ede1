"""Write ``requirements.lock``: the newest releases that ``pyproject.toml`` admits, with the extras below.

Run by ``make lock`` on Linux x86-64 with the Python of the environment. pip resolves but installs nothing; set
``PIP_CONSTRAINT`` to a file of pins to hold some packages back.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PROJECT = "wsss-depth-cam"
EXTRAS = "all,dev,bench"
# torch states these markers itself; without them the lock would install on one platform only.
MARKERS = {
    r"(nvidia|cuda)-.*|triton": 'sys_platform == "linux"',
}
HEADER = f"""\
# Exact versions of what pyproject.toml and its extras all, dev and bench need, with all that these need in turn.
# Made by `make lock` on Linux x86-64 with Python {PYTHON}; do not edit by hand.
# torch and torchvision are released in pairs: an unmatched one fails at import
# ("operator torchvision::nms does not exist").
"""


def resolve() -> dict[str, str]:
    """Let pip resolve the project; returns normalised name → version, the project itself left out."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*pip, "--report", str(report), f"{ROOT}[{EXTRAS}]"], check=True)
        packages = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    pins = {re.sub(r"[-_.]+", "-", package["name"]).lower(): package["version"] for package in packages}
    del pins[PROJECT]
    return pins


def line(name: str, version: str) -> str:
    """One line of the lock, with a marker where the package does not exist on every platform."""
    marker = next((marker for pattern, marker in MARKERS.items() if re.fullmatch(pattern, name)), None)
    return f"{name}=={version}" + (f" ; {marker}" if marker else "")


if __name__ == "__main__":
    text = HEADER + "".join(line(*pin) + "\n" for pin in sorted(resolve().items()))
    (ROOT / "requirements.lock").write_text(text)
