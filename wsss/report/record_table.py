"""A record explained key by key, with the values of a real one: the table of `results/README.md`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.errors import WsssError
from wsss.methods.names import MethodName
from wsss.records.record import Record
from wsss.records.store import record_path
from wsss.report.headline import own_depth

__all__ = ["KEYS", "record_example", "short_json"]

KEYS: dict[str, dict[str, str]] = {
    "What was scored": {
        "data": "data set; of a folder in VOC layout its name",
        "stage": "`cam`: seeds, `pseudo`: pseudo-labels, `segmentation`: networks",
        "split": "images that were scored",
        "method": "name, with the depth source after `@`; of a network, the method of its labels",
        "depth_source": "where depth comes from; `null` for none",
        "refinement": "of the labels: `crf`, `par` or `par-depth`; `null` for none",
        "profile": "settings that the run had",
        "backbone": "network that all of it stands on, by its name in timm",
        "image_labels": "whether the classes of an image are `given` or `predicted`; `none` for networks",
        "seeds": "training seeds that all means are over",
        "num_images": "images of the split",
        "num_scenes": "what is resampled for intervals: images of one scene are drawn together",
        "classes": "names of classes 1…C",
        "skipped": "images that could not be read, with the reason",
        "not_trained": "why there is no network; then there are no scores",
        "not_scored": "why there are no scores: no mask",
    },
    "Scores, in percent": {
        "miou": "mean IoU over classes and background: mean over the seeds, standard deviation, each seed",
        "interval": "95 % interval of the mean, over scenes",
        "iou": "IoU by class, background first",
        "object_miou": "mean over classes of the mean IoU of their objects, with its interval",
        "foreground": "precision and recall of objects against background",
        "boundary": "IoU near borders, where it was measured",
        "coverage": "share of the pixels that have a label",
        "predicted_labels": "mIoU where the classes of an image are predicted",
        "subset": "mIoU on the images that nobody had looked at before",
        "mAP": "mean average precision of the classifier's image labels",
        "mAP_per_seed": "the same of each seed",
        "errors": "what becomes of the pixels of objects",
    },
    "Choices": {
        "threshold": "chosen on tune, with the fixed one and the best on this split (`oracle`)",
        "curve": "mIoU at each threshold",
        "parameters": "of each seed, what tune chose: weights of the evidence",
        "refinement_parameters": "the same of the refinement",
        "tuning_trials": "settings that one was chosen from",
        "constants_tried": "settings of regions, crops and passes that were compared before",
        "tune_miou": "mIoU on the split that chose; tables find the best control by it",
        "tune_per_seed": "the same of each seed",
        "history": "losses of each training",
    },
    "Cost": {
        "scales": "sizes at which the network sees the image",
        "flip": "whether it sees the mirror image too",
        "magnification": "how much larger than in the image the network sees things, in passes and in crops",
        "megapixels_per_image": "through the backbone",
        "seconds_per_image": "as measured, beside other work",
    },
    "Objects": {
        "strata": "a cell for each size and occlusion: number of objects, recall, IoU, hits, each with its interval",
        "strata_absolute": "the same by COCO's sizes in pixels",
        "correlations": "rank correlations of size, occlusion, depth rank and recall",
        "activation": "mean score on objects, by size and by what is seen of them",
        "hit_effects": "how size and occlusion change the odds of a hit",
    },
    "Comparisons and origin": {
        "paired": "differences from other methods on the same images and seeds, with intervals",
        "provenance": "commit, hashes of settings and data, versions, machine, date",
    },
}
"""Every key of a record with what it says, in groups."""

_ENTRIES, _CHARACTERS = 3, 60


def record_example(records: Sequence[Record]) -> str:
    """A table of the keys of a record, as Markdown: key, value of the example, meaning.

    The example is the record of `depth` on the data set's own depth, of `tabletop` where there is one. Keys that it
    lacks are marked: not every record has every key.

    Raises:
        WsssError: there is no record of seeds.
    """
    seeds = [record for record in records if record["stage"] == "cam"]
    if not seeds:
        raise WsssError("there is no record of seeds to explain. Make it with `wsss results`.")
    own = own_depth(seeds)

    def distance(record: Record) -> tuple[bool, bool]:
        name = MethodName.of_seeds(record["method"])
        return record["data"] != "tabletop", (name.base, name.source) != ("depth", own.get(record["data"]))

    example = min(seeds, key=distance)
    path = record_path(Path(), example).as_posix()
    lines = [f"The example is [`{path}`]({path}).", ""]
    for title, keys in KEYS.items():
        lines += [f"**{title}**", "", "| key | in the example | what it says |", "| :-- | :-- | :-- |"]
        lines += [f"| `{key}` | {_value(example, key)} | {text} |" for key, text in keys.items()]
        lines.append("")
    return "\n".join(lines)


def _value(record: Mapping[str, Any], key: str) -> str:
    if key not in record:
        return "not in this one"
    text = short_json(record[key])
    return f"`{text}`".replace("|", "\\|")


def short_json(value: Any) -> str:
    """A value as JSON, in which long lists and mappings are cut and numbers have three decimals at most."""
    if isinstance(value, Mapping):
        shown = [f'"{key}": {short_json(each)}' for key, each in list(value.items())[:_ENTRIES]]
        return "{" + _cut(shown, len(value)) + "}"
    if isinstance(value, list):
        return "[" + _cut([short_json(each) for each in value[:_ENTRIES]], len(value)) + "]"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1 else f"{round(value, 1):g}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 20 else f'{text[:12]}…"'


def _cut(shown: list[str], count: int) -> str:
    """The first entries, as many as there is room for, and that there are more."""
    room = _CHARACTERS
    kept: list[str] = []
    for text in shown:
        room -= len(text)
        if kept and room < 0:
            break
        kept.append(text)
    return ", ".join(kept) + (", …" if len(kept) < count else "")
