"""Searches the constants of a method's regions, crops and passes on the tune split, and counts what was tried.

The same search serves depth and the controls: axes of settings are gone through in turn, all else as it was best so
far. Whatever is tried has the method's whole grid of fusion parameters and all thresholds to choose from, with one
training seed. Scores are counted on a grid of pixels, in a fraction of the time.

    run = open_run("reference", "nyuv2", root=ROOT)
    search_constants(run, "rgb-region", AXES["rgb-region"], Path("results"), print)

What a search chose is entered by hand in `wsss.pipeline.profiles`; a test compares the two.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.confusion import threshold_confusions
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold
from wsss.config import ALGORITHM_VERSION, Config
from wsss.data.base import Dataset
from wsss.io import read_json, write_json
from wsss.machine.parallel import each_image
from wsss.methods.crops import true_boxes
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.fusion import Evidence, fuse
from wsss.methods.names import MethodName
from wsss.methods.regions import Regions
from wsss.methods.registry import method
from wsss.methods.scoring import best_trial
from wsss.pipeline import Run
from wsss.records.provenance import provenance
from wsss.records.store import constants_path

__all__ = [
    "AXES",
    "SEARCHED",
    "Tried",
    "chosen_at_end",
    "constants_tried",
    "search_constants",
    "thinned",
    "with_settings",
]

SIDE = 128
"""Of each image so many pixels are counted on the longer side, or a few more, evenly spaced."""

Settings = Mapping[str, Any]
"""Dotted names of fields of `Config`, such as `colour.scale`, with their values."""


@dataclass(frozen=True)
class Tried:
    """Settings that were tried, and the mIoU in percent of what the method's grid gives with them on tune."""

    settings: Settings
    miou: float


def _product(first: str, firsts: Sequence[Any], second: str, seconds: Sequence[Any]) -> tuple[Settings, ...]:
    return tuple({first: one, second: other} for one in firsts for other in seconds)


_PASSES: tuple[Settings, ...] = tuple(
    {"colour.scales": scales, "colour.flip": flip}
    for scales, flip in (
        ((1.0, 2.0, 3.1), False), ((0.5, 1.0, 1.5, 2.0), True), ((1.0, 1.5, 2.0, 2.8), False), ((1.0, 3.7), False),
        ((0.5, 1.0, 2.5), True), ((2.0, 3.3), False),
    )
)  # fmt: skip
"""Passes over the whole image that cost what those of the other methods do."""

AXES: dict[str, tuple[tuple[Settings, ...], ...]] = {
    "rgb-region": (
        _product("colour.scale", (0.12, 0.25, 0.5, 1.0, 2.0), "colour.min_area", (0.0004, 0.0008, 0.0016, 0.0032)),
        _PASSES,
        ({"colour.min_area": 0.0002}, {"colour.min_area": 0.0064}),
        ({"colour.scale": 0.06}, {"colour.scale": 4.0}),
    ),
    "region-only": (  # on its regions crops are planned too, and it is a fraction of the passes
        _product("regions.jump", (0.0075, 0.015, 0.03), "regions.min_area", (0.0004, 0.0008, 0.0016, 0.003)),
        ({"regions.guides": (0,)}, {"regions.guides": (4,)}, {"regions.guides": (8,)}, {"regions.guides": (4, 8)}),
        (
            {"regions.smooth": 0.0, "regions.even": 0, "regions.far": 1.0},
            {"regions.smooth": 2.0, "regions.even": 0, "regions.far": 1.0},
            {"regions.smooth": 2.0, "regions.even": 4, "regions.far": 0.3},
            {"regions.smooth": 0.0, "regions.even": 0, "regions.far": 0.3},
        ),
        ({"regions.plane_tolerance": 0.004}, {"regions.plane_tolerance": 0.008}, {"regions.plane_tolerance": 0.02}),
        ({"regions.barrier": 0.0}, {"regions.barrier": 0.02}, {"regions.barrier": 0.1}),
    ),
    "depth": (
        tuple(
            {"crops.scales": scales, "crops.count": count}
            for scales, count in (
                ((1.0, 2.0, 2.8), 3), ((1.0, 1.5, 2.0, 2.6), 1), ((2.0, 3.0), 2), ((1.0, 1.5, 2.0), 10),
                ((1.0, 2.0), 13), ((1.0, 2.0, 2.4), 5),
            )
        ),
    ),
    "rgb-crop": (
        _product("colour.crop_scale", (0.5, 2.0, 8.0), "colour.crop_min_area", (0.0016, 0.0064, 0.0256)),
        ({"colour.crop_min_area": 0.05}, {"colour.crop_min_area": 0.1}),
        ({"colour.crop_scale": 0.12}, {"colour.crop_scale": 32.0}),
    ),
}  # fmt: skip
"""What is tried of each method, axis by axis."""

SEARCHED = {
    "rgb-region": ("rgb-region",),
    "rgb-crop": ("rgb-crop", "rgb"),
    "region-only": ("crop-only", "depth-region", "region-only", "depth"),
    "depth": ("crop-only", "depth"),
}
"""Methods whose constants are searched, each with those that these are of. A method may have constants of several
searches."""


def with_settings(config: Config, settings: Settings) -> Config:
    """`config` with other values of fields of its parts."""
    for name, value in settings.items():
        part, _, field = name.partition(".")
        changed: dict[str, Any] = {part: replace(getattr(config, part), **{field: value})}
        config = replace(config, **changed)
    return config


