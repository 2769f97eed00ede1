"""Scores a trained checkpoint on any folder with the parameters that the checkpoint carries: nothing is tuned here."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wsss.analysis.score import Score
from wsss.cam.classifier import load_classifier
from wsss.checks import require_apart, require_folder, require_number
from wsss.config import algorithms_of
from wsss.data.base import Dataset, scene_numbers
from wsss.data.classes import keep_ids
from wsss.depth.declared import DepthSources
from wsss.depth.sources import open_depth
from wsss.depth.specs import portable_spec, source_identity
from wsss.errors import WsssError
from wsss.experiments.foreign import choice_of, methods_of, open_foreign, sources_of, unreadable
from wsss.io import content_hash, read_table
from wsss.machine.contents import weights_hash
from wsss.machine.runtime import keep_freed_memory, pick_device
from wsss.methods.depth_cam import DepthCAM, Depths
from wsss.methods.names import MethodName
from wsss.methods.parameters import settings_of_looks
from wsss.methods.registry import full_name, method
from wsss.methods.scoring import score_seeds
from wsss.networks.lean import lean_copy
from wsss.records.build import Origin, Subject, build_record
from wsss.records.inputs import inputs_read, name_it, require_names_apart, require_same_inputs
from wsss.records.record import Record, RecordPlace
from wsss.records.resampled import Resampled
from wsss.records.store import record_path, write_record

__all__ = ["evaluate_folder"]


def evaluate_folder(
    checkpoint: Path,
    out: Path,
    *,
    data: str,
    root: str | None,
    split: str,
    classes: Sequence[str] | None = None,
    depth: str | None = None,
    depth_kind: str | Sequence[str] | None = None,
    sources: Sequence[str] = (),
    methods: Sequence[str] | None = None,
    limit: int | None = None,
    on_error: str = "stop",
    on_written: Callable[[Path], None] | None = None,
    progress: bool = True,
) -> list[Record]:
    """Score CAM and depth-guided CAM on a split and write a record for each.

    Args:
        classes: those of the folder that are scored, by name; None takes the folder's classes that the checkpoint
            knows.
        depth: a depth source; None scores only methods that need none.
        depth_kind, sources: of all files, and `NAME=KIND` of each of the sources `NAME=files:DIR`, which may be named
            in place of one; see `wsss.depth.declared`.
        methods: names; None takes all that the checkpoint has parameters for.
        on_error: `stop` at an image, mask or depth map that cannot be read, or `skip` the image: records then list what
            was skipped, and why, under `skipped`, and their data hash is of the other images.

    Raises:
        WsssError: `out` is no folder apart from `root`; the checkpoint is unreadable, knows none of the classes, or has
            no parameters for a method; a file of the folder is unreadable (with `skip`: there is none that can be
            read).
    """
    if on_error not in ("stop", "skip"):
        raise WsssError(f"on_error must be stop or skip, not {on_error!r}")
    if limit is not None:
        require_number("limit", limit, 1, whole=True)
    place = Path(root) if root else None
    depths_of = sources_of(depth, depth_kind, sources, root)
    require_apart(out, place, checkpoint)
    require_folder(out)
    keep_freed_memory()
    model, info = load_classifier(checkpoint)
    names = methods_of(checkpoint, info, methods, depth)
    regions, crops, colour = settings_of_looks(checkpoint, info.looks)
    choices = {name: choice_of(checkpoint, name, info) for name in names}
    dataset, left_out = open_foreign(checkpoint, info, data, split, place, classes, limit)
    used = {MethodName.of_seeds(name).source for name in names if method(name).uses_depth}
    require_apart(out, *depths_of.places(used))
    shown = _shown(names, depths_of, used)
    _require_own_tree(out, dataset, checkpoint)
    device = pick_device()
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    cam = DepthCAM(lean_copy(model), info, dataset.classes, regions, crops, device, colour=colour)
    wanted = [source for source in used if source or depth]
    skipped: dict[str, str] = {}
    if on_error == "skip":
        skipped = unreadable(cam, dataset, [(depths_of.spec(one), depths_of.kind(one)) for one in wanted], progress)
        dataset = keep_ids(dataset, [name for name in dataset.ids if name not in skipped])
    read = _require_same_inputs(out, dataset, place, shown, depths_of)
    start = time.perf_counter()
    depths: Depths = {source: open_depth(depths_of.spec(source), dataset, depths_of.kind(source)) for source in wanted}
    scores = score_seeds(cam, choices, dataset, depths, progress=progress)
    if not any(score.confusions.any() for score in scores.values()):
        raise WsssError(
            f"no pixel of {dataset.name}, {dataset.split} is scored: its masks are all 255. Give another split."
        )
    digest = weights_hash(checkpoint)
    settings = {
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": digest,
        "data": data,
        "split": split,
        "classes": list(dataset.classes),
        **_depth_settings(depths_of, depth_kind),
        "limit": limit,
        "on_error": on_error,
        "methods": names,
    }
    records = []
    for record in _records(cam, dataset, scores, shown, digest, start):
        record["skipped"] = [{"id": name, "reason": reason} for name, reason in skipped.items()]
        record["provenance"] |= {"settings": dict(settings), "read": read[record["method"]]}
        if left_out:
            record["provenance"]["left_out"] = dict(left_out)
        path = write_record(out, record)
        if on_written:
            on_written(path)
        records.append(record)
    return records


def _depth_settings(depths: DepthSources, kind: str | Sequence[str] | None) -> dict[str, Any]:
    """What a record keeps of the options about depth."""
    kept = {
        "depth": portable_spec(depths.own) if depths.own else None,
        "depth_kind": kind if kind is None or isinstance(kind, str) else list(kind),
    }
    if not depths.declared:
        return kept
    return {**kept, "sources": [f"{name}={portable_spec(spec)}" for name, spec in depths.declared.items()]}


@dataclass(frozen=True)
class _Shown:
    """A method in records.

    Attributes:
        full: its name, with the short name of its depth source.
        source: its depth source; None for the run's own, or for none.
        identity: contents and kind of the depth that it uses; None where it uses none.
    """

    full: str
    source: str | None
    identity: tuple[str, str | None] | None


def _shown(names: Sequence[str], depths: DepthSources, used: Iterable[str | None]) -> dict[str, _Shown]:
    """The methods as records show them; a `WsssError` where two that are not the same have one name."""
    short, shown = depths.names(used), {}
    for name in names:
        parts = MethodName.of_seeds(name)
        identity = None
        if method(name).uses_depth:
            identity = source_identity(depths.spec(parts.source)), depths.kind(parts.source)
        shown[name] = _Shown(full_name(parts, depths.written(parts.source), short), parts.source, identity)
    require_names_apart(
        {name: one.full for name, one in shown.items()}, {name: one.identity for name, one in shown.items()}
    )
    return shown


def _require_same_inputs(
    out: Path, dataset: Dataset, root: Path | None, shown: Mapping[str, _Shown], depths: DepthSources
) -> dict[str, Any]:
    """By full name what each record says of its inputs; see `wsss.records.inputs.require_same_inputs`."""
    contents, found = dataset.fingerprint(), {}
    for one in shown.values():
        spec = depths.spec(one.source) if one.identity else None
        found[one.full] = inputs_read(root, contents, spec)
        place = RecordPlace(data=dataset.name, stage="cam", split=dataset.split, method=one.full, refinement=None)
        require_same_inputs(record_path(out, place), found[one.full], name_it(spec or "", "METHOD@NAME"))
    return found


def _require_own_tree(out: Path, dataset: Dataset, checkpoint: Path) -> None:
    """Raise a `WsssError` if the records that new ones would lie among are not of this checkpoint and these classes."""
    digest = weights_hash(checkpoint)
    for path in sorted((out / dataset.name / "cam" / dataset.split).glob("[!.]*.json")):
        settings = read_table(path).get("provenance", {}).get("settings") or {}
        if settings.get("checkpoint_sha256") != digest or set(settings.get("classes", ())) != set(dataset.classes):
            raise WsssError(
                f"{path} is of another checkpoint or other classes than those of {checkpoint} on {dataset.name}: "
                "records would be replaced or mixed. Give another folder with --out."
            )


def _records(
    cam: DepthCAM,
    dataset: Dataset,
    scores: Mapping[str, Score],
    shown: Mapping[str, _Shown],
    checkpoint_sha256: str,
    start: float,
) -> Iterator[Record]:
    """The record of each method; `start` is when scoring began."""
    data_sha256, scenes = dataset.fingerprint(), scene_numbers(dataset).tolist()
    resampled = {name: Resampled([score], scenes) for name, score in scores.items()}
    for name, score in scores.items():
        subject = Subject(
            data=dataset.name,
            split=dataset.split,
            profile="evaluate",
            stage="cam",
            method=shown[name].full,
            refinement=None,
            backbone=cam.info.backbone,
            image_labels="given",
            seeds=[0],
        )
        origin = Origin(
            config_sha256=content_hash([checkpoint_sha256, score.facts["parameters"], shown[name].identity]),
            data_sha256=data_sha256,
            algorithms=algorithms_of("cam"),
            device=str(cam.device),
            threads=torch.get_num_threads(),
            wall_s=time.perf_counter() - start,
        )
        against = {shown[other].full: theirs for other, theirs in resampled.items() if other != name}
        yield build_record(resampled[name], subject, origin, against)
