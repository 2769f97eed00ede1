"""Where things lie: the checkout, the runs, the cache of data."""

import os
import tomllib
from functools import cache
from pathlib import Path

from wsss.errors import WsssError

__all__ = ["cache_folder", "checkout", "checkout_folder", "notebook_folder", "runs_folder", "short_path", "typed_path"]


PACKAGE = Path(__file__).resolve().parent
"""Folder of this package's sources."""

VERSION = "1.0.0"
"""Of this project."""

PROJECT = "wsss-depth-cam"
"""Name of this project in its `pyproject.toml`."""


def checkout() -> Path | None:
    """Root of the checkout that this package lies in; None for an installed copy.

    A checkout has this project's own `pyproject.toml` beside the package.
    """
    return _checkout_of(PACKAGE)


@cache
def _checkout_of(package: Path) -> Path | None:
    try:
        described = tomllib.loads((package.parent / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    project = described.get("project")
    return package.parent if isinstance(project, dict) and project.get("name") == PROJECT else None


def checkout_folder(name: str) -> Path:
    """A folder of the checkout that is not part of the package: `notebooks`, `benchmarks`.

    Raises:
        WsssError: the package is installed without its checkout.
    """
    root = checkout()
    if root is None or not (root / name).is_dir():
        raise WsssError(
            f"there is no {name}/ beside {PACKAGE}: run from a checkout of the project, installed with `pip install -e "
            ".`"
        )
    return root / name


def runs_folder() -> Path:
    """Where runs leave what they make: `$WSSS_RUNS`; else `runs/` of the checkout, wherever a kernel was started; else
    `./runs`."""
    return Path(os.environ.get("WSSS_RUNS") or (checkout() or Path.cwd()) / "runs")


def cache_folder() -> Path:
    """Where data is kept that was rendered or downloaded: `$WSSS_CACHE`, else `~/.cache/wsss`."""
    return Path(os.environ.get("WSSS_CACHE") or Path.home() / ".cache" / "wsss")


def short_path(path: str | os.PathLike[str]) -> str:
    """`path` as seen from the working folder where it lies below it, else as it is: for messages that others will
    read."""
    path = Path(path)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def typed_path(text: str | os.PathLike[str]) -> Path:
    """The file or folder that a user names; the name of nobody's home, and what is no name, is left as it is."""
    try:
        return Path(text).expanduser()
    except (RuntimeError, ValueError):
        return Path(text)


def notebook_folder() -> Path:
    """`notebooks/` of the checkout that this package lies in.

    Raises:
        WsssError: the package is installed without its checkout.
    """
    return checkout_folder("notebooks")
