"""Large photographs: samples are reduced to a bounded side, and label maps enlarged again to the photograph's own."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from wsss.data.base import Sample
from wsss.data.transforms import resize_long_side

__all__ = ["enlarged", "reduced", "resized_label"]


def reduced(sample: Sample, side: int) -> Sample:
    """A sample with an image, and a mask, of at most `side` pixels on the long side; one that is not larger as it is.

    It has neither instances nor depth: these are for samples of one's own photographs.
    """
    if max(sample.image.shape[:2]) <= side:
        return sample
    image = resize_long_side(sample.image, side)
    mask = None if sample.mask is None else resized_label(sample.mask, image.shape[:2])
    return replace(sample, image=image, mask=mask, full_size=sample.own_size)


def resized_label(label: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    """A label map brought to `size (H,W)`, each pixel as the nearest one."""
    if label.shape == size:
        return label
    resized = interpolate(torch.from_numpy(label)[None, None], size=size, mode="nearest-exact")
    found: NDArray[np.uint8] = resized[0, 0].numpy()
    return found


def enlarged(label: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A label map `H×W` enlarged to `size`, with smooth borders.

    Each label's area is enlarged bilinearly, and a pixel gets the label that has most of it; of equals the lowest.
    """
    if label.shape == size:
        return label
    best, found = torch.zeros(size), np.zeros(size, np.uint8)
    for value in np.unique(label).tolist():
        area = torch.from_numpy((label == value).astype(np.float32))
        share = interpolate(area[None, None], size=size, mode="bilinear")[0, 0]
        found[(share > best).numpy()] = value
        best = torch.maximum(best, share)
    return found
