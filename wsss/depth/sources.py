"""Where depth comes from. Every source hands out inverse depth `H×W float32` in [0, 1], larger = nearer, at the image's size."""

import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from wsss.data.base import Dataset, subset
from wsss.depth.controls import NOISE_LEVELS, degrade, derangement, inverted
from wsss.depth.estimators import cached, hub_depth, learned_depth, learned_identity
from wsss.depth.orientation import inverse_depth, normalise_inverse_depth
from wsss.errors import WsssError
from wsss.io import content_hash, read_image

__all__ = [
    "CONTROL_NAMES",
    "DepthSource",
    "check_source",
    "made_from",
    "open_depth",
    "portable_spec",
    "read_depth_file",
    "resolve_folder",
    "source_identity",
    "source_name",
]

DepthSource = Callable[[int], NDArray[np.float32]]
"""Index of a sample in its data set → its inverse depth."""

CONTROL_NAMES = ("shuffled", "inverted", "noisy", *NOISE_LEVELS)
"""Wrong depth that is made from a right one, which may be named after a `+`."""

_SUFFIXES = (".png", ".npy", ".npz")

SIGN_SAMPLE, SIGN_RISE, SIGN_SHARE = 16, 0.05, 0.8
"""Maps that are looked at for a wrong sign, the rise from top to bottom from which on one is telling, and how many must agree."""


def read_depth_file(path: Path) -> NDArray[np.float32]:
    """A depth map `h×w float32` in the file's own numbers: 8- or 16-bit PNG, npy, or an npz with one array.

    Raises:
        WsssError: unreadable, not a single-channel map, or not of real numbers.
    """
    array = read_image(path, None, palette=False) if path.suffix == ".png" else _read_numpy(path)
    if not np.issubdtype(array.dtype, np.integer) and not np.issubdtype(array.dtype, np.floating):
        raise WsssError(f"depth {path} holds {array.dtype}, not real numbers. Make the file again.")
    while array.ndim > 2 and 1 in array.shape:  # a channel or batch axis, but never the only row or column of a map
        array = array.squeeze(array.shape.index(1))
    if array.ndim != 2 or not array.size:
        raise WsssError(f"depth {path} has shape {array.shape}; one channel of H×W is needed. Make the file again.")
    with np.errstate(over="ignore"):  # beyond float32 is infinitely far
        return array.astype(np.float32)


