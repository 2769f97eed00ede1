"""Depth that a function of a user's own gives of each image."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.data.base import Dataset, Sample
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.depth.files import fits, resized
from wsss.depth.names import SOURCES
from wsss.errors import WsssError, first_line

__all__ = ["own_depth"]


def own_depth(name: str, dataset: Dataset) -> Callable[[int], NDArray[np.float32]]:
    """Inverse depth by what `register_depth_source` entered under `name`.

    Raises:
        WsssError: later, where the function fails on an image, or gives no map of it; the message names both.
    """
    source = SOURCES[name]

    def depth(index: int) -> NDArray[np.float32]:
        sample = dataset[index]
        values, size = _map_of(name, sample), sample.image.shape[:2]
        return resized(normalise_inverse_depth(inverse_depth(values, source.kind)), (size[0], size[1]))

    return depth


def _map_of(name: str, sample: Sample) -> NDArray[Any]:
    try:
        values = np.asarray(SOURCES[name].depth_of(sample))
    except Exception as error:  # of somebody else's function
        raise WsssError(f"depth source {name} fails on image {sample.id}: {first_line(error)}") from error
    real = np.issubdtype(values.dtype, np.integer) or np.issubdtype(values.dtype, np.floating)
    if values.ndim != 2 or not values.size or not real:
        raise WsssError(
            f"depth source {name} must give an array h×w of real numbers, and gives {values.dtype} {values.shape} of "
            f"image {sample.id}"
        )
    if not fits(values.shape, sample.image.shape[:2]):
        raise WsssError(
            f"depth source {name} gives a map of {values.shape} (H, W) for image {sample.id} of "
            f"{sample.image.shape[:2]}, which has another aspect ratio"
        )
    return values
