"""Where a number comes from: commit, processor, package versions, time."""

import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from wsss.paths import PACKAGE, VERSION, checkout

__all__ = ["git_state", "package_versions", "processor", "provenance"]

PACKAGES = ("torch", "torchvision", "timm", "numpy", "segmentation_models_pytorch", "embreex")


def provenance(**facts: Any) -> dict[str, Any]:
    """The `provenance` of a record: `facts`, with commit, processor, versions and the present time added."""
    commit, dirty = git_state()
    here = {"processor": processor(), "versions": package_versions()}
    return {"commit": commit, "dirty": dirty, **facts, **here, "utc": datetime.now(UTC).isoformat(timespec="seconds")}


def git_state(*others: Path) -> tuple[str | None, bool | None]:
    """Commit of the source, and whether `wsss/` or `others` differ from it.

    (None, None) where there is no git or no commit. An installed copy that happens to lie inside another project's
    repository has no commit of its own.
    """
    root = checkout()
    if root is None:
        return None, None
    top = _git(root, "rev-parse", "--show-toplevel")
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    if top is None or commit is None or Path(top) != root:
        return None, None
    changes = _git(root, "status", "--porcelain", "--", str(PACKAGE), *map(str, others))
    return commit, None if changes is None else bool(changes)


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints about the repository at `root`; None if it fails or is missing."""
    command = ["git", "-C", str(root), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def processor() -> str:
    """Name of the processor, with family and model where the name alone says little."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return (
        f"{facts.get('model name', platform.machine())} (family {facts.get('cpu family')}, model {facts.get('model')})"
    )


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str | None]:
    """Version of each installed package, None for one that is not installed; `wsss` itself included."""
    return {**{name: _installed(name) for name in names}, "wsss": VERSION}


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
