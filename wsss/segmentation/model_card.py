"""The card of a network that is handed over: what it is, what it has learnt from, how good it is, and how it is loaded.

Nothing is claimed that neither the checkpoint, nor a record, nor whoever saves it says.
"""

import json
from collections.abc import Mapping
from typing import Any

from wsss.errors import WsssError, first_line, in_one_line
from wsss.paths import VERSION
from wsss.records.record import Record
from wsss.records.store import full_name
from wsss.segmentation.any_checkpoint import AnyCheckpoint

__all__ = ["model_card"]

TASKS = {
    "segmentation network": "image-segmentation",
    "classifier": "image-classification",
    "depth network": "depth-estimation",
}
"""Names of the hub."""

WHAT = {
    "segmentation network": "labels each pixel of a photograph with one of its classes or as background",
    "classifier": "says which of its classes a photograph shows and, by class activation maps, where",
    "depth network": "predicts inverse depth, up to scale and shift, from a photograph",
}

LIMITS = {
    "segmentation network": (
        "Pseudo-labels are guesses: unless it has learnt from true masks, its borders follow what class activation "
        "maps found, not the objects. It knows no classes but its own: everything else is background to it, or taken "
        "for one of them."
    ),
    "classifier": (
        "Its maps show what it goes by, which may be a part of an object, or what often lies beside it. Classes that "
        "were always seen together are not told apart."
    ),
    "depth network": (
        "Its numbers have no unit and are not compared between photographs. It has seen the scenes of one data set: on "
        "others it may be wrong in every way."
    ),
}

LOADED = {
    "segmentation network": """import torch
from wsss import from_pretrained

network = from_pretrained({name})
label = next(network([image], torch.device("cpu")))  # image H×W×3 uint8 → label map H×W uint8""",
    "classifier": """from wsss import DepthCAM, pretrained_file

cam = DepthCAM.from_checkpoint(pretrained_file({name}))
result = cam("photo.jpg")""",
    "depth network": """from wsss import from_pretrained
from wsss.depth.monocular import predict_inverse_depth

depth = predict_inverse_depth(from_pretrained({name}), image)  # image H×W×3 uint8 → H×W float32""",
}


def model_card(
    held: AnyCheckpoint,
    name: str,
    license: str,
    trained_on: str | None,
    record: Record | None = None,
    training: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
) -> str:
    """The card as text: YAML between two lines of dashes, which the hub reads, and then Markdown for people.

    Args:
        name: of folder or repository.
        license, trained_on, record, training: see `wsss.segmentation.pretrained.save_pretrained`.
        more: facts that are added to those of the checkpoint, such as the hash of its file.

    Raises:
        WsssError: the hub's library refuses what the card says of itself.
    """
    from huggingface_hub import ModelCardData

    try:
        data = ModelCardData(
            license=license,
            library_name="wsss-depth-cam",
            pipeline_tag=TASKS[held.kind],
            tags=["weakly-supervised-segmentation", "class-activation-maps"],
            model_name=name if record else None,
            eval_results=_results(record) if record else None,
        )
        head = data.to_yaml()
    except (TypeError, ValueError) as error:
        raise WsssError(f"the model card cannot be written: {first_line(error)}") from error
    parts = [
        f"---\n{head}\n---\n\n# {_text(name)}",
        f"A {held.kind} that {WHAT[held.kind]}. Made with wsss-depth-cam {VERSION}.",
        f"## Load it\n\n```python\n{LOADED[held.kind].format(name=json.dumps(name))}\n```\n\n"
        "The name is a folder, such as the one that `wsss fetch` printed, or a place on the hub.",
        f"## What it has learnt from\n\n{_learnt_from(held, trained_on)}",
        *([f"## How it was trained\n\n{_training(training, record)}"] if training or record else []),
        *([f"## Classes\n\n{_classes(held)}"] if held.classes else []),
        f"## How good it is\n\n{_scores(held, record)}",
        "## What it is for, and its limits\n\nFor research, and for a first result that a person looks through. "
        f"{LIMITS[held.kind]} It is not made to decide anything about people, or anything that can hurt somebody.",
        f"## Facts\n\n{_facts(held, more or {})}",
        f"## Licence\n\n{_licence(license)}",
    ]
    return "\n\n".join(parts) + "\n"


