"""The four profiles, and the settings of each data set."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from wsss.checks import check_settings
from wsss.config import ClassifierConfig, Config, DepthTraining, SegmentationConfig
from wsss.data.registry import dataset_names
from wsss.depth.declared import FILES, declarations, kinds_of, take_inline
from wsss.depth.specs import innermost, resolve_place
from wsss.errors import WsssError
from wsss.methods.parameters import ColourParameters, CropParameters, RegionParameters
from wsss.methods.presets import PHOTOGRAPHS, read_preset

__all__ = ["PROFILES", "profile"]


T = TypeVar("T")

# Chosen on the tune splits with the classifier of seed 0. Sensor and predicted depth are noisier than rendered depth
# (Kinect depth here has steps of 4 cm), and the objects of photographs are larger: looks at the whole image are worth
# more there than crops.
_BY_DATA: dict[str, dict[str, Any]] = {
    "tabletop": {
        "label_methods": ("cam", "cam+par", "depth"),  # exact depth leaves a refinement little to do
        # Depth as it is: a guided filter blurs the borders of small things.
        "regions": RegionParameters(guides=(0,)),
        "colour": ColourParameters(scale=2.0, min_area=0.0004, crop_scale=8.0, crop_min_area=0.0256),
        "crops": CropParameters(within=4),
        # Five times the epochs of other data took `depth@learned` on tune from 49.0 to 52.7 mIoU (400 pictures are
        # few).
        "depth_training": DepthTraining(epochs=40),
    },
    "nyuv2": {
        "classifier": ClassifierConfig(epochs=10),
        # Steps of 4 cm are high ones near the camera, and low ones far away.
        "regions": RegionParameters(
            plane_tolerance=0.008, smooth=2.0, even=4, jump=0.03, far=0.3, min_area=0.0004, guides=(4,), barrier=0.1
        ),
        "crops": CropParameters(scales=(2.0, 3.0), count=2),
        "colour": ColourParameters(
            scale=0.06, min_area=0.0016, scales=(1.0, 1.5, 2.0, 2.8), crop_scale=32.0, crop_min_area=0.1
        ),
    },
    "voc": {
        "report_split": "val",
        "train_split": "train_aug",
        "train_limit": 1000,
        "depth": "files:DepthMETER",
        "depth_kind": "metric",
        "pseudo_methods": ("cam", "cam+par", "depth", "depth+par"),
        "label_methods": ("cam", "cam+par", "depth+par"),
        "classifier": ClassifierConfig(epochs=6),
        "regions": RegionParameters(
            plane_tolerance=0.02, smooth=0.0, jump=0.0075, min_area=0.0004, guides=(4,), barrier=0.1
        ),
        "crops": CropParameters(scales=(1.0, 2.0, 2.4), count=5),
        "colour": ColourParameters(
            scale=0.06, min_area=0.0008, scales=(1.0, 1.5, 2.0, 2.8), crop_scale=8.0, crop_min_area=0.05
        ),
    },
    # Nothing can be chosen on them: `profile` gives them the settings of a preset.
    "photographs": {
        "report_split": "train",
        "depth": "hf:depth-anything/Depth-Anything-V2-Small-hf",
        "methods": ("cam", "zoom", "rgb-region", "depth"),
        "pseudo_methods": ("depth",),
        "label_methods": ("depth",),
        "classifier": ClassifierConfig(epochs=6),
        "photograph_side": 768,  # as much as the finest pass of a preset sees
    },
}

_OF_OTHERS: dict[str, Any] = {
    key: _BY_DATA["voc"][key] for key in ("pseudo_methods", "label_methods", "classifier", "regions", "crops", "colour")
}
"""Settings of a user's own data sets: those of photographs."""

REFERENCE_ROOTS = ("voc-animals",)
"""Names of the `voc` folders that the profiles' limits are for, beside the VOC 2012 that is downloaded."""


def _smoke(config: Config) -> Config:
    return replace(
        config,
        train_limit=16,
        tune_limit=4,
        report_limit=6,
        tabletop_side=96,
        tabletop_scenes=(16, 4, 6),
        series_rooms=3,
        classifier=replace(config.classifier, base_side=96, crop_side=64, epochs=1, batch_size=8),
        depth_training=replace(config.depth_training, epochs=1, side=64),
        segmentation=replace(config.segmentation, iterations=4, batch_size=4, crop_size=64),
    )


