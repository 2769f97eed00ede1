"""Small checks of settings, whose messages name the setting, what it may be, and what it is."""

import math
import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from wsss.errors import WsssError

__all__ = [
    "finite",
    "require_apart",
    "require_folder",
    "require_images",
    "require_learning",
    "require_number",
    "require_numbers",
]


def finite(value: float) -> bool:
    """Whether a number is finite as a float, which an integer of hundreds of digits is not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def require_number(name: str, value: Any, low: float, high: float = math.inf, *, whole: bool = False) -> None:
    """Raise a `WsssError` unless `value` is a finite number in [low, high], and an integer where `whole`.

    >>> require_number("vote", 0.5, 0, 1)
    """
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not finite(value) or not low <= value <= high:
        bounds = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise WsssError(f"{name} must be {'an integer' if whole else 'a number'} {bounds}, not {value!r}")


def require_numbers(name: str, values: Any, low: float, high: float = math.inf, *, whole: bool = False) -> None:
    """`require_number` for each member of a tuple or list; anything else is a `WsssError` too."""
    if not isinstance(values, tuple | list):
        raise WsssError(f"{name} must be a list of numbers, not {values!r}")
    for value in values:
        require_number(f"each of {name}", value, low, high, whole=whole)


def require_learning(losses: Sequence[float], what: str, learning_rate: float) -> None:
    """Raise a `WsssError` unless all losses are finite: a training that has diverged says so before its weights are kept."""
    if not all(map(math.isfinite, losses)):
        raise WsssError(
            f"the training of {what} has diverged (its loss is {losses[-1]}): learning_rate is {learning_rate:g}, lower it"
        )


def require_images(processes: int, images: int, what: str) -> None:
    """Raise a `WsssError` unless there is an image for each of several processes in every batch of a training."""
    if processes > max(1, images):
        raise WsssError(
            f"{processes} processes share each batch of {what}, which has {images} images: start {images} processes at most, or "
            "give a larger --batch-size"
        )


def require_apart(
    out: Path | Sequence[Path], *inputs: Path | None, remedy: str = "Give another folder with --out."
) -> None:
    """Raise a `WsssError` if what will be written may replace what is read: before the first write of every command.

    A folder that is read must not be, hold or lie in `out`, and a file that is read must not be `out`. A folder that a link in
    one of them leads to belongs to it. A folder to be filled may hold a file that is read, such as the network that fills it.

    Args:
        out: files and folders to write.
        inputs: files and folders that are read; None is passed over.
        remedy: what to do about it.
    """
    sources = list(dict.fromkeys(place for each in inputs if each is not None for place in _with_links(each)))
    for each in [out] if isinstance(out, Path) else out:
        for target, source in product(_with_links(each), sources):
            if target.is_relative_to(source) or (source.is_dir() and source.is_relative_to(target)):
                raise WsssError(
                    f"{each} is, holds or lies in {source}, which is read: files could be replaced. {remedy}"
                )


def require_folder(out: Path) -> None:
    """Raise a `WsssError` if a folder that is to be filled is a file: said before hours of work, not after."""
    if out.exists() and not out.is_dir():
        raise WsssError(f"{out} is a file, and a folder is to be filled. Give another folder with --out.")


def _with_links(place: Path) -> list[Path]:
    """A place and the folders that links in it lead to, without links."""
    whole = place.resolve()
    try:
        entries = list(os.scandir(whole)) if whole.is_dir() else []
    except OSError:  # a folder that may not be read: said when it is
        entries = []
    linked = [Path(entry).resolve() for entry in entries if entry.is_symlink() and entry.is_dir()]
    return [whole, *(folder for folder in linked if not whole.is_relative_to(folder))]
