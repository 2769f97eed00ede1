"""Depth maps in files: PNG, npy or npz, one for each image, of any resolution."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from wsss.data.base import Dataset, subset
from wsss.depth.orientation import inverse_depth, normalise_inverse_depth
from wsss.depth.specs import is_there
from wsss.errors import WsssError
from wsss.io import read_image

__all__ = ["files_depth", "read_depth_file", "resized"]

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


def files_depth(dataset: Dataset, folder: Path, kind: str | None) -> Callable[[int], NDArray[np.float32]]:
    """The depth maps of a folder, PNG, npy or npz, named by image id.

    Raises:
        WsssError: the kind is unstated or the folder missing; later, for an image without a map.
    """
    if kind not in ("metric", "inverse"):
        raise WsssError(
            f"{folder}: whether its depth is --depth-kind metric (larger = farther) or inverse (larger = nearer) must be stated; "
            "of one folder among several with --source NAME=files:DIR --depth-kind NAME=inverse"
        )
    if not is_there(folder, folder=True):
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
    return lambda index: resized(read(dataset.ids[index]), dataset[index].image.shape[:2])


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


def resized(depth: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Inverse depth brought to `size (H,W)`, bilinearly; as it is where it has that size."""
    if depth.shape == size:
        return depth
    bilinear = resize(depth, size, order=1, mode="edge", anti_aliasing=False)
    return np.asarray(bilinear.astype(np.float32).clip(0, 1))
