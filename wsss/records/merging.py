"""Records made of parts: of one training seed or several, computed together or on different days and machines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from wsss.errors import WsssError
from wsss.methods.names import MethodName
from wsss.records.build import Origin, Subject, build_record
from wsss.records.parts import StagePart
from wsss.records.record import Record
from wsss.records.resampled import Resampled

__all__ = ["merge_parts"]

_ALIKE = ("data", "split", "profile", "stage", "backbone", "image_labels")
_MADE_ALIKE = ("config_sha256", "data_sha256", "algorithms")

_OF_EACH = ("commit", "dirty", "processor", "versions", "device", "threads", "wall_s", "cpu_s", "utc")
"""What may differ from part to part, and is kept of each in the records."""


def merge_parts(parts: Sequence[StagePart]) -> list[Record]:
    """The records of one stage, one for each method, over the seeds of all parts.

    Args:
        parts: of the same stage and settings, each with another seed.

    Raises:
        WsssError: none, or parts that do not go together; the message says why.
    """
    _require_together(parts)
    first = parts[0]
    subject = Subject(
        data=first.data,
        split=first.split,
        profile=first.profile,
        stage=first.stage,
        method="",
        refinement=None,
        backbone=first.backbone,
        image_labels=first.image_labels,
        seeds=[part.seed for part in parts],
    )
    resampled = {name: Resampled([part.scores[name] for part in parts], first.scenes) for name in first.scores}
    return [_merged(parts, subject, name, resampled) for name in first.scores]


def _merged(parts: Sequence[StagePart], subject: Subject, name: str, resampled: Mapping[str, Resampled]) -> Record:
    first, parsed = parts[0], MethodName.parse(name)
    others = {other: each for other, each in resampled.items() if other != name}
    subject = replace(subject, method=parsed.seeds, refinement=parsed.refinement)
    origin = Origin(
        config_sha256=first.made["config_sha256"],
        data_sha256=first.made["data_sha256"],
        algorithms=first.made["algorithms"],
        device=_joined(part.made["device"] for part in parts),
        threads=max(part.made["threads"] for part in parts),
        wall_s=sum(part.made["wall_s"] for part in parts),
    )
    record = build_record(resampled[name], subject, origin, others)
    of_parts = [{"seed": part.seed, **{key: part.made[key] for key in _OF_EACH}} for part in parts]
    told = {"settings": first.settings, "read": first.read[name]}
    if left_out := first.notes.get("left_out"):
        told["left_out"] = left_out
    record["provenance"] |= {**told, "parts": of_parts}
    if not_scored := first.notes.get("not_scored"):
        record["not_scored"] = not_scored
    return record


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _require_together(parts: Sequence[StagePart]) -> None:
    if not parts:
        raise WsssError("there is no part of the records to merge. Make some with `wsss results`.")
    first, seeds = parts[0], set()
    for part in parts:
        place = f"{part.data}/parts/seed-{part.seed}/{part.stage}"
        if part.seed in seeds:
            raise WsssError(f"two parts are of {place}: keep one of them")
        seeds.add(part.seed)
        differ = [key for key in _ALIKE if getattr(part, key) != getattr(first, key)]
        differ += [key for key in _MADE_ALIKE if part.made[key] != first.made[key]]
        if list(part.scores) != list(first.scores):
            differ.append("methods")
        if part.scenes != first.scenes:
            differ.append("scenes")
        if differ:
            raise WsssError(
                f"{place} does not go with seed {first.seed}: {', '.join(differ)} differ. Delete the older of them, "
                "and run `wsss results` again."
            )
