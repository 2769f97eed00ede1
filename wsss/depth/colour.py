"""Regions from colour alone: the control that looks at no depth, and the second opinion beside depth regions."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab
from skimage.segmentation import felzenszwalb

from wsss.depth.regions import Regions

__all__ = ["colour_regions"]

SCALE, MIN_PIXELS = 2.0, 100  # at half the resolution: about as many regions as depth gives, 40 to 70 an image


def colour_regions(image: NDArray[np.uint8]) -> Regions:
    """Partition an image by colour (Felzenszwalb & Huttenlocher, IJCV 2004), at half its resolution, in CIELAB.

    Args:
        image: `H×W×3 uint8`.

    Returns:
        Regions 1…R, largest first, none of them a plane.
    """
    height, width = image.shape[:2]
    smooth = gaussian_filter(rgb2lab(image).astype(np.float32), (1, 1, 0))[::2, ::2] / 100
    if min(smooth.shape[:2]) < 2:  # too thin for the library's grid graph
        return Regions(np.ones((height, width), np.int32), np.zeros(1, bool))
    coarse = felzenszwalb(smooth, scale=SCALE, sigma=0.0, min_size=MIN_PIXELS, channel_axis=-1)
    full = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    by_size = np.argsort(-np.bincount(full.ravel()), kind="stable")
    rank = np.empty(len(by_size), np.int32)
    rank[by_size] = np.arange(1, len(by_size) + 1)
    return Regions(rank[full], np.zeros(len(by_size), bool))
