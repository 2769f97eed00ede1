"""Small checks of settings, whose messages name the setting, what it may be, and what it is."""

import json
import math
import os
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from wsss.errors import WsssError

__all__ = [
    "OPTIONAL",
    "check_settings",
    "finite",
    "require_apart",
    "require_images",
    "require_number",
    "require_numbers",
    "settings_from",
    "settings_of_environment",
    "switched_on",
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


OPTIONAL = MappingProxyType({"optional": True})
"""Metadata of a field that came after records had been made: it is left out of plain values while it has its default."""

T = TypeVar("T")

RANGES: dict[str, tuple[float, float]] = {
    "train_limit": (1, math.inf), "tune_limit": (1, math.inf), "report_limit": (1, math.inf),
    "seed": (0, 2**32 - 1), "tabletop_side": (32, 4096), "series_groups": (1, math.inf),
    "classifier.output_stride": (1, 64), "classifier.base_side": (32, 16384), "classifier.crop_side": (32, 16384),
    "classifier.epochs": (1, math.inf), "classifier.batch_size": (1, math.inf), "classifier.learning_rate": (0, 10),
    "classifier.frozen_stages": (0, math.inf),
    "depth_training.epochs": (1, math.inf), "depth_training.batch_size": (1, math.inf), "depth_training.side": (32, 16384),
    "depth_training.learning_rate": (0, 10), "depth_training.frozen_stages": (0, math.inf),
    "segmentation.iterations": (1, math.inf), "segmentation.batch_size": (2, math.inf), "segmentation.crop_size": (32, 16384),
    "segmentation.learning_rate": (0, 10), "segmentation.frozen_stages": (0, math.inf),
}  # fmt: skip

MULTIPLES = {"segmentation.crop_size": 32, "depth_training.side": 32}
"""Sides in pixels that the networks halve five times."""

FILLED = ("segmentation.test_scales",)


def check_settings(settings: Any, prefix: str = "") -> None:
    """Compare every field of a dataclass, nested ones too, with its annotated type, `RANGES`, `MULTIPLES` and `FILLED`.

    Raises:
        WsssError: the first field that does not fit; the message names it, what it must be and what it is.
    """
    hints = get_type_hints(type(settings))
    for field in fields(settings):
        name, value, hint = prefix + field.name, getattr(settings, field.name), hints[field.name]
        if not _fits(value, hint):
            raise WsssError(f"setting {name} must be {_described(hint)}, not {value!r}")
        if is_dataclass(value):
            check_settings(value, f"{name}.")
        elif name in RANGES and value is not None:
            require_number(f"setting {name}", value, *RANGES[name])
        if name in MULTIPLES and value % MULTIPLES[name]:
            raise WsssError(f"setting {name} must be a multiple of {MULTIPLES[name]}, not {value!r}")
        if name in FILLED and not value:
            raise WsssError(f"setting {name} must not be empty")


def settings_from(kind: type[T], plain: Mapping[str, Any]) -> T:
    """The dataclass `kind` from nested plain values, as `asdict` and JSON leave them: the inverse of `Config.dictionary`.

    Raises:
        WsssError: a field is missing, unknown, or of the wrong type or range; the message names it.
    """
    hints = get_type_hints(kind)
    optional = {one.name for one in fields(kind) if one.metadata == OPTIONAL}  # type: ignore[arg-type]
    if not isinstance(plain, Mapping) or set(plain) | optional != set(hints):
        odd = sorted(set(hints) ^ (set(plain) | optional)) if isinstance(plain, Mapping) else [repr(plain)]
        raise WsssError(f"settings of another version of the code: {', '.join(odd)} in {kind.__name__}")
    values = {
        name: settings_from(hints[name], value)
        if is_dataclass(hints[name])
        else tuple(value)
        if isinstance(value, list)
        else value
        for name, value in plain.items()
    }
    settings = kind(**values)
    check_settings(settings)
    return settings


def settings_of_environment() -> dict[str, Any]:
    """Settings that enter every run that is opened, those of notebooks too: the JSON object in `WSSS_SETTINGS`.

    Raises:
        WsssError: it is something else.
    """
    text = os.environ.get("WSSS_SETTINGS") or "{}"
    try:
        settings = json.loads(text)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise WsssError(f'WSSS_SETTINGS must be a JSON object, such as {{"classifier.epochs": 3}}, not {text}')
    return settings


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) in (types.UnionType, Union):
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if not isinstance(value, tuple) or (kinds[-1] is not Ellipsis and len(value) != len(kinds)):
            return False
        return all(_fits(one, kinds[0] if kinds[-1] is Ellipsis else kinds[at]) for at, one in enumerate(value))
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool) and finite(value)
    return isinstance(value, hint)


_WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "nothing"}


def _described(hint: Any) -> str:
    """A type in words that somebody who sets a notebook's parameter understands."""
    if get_origin(hint) in (types.UnionType, Union):
        return " or ".join(_described(one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        return f"a list of {_described(get_args(hint)[0]).removeprefix('an ').removeprefix('a ')}s"
    return _WORDS.get(hint, f"a {getattr(hint, '__name__', hint)}")


def switched_on(variable: str) -> bool:
    """Whether an environment variable is set, and neither empty nor 0."""
    return os.environ.get(variable, "0") not in ("", "0")
