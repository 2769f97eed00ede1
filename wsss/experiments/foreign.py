"""What an evaluation on somebody's folder reads: its images, its depth, and what the checkpoint says of the methods."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wsss.cam.classifier import ClassifierInfo
from wsss.data.base import Dataset, subset
from wsss.data.classes import keep_ids
from wsss.data.registry import open_dataset
from wsss.depth.declared import FILES, DepthSources, declarations, kinds_of, take_inline
from wsss.depth.sources import open_depth
from wsss.depth.specs import innermost, resolve_place
from wsss.errors import WsssError
from wsss.machine.processes import tell
from wsss.machine.progress import progress_bar
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.registry import METHODS, method

__all__ = ["choice_of", "methods_of", "open_foreign", "sources_of", "unreadable"]


def sources_of(
    depth: str | None, depth_kind: str | Sequence[str] | None, sources: Sequence[str], root: str | None
) -> DepthSources:
    """What the arguments of `evaluate_folder` say of depth; its kind is that of all files that have none of their
    own."""
    own, declared = take_inline(depth) if depth else (None, None)
    found = declarations((*sources, *([declared] if declared else [])))
    kind, kinds = kinds_of(depth_kind, found)
    return DepthSources(
        resolve_place(own, root) if own else None, kind, found, ({FILES: kind} if kind else {}) | kinds, root
    )


def open_foreign(
    checkpoint: Path,
    info: ClassifierInfo,
    data: str,
    split: str,
    root: Path | None,
    classes: Sequence[str] | None,
    limit: int | None,
) -> tuple[Dataset, dict[str, Any]]:
    """The split with the classes that are scored, and what of it is left out, for the records.

    Args:
        classes: names; None takes the folder's classes that the checkpoint knows, and says which it does not know.
        limit: at most so many images, evenly spaced.

    Raises:
        WsssError: the checkpoint knows none of the classes.
    """
    left_out: dict[str, Any] = {}
    if classes is None:
        available = open_dataset(data, split, root=root, limit=1).classes
        classes = [name for name in available if name in info.classes]
        if not classes:
            raise WsssError(
                f"{checkpoint} knows {', '.join(info.classes)}, none of the folder's {', '.join(available)}"
            )
        if unknown := [name for name in available if name not in info.classes]:
            left_out["classes"] = {"unknown": unknown}
            tell(f"background are the classes that {checkpoint.name} does not know: {', '.join(unknown)}")
    dataset = open_dataset(data, split, root=root, classes=classes)
    kept = subset(dataset.ids, limit)
    if len(kept) < len(dataset):
        left_out["images"] = {split: [len(kept), len(dataset)]}
        tell(f"{dataset.name}, {split}: {len(kept):,} of {len(dataset):,} images, evenly spaced")
        dataset = keep_ids(dataset, kept)
    return dataset, left_out


def unreadable(
    cam: DepthCAM, dataset: Dataset, sources: Sequence[tuple[str, str | None]], progress: bool
) -> dict[str, str]:
    """The ids whose image, mask or depth map cannot be read, or which are too large to look at, each with the reason.

    Args:
        sources: spec and kind of each depth source; of controls, what they are made from is read.

    Raises:
        WsssError: none can be read.
    """
    plain = {innermost(spec): kind for spec, kind in sources}
    depths = [open_depth(spec, dataset, plain[spec]) for spec in sorted(plain) if spec.startswith("files:")]
    reasons: dict[str, str] = {}
    for index, name in enumerate(progress_bar(dataset.ids, "check files", shown=progress)):
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


def methods_of(checkpoint: Path, info: ClassifierInfo, wanted: Sequence[str] | None, depth: str | None) -> list[str]:
    """The methods to score: those that are wanted, or all that the checkpoint has parameters for.

    Raises:
        WsssError: no such method, or the checkpoint has no parameters for it.
    """
    chosen = info.chosen
    names = list(wanted or [name for name in chosen if name in METHODS and (depth or not METHODS[name].uses_depth)])
    for name in names:
        method(name)
        if name not in chosen:
            raise WsssError(
                f"{checkpoint} has no parameters for {name!r}: write it with `wsss train --methods …,{name}`"
            )
    if not names:
        raise WsssError(f"{checkpoint} has no chosen parameters: write it with `wsss train`")
    return names


def choice_of(checkpoint: Path, name: str, info: ClassifierInfo) -> Choice:
    """What the checkpoint says was chosen for a method."""
    try:
        return Choice.of_plain(info.chosen[name])
    except WsssError as error:
        raise WsssError(
            f"{checkpoint}: what was chosen for {name!r} makes no sense ({error}): write it with `wsss train`"
        ) from error
