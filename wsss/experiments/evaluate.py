"""Scores a trained checkpoint on any folder with the parameters that the checkpoint carries: nothing is tuned here."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from wsss.analysis.score import Score
from wsss.cam.classifier import load_classifier
from wsss.checks import require_apart, require_folder, require_number
from wsss.config import ALGORITHM_VERSION
from wsss.data.base import Dataset, subset
from wsss.data.classes import keep_ids
from wsss.data.registry import open_dataset
from wsss.depth.declared import FILES, DepthSources, declarations, kinds_of, take_inline
from wsss.depth.sources import DepthSource, open_depth
from wsss.depth.specs import innermost, portable_spec, resolve_place, source_identity
from wsss.errors import WsssError
from wsss.io import content_hash, read_json
from wsss.machine.contents import weights_hash
from wsss.machine.processes import tell
from wsss.machine.runtime import keep_freed_memory, pick_device
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM, Depths, settings_of_looks
from wsss.methods.names import MethodName
from wsss.methods.registry import METHODS, full_name, method
from wsss.methods.scoring import score_seeds
from wsss.networks.lean import lean_copy
from wsss.records.build import Origin, Subject, build_record
from wsss.records.inputs import inputs_read, name_it, require_names_apart, require_same_inputs
from wsss.records.record import Record, RecordPlace
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
        classes: those of the folder that are scored, by name; None takes the folder's classes that the checkpoint knows.
        depth: a depth source; None scores only methods that need none.
        depth_kind, sources: of all files, and `NAME=KIND` of each of the sources `NAME=files:DIR`, which may be named in place of
            one; see `wsss.depth.declared`.
        methods: names; None takes all that the checkpoint has parameters for.
        on_error: `stop` at an image, mask or depth map that cannot be read, or `skip` the image: records then list what was
            skipped, and why, under `skipped`, and their data hash is of the other images.

    Raises:
        WsssError: `out` is no folder apart from `root`; the checkpoint is unreadable, knows none of the classes, or has no
            parameters for a method; a file of the folder is unreadable (with `skip`: there is none that can be read).
    """
    if on_error not in ("stop", "skip"):
        raise WsssError(f"on_error must be stop or skip, not {on_error!r}")
    if limit is not None:
        require_number("limit", limit, 1, whole=True)
    depths_of = _sources(depth, depth_kind, sources, root)
    require_apart(out, _path(root), checkpoint)
    require_folder(out)
    keep_freed_memory()
    model, info = load_classifier(checkpoint)
    names = _methods(checkpoint, info.chosen, methods, depth)
    regions, crops = settings_of_looks(checkpoint, info.looks)
    choices = {name: _choice(checkpoint, name, info.chosen[name]) for name in names}
    left_out: dict[str, Any] = {}
    if classes is None:
        available = open_dataset(data, split, root=_path(root), limit=1).classes
        classes = [name for name in available if name in info.classes]
        if not classes:
            raise WsssError(
                f"{checkpoint} knows {', '.join(info.classes)}, none of the folder's {', '.join(available)}"
            )
        if unknown := [name for name in available if name not in info.classes]:
            left_out["classes"] = {"unknown": unknown}
            tell(f"background are the classes that {checkpoint.name} does not know: {', '.join(unknown)}")
    dataset = open_dataset(data, split, root=_path(root), classes=classes)
    kept = subset(dataset.ids, limit)
    if len(kept) < len(dataset):
        left_out["images"] = {split: [len(kept), len(dataset)]}
        tell(f"{dataset.name}, {split}: {len(kept):,} of {len(dataset):,} images, evenly spaced")
        dataset = keep_ids(dataset, kept)
    of_methods = {MethodName.of_seeds(name).source for name in names if method(name).uses_depth}
    require_apart(out, *depths_of.places(of_methods))
    short = depths_of.names(of_methods)
    full = {name: _full_name(name, depths_of, short) for name in names}
    identities = {
        name: (source_identity(depths_of.spec(source)), depths_of.kind(source)) if method(name).uses_depth else None
        for name, source in ((name, MethodName.of_seeds(name).source) for name in names)
    }
    require_names_apart(full, identities)
    _require_own_tree(out, dataset, checkpoint)
    device = pick_device()
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    cam = DepthCAM(lean_copy(model), info, dataset.classes, regions, crops, device, choices)
    wanted = [source for source in of_methods if source or depth]
    skipped: dict[str, str] = {}
    if on_error == "skip":
        plain = {
            innermost(depths_of.spec(source)): depths_of.kind(source) for source in wanted
        }  # what controls are made from
        files = [open_depth(spec, dataset, plain[spec]) for spec in sorted(plain) if spec.startswith("files:")]
        skipped = _unreadable(cam, dataset, files, progress)
        dataset = keep_ids(dataset, [name for name in dataset.ids if name not in skipped])
    read = _require_same_inputs(out, dataset, _path(root), full, depths_of)
    start = time.perf_counter()
    depths: Depths = {source: open_depth(depths_of.spec(source), dataset, depths_of.kind(source)) for source in wanted}
    scores = score_seeds(cam, choices, dataset, depths, progress=progress)
    if not any(score.confusions.any() for score in scores.values()):
        raise WsssError(
            f"no pixel of {dataset.name}, {dataset.split} is scored: its masks are all 255. Give another split."
        )
    settings = {
        "checkpoint": checkpoint.name, "checkpoint_sha256": weights_hash(checkpoint), "data": data, "split": split,
        "classes": list(dataset.classes), "depth": portable_spec(depths_of.own) if depths_of.own else None,
        "depth_kind": depth_kind if depth_kind is None or isinstance(depth_kind, str) else list(depth_kind),
        "limit": limit, "on_error": on_error, "methods": names,
    }  # fmt: skip
    if depths_of.declared:
        settings["sources"] = [f"{name}={portable_spec(spec)}" for name, spec in depths_of.declared.items()]
    return _write(
        scores,
        out,
        info.backbone,
        dataset,
        full,
        identities,
        start,
        device,
        on_written,
        skipped,
        settings,
        left_out,
        read,
    )


