"""Everything that can be set, in frozen dataclasses, and the three profiles.

A stage's cache key is the hash of the parts it depends on, so that what is here decides what is computed anew.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from wsss.data.tabletop import TabletopSpec, default_root
from wsss.depth.declared import FILES, DepthSources, declarations, kinds_of, take_inline
from wsss.depth.specs import innermost, portable_spec, resolve_place
from wsss.depth.training import DepthTraining
from wsss.errors import WsssError
from wsss.machine.contents import weights_hash
from wsss.methods.crops import CropParameters
from wsss.methods.evidence import split_method
from wsss.methods.regions import RegionParameters
from wsss.pseudo.refinement import split_refinement
from wsss.settings import OPTIONAL, check_settings

__all__ = [
    "PROFILES",
    "RESULT_KINDS",
    "RESULT_LABELS",
    "RESULT_METHODS",
    "ClassifierConfig",
    "Config",
    "SegmentationConfig",
    "profile",
]

T = TypeVar("T")


@dataclass(frozen=True)
class ClassifierConfig:
    """The classifier and its training. Sides in pixels."""

    backbone: str = "tf_efficientnet_lite0"
    weights: str | None = None  # local file of backbone weights; None: the registered source, or timm's hub
    output_stride: int = 16
    base_side: int = 256  # long side of an image at scale 1
    crop_side: int = 224  # of the training crops
    epochs: int = 10
    batch_size: int = 16
    learning_rate: float = 2e-3  # of the head; the backbone learns at a fifth
    frozen_stages: int = 2

    def identity(self) -> dict[str, Any]:
        """What enters cache keys: all settings as plain values, of a file of weights its contents instead of its place.

        Raises:
            WsssError: the file cannot be read; the message names it.
        """
        settings = asdict(self)
        return settings | {"weights": weights_hash(Path(self.weights))} if self.weights else settings


@dataclass(frozen=True)
class SegmentationConfig:
    """The segmentation network and its training. `crop_size` in pixels; images keep the classifier's base side.

    At inference images are seen at `test_scales`, with flip: training magnifies by 0.75–2, about as much on average.
    """

    architecture: str = "DeepLabV3Plus"
    encoder: str = "tu-tf_efficientnet_lite0"
    iterations: int = 300
    batch_size: int = 8
    crop_size: int = 192
    learning_rate: float = 1e-3
    frozen_stages: int = 2
    test_scales: tuple[float, ...] = (1.5,)


@dataclass(frozen=True)
class Config:
    """One run.

    Attributes:
        profile: name it was made from; `smoke` stamps records as no result.
        data: `tabletop`, `nyuv2` or `voc`.
        root: folder of the data; None is the default place.
        classes: names, None for all that the data set has.
        train_split, report_split: `train` (or VOC's `train_aug`) and `test` (VOC: `val`).
        train_limit, tune_limit, report_limit: at most so many images, evenly spaced; None for all. A profile's own are for the
            reference data sets; a user's folder has none but those that are asked for.
        depth, depth_kind: see `wsss.depth.sources.open_depth`; the kind is that of this depth alone.
        sources: declared sources `NAME=files:DIR`, which `depth` and methods may name.
        kinds: `NAME=metric|inverse` for these, `files=metric|inverse` for all other files.
        seed: of training; data and splits do not depend on it.
        methods: seeds that are scored on the reported split, each with `@source` where it uses another depth than the run's.
        pseudo_methods: whose pseudo-labels are scored on the train split, each with `+refinement` where it is refined.
        label_methods: those whose pseudo-labels train a network; the refinement is the one of `par`, `par-depth` that is better
            on the tune split with the classifier of seed 0.
        tabletop_side, tabletop_scenes: of the rendered data (train, tune, test).
        series_groups: rooms for each class in the controlled series of `tabletop`, at least.
    """

    profile: str = "default"
    data: str = "tabletop"
    root: str | None = None
    classes: tuple[str, ...] | None = None
    train_split: str = "train"
    report_split: str = "test"
    train_limit: int | None = None
    tune_limit: int | None = None
    report_limit: int | None = None
    depth: str = "sensor"
    depth_kind: str | None = None
    seed: int = 0
    methods: tuple[str, ...] = ("cam", "zoom", "rgb-region", "crop-only", "region-only", "depth")
    pseudo_methods: tuple[str, ...] = ("cam", "cam+par", "depth", "depth+par-depth")
    label_methods: tuple[str, ...] = ("cam", "cam+par", "depth+par-depth")
    tabletop_side: int = 256
    tabletop_scenes: tuple[int, int, int] = (400, 80, 200)
    series_groups: int = 2
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    depth_training: DepthTraining = field(default_factory=DepthTraining)
    regions: RegionParameters = field(default_factory=RegionParameters)
    crops: CropParameters = field(default_factory=CropParameters)
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    sources: tuple[str, ...] = field(default=(), metadata=OPTIONAL)
    kinds: tuple[str, ...] = field(default=(), metadata=OPTIONAL)

    def dictionary(self) -> dict[str, Any]:
        """All settings as nested plain values; those that came later only where they are set, so that hashes stay."""
        settings = asdict(self)
        for one in fields(self):
            if one.metadata == OPTIONAL and settings[one.name] == one.default:
                del settings[one.name]
        return settings

    @property
    def depths(self) -> DepthSources:
        """The depth sources of the run: their names, places and kinds."""
        declared = declarations(self.sources)
        return DepthSources(
            own=self.depth, own_kind=self.depth_kind, declared=declared, kinds=kinds_of(self.kinds, declared)[1],
            root=self.root, known=RESULT_KINDS.get(self.data, {}),
        )  # fmt: skip

    def method_sources(self) -> list[str]:
        """The `@source` of every method that names one."""
        names = (*self.methods, *self.pseudo_methods, *self.label_methods)
        found = (split_method(split_refinement(name)[0])[1] for name in names)
        return [source for source in dict.fromkeys(found) if source]

    def inputs(self, *more: str | None) -> list[Path]:
        """The files and folders that a run reads: its data, depth and weights.

        Args:
            more: sources that no method names.
        """
        found = [Path(self.classifier.weights)] if self.classifier.weights else []
        if self.root or self.data == "tabletop":
            found.append(Path(self.root) if self.root else default_root(self.tabletop_spec))
        return found + self.depths.places((*self.method_sources(), *more))

    @property
    def tabletop_spec(self) -> TabletopSpec:
        """What `tabletop` is rendered from."""
        splits = tuple(zip(("train", "tune", "test"), self.tabletop_scenes, strict=True))
        return TabletopSpec(side=self.tabletop_side, splits=splits)

    def portable(self) -> dict[str, Any]:
        """All settings but the seed and the places of data and depth files: what a record keeps, to be made anew anywhere.

        Sources that are told apart by their places alone are declared under the names that they have in records.
        """
        depths = self.depths
        names, declared = depths.names(self.method_sources()), dict(depths.declared)

        def carried(source: str | None) -> str | None:
            spec, more = depths.portable(source, names)
            declared.update(more)
            return spec

        def without_place(name: str) -> str:
            method, refinement = split_refinement(name)
            base, source = split_method(method)
            return f"{base}@{carried(source)}" + (f"+{refinement}" if refinement else "") if source else name

        settings = self.dictionary()
        del settings["seed"]
        settings |= {"root": None, "depth": carried(self.depth)}
        for kind in ("methods", "pseudo_methods", "label_methods"):
            settings[kind] = tuple(map(without_place, settings[kind]))
        if declared:
            settings["sources"] = tuple(f"{name}={portable_spec(spec)}" for name, spec in declared.items())
        return settings


# Chosen on the tune splits with the classifier of seed 0. Sensor and predicted depth are noisier than rendered depth (Kinect depth
# here has steps of 4 cm), and the objects of photographs are larger: looks at the whole image are worth more there than crops.
_REGIONS = RegionParameters(plane_tolerance=0.02, smooth=2.0, jump=0.015, min_area=0.003)

_CROPS = CropParameters(scales=(1.0, 2.0, 2.8), count=2)

_BY_DATA: dict[str, dict[str, Any]] = {
    "tabletop": {
        "regions": RegionParameters(guides=(0, 4)),
        # Five times the epochs of other data took `depth@learned` on tune from 49.0 to 52.7 mIoU (400 pictures are few).
        "depth_training": DepthTraining(epochs=40),
    },
    "nyuv2": {
        "classifier": ClassifierConfig(epochs=10),
        "regions": replace(_REGIONS, guides=(4,)),
        "crops": _CROPS,
        # Sixteen classes in crowded rooms: after 300 iterations even true masks have taught a network little (18.2 mIoU).
        "segmentation": SegmentationConfig(iterations=1200),
    },
    "voc": {
        "report_split": "val", "train_split": "train_aug", "train_limit": 1000,
        "depth": "files:DepthMETER", "depth_kind": "metric",
        "pseudo_methods": ("cam", "cam+par", "depth", "depth+par"),
        "label_methods": ("cam", "cam+par", "depth+par"),
        "classifier": ClassifierConfig(epochs=6),
        "regions": replace(_REGIONS, guides=(4, 8)),
        "crops": _CROPS,
    },
}  # fmt: skip

REFERENCE_ROOTS = ("voc-animals",)
"""Names of the `voc` folders that the profiles' limits are for, beside the VOC 2012 that is downloaded."""

RESULT_METHODS = {
    "tabletop": (
        "cam", "zoom", "grid", "random", "cam-box", "rgb-region", "crop-only", "region-only", "depth",
        "depth@learned", "depth@noisy-08", "depth@shuffled", "depth@constant", "depth@inverted", "oracle-box",
    ),
    "nyuv2": (
        "cam", "zoom", "grid", "random", "cam-box", "rgb-region", "crop-only", "region-only", "depth",
        "depth@learned", "depth@files:depth_meter", "depth@shuffled", "oracle-box",
    ),
    "voc": (
        "cam", "zoom", "grid", "random", "cam-box", "rgb-region", "crop-only", "region-only", "depth",
        "depth@shuffled", "oracle-box",
    ),
}  # fmt: skip
"""What `make results` compares: baseline, controls without depth, parts of the method, other and wrong depth, upper bound."""

RESULT_KINDS: dict[str, dict[str, str]] = {"nyuv2": {"files:depth_meter": "metric"}}
"""Kinds of the depth files that `RESULT_METHODS` names, by data set and source; of all others the user states the kind."""

RESULT_LABELS = {
    "tabletop": tuple(
        f"{method}{refinement}"
        for method in ("cam", "rgb-region", "depth")
        for refinement in ("", "+crf", "+par", "+par-depth")
    ),
    "nyuv2": ("cam", "cam+par", "cam+par-depth", "depth", "depth+par", "depth+par-depth"),
    "voc": ("cam", "cam+par", "cam+par-depth", "depth", "depth+par", "depth+par-depth"),
}
"""Pseudo-labels that `make results` compares. On `tabletop` each refinement of baseline, best control and depth."""


def _smoke(config: Config) -> Config:
    return replace(
        config,
        train_limit=16, tune_limit=4, report_limit=6, tabletop_side=96, tabletop_scenes=(16, 4, 6),
        series_groups=1,
        classifier=replace(config.classifier, base_side=96, crop_side=64, epochs=1, batch_size=8),
        depth_training=replace(config.depth_training, epochs=1, side=64),
        segmentation=replace(config.segmentation, iterations=4, batch_size=4, crop_size=64),
    )  # fmt: skip


def _full(config: Config) -> Config:
    # Paper scale: needs a GPU and a hub; see the README.
    return replace(
        config,
        train_limit=None, tabletop_scenes=(4000, 400, 1000),
        classifier=replace(config.classifier, backbone="resnet50", base_side=512, crop_side=448, epochs=12),
        segmentation=SegmentationConfig(encoder="resnet50", iterations=20_000, batch_size=16, crop_size=448, frozen_stages=0),
    )  # fmt: skip


PROFILES: dict[str, Callable[[Config], Config]] = {"smoke": _smoke, "default": lambda config: config, "full": _full}


def profile(name: str = "default", data: str = "tabletop", **settings: Any) -> Config:
    """The configuration of a profile on a data set, with some settings replaced.

    Args:
        settings: fields of `Config`; a value of None keeps the profile's, a list will do for a tuple. `depth` may declare the
            source that it names, as in `near=files:DIR`; `depth_kind` may be a list, of a kind for all files and of `NAME=KIND`.
            A dotted name is a field of a part, such as `classifier.epochs`.

    Raises:
        WsssError: unknown profile, data set or setting (the message lists those there are), or one of the wrong type or range.
    """
    if name not in PROFILES:
        raise WsssError(f"unknown profile {name!r}; choose from {', '.join(PROFILES)}")
    if data not in _BY_DATA:
        raise WsssError(f"unknown data set {data!r}; choose from {', '.join(_BY_DATA)}")
    of_parts = {key: settings.pop(key) for key in list(settings) if "." in key}
    known = {f.name for f in fields(Config)}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise WsssError(f"unknown setting {unknown[0]!r}; choose from {', '.join(sorted(known))}")
    config = _with_parts(PROFILES[name](Config(profile=name, data=data, **_BY_DATA[data])), of_parts)
    if data == "voc" and settings.get("root") and Path(settings["root"]).resolve().name not in REFERENCE_ROOTS:
        config = replace(config, train_limit=None, tune_limit=None, report_limit=None)
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items() if value is not None
    }
    config = _with_kinds(config, given)
    check_settings(config)
    return replace(
        config,
        depth=resolve_place(config.depth, config.root),
        sources=tuple(f"{name}={resolve_place(spec, config.root)}" for name, spec in config.depths.declared.items()),
    )


