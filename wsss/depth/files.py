"""The depth maps of a data set in files, one for each image, of any resolution."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from wsss.data.base import Dataset, subset
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.depth.formats import read_depth_file
from wsss.depth.names import KINDS
from wsss.depth.patterns import WHOLE_FOLDER, in_capitals, looked_for, matching, present_in
from wsss.depth.specs import is_there
from wsss.errors import WsssError

__all__ = ["files_depth", "fits", "read_depth_file", "resized"]

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


ZERO_SHARE, ZERO_GAP = 0.01, 0.1
"""From which share of zeros on, and from which distance of all other values from 0 on, zeros of a map are asked about,
the distance as a share of its largest value."""


def files_depth(
    dataset: Dataset, folder: Path, kind: str | None, pattern: str = WHOLE_FOLDER
) -> Callable[[int], NDArray[np.float32]]:
    """The depth maps of a folder, in files that `read_depth_file` reads, named by image id.

    Maps have the aspect ratio of their images, or all of them have one size, which a network stretched over images of
    several. What is not measured takes the value of the nearest measured pixel (see `wsss.data.inverse_depth`).

    Args:
        pattern: how the files are named, see `wsss.depth.patterns`.

    Raises:
        WsssError: the kind is unstated, the folder missing, all maps are flat, an image has several files, or several
            images have one; later, for an image without a map, or with one of another aspect ratio.
    """
    if kind not in KINDS:
        raise WsssError(
            f"{folder}: whether its depth is --depth-kind metric (larger = farther) or inverse (larger = nearer) must "
            "be stated; of one folder among several with --source NAME=files:DIR --depth-kind NAME=inverse"
        )
    if not is_there(folder, folder=True):
        raise WsssError(
            f"no depth folder {folder}: give it with --depth files:DIR, from here or from the data's folder"
        )

    _refuse_several(folder, pattern, dataset.ids)

    def read_file(name: str) -> NDArray[np.float32]:
        path = _file_of(folder, pattern, name)
        if path is None:
            raise WsssError(
                f"no depth for image {name} in {folder} (looked for {', '.join(looked_for(pattern, name))}): add it, "
                "or leave the image out of the split, or of the tags"
            )
        return read_depth_file(path)

    def read(name: str) -> NDArray[np.float32]:
        return normalise_inverse_depth(inverse_depth(read_file(name), kind))

    _doubt_kind(folder, kind, _readable(read_file, subset(dataset.ids, SIGN_SAMPLE)))
    # Whether the maps are one grid for images of several shapes; found out when one does not fit.
    stretched: list[bool] = []

    def depth_of(index: int) -> NDArray[np.float32]:
        name, sample = dataset.ids[index], dataset[index]
        size, depth = sample.own_size, read(name)
        file = _file_of(folder, pattern, name)
        if sample.turned:
            raise WsssError(
                f"the photograph of {name} is stored turned or mirrored (EXIF), and its depth {file} may not be. Turn "
                "the pixels for good, for instance with ImageMagick: mogrify -auto-orient, and make the depth from "
                "that."
            )
        if not fits(depth.shape, size):
            stretched[:] = stretched or [_is_stretched_grid(dataset, folder, pattern)]
            if not stretched[0]:
                raise WsssError(
                    f"depth {file} is {depth.shape} (H, W), which is not the aspect ratio of its image, {size}: it may "
                    "be turned, cropped or another image's. Make it again from the image as it is."
                )
        return resized(depth, sample.image.shape[:2])

    return depth_of


def _doubt_kind(folder: Path, kind: str, raw: Sequence[NDArray[np.float32]]) -> None:
    """Refuse a folder whose maps `raw` are all flat, and warn where they do not look like depth of this kind."""
    sampled = [normalise_inverse_depth(inverse_depth(each, kind)) for each in raw]
    if len(sampled) >= FLAT_LEAST and not any(depth.any() for depth in sampled):
        remedy = "For a map without depth give --depth constant, else make the files again."
        values = "a value above 0 that differs from others" if kind == "metric" else "values that differ"
        raise WsssError(f"depth folder {folder}: none of its {len(sampled)} maps looked at has {values}. {remedy}")
    if _stands_on_its_head(sampled):
        warnings.warn(
            f"in most maps of {folder} what is at the bottom of the picture is far and what is at the top is near: is "
            f"it really --depth-kind {kind}?",
            stacklevel=4,
        )
    if kind == "inverse" and (odd := sum(map(_has_zeros_apart, raw))) > len(raw) / 2:
        warnings.warn(
            f"{odd} of {len(raw)} maps looked at in {folder} are 0 in places, and have no other value near it: with "
            "--depth-kind inverse 0 is the farthest. If it means `not measured` there, write NaN in its place (npy, or "
            "TIFF of float32).",
            stacklevel=4,
        )


def _file_of(folder: Path, pattern: str, name: str) -> Path | None:
    names = (*looked_for(pattern, name), *in_capitals(pattern, name))
    return next((path for each in names if is_there(path := folder / each, folder=False)), None)


def _refuse_several(folder: Path, pattern: str, ids: Sequence[str]) -> None:
    """Refuse images with two files, such as a preview `ID.png` beside the map `ID.npy`, and two images with one."""
    wanted = {name: (looked_for(pattern, name), in_capitals(pattern, name)) for name in ids}
    try:
        present = present_in(folder, (file for lists in wanted.values() for files in lists for file in files))
    except OSError as error:
        raise WsssError(f"cannot read depth folder {folder}: {error.strerror}. Check its permissions.") from error
    images: dict[str, str] = {}
    for name in ids:
        small, large = ([file for file in files if file in present] for files in wanted[name])
        files = small or large
        if len(files) > 1:
            raise WsssError(
                f"depth folder {folder} has {len(files)} files of image {name}: {', '.join(files)}. Keep the maps "
                "alone there, and move previews elsewhere."
            )
        if files and (other := images.setdefault(files[0], name)) != name:
            raise WsssError(
                f"depth file {folder / files[0]} would be that of two images, {other} and {name}. Write {{id}} in "
                f"place of {{number}} in {pattern}."
            )


def fits(depth: tuple[int, ...], image: tuple[int, ...]) -> bool:
    """Whether a map's size `(h, w)` is that of an image, scaled: within `ASPECT`, or a pixel of one side."""
    (h, w), (height, width) = depth, image
    if min(h, w, height, width) < ASPECT_SIDE:
        return True
    across = abs(h * width - w * height)  # 0 where the aspect ratios are the same
    return across <= max(ASPECT * w * height, height, width)


