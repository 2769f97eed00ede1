"""Where depth comes from: inverse depth `H×W float32` in [0, 1], larger = nearer, at the image's size."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsss.data.base import Dataset, data_key
from wsss.depth.controls import NOISE_LEVELS, degrade, derangement, inverted
from wsss.depth.estimators import cached, hub_depth, learned_depth
from wsss.depth.files import files_depth, resized
from wsss.depth.names import SOURCES
from wsss.depth.own import own_depth
from wsss.depth.patterns import split_pattern
from wsss.depth.specs import severity_of, source_identity, split_control, unknown_source
from wsss.errors import WsssError
from wsss.io import content_hash
from wsss.paths import typed_path

__all__ = ["DepthSource", "open_depth"]

DepthSource = Callable[[int], NDArray[np.float32]]
"""Index of a sample in its data set → its inverse depth."""


def _sensor(dataset: Dataset) -> DepthSource:
    if not dataset.has_depth:
        raise WsssError(f"{dataset.name} comes without depth; give --depth files:DIR --depth-kind metric|inverse")

    def load(index: int) -> NDArray[np.float32]:
        depth = dataset[index].depth
        if depth is None:
            raise WsssError(f"{dataset.name}: image {dataset.ids[index]} has no depth")
        return depth

    return load


def _shuffled(dataset: Dataset, inner: DepthSource, seed: int) -> DepthSource:
    other = derangement(len(dataset), seed)
    return lambda index: resized(inner(int(other[index])), dataset[index].image.shape[:2])


def _control(head: str, dataset: Dataset, inner: DepthSource, seed: int) -> DepthSource | None:
    """The wrong depth named `head`, made from a right one; None if it is no control."""
    if head == "shuffled":
        return _shuffled(dataset, inner, seed)
    if head == "inverted":
        return lambda index: inverted(inner(index))
    severity = NOISE_LEVELS.get(head)
    if head.startswith("noisy:"):
        severity = severity_of(head.partition(":")[2])
    return None if severity is None else lambda index: degrade(inner(index), severity, dataset.ids[index], seed)


def open_depth(
    spec: str, dataset: Dataset, kind: str | None = None, seed: int = 0, cache: Path | None = None
) -> DepthSource:
    """Open a depth source.

    Args:
        spec: one of

            - `sensor`: what the data comes with;
            - `files:DIR`: precomputed maps, named by image id, or as in `files:DIR/{id}_depth.npy`;
            - `hf:MODEL`: a depth model of the Hugging Face hub, or of a local folder;
            - `learned:CKPT`: networks of `wsss train-depth`;
            - `constant`: flat, a control;
            - a name that `register_depth_source` entered;
            - `shuffled`, `inverted`, `noisy:SEVERITY` or a name of `NOISE_LEVELS`: wrong depth made from the
              sensor's, or from another source's after a `+`, as in `shuffled+files:DIR`.
        kind: of files and hub models, `metric` (larger = farther) or `inverse`; of files it must be stated.
        seed: of shuffling and noise.
        cache: folder in which predictions are kept, one file per image and source; None predicts anew each time.

    Raises:
        WsssError: unknown source, missing folder, or unstated kind.
    """
    name, _, argument = spec.partition(":")
    if spec == "sensor":
        return _sensor(dataset)
    if spec == "constant":
        return lambda index: np.zeros(dataset[index].image.shape[:2], np.float32)
    if name == "files" and argument:
        folder, pattern = split_pattern(argument)
        return files_depth(dataset, typed_path(folder), kind, pattern)
    if name in ("hf", "learned") and argument:
        kept = cache / content_hash([source_identity(spec), kind, data_key(dataset)])[:16] if cache else None
        hub = name == "hf"
        estimate = hub_depth(argument, dataset, kind) if hub else learned_depth(typed_path(argument), dataset)
        return cached(estimate, dataset, kept)
    if spec in SOURCES:
        kept = cache / content_hash([source_identity(spec), data_key(dataset)])[:16] if cache else None
        return cached(own_depth(spec, dataset), dataset, kept)
    if parts := split_control(spec):
        head, inner = parts
        control = _control(head, dataset, open_depth(inner, dataset, kind, seed, cache), seed)
        if control is not None:
            return control
    raise unknown_source(spec)
