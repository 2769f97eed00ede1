"""What records hold: the keys of their JSON, with types."""

from typing import Any, Literal, TypedDict

__all__ = [
    "AblationRecord",
    "ClaimsRecord",
    "DoubledRecord",
    "Numbers",
    "PresetRecord",
    "Record",
    "RecordPlace",
    "SeriesRecord",
    "Stage",
    "TuneRecord",
]

Stage = Literal["cam", "pseudo", "segmentation"]
"""Seeds, pseudo-labels, or networks."""

Numbers = dict[str, Any]
"""Numbers by name; None where one is unknown."""


class RecordPlace(TypedDict):
    """What a record's place in the tree says of it.

    Attributes:
        data: the data set; of a folder in VOC layout its name.
        stage, split: what was scored.
        method: `cam`, `depth@sensor`, …, with its depth source where it has one; of a network, the method of the labels
            that it was trained on.
        refinement: of the labels, `crf`, `par` or `par-depth`; None for none.
    """

    data: str
    stage: Stage
    split: str
    method: str
    refinement: str | None


class Record(RecordPlace, total=False):
    """The numbers of one method on one split, over several training seeds; made by `wsss.records.build.build_record`.

    IoU, recall, coverage and intervals are in percent. Keys may be missing from records of older code, and where a
    network was not trained (`not_trained` says why). All scores are None where there was no mask (`not_scored`).

    Attributes:
        image_labels: where seeds take the classes of an image from; `none` for networks.
        seeds: of training.
        miou: `mean`, sample standard deviation `std` (None for one seed) and `per_seed`.
        num_scenes: what is resampled for all intervals; images of one scene are drawn together.
        interval: of the mean, over scenes.
        iou: by class, background first.
        predicted_labels, subset: mIoU with predicted image labels, and on the images that no choice had looked at
            before.
        threshold: `value` and the other thresholds, with their mIoU; None for methods without.
        parameters, refinement_parameters, history: of each seed; `history` lists the losses of a training.
        magnification: of the views, see `wsss.methods.magnification.magnification_facts`; None for networks.
        tuning_trials, constants_tried: fusion parameters that one was chosen from; and settings of regions, crops and
            passes that the data set's were chosen from (`wsss.experiments.constants`), each with all these trials; None
            where no record of such a search is in the tree.
        mAP, mAP_per_seed: mean average precision of the classifier's image labels, mean and of each seed.
        tune_miou, tune_per_seed: mIoU on the split that chose parameters and threshold, by which tables find the best
            control: mean, and of each seed.
        strata, strata_absolute: a cell for each size and occlusion; see `wsss.analysis.strata.strata_table`.
        errors, correlations, activation, hit_effects: see the functions of these names in `wsss.analysis`.
        paired: differences from other methods (`against`) on the same images; from full supervision with the `share`
            of its mIoU.
        skipped: `id` and `reason` of images that could not be read.
        provenance: see `wsss.records.provenance.provenance`; with `settings`, and `read`
            (`wsss.records.inputs.inputs_read`).
    """

    profile: str
    depth_source: str | None
    backbone: str
    image_labels: Literal["given", "predicted", "none"]
    seeds: list[int]
    num_images: int
    num_scenes: int
    classes: list[str]
    miou: Numbers
    interval: list[float | None]
    iou: dict[str, float | None]
    coverage: float
    foreground: Numbers
    boundary: Numbers | None
    predicted_labels: Numbers | None
    subset: dict[str, Numbers] | None
    threshold: Numbers | None
    curve: dict[str, list[float]] | None
    parameters: list[dict[str, Any]]
    refinement_parameters: list[dict[str, Any]] | None
    scales: list[float] | None
    flip: bool | None
    magnification: Numbers | None
    megapixels_per_image: float | None
    seconds_per_image: float | None
    tune_miou: float | None
    tune_per_seed: list[float | None]
    tuning_trials: int | None
    constants_tried: int | None
    mAP: float | None
    mAP_per_seed: list[float | None]
    history: list[list[dict[str, float]]] | None
    object_miou: Numbers
    strata: list[Numbers]
    strata_absolute: list[Numbers]
    errors: dict[str, float]
    correlations: dict[str, dict[str, float]]
    activation: Numbers
    hit_effects: Numbers | None
    paired: list[Numbers]
    skipped: list[dict[str, str]]
    not_trained: str
    not_scored: str
    provenance: dict[str, Any]


class SeriesRecord(TypedDict):
    """How methods find one object of a controlled series; `rows` has one entry for each method and step."""

    data: str
    series: str
    profile: str
    seeds: list[int]
    num_images: int
    rows: list[Numbers]
    provenance: dict[str, Any]


class TuneRecord(TypedDict):
    """What one training seed gives on the tune split; what `rows` are, the kinds of such a record say."""

    data: str
    split: str
    profile: str
    seed: int
    num_images: int
    rows: list[Numbers]
    provenance: dict[str, Any]


class AblationRecord(TuneRecord):
    """The variants of the method on the tune split; `rows` has one entry for each, in their groups."""


class DoubledRecord(TuneRecord):
    """What twice the iterations change of networks, on the tune split: of each `labels` in `rows` the mIoU after
    `iterations` (`miou`) and after twice as many (`doubled`), their `difference` and its interval `ci`."""


class BudgetRecord(TuneRecord):
    """mIoU on the tune split over megapixels: `rows` has one entry for each cost and line, see
    `wsss.experiments.budget.measure_budgets`."""


class ConstantsRecord(TypedDict):
    """A search of settings on the tune split: those `chosen` with their `miou`, all that were `tried`, and which of the
    chosen lie `at_end`; see `wsss.experiments.constants.search_constants`."""

    data: str
    method: str
    chosen: dict[str, Any]
    miou: float
    tried: list[Numbers]
    at_end: list[str]
    provenance: dict[str, Any]


class ToolsRecord(TypedDict):
    """Other libraries' maps on the same classifier: `rows` has one entry for each, see
    `wsss.experiments.other_tools.compare_tools`."""

    data: str
    split: str
    profile: str
    seeds: list[int]
    num_images: int
    rows: list[Numbers]
    tool: dict[str, str | None]
    provenance: dict[str, Any]


class ClaimsRecord(TypedDict):
    """The confirmatory comparisons that the parts allow: a row for each, see `wsss.records.claims.claim_rows`.

    Attributes:
        size: how many comparisons were listed beforehand, for Holm's correction.
        alpha: below which an adjusted p value decides.
        resamples: of the bootstrap over scenes.
    """

    size: int
    alpha: float
    resamples: int
    rows: list[Numbers]


class PresetRecord(TypedDict):
    """What the preset that leaves a data set out is worth there; `rows` has one entry for each method.

    Attributes:
        made_from: the data sets that the preset was chosen on.
        draws: how often a few masks of the tune split are drawn.
        prior: share of the pixels that the masks of the other data give a class; None where there is no other.
        rows: of each `method` the preset's `threshold`; `tuned` and `preset` with `miou`, `per_seed` and `ci`; what is
            `lost` between them; the difference `from_colour` by the preset (None of that itself); the mIoU of the
            `best_threshold` with the preset's parameters; and of `few` masks (`few_threshold`: that choose the
            threshold alone) and `criteria` without masks.
    """

    data: str
    split: str
    profile: str
    seeds: list[int]
    num_images: int
    tune_images: int
    preset: str
    made_from: list[str]
    draws: int
    prior: float | None
    rows: list[dict[str, Any]]
    left_out: dict[str, Any]
    provenance: dict[str, Any]