def _is_stretched_grid(dataset: Dataset, folder: Path, pattern: str) -> bool:
    """Whether the maps are the grid of a network that gives all images one size, whatever their shape.

    That is so where all maps have one size, at most half of the images', and the images have several shapes, so that
    maps of their own could not have one size. `STRETCHED_SHARE` of them must differ: fewer may be an accident.
    """
    names = subset(matching(folder, pattern), SIGN_SAMPLE)
    sizes = {read_depth_file(folder / name).shape for name in names}
    chosen = subset([str(index) for index in range(len(dataset))], SIGN_SAMPLE)
    images = [dataset[int(index)].own_size for index in chosen]
    if len(sizes) != 1:
        return False
    grid = sizes.pop()
    if any(2 * max(grid) > max(size) for size in images):
        return False
    differ = sum(not fits(grid, size) for size in images)
    several = any(not fits(size, images[0]) for size in images)
    if len(images) < STRETCHED_LEAST:  # too few to say, but portrait and landscape are not confused
        return several or not any(fits(grid[::-1], size) for size in images)
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


def _has_zeros_apart(values: NDArray[np.float32]) -> bool:
    """Whether many values are 0 and next to none lies near it, as where a stereo matcher writes 0 for no match."""
    measured = values[np.isfinite(values) & (values != 0)]
    if measured.size == 0 or (values == 0).mean() < ZERO_SHARE or measured.min() < 0:
        return False
    return bool(np.percentile(measured, 1) > ZERO_GAP * np.percentile(measured, 99))


def resized(depth: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Inverse depth brought to `size (H,W)`, bilinearly; as it is where it has that size."""
    if depth.shape == size:
        return depth
    bilinear = resize(depth, size, order=1, mode="edge", anti_aliasing=False)
    return np.asarray(bilinear.astype(np.float32).clip(0, 1))