def _results(record: Record) -> Any:
    from huggingface_hub import EvalResult

    score = record["miou"].get("mean")
    if score is None:
        return None
    return [
        EvalResult(
            task_type="image-segmentation",
            dataset_type=record["data"],
            dataset_name=record["data"],
            dataset_split=record["split"],
            metric_type="mean_iou",
            metric_value=round(float(score), 2),
            metric_name="mIoU with background, percent",
        )
    ]


def _learnt_from(held: AnyCheckpoint, trained_on: str | None) -> str:
    parts = [trained_on.strip()] if trained_on else ["Whoever saved it has not said on which images."]
    labels = held.facts.get("labels")
    if labels == "full-supervision":
        parts.append("Labels: true masks.")
    elif labels:
        parts.append(f"Labels: pseudo-labels of the method {_text(str(labels))}, made from image tags.")
    if "trained_on" in held.facts:
        parts.append(f"{len(held.facts['trained_on'])} images with measured depth.")
    return " ".join(parts)


def _training(training: Mapping[str, Any] | None, record: Record | None) -> str:
    """Settings, and what the record says of where and when."""
    parts = [_table({name.replace("_", " "): value for name, value in training.items()})] if training else []
    made = record.get("provenance", {}) if record is not None else {}
    machines = {part.get("processor") for part in made.get("parts", ())} - {None}
    known = {"commit": made.get("commit"), "processor": ", ".join(sorted(machines)), "made": made.get("utc")}
    if told := {name: value for name, value in known.items() if value}:
        parts.append(f"Its record was made by:\n\n{_table(told)}")
    return "\n\n".join(parts) or "With settings that nobody has kept."


def _classes(held: AnyCheckpoint) -> str:
    return "\n".join(f"{label}. {_text(name)}" for label, name in enumerate(held.classes, start=1))


def _text(name: str) -> str:
    """A name in Markdown, as it is: signs that would be markup are escaped."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|!" else sign for sign in in_one_line(" ".join(name.split())))


def _scores(held: AnyCheckpoint, record: Record | None) -> str:
    if record is not None and record["miou"].get("mean") is not None:
        low, high = (*record.get("interval", ()), None, None)[:2]
        between = (
            f" (95 % interval over scenes {low:.1f} to {high:.1f})" if low is not None and high is not None else ""
        )
        return (
            f"mIoU with background {record['miou']['mean']:.1f} %{between} on {record['num_images']} images of "
            f"{record['data']}, {record['split']}: the record of method `{full_name(record)}`, mean over the training "
            f"seeds {', '.join(map(str, record['seeds']))}."
        )
    chosen = {name: one.get("miou") for name, one in held.facts.get("chosen", {}).items()}
    rows = [f"| {_text(name)} | {miou:.1f} |" for name, miou in chosen.items() if miou is not None]
    if rows:
        head = "mIoU in percent on the split that parameters were chosen on, which is too good by that choice:"
        return "\n".join([head, "", "| method | mIoU |", "|---|---|", *rows])
    return "Not known: it was saved without a record of its scores."


def _facts(held: AnyCheckpoint, more: Mapping[str, Any]) -> str:
    facts = {"long side of images, pixels": held.side, "mean": list(held.mean), "standard deviation": list(held.std)}
    shown = ("backbone", "architecture", "encoder", "output_stride", "scales")
    facts |= {name.replace("_", " "): held.facts[name] for name in shown if name in held.facts}
    return _table({**facts, **more})


def _table(facts: Mapping[str, Any]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {_text(str(value))} |" for name, value in facts.items())])


def _licence(license: str) -> str:
    if license == "unknown":
        return (
            "Whoever saved it has not stated one. The weights that the backbone began with and the photographs that it "
            "has learnt from have licences of their own."
        )
    return f"{_text(license)}, as whoever saved it says. The code of wsss-depth-cam is under the MIT licence."