def _sources(
    depth: str | None, depth_kind: str | Sequence[str] | None, sources: Sequence[str], root: str | None
) -> DepthSources:
    """What the arguments of `evaluate_folder` say of depth; its kind is that of all files that have none of their own."""
    own, declared = take_inline(depth) if depth else (None, None)
    found = declarations((*sources, *([declared] if declared else [])))
    kind, kinds = kinds_of(depth_kind, found)
    return DepthSources(
        resolve_place(own, root) if own else None, kind, found, ({FILES: kind} if kind else {}) | kinds, root
    )


def _require_same_inputs(
    out: Path, dataset: Dataset, root: Path | None, full: Mapping[str, str], depths: DepthSources
) -> dict[str, Any]:
    """What each method's record says of its inputs; see `wsss.records.inputs.require_same_inputs`."""
    contents, found = dataset.fingerprint(), {}
    for name, shown in full.items():
        source = MethodName.of_seeds(name).source
        spec = depths.spec(source) if method(name).uses_depth else None
        found[name] = inputs_read(root, contents, spec)
        place = RecordPlace(data=dataset.name, stage="cam", split=dataset.split, method=shown, refinement=None)
        require_same_inputs(record_path(out, place), found[name], name_it(spec or "", "METHOD@NAME"))
    return found


def _require_own_tree(out: Path, dataset: Dataset, checkpoint: Path) -> None:
    """Raise a `WsssError` if the records that new ones would lie among are not of this checkpoint and these classes."""
    digest = weights_hash(checkpoint)
    for path in sorted((out / dataset.name / "cam" / dataset.split).glob("[!.]*.json")):
        settings = read_json(path).get("provenance", {}).get("settings") or {}
        if settings.get("checkpoint_sha256") != digest or set(settings.get("classes", ())) != set(dataset.classes):
            raise WsssError(
                f"{path} is of another checkpoint or other classes than those of {checkpoint} on {dataset.name}: records would be "
                "replaced or mixed. Give another folder with --out."
            )


