"""Parameters and thresholds for photographs of which there is no mask: what was chosen on other data.

`wsss label` goes by `PHOTOGRAPHS`, and `DepthCAM` by `MEASURED_DEPTH` where nobody says anything else.

`presets.json` is made from the committed records by `wsss presets` (see `wsss.experiments.presets`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wsss.checks import settings_from
from wsss.errors import WsssError
from wsss.io import content_hash, read_json, write_json
from wsss.methods.choice import Choice
from wsss.methods.names import MethodName
from wsss.methods.parameters import ColourParameters, CropParameters, FusionParameters, RegionParameters

__all__ = [
    "MEASURED_DEPTH",
    "PHOTOGRAPHS",
    "PRESETS_FILE",
    "Preset",
    "preset_for",
    "preset_names",
    "read_preset",
    "write_presets",
]

PRESETS_FILE = Path(__file__).with_name("presets.json")

PHOTOGRAPHS = "photographs"
"""The preset for anybody's data; `without-NAME` are those for the data sets that it was itself chosen on."""

MEASURED_DEPTH = "nyuv2"
"""The preset of the data set whose depth a camera measured, for depth as sharp: with parameters that rough depth
has chosen as well, it is smeared."""


@dataclass(frozen=True)
class Preset:
    """What was chosen on other data.

    Attributes:
        made_from: names of these data sets.
        regions, crops, colour: settings of regions of depth, of crops, and of regions of colour.
        methods: base of a method → `parameters` (of `FusionParameters`) and `threshold`.
        labels: base of a method with its `+refinement` → `refinement`, `low`, `high` and `threshold`.
    """

    name: str
    made_from: tuple[str, ...]
    regions: RegionParameters
    crops: CropParameters
    colour: ColourParameters
    methods: Mapping[str, Mapping[str, Any]]
    labels: Mapping[str, Mapping[str, Any]]

    def choice(self, name: str) -> Choice:
        """Fusion parameters and threshold of a method, with or without `@source`.

        Raises:
            WsssError: the preset does not say.
        """
        given = self.methods.get(MethodName.parse(name).base)
        if given is None:
            raise self._missing(name, self.methods)
        parameters = settings_from(FusionParameters, given["parameters"])
        return Choice(parameters, given["threshold"], None, 0, "preset")

    @property
    def choices(self) -> dict[str, Choice]:
        """Fusion parameters and threshold of all methods that it knows."""
        return {name: self.choice(name) for name in self.methods}

    def label(self, name: str) -> Mapping[str, Any]:
        """Refinement and thresholds of a refined label method, with or without `@source`; raises as `choice` does."""
        parts = MethodName.parse(name)
        given = self.labels.get(f"{parts.base}+{parts.refinement}")
        if given is None:
            raise self._missing(name, (*self.methods, *self.labels))
        return given

    def _missing(self, name: str, known: Any) -> WsssError:
        return WsssError(
            f"without masks nothing can be chosen for {name}, and the preset {self.name} does not know it: take one of "
            f"{', '.join(known)}, or give masks for a few photographs (label --tune-masks DIR)."
        )

    @property
    def identity(self) -> str:
        """Hash of what it gives: part of cache keys."""
        return content_hash([dict(self.methods), dict(self.labels)])

    @property
    def whole_identity(self) -> str:
        """Hash of all that it says, regions and crops too."""
        return content_hash([self.identity, asdict(self.regions), asdict(self.crops), asdict(self.colour)])


@cache
def _presets() -> Mapping[str, Mapping[str, Any]]:
    held: Mapping[str, Mapping[str, Any]] = read_json(PRESETS_FILE)
    return held


def write_presets(presets: Mapping[str, Any]) -> None:
    """Replace `presets.json`; what is read from now on is of the new one."""
    write_json(PRESETS_FILE, presets)
    _presets.cache_clear()


def preset_names() -> tuple[str, ...]:
    """The names that `read_preset` knows."""
    return tuple(_presets())


def read_preset(name: str) -> Preset:
    """The preset of a name.

    >>> read_preset("without-nyuv2").made_from
    ('voc-animals',)

    Raises:
        WsssError: there is none; the message lists those there are.
    """
    if name not in _presets():
        raise WsssError(f"unknown preset {name!r}; choose from {', '.join(_presets())}")
    held = _presets()[name]
    return Preset(
        name,
        tuple(held["made_from"]),
        settings_from(RegionParameters, held["regions"]),
        settings_from(CropParameters, held["crops"]),
        settings_from(ColourParameters, held.get("colour", {}), partial=True),
        held["methods"],
        held["labels"],
    )


def preset_for(data: str) -> Preset:
    """The preset for a data set, which was not chosen on that data set itself."""
    own = f"without-{data}"
    return read_preset(own if own in _presets() else PHOTOGRAPHS)