def _short(config: Config) -> Config:
    # A first run: fewer images and steps, in minutes; what it finds is beside the committed records, not in them. Of
    # pseudo-labels there are those that networks learn from, and unrefined ones. A network of own photographs is to be
    # used, so it learns as long as those of the records.
    iterations = config.segmentation.iterations
    if config.data != "photographs":
        iterations = min(iterations, 300)
    labels = tuple(name for name in config.label_methods if name != "cam")  # the refined are the better ones
    return replace(
        config,
        train_limit=config.train_limit and min(config.train_limit, 300),
        tabletop_scenes=(200, 28, 50),
        series_rooms=3,
        pseudo_methods=tuple(name for name in config.pseudo_methods if name in labels or "+" not in name),
        label_methods=labels,
        segmentation=replace(config.segmentation, iterations=iterations),
    )


def _full(config: Config) -> Config:
    # Paper scale: needs a GPU and a hub; see docs/scale.md.
    return replace(
        config,
        train_limit=None,
        tabletop_scenes=(4000, 400, 1000),
        photograph_side=config.photograph_side and 2 * config.photograph_side,
        classifier=replace(config.classifier, backbone="resnet50", base_side=512, crop_side=448, epochs=12),
        segmentation=SegmentationConfig(
            encoder="resnet50", iterations=20_000, batch_size=16, crop_size=448, frozen_stages=0
        ),
    )


PROFILES: dict[str, Callable[[Config], Config]] = {
    "smoke": _smoke,
    "default": _short,
    "reference": lambda config: config,
    "full": _full,
}
"""`smoke` is tiny and no result; `default` is what a reader runs first; `reference` makes the committed records; `full`
is paper scale."""


def profile(name: str = "default", data: str = "tabletop", *, own: bool = False, **settings: Any) -> Config:
    """The configuration of a profile on a data set, with some settings replaced.

    Args:
        own: whether `data` is the name of data sets that are at hand, and need not be one that can be opened.
        settings: fields of `Config`; a value of None keeps the profile's, a list will do for a tuple. `depth` may
            declare the source that it names, as in `near=files:DIR`; `depth_kind` may be a list, of a kind for all
            files and of `NAME=KIND`. A dotted name is a field of a part, such as `classifier.epochs`.

    Raises:
        WsssError: unknown profile, data set or setting (the message lists those there are), or one of the wrong type or
            range.
    """
    if name not in PROFILES:
        raise WsssError(f"unknown profile {name!r}; choose from {', '.join(PROFILES)}")
    names = tuple(dict.fromkeys((*_BY_DATA, *dataset_names())))
    if own and data in names:
        raise WsssError(f"data set {data!r}: another one has that name. Give yours another name.")
    if not own and data not in names:
        raise WsssError(f"unknown data set {data!r}; choose from {', '.join(names)}")
    of_parts = {key: settings.pop(key) for key in list(settings) if "." in key}
    known = {f.name for f in fields(Config)}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise WsssError(f"unknown setting {unknown[0]!r}; choose from {', '.join(sorted(known))}")
    config = PROFILES[name](Config(profile=name, data=data, **_BY_DATA.get(data, _OF_OTHERS)))
    if data == "photographs":
        given_preset = read_preset(settings.get("preset") or PHOTOGRAPHS)
        config = replace(config, regions=given_preset.regions, crops=given_preset.crops, colour=given_preset.colour)
    config = _with_parts(config, of_parts)
    root = settings.get("root")
    foreign = data == "voc" and root is not None and Path(root).resolve().name not in REFERENCE_ROOTS
    if foreign or data == "photographs":
        config = replace(config, train_limit=None, tune_limit=None, report_limit=None)
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items() if value is not None
    }
    config = _with_kinds(config, given)
    check_settings(config)
    return replace(
        config,
        depth=resolve_place(config.depth, config.place),
        sources=tuple(f"{name}={resolve_place(spec, config.place)}" for name, spec in config.depths.declared.items()),
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
