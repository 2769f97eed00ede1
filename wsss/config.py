"""Everything that can be set, in frozen dataclasses; `wsss.pipeline.profiles` has the profiles.

A stage's cache key is the hash of the parts it depends on, so that what is here decides what is computed anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wsss.checks import plain_settings, setting
from wsss.data.tabletop import TabletopSpec, default_root
from wsss.data.tags import FOLDERS
from wsss.depth.declared import DepthSources, declarations, kinds_of
from wsss.depth.specs import innermost, portable_spec, source_name
from wsss.io import content_hash
from wsss.machine.contents import weights_hash
from wsss.methods.names import MethodName
from wsss.methods.parameters import ColourParameters, CropParameters, RegionParameters
from wsss.methods.registry import full_name

__all__ = [
    "ALGORITHM_VERSION",
    "RESULT_KINDS",
    "SCORING_VERSION",
    "ClassifierConfig",
    "Config",
    "DepthTraining",
    "SegmentationConfig",
    "algorithms_of",
    "config_hash",
    "hashed_splits",
]

ALGORITHM_VERSION = {"classifier": 2, "depth": 2, "cam": 6, "pseudo": 4, "segmentation": 4}
"""Raised whenever a stage's output changes for the same settings; part of every cache key and record."""

SCORING_VERSION = 3
"""Raised whenever a `Score` says more or other things of the same label maps; part of the cache keys of scores."""


def algorithms_of(stage: str) -> dict[str, int]:
    """Versions of a stage and of all that its output depends on, by stage."""
    stages = list(ALGORITHM_VERSION)  # each depends on those before it
    return {each: ALGORITHM_VERSION[each] for each in stages[: stages.index(stage) + 1]}


@dataclass(frozen=True)
class ClassifierConfig:
    """The classifier and its training. Sides in pixels."""

    backbone: str = "tf_efficientnet_lite0"
    weights: str | None = None  # local file of backbone weights; None: the registered source, or timm's hub
    output_stride: int = setting(16, 1, 64)
    base_side: int = setting(256, 32, 16384)  # long side of an image at scale 1
    crop_side: int = setting(224, 32, 16384)  # of the training crops
    epochs: int = setting(10, 1)
    batch_size: int = setting(16, 1)
    learning_rate: float = setting(2e-3, 0, 10)  # of the head; the backbone learns at a fifth
    frozen_stages: int = setting(2, 0)
    accumulate: int = setting(1, 1, optional=True)  # batches a step, where a larger one does not fit into memory

    def identity(self) -> dict[str, Any]:
        """What enters cache keys: all settings as plain values, of a file of weights its contents instead of its place.

        Raises:
            WsssError: the file cannot be read; the message names it.
        """
        settings = plain_settings(self)
        return settings | {"weights": weights_hash(Path(self.weights))} if self.weights else settings


@dataclass(frozen=True)
class DepthTraining:
    """The depth network's training.

    Attributes:
        epochs: fixed in advance.
        batch_size: windows per step.
        side: of the training windows in pixels, a multiple of 32.
        learning_rate: of the decoder (AdamW, polynomial schedule); the encoder learns at a fifth.
        frozen_stages: stem and first stages that keep their pretrained weights; batch-norm statistics are always kept.
        accumulate: batches a step, where a larger one does not fit into memory.
    """

    epochs: int = setting(8, 1)
    batch_size: int = setting(8, 1)
    side: int = setting(192, 32, 16384, multiple_of=32)
    learning_rate: float = setting(1e-3, 0, 10)
    frozen_stages: int = setting(1, 0)
    accumulate: int = setting(1, 1, optional=True)


@dataclass(frozen=True)
class SegmentationConfig:
    """The segmentation network and its training. `crop_size` in pixels; images keep the classifier's base side.

    At inference images are seen at `test_scales`, with flip: training magnifies by 0.75–2, about as much on average.
    """

    architecture: str = "DeepLabV3Plus"
    encoder: str = "tu-tf_efficientnet_lite0"
    iterations: int = setting(1200, 1)
    batch_size: int = setting(8, 2)
    crop_size: int = setting(192, 32, 16384, multiple_of=32)
    learning_rate: float = setting(1e-3, 0, 10)
    frozen_stages: int = setting(2, 0)
    test_scales: tuple[float, ...] = setting((1.5,), 0.01, 100, filled=True)
    accumulate: int = setting(1, 1, optional=True)  # batches an iteration, where a larger one does not fit into memory


