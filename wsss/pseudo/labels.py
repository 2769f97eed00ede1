"""Pseudo-labels: thresholded class scores, stored as VOC-palette PNGs."""

from pathlib import Path

import numpy as np

from wsss.data.base import IGNORE
from wsss.errors import WsssError
from wsss.io import read_image, write_png
from wsss.pseudo.palette import voc_palette

__all__ = ["load_pseudo_label", "pseudo_label", "save_pseudo_label"]


def pseudo_label(scores: np.ndarray, classes: np.ndarray, low: float, high: float | None = None) -> np.ndarray:
    """Label each pixel with its strongest class, with background, or with 255 where the score is undecided.

    A pixel is background up to `low`, ignored (255) above that and up to `high`, and of its strongest class above. What is
    ignored between sure foreground and sure background follows AffinityNet (Ahn and Kwak, CVPR 2018).

    Args:
        scores: `(K, H, W) float32` in [0, 1], one map for each class that the image holds; K may be 0.
        classes: `(K,)` integers 1…254, the class of each map. The first of equal scores wins.
        low: threshold of sure background, in the unit of `scores`.
        high: threshold of sure classes, ≥ `low`; None is `low`, so that nothing is ignored.

    Returns:
        `H×W uint8`: 0 background, 1…254 classes, 255 ignore.

    Raises:
        ValueError: shapes do not agree, a class is outside 1…254, or `high` is below `low`.
    """
    classes = np.asarray(classes, dtype=np.int64)
    if scores.ndim != 3 or classes.shape != scores.shape[:1]:
        raise ValueError(f"expected scores (K, H, W) and classes (K,), got {scores.shape} and {classes.shape}")
    if ((classes < 1) | (classes >= IGNORE)).any():
        raise ValueError(f"classes must be 1…{IGNORE - 1}, got {classes.tolist()}")
    high = low if high is None else high
    if high < low:
        raise ValueError(f"the threshold of classes, {high}, lies below that of background, {low}")
    if len(classes) == 0:
        return np.zeros(scores.shape[1:], np.uint8)
    best = scores.max(axis=0)
    label: np.ndarray = classes.astype(np.uint8)[scores.argmax(axis=0)]
    # `~(a > b)` rather than `a <= b`: a pixel whose score is NaN has no evidence, so it is background.
    label[~(best > high)] = IGNORE
    label[~(best > low)] = 0
    return label


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
