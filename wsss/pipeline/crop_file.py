"""Crop parameters in a small TOML file: what the explorer writes, and a run takes in place of its own.

    [regions]              # fields of RegionParameters
    jump = 0.015

    [crops]                # fields of CropParameters
    count = 13

    [fusion]               # all of FusionParameters but level_weights, with a threshold
    crop_weight = 1.0
    gate = 1.0
    vote = 1.0
    colour = 0.5
    reach = 0.9

    [label]
    threshold = 0.75

Regions and crops that are not named stay as they are. Without `[fusion]` and `[label]` fusion and threshold are chosen on the tune
split as ever; with them they are taken from the file, for the method `depth` alone.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsss.checks import finite
from wsss.errors import WsssError
from wsss.io import atomic_path
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters

if TYPE_CHECKING:
    from wsss.config import Config

__all__ = ["GIVEN_METHOD", "CropSettings", "read_crop_settings", "toml_of", "write_crop_settings"]

GIVEN_METHOD = "depth"
"""The method whose fusion and threshold a file gives: the one that the explorer shows."""

_FUSION = tuple(f.name for f in fields(FusionParameters) if f.name != "level_weights")
_SECTIONS: dict[str, tuple[str, ...]] = {
    "regions": tuple(f.name for f in fields(RegionParameters)),
    "crops": tuple(f.name for f in fields(CropParameters)),
    "fusion": _FUSION,
    "label": ("threshold",),
}
_EXAMPLES: dict[str, Any] = {
    **asdict(RegionParameters()),
    **asdict(CropParameters()),
    **asdict(FusionParameters()),
    "threshold": 0.5,
}


@dataclass(frozen=True)
class CropSettings:
    """What a file says.

    Attributes:
        name: of the file, without suffix: runs with these settings are kept apart by it.
        regions, crops: fields of the run's parameters that are replaced.
        fusion, threshold: of the method `depth`; both None where the tune split is to choose.
    """

    name: str
    regions: Mapping[str, Any] = field(default_factory=dict)
    crops: Mapping[str, Any] = field(default_factory=dict)
    fusion: FusionParameters | None = None
    threshold: float | None = None

    def applied(self, config: "Config") -> "Config":
        """`config` with these regions and crops."""
        return replace(
            config, regions=replace(config.regions, **self.regions), crops=replace(config.crops, **self.crops)
        )

    @property
    def given(self) -> dict[str, Any] | None:
        """Fusion and threshold as plain values, None where the tune split is to choose: part of cache keys."""
        return None if self.fusion is None else {"fusion": asdict(self.fusion), "threshold": self.threshold}


def read_crop_settings(path: str | Path) -> CropSettings:
    """Read a file.

    Raises:
        WsssError: missing, no TOML, or with a section, name or value that is not known; the message names it and the remedy.
    """
    path = Path(path).expanduser()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WsssError(f"cannot read crop parameters {path}: {error.strerror}. Give a file with --crops.") from error
    except (ValueError, RecursionError) as error:  # of the format, the encoding, a number of thousands of digits
        raise WsssError(f"{path} is no TOML: {error}. Mend it, or copy the parameters anew.") from error
    for section, values in tables.items():
        if section not in _SECTIONS or not isinstance(values, dict):
            raise WsssError(f"{path}: unknown section {section!r}; it may have {', '.join(_SECTIONS)}")
        for name, value in values.items():
            if name not in _SECTIONS[section]:
                known = ", ".join(_SECTIONS[section])
                raise WsssError(f"{path}: [{section}] has no {name!r}; it may have {known}")
            values[name] = _checked(path, name, value)
    try:
        fusion, threshold = _fusion_of(tables)
        settings = CropSettings(path.stem, tables.get("regions", {}), tables.get("crops", {}), fusion, threshold)
        replace(RegionParameters(), **settings.regions)  # their own checks
        replace(CropParameters(), **settings.crops)
    except WsssError as error:
        raise WsssError(f"{path}: {error}") from error
    return settings


def _fusion_of(tables: Mapping[str, Any]) -> tuple[FusionParameters | None, float | None]:
    if ("fusion" in tables) != ("label" in tables):
        raise WsssError("[fusion] and [label] belong together; leave out both to have them chosen on tune")
    if "fusion" not in tables:
        return None, None
    missing = [name for name in _FUSION if name not in tables["fusion"]]
    missing += ["threshold"] if "threshold" not in tables["label"] else []
    if missing:
        raise WsssError(f"{missing[0]!r} is missing; [fusion] has {', '.join(_FUSION)}, [label] threshold")
    return FusionParameters(**tables["fusion"]), tables["label"]["threshold"]


def _checked(path: Path, name: str, value: Any) -> Any:
    """The value in the type of its field; numbers are finite and not negative."""
    example = _EXAMPLES[name]
    if isinstance(example, tuple):
        if not isinstance(value, list):
            raise WsssError(f"{path}: {name} must be a list of numbers, not {value!r}")
        return tuple(_number(path, name, each, example[0]) for each in value)
    if isinstance(example, str):
        if not isinstance(value, str):
            raise WsssError(f"{path}: {name} must be a text, not {value!r}")
        return value
    number = _number(path, name, value, example)
    if (name == "count" and number < 1) or (name in ("threshold", "reach") and number >= 1):
        raise WsssError(f"{path}: {name} must be {'1 or more' if name == 'count' else 'below 1'}, not {value!r}")
    return number


def _number(path: Path, name: str, value: Any, example: Any) -> float | int:
    kinds = (int,) if isinstance(example, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not finite(value) or value < 0:
        wanted = "a whole number" if isinstance(example, int) else "a number"
        raise WsssError(f"{path}: {name} must be {wanted}, 0 or more, not {value!r}")
    return int(value) if isinstance(example, int) else float(value)


def toml_of(sections: Mapping[str, Mapping[str, float | int]], comment: str = "") -> str:
    """Sections of numbers as TOML, below a comment."""
    lines = [f"# {line}" for line in comment.splitlines()]
    for section, values in sections.items():
        lines += ["", f"[{section}]", *(f"{name} = {value!r}" for name, value in values.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def write_crop_settings(
    path: Path, sections: Mapping[str, Mapping[str, float | int]], comment: str = ""
) -> CropSettings:
    """Write a file and read it back, so that what was written is what a run will take."""
    with atomic_path(path) as temporary:
        temporary.write_text(toml_of(sections, comment), encoding="utf-8")
    return read_crop_settings(path)
