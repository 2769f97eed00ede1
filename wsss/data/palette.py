"""The colour map of PASCAL VOC, so that label PNGs look the same here as in every other viewer."""

import numpy as np

__all__ = ["voc_palette"]


def voc_palette() -> np.ndarray:
    """The VOC colour map, `(256, 3) uint8` RGB: black for background, cream for 255.

    Bit 3j + c of a label goes to bit 7 − j of colour channel c, as in `VOClabelcolormap` of the VOC development kit
    (Everingham et al., IJCV 2010).
    """
    labels = np.arange(256, dtype=np.uint8)[:, None]
    channels = np.arange(3, dtype=np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    for j in range(3):  # 3 channels × 3 bits cover the 8 bits of a label
        palette |= ((labels >> (3 * j + channels)) & 1) << (7 - j)
    return palette