def _with_kinds(config: Config, given: dict[str, Any]) -> Config:
    """`config` with the settings `given`, in which depth may declare its source and kinds may be of several sources."""
    given = dict(given)
    stated = given.pop("depth_kind", None)
    if isinstance(given.get("depth"), str):
        given["depth"], declared = take_inline(given["depth"])
        given["sources"] = (*given.get("sources", ()), *([declared] if declared else []))
        given["depth_kind"] = None  # the profile's is that of the profile's depth
    config = replace(config, **given)
    check_settings(config)
    if stated is not None and not _is_text(stated):
        raise WsssError(f"setting depth_kind must be text or a list of text, not {stated!r}")
    known = _named("sources", lambda: declarations(config.sources))
    own, named = _named("depth_kind", lambda: kinds_of(stated, known))
    if own:  # what the user states is true of all files; what a profile does, of its own depth
        config, named = replace(config, depth_kind=own), {FILES: own, **named}
    plain, before = _named("kinds", lambda: kinds_of(config.kinds, known))
    if plain:
        raise WsssError(f"setting kinds: each must be NAME=KIND, not {plain!r} (that is depth_kind)")
    named = before | named
    if innermost(config.depth) in named:
        config = replace(config, depth_kind=None)
    return replace(config, kinds=tuple(f"{name}={kind}" for name, kind in named.items()))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, tuple) and all(isinstance(each, str) for each in value))


def _named(setting: str, read: Callable[[], T]) -> T:
    """What `read` makes of a setting; its error says which setting is wrong."""
    try:
        return read()
    except WsssError as error:
        raise WsssError(f"setting {setting}: {error}") from error


def _with_parts(config: Config, settings: dict[str, Any]) -> Config:
    """`config` with other fields of its parts, by dotted names; None keeps what is there."""
    for name, value in settings.items():
        part, _, of_part = name.partition(".")
        inner: Any = getattr(config, part, None)
        known = {f.name for f in fields(inner)} if is_dataclass(inner) else set()
        if of_part not in known:
            raise WsssError(f"unknown setting {name!r}; {part} has {', '.join(sorted(known)) or 'no fields'}")
        if value is not None:
            own = tuple(value) if isinstance(value, list) else value
            changed: dict[str, Any] = {part: replace(inner, **{of_part: own})}
            config = replace(config, **changed)
    return config
