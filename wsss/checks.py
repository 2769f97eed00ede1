"""Small checks of settings, whose messages name the setting, what it may be, and what it is."""

import json
import math
import os
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from wsss.errors import WsssError, is_one_line

__all__ = [
    "OPTIONAL",
    "check_settings",
    "finite",
    "plain_number",
    "plain_settings",
    "require_apart",
    "require_number",
    "require_numbers",
    "setting",
    "settings_from",
    "settings_of_environment",
    "switched_on",
]

T = TypeVar("T")

OPTIONAL = MappingProxyType({"optional": True})
"""Metadata of a field that came after records had been made: plain values leave it out while it has its default."""


@dataclass(frozen=True)
class _Limits:
    """What a value may be beside its type; see `setting`."""

    low: float = -math.inf
    high: float = math.inf
    below: float = math.inf
    multiple_of: int | None = None
    choices: tuple[str, ...] = ()
    filled: bool = False


_ANY = _Limits()


def setting(
    default: T,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    below: float = math.inf,
    multiple_of: int | None = None,
    choices: tuple[str, ...] = (),
    filled: bool = False,
    optional: bool = False,
) -> T:
    """A field of a dataclass, with what it may be beside its annotated type: `check_settings` asks for both.

    Args:
        low, high: the smallest and the largest number; of a list they hold for each member, as does `below`.
        below: a number that is too large itself.
        multiple_of: a whole number that divides it.
        choices: the texts that it may be.
        filled: whether a list must have a member.
        optional: see `OPTIONAL`.
    """
    limits = _Limits(low, high, below, multiple_of, choices, filled)
    return field(default=default, metadata={"limits": limits, **(OPTIONAL if optional else {})})


def check_settings(settings: Any, prefix: str = "setting ") -> None:
    """Compare every field of a dataclass, nested ones too, with its annotated type and what `setting` says of it.

    A list will do for a tuple, and a whole number for a float.

    Args:
        prefix: of the fields' names in messages.

    Raises:
        WsssError: the first field that does not fit; the message names it, what it must be and what it is.
    """
    kind: Any = type(settings)
    hints = _hints(kind)
    for one in fields(settings):
        name, value = prefix + one.name, getattr(settings, one.name)
        _require(name, value, hints[one.name], one.metadata.get("limits", _ANY))
        if is_dataclass(value):
            check_settings(value, f"{name}.")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _require(name: str, value: Any, hint: Any, limits: _Limits) -> None:
    if not _fits(value, hint, limits):
        raise WsssError(f"{name} must be {_described(hint, limits)}, not {_shown(value)}")


def _fits(value: Any, hint: Any, limits: _Limits) -> bool:
    if get_origin(hint) in (types.UnionType, Union):
        return any(_fits(value, one, limits) for one in get_args(hint))
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple | list) or (limits.filled and not value):
            return False
        kinds = _members(hint) or get_args(hint)[:1] * len(value)
        return len(kinds) == len(value) and all(_fits(*each, limits) for each in zip(value, kinds, strict=True))
    if not isinstance(value, (int, float) if hint is float else hint):
        return False
    if hint in (int, float):
        return not isinstance(value, bool) and finite(value) and _within(value, limits)
    if hint is str and not is_one_line(str(value)):
        return False
    return hint is not str or not limits.choices or value in limits.choices


def _within(number: float, limits: _Limits) -> bool:
    inside = limits.low <= number <= limits.high and number < limits.below
    return inside and (limits.multiple_of is None or number % limits.multiple_of == 0)


def _members(hint: Any) -> tuple[Any, ...]:
    """The types of a tuple's members; none of a tuple of any length."""
    kinds = get_args(hint)
    return () if kinds[-1] is Ellipsis else kinds


_WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "nothing"}


def _described(hint: Any, limits: _Limits) -> str:
    """A type and its limits in words that somebody who sets a notebook's parameter understands."""
    if get_origin(hint) in (types.UnionType, Union):
        return " or ".join(_described(one, limits) for one in get_args(hint))
    if get_origin(hint) is tuple:
        one = _described(get_args(hint)[0], limits).removeprefix("an ").removeprefix("a ")
        noun, space, more = one.partition(" ")
        count = f"{len(_members(hint))} " if _members(hint) else "one or more " if limits.filled else ""
        return f"a list of {count}{noun}s{space}{more}"
    if hint is str and limits.choices:
        return f"one of {', '.join(limits.choices)}"
    word = _WORDS.get(hint, f"a {getattr(hint, '__name__', hint)}")
    if hint not in (int, float):
        return word
    return (word if limits.multiple_of is None else f"a multiple of {limits.multiple_of}") + _bounds(limits)