def _unreadable(cam: DepthCAM, dataset: Dataset, depths: Sequence[DepthSource], progress: bool) -> dict[str, str]:
    """The ids whose image, mask or depth map cannot be read, or which are too large to look at, each with the reason.

    Raises:
        WsssError: none can be read.
    """
    reasons: dict[str, str] = {}
    for index, name in enumerate(tqdm(dataset.ids, "check files", unit="image", leave=False, disable=not progress)):
        try:
            sample = dataset[index]
            cam.look(sample.id, sample.image, np.flatnonzero(sample.labels))
            for depth in depths:
                depth(index)
        except WsssError as error:
            reasons[name] = str(error)
    if len(reasons) == len(dataset):
        raise WsssError(
            f"no image of {dataset.name}, {dataset.split} can be read; the first: {next(iter(reasons.values()))}"
        )
    return reasons


def _methods(checkpoint: Path, chosen: dict[str, Any], wanted: Sequence[str] | None, depth: str | None) -> list[str]:
    names = list(wanted or [name for name in chosen if name in METHODS and (depth or not METHODS[name].uses_depth)])
    for name in names:
        method(name)
        if name not in chosen:
            raise WsssError(
                f"{checkpoint} has no parameters for {name!r}: write it with `python -m wsss train --methods …,{name}`"
            )
    if not names:
        raise WsssError(f"{checkpoint} has no chosen parameters: write it with `python -m wsss train`")
    return names


def _choice(checkpoint: Path, name: str, plain: Any) -> Choice:
    """What the checkpoint says was chosen for a method."""
    try:
        return Choice.of_plain(plain)
    except WsssError as error:
        raise WsssError(
            f"{checkpoint}: what was chosen for {name!r} makes no sense ({error}): write it with `python -m wsss train`"
        ) from error


def _path(root: str | None) -> Path | None:
    return Path(root) if root else None


def _write(
    scores: dict[str, Score],
    out: Path,
    backbone: str,
    dataset: Any,
    full: Mapping[str, str],
    identities: Mapping[str, tuple[str, str | None] | None],
    start: float,
    device: Any,
    on_written: Any,
    skipped: Mapping[str, str],
    settings: Mapping[str, Any],
    left_out: Mapping[str, Any],
    read: Mapping[str, Any],
) -> list[Record]:
    records = []
    for name, score in scores.items():
        subject = Subject(
            data=dataset.name,
            split=dataset.split,
            profile="evaluate",
            stage="cam",
            method=full[name],
            refinement=None,
            backbone=backbone,
            image_labels="given",
            seeds=[0],
        )
        origin = Origin(
            config_sha256=content_hash([settings["checkpoint_sha256"], score.facts["parameters"], identities[name]]),
            data_sha256=dataset.fingerprint(),
            algorithm_version=ALGORITHM_VERSION["cam"],
            device=str(device),
            threads=torch.get_num_threads(),
            wall_s=time.perf_counter() - start,
        )
        against = {full[other]: [theirs] for other, theirs in scores.items() if other != name}
        record = build_record([score], subject, origin, against)
        record["skipped"] = [{"id": name, "reason": reason} for name, reason in skipped.items()]
        record["provenance"]["settings"] = dict(settings)
        record["provenance"]["read"] = read[name]
        if left_out:
            record["provenance"]["left_out"] = dict(left_out)
        path = write_record(out, record)
        if on_written:
            on_written(path)
        records.append(record)
    return records


def _full_name(name: str, depths: DepthSources, short: Mapping[str, str]) -> str:
    """A method's name in records: with the short name of its depth source, where it uses depth."""
    parts = MethodName.of_seeds(name)
    return full_name(parts, depths.written(parts.source), short)
