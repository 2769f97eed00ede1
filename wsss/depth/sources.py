"""Where depth comes from. Every source hands out inverse depth `H×W float32` in [0, 1], larger = nearer, at the image's size."""

import re
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from wsss.data.base import Dataset
from wsss.depth.orientation import inverse_depth, normalise_inverse_depth
from wsss.errors import WsssError
from wsss.io import read_image

__all__ = ["DepthSource", "open_depth", "read_depth_file", "source_identity", "source_name"]

DepthSource = Callable[[int], NDArray[np.float32]]
"""Index of a sample in its data set → its inverse depth."""

_SUFFIXES = (".png", ".npy", ".npz")


def read_depth_file(path: Path) -> NDArray[np.float32]:
    """A depth map `h×w float32` in the file's own numbers: 8- or 16-bit PNG, npy, or an npz with one array.

    Raises:
        WsssError: unreadable, or not a single-channel map.
    """
    if path.suffix == ".png":
        array = read_image(path, mode=None)
    else:
        try:
            loaded = np.load(path, allow_pickle=False)
            array = loaded if isinstance(loaded, np.ndarray) else loaded[loaded.files[0]]
        except (OSError, ValueError, IndexError, EOFError, BadZipFile) as error:
            raise WsssError(f"cannot read depth {path}: {error}. Make the file again.") from error
    while array.ndim > 2 and 1 in array.shape:  # a channel or batch axis, but never the only row or column of a map
        array = array.squeeze(array.shape.index(1))
    if array.ndim != 2 or not array.size:
        raise WsssError(f"depth {path} has shape {array.shape}; one channel of H×W is needed")
    return array.astype(np.float32)


def _resized(depth: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    if depth.shape == size:
        return depth
    return resize(depth, size, order=1, mode="edge", anti_aliasing=False).astype(np.float32).clip(0, 1)


def _files(dataset: Dataset, folder: Path, kind: str | None) -> DepthSource:
    if kind not in ("metric", "inverse"):
        raise WsssError("--depth files:DIR needs --depth-kind metric (larger = farther) or inverse (larger = nearer)")
    if not folder.is_dir():
        raise WsssError(f"no depth folder {folder}")

    def load(index: int) -> NDArray[np.float32]:
        name = dataset.ids[index]
        path = next((p for s in _SUFFIXES if (p := folder / f"{name}{s}").exists()), None)
        if path is None:
            raise WsssError(f"no depth for image {name} in {folder} (looked for {', '.join(_SUFFIXES)})")
        depth = normalise_inverse_depth(inverse_depth(read_depth_file(path), kind))
        return _resized(depth, dataset[index].image.shape[:2])

    return load


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
    # A random cycle through all images has no fixed point: no image keeps its own depth (unless it is the only one).
    order = np.random.default_rng(seed).permutation(len(dataset))
    other = np.empty(len(dataset), int)
    other[order] = np.roll(order, 1)
    return lambda index: _resized(inner(int(other[index])), dataset[index].image.shape[:2])


def open_depth(spec: str, dataset: Dataset, kind: str | None = None, seed: int = 0) -> DepthSource:
    """Open a depth source.

    Args:
        spec: `sensor`; `files:DIR`; `constant` (a control: flat); `shuffled` or `shuffled+files:DIR` (a control: another
            image's depth).
        kind: of files, `metric` (larger = farther) or `inverse`; stated, never guessed.
        seed: of the shuffling.

    Raises:
        WsssError: unknown source, missing folder, or unstated kind.
    """
    name, _, argument = spec.partition(":")
    if spec == "sensor":
        return _sensor(dataset)
    if spec == "constant":
        return lambda index: np.zeros(dataset[index].image.shape[:2], np.float32)
    if name == "files" and argument:
        return _files(dataset, Path(argument).expanduser(), kind)
    if spec == "shuffled" or spec.startswith("shuffled+"):
        inner = open_depth(spec.partition("+")[2] or "sensor", dataset, kind, seed)
        return _shuffled(dataset, inner, seed)
    raise WsssError(
        f"unknown depth source {spec!r}; choose sensor, files:DIR, shuffled, shuffled+files:DIR or constant"
    )


def source_name(spec: str) -> str:
    """Short name for records: `sensor`, `constant`, `shuffled`, or the folder's name without "depth": DepthMETER → meter."""
    if not spec.startswith("files:"):
        return spec.partition("+")[0]
    plain = re.sub(r"depth|[^a-z0-9]", "", Path(spec.partition(":")[2]).name.lower())
    return plain or "files"


def source_identity(spec: str) -> str:
    """What of a source enters a cache key: of a folder its name only, since its place may change."""
    head, files, folder = spec.partition("files:")
    return head + files + Path(folder).name if files else spec
