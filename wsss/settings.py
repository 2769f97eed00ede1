"""Checks that settings have the right type and lie in their range, before hours are spent on them."""

import json
import math
import os
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from wsss.checks import finite, require_number
from wsss.errors import WsssError

__all__ = ["OPTIONAL", "check_settings", "settings_from", "settings_of_environment"]

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
