"""Regions from colour: alone the control that looks at no depth; with depth a second opinion beside its regions."""

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab
from skimage.segmentation import felzenszwalb

from wsss.methods.diffusion import COLOUR_SCALE, border_jumps, region_values, unlikeness, walk
from wsss.methods.parameters import ColourParameters, RegionParameters
from wsss.methods.regions import Regions

__all__ = ["cielab", "colour_regions", "sharing"]

SMOOTHED_SIDE = 512  # pixels: of an image that is smoothed by a Gaussian of one
WORKING_SIDE = 128  # pixels: of the square image that `ColourParameters.scale` is stated for
DEPTH_WEIGHT = 3.0  # of normalised inverse depth beside CIELAB / 100


def cielab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The image `H×W×3 uint8` in CIELAB, `H×W×3 float32`."""
    return np.asarray(rgb2lab(image), np.float32)


def colour_regions(
    image: NDArray[np.uint8],
    depth: NDArray[np.float32] | None = None,
    trust: float = 1.0,
    lab: NDArray[np.float32] | None = None,
    parameters: ColourParameters | None = None,
) -> Regions:
    """Partition an image by colour (Felzenszwalb & Huttenlocher, IJCV 2004), at half its resolution, in CIELAB.

    Args:
        image: `H×W×3 uint8`.
        depth: `H×W float32` inverse depth in [0, 1], which counts as a fourth channel; None for colour alone.
        trust: in [0, 1], how much depth counts.
        lab: `cielab` of the image, from a caller that has it.
        parameters: scale and smallest region; None takes the default ones.

    Returns:
        Regions 1…R, largest first, none of them a plane.
    """
    height, width = image.shape[:2]
    sigma = max(height, width) / SMOOTHED_SIDE
    channels = gaussian_filter(cielab(image) if lab is None else lab, (sigma, sigma, 0)) / 100
    if depth is not None:
        channels = np.dstack([channels, trust * DEPTH_WEIGHT * depth])
    smooth = np.ascontiguousarray(channels[::2, ::2], np.float32)
    given = parameters or ColourParameters()
    pixels = smooth.shape[0] * smooth.shape[1]
    scale, least = given.scale * pixels / WORKING_SIDE**2, max(1, round(given.min_area * pixels))
    if min(smooth.shape[:2]) < 2:  # too thin for the library's grid graph
        return Regions(np.ones((height, width), np.int32), np.zeros(1, bool))
    with warnings.catch_warnings():  # the library asks whether four channels are meant; they are
        warnings.filterwarnings("ignore", "Got image with third dimension of 4", RuntimeWarning)
        coarse = felzenszwalb(smooth, scale=scale, sigma=0.0, min_size=least, channel_axis=-1)
    full = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    by_size = np.argsort(-np.bincount(full.ravel()), kind="stable")
    rank = np.empty(len(by_size), np.int32)
    rank[by_size] = np.arange(1, len(by_size) + 1)
    return Regions(rank[full], np.zeros(len(by_size), bool))


def sharing(
    regions: Regions,
    image: NDArray[np.uint8],
    depth: NDArray[np.float32] | None = None,
    trust: float = 1.0,
    lab: NDArray[np.float32] | None = None,
    barrier: float = RegionParameters.barrier,
) -> Regions:
    """`regions` with the walk by which they share scores: between neighbours of like colour and, with depth, across
    borders where depth does not jump.

    Args:
        image: `H×W×3 uint8`.
        depth: `H×W float32` inverse depth in [0, 1].
        trust: in [0, 1], how much a jump of depth counts.
        lab: `cielab` of the image, from a caller that has it.
        barrier: see `RegionParameters`.
    """
    count = len(regions)
    colours = cielab(image) if lab is None else lab
    distances = unlikeness(region_values(regions.labels, count, colours) / COLOUR_SCALE)
    if depth is not None and barrier:
        distances += trust * (border_jumps(regions.labels, count, depth) / barrier) ** 2
    return replace(regions, step=walk(regions.labels, distances))
