"""Depth maps in files: PNG, npy or npz, one for each image, of any resolution."""

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from wsss.data.base import Dataset, subset
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.depth.specs import is_there
from wsss.errors import WsssError
from wsss.io import read_image

__all__ = ["files_depth", "read_depth_file", "resized"]

_SUFFIXES = (".png", ".npy", ".npz")

SIGN_SAMPLE, SIGN_RISE, SIGN_SHARE = 16, 0.05, 0.8
"""How many maps are checked for a wrong sign, from which rise down the image on one tells, how many must agree."""

FLAT_LEAST = 4
"""How many maps at least say, if all of them are flat, that a folder holds no depth."""

ASPECT = 0.05
"""Difference of the aspect ratios of a map and its image that a network's multiples of 14 or 32 pixels explain."""

ASPECT_SIDE = 4
"""Of maps and images that are narrower, in pixels, the aspect ratio says nothing."""

STRETCHED_LEAST, STRETCHED_SHARE = 4, 0.2
"""How many images it takes to tell whether one size of maps is a grid for all shapes; how many have another shape."""


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

    Maps have the aspect ratio of their images, or all of them have one size, which a network stretched over images of
    several.

    Raises:
        WsssError: the kind is unstated, the folder missing, all maps are flat, or an image has several files; later,
            for an image without a map, or with one of another aspect ratio.
    """
    if kind not in ("metric", "inverse"):
        raise WsssError(
            f"{folder}: whether its depth is --depth-kind metric (larger = farther) or inverse (larger = nearer) must "
            "be stated; of one folder among several with --source NAME=files:DIR --depth-kind NAME=inverse"
        )
    if not is_there(folder, folder=True):
        raise WsssError(
            f"no depth folder {folder}: give it with --depth files:DIR, from here or from the data's folder"
        )

    _refuse_several(folder, dataset.ids)

    def read(name: str) -> NDArray[np.float32]:
        path = _file_of(folder, name)
        if path is None:
            raise WsssError(
                f"no depth for image {name} in {folder} (looked for {', '.join(_SUFFIXES)}): add it or take the id out "
                "of the split"
            )
        return normalise_inverse_depth(inverse_depth(read_depth_file(path), kind))

    sampled = _readable(read, subset(dataset.ids, SIGN_SAMPLE))
    if len(sampled) >= FLAT_LEAST and not any(depth.any() for depth in sampled):
        remedy = "For a map without depth give --depth constant, else make the files again."
        values = "a value above 0 that differs from others" if kind == "metric" else "values that differ"
        raise WsssError(f"depth folder {folder}: none of its {len(sampled)} maps looked at has {values}. {remedy}")
    if _stands_on_its_head(sampled):
        warnings.warn(
            f"in most maps of {folder} what is at the bottom of the picture is far and what is at the top is near: is "
            f"it really --depth-kind {kind}?",
            stacklevel=3,
        )
    stretched: list[
        bool
    ] = []  # whether the maps are one grid for images of several shapes; found out when one does not fit

    def depth_of(index: int) -> NDArray[np.float32]:
        name, sample = dataset.ids[index], dataset[index]
        size, depth = sample.image.shape[:2], read(name)
        if sample.turned:
            raise WsssError(
                f"the photograph of {name} is stored turned or mirrored (EXIF), and its depth {_file_of(folder, name)} "
                "may not be. Turn the pixels for good, for instance with ImageMagick: mogrify -auto-orient, and make "
                "the depth from that."
            )
        if not _fits(depth.shape, size):
            stretched[:] = stretched or [_is_stretched_grid(dataset, folder)]
            if not stretched[0]:
                raise WsssError(
                    f"depth {_file_of(folder, name)} is {depth.shape} (H, W), which is not the aspect ratio of its "
                    f"image, {size}: it may be turned, cropped or another image's. Make it again from the image as it "
                    "is."
                )
        return resized(depth, size)

    return depth_of


def _file_of(folder: Path, name: str) -> Path | None:
    return next((p for s in _SUFFIXES if is_there(p := folder / f"{name}{s}", folder=False)), None)


def _refuse_several(folder: Path, ids: Sequence[str]) -> None:
    """Refuse images with two files, such as a preview `ID.png` beside the map `ID.npy`: either may be meant."""
    try:
        present = {entry.name for entry in os.scandir(folder) if entry.is_file()}
    except OSError as error:
        raise WsssError(f"cannot read depth folder {folder}: {error.strerror}. Check its permissions.") from error
    for name in ids:
        files = [file for suffix in _SUFFIXES if (file := f"{name}{suffix}") in present]
        if len(files) > 1:
            raise WsssError(
                f"depth folder {folder} has {len(files)} files of image {name}: {', '.join(files)}. Keep the maps "
                "alone there, and move previews elsewhere."
            )


def _fits(depth: tuple[int, ...], image: tuple[int, ...]) -> bool:
    """Whether a map's size `(h, w)` is that of an image, scaled: within `ASPECT`, or a pixel of one side."""
    (h, w), (height, width) = depth, image
    if min(h, w, height, width) < ASPECT_SIDE:
        return True
    across = abs(h * width - w * height)  # 0 where the aspect ratios are the same
    return across <= max(ASPECT * w * height, height, width)


def _is_stretched_grid(dataset: Dataset, folder: Path) -> bool:
    """Whether the maps are the grid of a network that gives all images one size, whatever their shape.

    That is so where all maps have one size, at most half of the images', and the images have several shapes, so that
    maps of their own could not have one size. `STRETCHED_SHARE` of them must differ: fewer may be an accident.
    """
    names = subset(sorted(name for name in os.listdir(folder) if Path(name).suffix in _SUFFIXES), SIGN_SAMPLE)
    sizes = {read_depth_file(folder / name).shape for name in names}
    chosen = subset([str(index) for index in range(len(dataset))], SIGN_SAMPLE)
    images = [dataset[int(index)].image.shape[:2] for index in chosen]
    grid = sizes.pop()
    if sizes or any(2 * max(grid) > max(size) for size in images):
        return False
    differ = sum(not _fits(grid, size) for size in images)
    several = any(not _fits(size, images[0]) for size in images)
    if len(images) < STRETCHED_LEAST:  # too few to say, but portrait and landscape are not confused
        return several or not any(_fits(grid[::-1], size) for size in images)
    return several and differ >= STRETCHED_SHARE * len(images)


def _readable(read: Callable[[str], NDArray[np.float32]], ids: Sequence[str]) -> list[NDArray[np.float32]]:
    """The maps of `ids` that can be read; what is wrong with the others is said when they are needed."""
    maps = []
    for name in ids:
        with suppress(WsssError):
            maps.append(read(name))
    return maps


def _stands_on_its_head(maps: Sequence[NDArray[np.float32]]) -> bool:
    """Whether nearly all of these maps are nearer at the top than at the bottom, which is wrong above a floor."""
    thirds = [(depth, max(1, len(depth) // 3)) for depth in maps]
    rises = [float(depth[-third:].mean() - depth[:third].mean()) for depth, third in thirds]
    telling = [rise for rise in rises if abs(rise) > SIGN_RISE]
    return len(telling) >= SIGN_SAMPLE // 2 and sum(rise < 0 for rise in telling) >= SIGN_SHARE * len(telling)


def resized(depth: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Inverse depth brought to `size (H,W)`, bilinearly; as it is where it has that size."""
    if depth.shape == size:
        return depth
    bilinear = resize(depth, size, order=1, mode="edge", anti_aliasing=False)
    return np.asarray(bilinear.astype(np.float32).clip(0, 1))