def _read_numpy(path: Path) -> NDArray[Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            arrays = [loaded[name] for name in loaded.files]
    except Exception as error:  # NumPy, zip and zlib raise a dozen types on a broken file
        raise WsssError(f"cannot read depth {path}: {error}. Make the file again.") from error
    if len(arrays) != 1 or not isinstance(arrays[0], np.ndarray):
        raise WsssError(
            f"depth {path} holds {len(arrays)} arrays ({', '.join(loaded.files)}). Keep the depth map alone."
        )
    return arrays[0]


def _resized(depth: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    if depth.shape == size:
        return depth
    resized = resize(depth, size, order=1, mode="edge", anti_aliasing=False)
    return np.asarray(resized.astype(np.float32).clip(0, 1))


def _files(dataset: Dataset, folder: Path, kind: str | None) -> DepthSource:
    if kind not in ("metric", "inverse"):
        raise WsssError("--depth files:DIR needs --depth-kind metric (larger = farther) or inverse (larger = nearer)")
    if not _is_folder(folder):
        raise WsssError(
            f"no depth folder {folder}: give it with --depth files:DIR, from here or from the data's folder"
        )

    def read(name: str) -> NDArray[np.float32]:
        path = next((p for s in _SUFFIXES if (p := folder / f"{name}{s}").exists()), None)
        if path is None:
            raise WsssError(
                f"no depth for image {name} in {folder} (looked for {', '.join(_SUFFIXES)}): add it or take the id out of the split"
            )
        return normalise_inverse_depth(inverse_depth(read_depth_file(path), kind))

    if _stands_on_its_head(read, subset(dataset.ids, SIGN_SAMPLE)):
        warnings.warn(
            f"in most maps of {folder} what is at the bottom of the picture is far and what is at the top is near: is it "
            f"really --depth-kind {kind}?",
            stacklevel=3,
        )
    return lambda index: _resized(read(dataset.ids[index]), dataset[index].image.shape[:2])


def _path(text: str) -> Path:
    """The file or folder that a user names; the name of nobody's home, and what is no name, is left as it is."""
    try:
        return Path(text).expanduser()
    except (RuntimeError, ValueError):
        return Path(text)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file can have
        return False


def _stands_on_its_head(read: Callable[[str], NDArray[np.float32]], ids: Sequence[str]) -> bool:
    """Whether nearly all of these maps are nearer at the top than at the bottom, which pictures of a world with a floor are not."""
    rises = []
    for name in ids:
        try:
            depth = read(name)
        except WsssError:
            continue  # said when the image is needed
        third = max(1, len(depth) // 3)
        rises.append(float(depth[-third:].mean() - depth[:third].mean()))
    telling = [rise for rise in rises if abs(rise) > SIGN_RISE]
    return len(telling) >= SIGN_SAMPLE // 2 and sum(rise < 0 for rise in telling) >= SIGN_SHARE * len(telling)


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
    return lambda index: _resized(inner(int(other[index])), dataset[index].image.shape[:2])


def _split_control(spec: str) -> tuple[str, str] | None:
    """A control and the source that it is made from, `sensor` where none is named; None if `spec` is no control."""
    head, _, inner = spec.partition("+")
    return (head, inner or "sensor") if head.partition(":")[0] in CONTROL_NAMES else None


def _severity(argument: str) -> float:
    try:
        value = float(argument)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise WsssError(f"noisy:{argument} needs a severity in 0…1, such as noisy:0.05")
    return value


def _control(head: str, dataset: Dataset, inner: DepthSource, seed: int) -> DepthSource | None:
    """The wrong depth named `head`, made from a right one; None if it is no control."""
    if head == "shuffled":
        return _shuffled(dataset, inner, seed)
    if head == "inverted":
        return lambda index: inverted(inner(index))
    severity = NOISE_LEVELS.get(head)
    if head.startswith("noisy:"):
        severity = _severity(head.partition(":")[2])
    return None if severity is None else lambda index: degrade(inner(index), severity, dataset.ids[index], seed)


def open_depth(
    spec: str, dataset: Dataset, kind: str | None = None, seed: int = 0, cache: Path | None = None
) -> DepthSource:
    """Open a depth source.

    Args:
        spec: one of

            - `sensor`: what the data comes with;
            - `files:DIR`: precomputed maps;
            - `hf:MODEL`: a depth model of the Hugging Face hub, or of a local folder;
            - `learned:CKPT`: networks of `python -m wsss train-depth`;
            - `constant`: flat, a control;
            - `shuffled`, `inverted`, `noisy:SEVERITY` or a name of `NOISE_LEVELS`: wrong depth made from the sensor's, or
              from another source's after a `+`, as in `shuffled+files:DIR`.
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
        return _files(dataset, _path(argument), kind)
    if name in ("hf", "learned") and argument:
        folder = cache / content_hash([source_identity(spec), kind, dataset.fingerprint()])[:16] if cache else None
        hub = name == "hf"
        estimate = hub_depth(argument, dataset, kind) if hub else learned_depth(_path(argument), dataset)
        return cached(estimate, dataset, folder)
    if parts := _split_control(spec):
        head, inner = parts
        control = _control(head, dataset, open_depth(inner, dataset, kind, seed, cache), seed)
        if control is not None:
            return control
    raise _unknown(spec)


def check_source(spec: str) -> None:
    """Raise a `WsssError` unless `spec` is a depth source by its form; `learned` alone is that of a run.

    >>> check_source("shuffled+files:maps")
    """
    name, _, argument = spec.partition(":")
    if spec in ("sensor", "constant", "learned") or (name in ("files", "hf", "learned") and argument):
        return
    parts = _split_control(spec)
    if parts is None:
        raise _unknown(spec)
    control, inner = parts
    if control.startswith("noisy:"):
        _severity(control.partition(":")[2])
    elif control == "noisy" or control not in CONTROL_NAMES:
        raise _unknown(spec)
    if "+" in spec:
        check_source(inner)


def _unknown(spec: str) -> WsssError:
    return WsssError(
        f"unknown depth source {spec!r}; choose sensor, files:DIR, hf:MODEL, learned:CKPT, constant, or a control: "
        f"shuffled, inverted, noisy:SEVERITY, {', '.join(NOISE_LEVELS)} (of sensor, or +SOURCE)"
    )


def source_name(spec: str) -> str:
    """Short name for records.

    A folder's is its own without "depth", a hub model's the last part of its id; a control names what it was made from
    unless that is the sensor.

    >>> [source_name(spec) for spec in ("sensor", "files:/data/DepthMETER", "noisy:0.05", "shuffled+files:DepthMETER")]
    ['sensor', 'meter', 'noisy-0.05', 'shuffled-meter']
    """
    if parts := _split_control(spec):
        head, inner = parts
        control = head.replace(":", "-")
        return control if inner == "sensor" else f"{control}-{source_name(inner)}"
    name, _, argument = spec.partition(":")
    if name == "hf":
        return Path(argument).name.lower()
    if name == "files":
        return re.sub(r"depth|[^a-z0-9]", "", Path(argument).name.lower()) or "files"
    return name


def source_identity(spec: str) -> str:
    """What of a source enters a cache key: of a folder its name and its files' names and sizes, but not its place; of a network
    its weights.
    """
    if parts := _split_control(spec):
        return f"{parts[0]}+{source_identity(parts[1])}"
    name, _, argument = spec.partition(":")
    if name == "files":
        return f"files:{Path(argument).name}:{_listing(_path(argument))}"
    return learned_identity(_path(argument)) if name == "learned" and argument else spec


def _listing(folder: Path) -> str:
    """Hash of the names and sizes of the files in a folder; sizes stand in for contents, as in `FolderDataset.fingerprint`."""
    try:
        files = sorted((entry.name, entry.stat().st_size) for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        files = []  # opening the folder says what is wrong with it
    return content_hash(files)


def portable_spec(spec: str) -> str:
    """A source without the place of its files: of a path only the last part, which is looked for in the data's folder.

    >>> portable_spec("shuffled+files:/somewhere/DepthMETER")
    'shuffled+files:DepthMETER'
    """
    if (parts := _split_control(spec)) and "+" in spec:
        return f"{parts[0]}+{portable_spec(parts[1])}"
    name, _, argument = spec.partition(":")
    return f"{name}:{Path(argument).name}" if name in ("files", "learned") and argument else spec


def made_from(source: str, depth: str) -> str:
    """The source of a method `…@source`: a control that does not say what it is made from is made from `depth`."""
    return f"{source}+{depth}" if _split_control(source) and "+" not in source else source


def resolve_folder(spec: str, root: str | None) -> str:
    """`files:DIR`, on its own or in a control, with DIR looked for in the data's folder `root` if it does not exist from here."""
    parts = _split_control(spec)
    if parts and "+" in spec:
        return f"{parts[0]}+{resolve_folder(parts[1], root)}"
    name, _, folder = spec.partition(":")
    if name != "files" or not root or _is_folder(_path(folder)):
        return spec
    return f"files:{Path(root) / folder}"
