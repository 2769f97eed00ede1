"""Pseudo-labels: thresholded class scores, stored as VOC-palette PNGs."""

from pathlib import Path

import numpy as np

from wsss.data.palette import voc_palette
from wsss.data.pictures import read_image, write_png
from wsss.errors import WsssError

__all__ = ["load_pseudo_label", "save_pseudo_label"]


def save_pseudo_label(path: Path, label: np.ndarray) -> None:
    """Write a label map `H×W uint8` as a VOC-palette PNG, atomically.

    Raises:
        ValueError: the array is not `H×W uint8`.
        WsssError: the file cannot be written.
    """
    if label.ndim != 2 or label.dtype != np.uint8:
        raise ValueError(f"a label map is H×W uint8, got {label.shape} {label.dtype}")
    write_png(path, label, voc_palette())


def load_pseudo_label(path: Path) -> np.ndarray:
    """Read a label map `H×W uint8` from a palette or 8-bit grey PNG.

    Raises:
        WsssError: the file is missing, broken, or a colour or 16-bit image; the message names it.
    """
    label = read_image(path, mode=None)
    if label.ndim != 2 or label.dtype != np.uint8:
        raise WsssError(
            f"{path} is no label map: expected a palette PNG with one 8-bit channel, got {label.shape} {label.dtype}. "
            "Delete it and make the pseudo-labels again."
        )
    return label