@dataclass(frozen=True)
class Config:
    """One run.

    Attributes:
        profile: name it was made from; `smoke` stamps records as no result.
        data: `tabletop`, `nyuv2`, `voc`, `photographs`, or the name of a user's own.
        root: folder of the data; None is the default place.
        classes: names, None for all that the data set has.
        train_split, report_split: `train` (or VOC's `train_aug`) and `test` (VOC: `val`).
        train_limit, tune_limit, report_limit: at most so many images, evenly spaced; None for all. A profile's own are
            for the reference data sets; a user's folder has none but those that are asked for.
        depth, depth_kind: see `wsss.depth.sources.open_depth`; the kind is that of this depth alone.
        sources: declared sources `NAME=files:DIR`, which `depth` and methods may name.
        kinds: `NAME=metric|inverse` for these, `files=metric|inverse` for all other files.
        seed: of training; data and splits do not depend on it.
        methods: seeds that are scored on the reported split, each with `@source` where it uses another depth than the
            run's.
        pseudo_methods: whose pseudo-labels are scored on the train split, each with `+refinement` where it is refined.
        label_methods: those whose pseudo-labels train a network; the refinement is the one of `par`, `par-depth` that
            is better on the tune split with the classifier of seed 0.
        tabletop_side, tabletop_scenes: of the rendered data (train, tune, test).
        series_rooms: rooms in each controlled series of `tabletop`, at least; their classes take turns.
        tags: of `photographs`: where their image labels are, see `wsss.data.tags.read_tags`.
        tune_masks: of `photographs`: folder, or COCO file, of the few masks that there are, None for none.
        photograph_side: of `photographs`: larger ones are looked at with that many pixels on the long side.
        preset: which of `wsss.methods.presets` gives parameters and thresholds where `tune` has no masks; None takes
            the one for the data set.
    """

    profile: str = "default"
    data: str = "tabletop"
    root: str | None = None
    classes: tuple[str, ...] | None = None
    train_split: str = "train"
    report_split: str = "test"
    train_limit: int | None = setting(None, 1)
    tune_limit: int | None = setting(None, 1)
    report_limit: int | None = setting(None, 1)
    depth: str = "sensor"
    depth_kind: str | None = None
    seed: int = setting(0, 0, 2**32 - 1)
    methods: tuple[str, ...] = ("cam", "zoom", "layers", "rgb-region", "crop-only", "region-only", "depth")
    pseudo_methods: tuple[str, ...] = ("cam", "cam+par", "depth", "depth+par-depth")
    label_methods: tuple[str, ...] = ("cam", "cam+par", "depth+par-depth")
    tabletop_side: int = setting(512, 32, 4096)
    tabletop_scenes: tuple[int, int, int] = (400, 80, 400)
    series_rooms: int = setting(40, 1)
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    depth_training: DepthTraining = field(default_factory=DepthTraining)
    regions: RegionParameters = field(default_factory=RegionParameters)
    colour: ColourParameters = field(default_factory=ColourParameters)
    crops: CropParameters = field(default_factory=CropParameters)
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    tags: str | None = setting(None, optional=True)
    tune_masks: str | None = setting(None, optional=True)
    photograph_side: int | None = setting(None, 64, 16384, optional=True)
    preset: str | None = setting(None, optional=True)
    sources: tuple[str, ...] = setting((), optional=True)
    kinds: tuple[str, ...] = setting((), optional=True)

    def dictionary(self) -> dict[str, Any]:
        """All settings as nested plain values; those that came later only where they are set, so that hashes stay."""
        return plain_settings(self)

    @property
    def depths(self) -> DepthSources:
        """The depth sources of the run: their names, places and kinds."""
        declared = declarations(self.sources)
        _, kinds = kinds_of(self.kinds, declared)
        known = RESULT_KINDS.get(self.data, {})
        return DepthSources(self.depth, self.depth_kind, declared, kinds, root=self.place, known=known)

    @property
    def place(self) -> str | None:
        """The folder of the data, where it is known: that of `tabletop` has a default."""
        return self.root or (str(default_root(self.tabletop_spec)) if self.data == "tabletop" else None)

    def method_sources(self) -> list[str]:
        """The `@source` of every method that names one."""
        names = (*self.methods, *self.pseudo_methods, *self.label_methods)
        found = (MethodName.parse(name).source for name in names)
        return [source for source in dict.fromkeys(found) if source]

    @property
    def source_names(self) -> dict[str, str]:
        """Names in records of what the sources of the methods are made from, see `DepthSources.names`."""
        return self.depths.names(self.method_sources())

    def full_name(self, name: str) -> str:
        """A method's name in records and tables: `depth@sensor` where it uses depth, with its `+refinement`."""
        parts = MethodName.parse(name)
        return full_name(parts, parts.source or self.depth, self.source_names)

    def inputs(self, *more: str | None) -> list[Path]:
        """The files and folders that a run reads: its data, depth and weights.

        Args:
            more: sources that no method names.
        """
        found = [Path(self.classifier.weights)] if self.classifier.weights else []
        if self.place:
            found.append(Path(self.place))
        found += [Path(place) for place in (self.tags, self.tune_masks) if place and place != FOLDERS]
        return found + self.depths.places((*self.method_sources(), *more))

    @property
    def tabletop_spec(self) -> TabletopSpec:
        """What `tabletop` is rendered from."""
        splits = tuple(zip(("train", "tune", "test"), self.tabletop_scenes, strict=True))
        return TabletopSpec(side=self.tabletop_side, splits=splits)

    def portable(self) -> dict[str, Any]:
        """All settings but the seed and the places of data and depth: what a record keeps, to be made anew anywhere.

        Sources that are told apart by their places alone are declared under the names that they have in records.
        """
        depths = self.depths
        names, declared = depths.names(self.method_sources()), dict(depths.declared)

        def carried(source: str | None) -> str | None:
            spec, more = depths.portable(source, names)
            declared.update(more)
            return spec

        def without_place(name: str) -> str:
            parts = MethodName.parse(name)
            return str(replace(parts, source=carried(parts.source))) if parts.source else name

        settings = self.dictionary()
        for name in ("seed", "tags", "tune_masks"):
            settings.pop(name, None)
        settings |= {"root": None, "depth": carried(self.depth)}
        for kind in ("methods", "pseudo_methods", "label_methods"):
            settings[kind] = tuple(map(without_place, settings[kind]))
        if declared:
            settings["sources"] = tuple(f"{name}={portable_spec(spec)}" for name, spec in declared.items())
        return settings