def search_constants(
    run: Run,
    name: str,
    axes: Sequence[Sequence[Settings]],
    folder: Path,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Try the settings of each axis in turn, and keep the best of each where it is better than what was kept before.

    Args:
        run: whose classifier, tune split and depth are taken, and whose settings hold where no axis says otherwise.
        name: of the method.
        axes: of each the settings that are tried; the first ones at ties.
        folder: root of the record tree, where the record is written.

    Returns:
        The record: `chosen` settings, with their `miou`; all that were `tried`, in order; how many `trials` of fusion
        parameters each of them had to choose from; what of the choice is `at_end`, so that more may be worth trying;
        the classifier's `seed`; where it was measured.
    """
    config, tried, highest = run.config, list[Tried](), -np.inf
    chosen: dict[str, Any] = {}
    for axis in axes:
        configs = [with_settings(config, settings) for settings in axis]
        found = [
            Tried({**chosen, **settings}, miou) for settings, miou in zip(axis, _mious(run, name, configs), strict=True)
        ]
        for one in found:
            say(f"{run.data_name} {name}: {one.miou:.2f} with {dict(one.settings)}")
        best = int(np.argmax([one.miou for one in found]))
        if found[best].miou > highest:
            config, chosen, highest = configs[best], dict(found[best].settings), found[best].miou
        tried += found
    data = run.data("tune")
    record = {
        "data": run.data_name,
        "method": run.full_name(name),
        "chosen": chosen,
        "miou": round(highest, 3),
        "tried": [{"settings": dict(one.settings), "miou": round(one.miou, 3)} for one in tried],
        "at_end": chosen_at_end([asdict(one) for one in tried], chosen),
        "trials": len(method(name).trials),
        "seed": run.config.seed,
        "split": "tune",
        "num_images": len(data),
        "counted_side": SIDE,
        "provenance": provenance(
            data_sha256=data.fingerprint(), algorithm_version=ALGORITHM_VERSION["cam"], profile=run.config.profile
        ),
    }
    run.require_apart(folder)
    write_json(constants_path(folder, run.data_name, name), record)
    return record


def chosen_at_end(tried: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any]) -> list[str]:
    """Numbers of the chosen settings that are the lowest or the highest that was tried."""
    found = []
    for name, value in chosen.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        values = {each["settings"][name] for each in tried if name in each["settings"]}
        if value in (min(values), max(values)):
            found.append(f"{name} {value:g} is the {'highest' if value == max(values) else 'lowest'} that was tried")
    return found


def constants_tried(run: Run, name: str, folder: Path) -> int | None:
    """How many settings those of a run were chosen from for a method, by the records of all its searches.

    Args:
        folder: root of the record tree.

    Returns:
        None where there is no such record, or the run's settings are not what one of them chose.
    """
    base = MethodName.of_seeds(name).base
    searches = [each for each, own in SEARCHED.items() if base in own] or [base]
    paths = [constants_path(folder, run.data_name, each) for each in searches]
    records = [read_json(path) for path in paths if path.exists()]
    if not records or not all(_has_chosen(run.config, record["chosen"]) for record in records):
        return None
    return sum(len(record["tried"]) for record in records)


def _has_chosen(config: Config, chosen: Settings) -> bool:
    """Whether a configuration has the settings that a search chose."""
    return with_settings(config, {name: _tuple(value) for name, value in chosen.items()}) == config


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _mious(run: Run, name: str, configs: Sequence[Config]) -> list[float]:
    """mIoU in percent on the tune split with each of several configurations: the best trial at its best threshold."""
    data, cam, plan = run.data("tune"), run.depth_cam, method(name)
    cams = [replace(cam, regions=one.regions, crops=one.crops, colour=one.colour) for one in configs]
    source = MethodName.of_seeds(name).source
    depth = run.depth_of("tune", source) if plan.uses_depth else None
    counted = partial(_counts, data, name, cams, depth)
    shape = len(data.classes) + 1, len(data.classes) + 2
    totals = np.zeros((len(cams), len(plan.trials), len(THRESHOLDS), *shape), np.int64)
    text = f"constants of {name} on {data.split}"
    for counts in each_image(counted, range(len(data)), text, device=cam.device, progress=run.progress):
        totals += counts
    return [float(best_trial(each, choose_threshold)[1][-1]) for each in totals]


def _counts(
    data: Dataset,
    name: str,
    cams: Sequence[DepthCAM],
    depth: Callable[[int], NDArray[np.float32]] | None,
    index: int,
) -> NDArray[np.int64]:
    """Confusion matrices of an image, `(N,T,47,C+1,C+2)`: of N settings, each trial, at all thresholds."""
    sample, plan = data[index], method(name)
    present = np.flatnonzero(sample.labels)
    look = cams[0].look(sample.id, sample.image, present)
    near = depth(index) if depth else None
    boxes = true_boxes(sample) if plan.proposal == "oracle" else ()
    step = max(1, max(sample.truth.shape) // SIDE)
    truth = np.ascontiguousarray(sample.truth[::step, ::step])

    def counts(cam: DepthCAM) -> Iterator[NDArray[np.int64]]:
        evidence = thinned(cam.gathered(name, look, near, boxes), step)
        for trial in plan.trials:
            scores = fuse(evidence, trial).numpy()
            yield threshold_confusions(scores, present + 1, truth, len(data.classes), THRESHOLDS)

    return np.stack([np.stack(list(counts(cam))) for cam in cams])


def thinned(evidence: Evidence, step: int) -> Evidence:
    """The evidence on every `step`-th pixel of both directions."""

    def labels(regions: Regions) -> Regions:
        return replace(regions, labels=np.ascontiguousarray(regions.labels[::step, ::step]))

    return replace(
        evidence,
        levels=evidence.levels[..., ::step, ::step].contiguous(),
        crops=None if evidence.crops is None else evidence.crops[..., ::step, ::step].contiguous(),
        partitions=tuple(map(labels, evidence.partitions)),
        joint=None if evidence.joint is None else labels(evidence.joint),
    )