def _bounds(limits: _Limits) -> str:
    if math.isfinite(limits.below):
        return f" from {limits.low} to below {limits.below}"
    if math.isfinite(limits.high):
        return f" from {limits.low} to {limits.high}"
    return f" of at least {limits.low}" if math.isfinite(limits.low) else ""


def _shown(value: Any) -> str:
    """A value in a message of one line."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:80]}…"


def finite(value: float) -> bool:
    """Whether a number is finite as a float, which an integer of hundreds of digits is not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def plain_number(value: Any) -> Any:
    """A single number of NumPy or torch as one of Python's; anything else as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def require_number(name: str, value: Any, low: float, high: float = math.inf, *, whole: bool = False) -> None:
    """Raise a `WsssError` unless `value` is a finite number in [low, high], and an integer where `whole`.

    Numbers of NumPy and torch are some, too.

    >>> require_number("vote", 0.5, 0, 1)
    """
    _require(name, plain_number(value), int if whole else float, _Limits(low, high))


def require_numbers(name: str, values: Any, low: float, high: float = math.inf, *, count: int | None = None) -> None:
    """Raise a `WsssError` unless `values` is a list or tuple of (`count`) finite numbers in [low, high]."""
    values = [plain_number(each) for each in values] if isinstance(values, tuple | list) else values
    members = (float, ...) if count is None else (float,) * count
    _require(name, values, tuple[members], _Limits(low, high))  # type: ignore[valid-type]


def require_apart(
    out: Path | Sequence[Path], *inputs: Path | None, remedy: str = "Give another folder with --out."
) -> None:
    """Raise a `WsssError` if what will be written may replace what is read: before the first write of every command.

    A folder that is read must not be, hold or lie in `out`, and a file that is read must not be `out`. A folder that a
    link in one of them leads to belongs to it. A folder to be filled may hold a file that is read, such as the network
    that fills it.

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


def plain_settings(settings: Any) -> dict[str, Any]:
    """Fields of a dataclass as nested plain values, without `OPTIONAL` ones at their default, so that hashes stay."""
    values = [(one, getattr(settings, one.name)) for one in fields(settings)]
    kept = [(one.name, value) for one, value in values if not one.metadata.get("optional") or value != one.default]
    return {name: plain_settings(value) if is_dataclass(value) else value for name, value in kept}


def settings_from(kind: type[T], plain: Mapping[str, Any], *, partial: bool = False) -> T:
    """The dataclass `kind` from nested plain values, as JSON leaves them: the inverse of `Config.dictionary`.

    Args:
        partial: whether fields may be missing that then have their defaults, not only those that are `OPTIONAL`.

    Raises:
        WsssError: a field is missing, unknown, or of the wrong type or range; the message names it.
    """
    hints = get_type_hints(kind)
    known = {one.name: one.metadata for one in fields(kind)}  # type: ignore[arg-type]
    needed = set() if partial else {name for name, metadata in known.items() if not metadata.get("optional")}
    if not isinstance(plain, Mapping) or not needed <= set(plain) <= set(known):
        odd = (
            sorted((needed - set(plain)) | (set(plain) - set(known))) if isinstance(plain, Mapping) else [_shown(plain)]
        )
        raise WsssError(f"settings of another version of the code: {', '.join(odd)} in {kind.__name__}")
    settings = kind(**{name: _from_plain(hints[name], value, partial) for name, value in plain.items()})
    check_settings(settings)
    return settings


def _from_plain(hint: Any, value: Any, partial: bool) -> Any:
    if is_dataclass(hint):
        return settings_from(hint, value, partial=partial)  # type: ignore[arg-type]
    return tuple(value) if isinstance(value, list) else value


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
    for name in ("profile", "data"):  # which say whose settings these are
        if name in settings:
            raise WsssError(f"WSSS_SETTINGS must not have {name}: choose it with --{name}, or as open_run({name}=…)")
    return settings


def switched_on(variable: str) -> bool:
    """Whether an environment variable is set, and neither empty nor 0."""
    return os.environ.get(variable, "0") not in ("", "0")
