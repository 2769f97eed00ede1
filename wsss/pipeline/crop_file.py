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

Regions and crops that are not named stay as they are. Without `[fusion]` and `[label]` fusion and threshold are chosen
on the tune split as ever; with them they are taken from the file, for the method `depth` alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from wsss.checks import check_settings, setting
from wsss.config import Config
from wsss.errors import WsssError
from wsss.io import atomic_path, read_toml
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters
from wsss.paths import typed_path

__all__ = ["GIVEN_METHOD", "CropSettings", "read_crop_settings", "toml_of", "write_crop_settings"]

GIVEN_METHOD = "depth"
"""The method whose fusion and threshold a file gives: the one that the explorer shows."""


@dataclass(frozen=True)
class _Label:
    threshold: float = setting(0.5, 0, below=1)

    def __post_init__(self) -> None:
        check_settings(self, "label: ")


_KINDS = {"regions": RegionParameters, "crops": CropParameters, "fusion": FusionParameters, "label": _Label}
_SECTIONS = {
    section: {name: hint for name, hint in get_type_hints(kind).items() if name != "level_weights"}
    for section, kind in _KINDS.items()
}
"""The names that each section may have, with the types of their values."""


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

    def applied(self, config: Config) -> Config:
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
        WsssError: missing, no TOML, or with a section, name or value that is not known; the message names it and the
            remedy.
    """
    path = typed_path(path)
    tables = read_toml(
        path,
        what="crop parameters ",
        missing="Give a file with --crops.",
        broken="Mend it, or copy the parameters anew.",
    )
    try:
        sections = {section: _values(section, values) for section, values in tables.items()}
        fusion, threshold = _fusion_of(sections)
    except WsssError as error:
        raise WsssError(f"{path}: {error}") from error
    return CropSettings(path.stem, sections.get("regions", {}), sections.get("crops", {}), fusion, threshold)


def _values(section: str, values: Any) -> dict[str, Any]:
    """What a section says, in the types of its fields; a `WsssError` where it makes no sense."""
    if section not in _SECTIONS or not isinstance(values, dict):
        raise WsssError(f"unknown section {section!r}; it may have {', '.join(_SECTIONS)}")
    known = _SECTIONS[section]
    if odd := [name for name in values if name not in known]:
        raise WsssError(f"[{section}] has no {odd[0]!r}; it may have {', '.join(known)}")
    _KINDS[section](**values)  # its own checks
    return {name: _typed(value, known[name]) for name, value in values.items()}


def _typed(value: Any, hint: Any) -> Any:
    """A whole number as a float where it stands for one, and a list as a tuple."""
    if isinstance(value, list):
        return tuple(_typed(each, get_args(hint)[0]) for each in value)
    return float(value) if hint is float else value


def _fusion_of(sections: Mapping[str, Mapping[str, Any]]) -> tuple[FusionParameters | None, float | None]:
    if ("fusion" in sections) != ("label" in sections):
        raise WsssError("[fusion] and [label] belong together; leave out both to have them chosen on tune")
    if "fusion" not in sections:
        return None, None
    for section in ("fusion", "label"):
        if missing := [name for name in _SECTIONS[section] if name not in sections[section]]:
            names = ", ".join(_SECTIONS["fusion"])
            raise WsssError(f"{missing[0]!r} is missing; [fusion] has {names}, [label] threshold")
    return FusionParameters(**sections["fusion"]), sections["label"]["threshold"]


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