RESULT_KINDS: dict[str, dict[str, str]] = {
    "nyuv2": {"files:depth_meter": "metric"},
    "tabletop": {"files:kinect": "metric"},
}
"""Kinds of the depth files that `RESULT_METHODS` names, by data set and source; users state those of all others."""


def config_hash(config: Config, given: Mapping[str, Any] | None = None) -> str:
    """Hash of the settings that a record depends on, and of how scores are counted.

    The seed does not enter, and the data by its name instead of its place; what is in it is in its own hash.

    Args:
        given: what a file of crop parameters gives in place of choosing it.
    """
    settings = config.dictionary() | {"classifier": config.classifier.identity()}
    for name in (*_NOT_HASHED, *(() if config.data == "tabletop" else _OF_TABLETOP)):
        settings.pop(name, None)
    if own := config.depths.kinds.get(innermost(config.depth)):
        settings["depth_kind"] = own
    if given:
        settings["given"] = given
    depth = source_name(config.depth, config.source_names)
    return content_hash({**settings, "depth": depth, "scoring": SCORING_VERSION})


_OF_TABLETOP = "tabletop_side", "tabletop_scenes"
_NOT_HASHED = (
    "seed",
    "root",
    "methods",
    "pseudo_methods",
    "label_methods",
    "depth",
    "series_rooms",
    "sources",
    "kinds",
    "tags",
    "tune_masks",
)


def hashed_splits(stage: str) -> tuple[str, ...]:
    """The splits that `data_hash` covers."""
    return ("train", "tune") if stage == "pseudo" else ("train", "tune", "report")
