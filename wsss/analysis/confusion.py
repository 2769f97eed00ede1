"""Confusion matrices and what is read from them: IoU, mIoU, coverage.

A confusion matrix has one row per true label 0…C and one column per predicted label 0…C, plus a last column for pixels
that were predicted 255 ("ignored"). Matrices of images are added up; IoU is read from the sum (PASCAL VOC, Everingham
et al. 2010), never averaged over images. All readers take any leading batch dimensions.
"""

import numpy as np

from wsss.data.base import IGNORE
from wsss.errors import WsssError

__all__ = [
    "confusion_matrix",
    "coverage",
    "foreground_scores",
    "intersection_and_union",
    "iou_per_class",
    "mean_iou",
    "threshold_confusions",
]


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the pixels of every (true, predicted) pair of labels.

    Args:
        truth: `H×W uint8`, 0 background, 1…C classes, 255 not scored.
        prediction: `H×W uint8`, 0…C, or 255 where the method declines to answer.
        num_classes: C, background not included.

    Returns:
        `(C+1, C+2) int64`; the last column counts scored pixels that were predicted 255.

    Raises:
        TypeError: a map is not uint8.
        ValueError: the shapes differ.
        WsssError: a map holds a label between C + 1 and 254.
    """
    _require_labels(truth, "truth")
    _require_labels(prediction, "prediction")
    if truth.shape != prediction.shape:
        raise ValueError(f"truth is {truth.shape}, but the prediction is {prediction.shape}")
    counts = _pair_counts((truth.astype(np.uint16) << 8 | prediction).ravel()).reshape(256, 256)
    _require_known(counts.sum(axis=1), num_classes, "truth")
    _require_known(counts.sum(axis=0), num_classes, "prediction")
    columns = np.append(np.arange(num_classes + 1), IGNORE)
    return np.asarray(counts[: num_classes + 1, columns], dtype=np.int64)


def _pair_counts(pairs: np.ndarray) -> np.ndarray:
    """How often each `uint16` occurs: `(65536,)`. Labels come in runs, so four equal neighbours are counted at once."""
    whole = pairs.size - pairs.size % 4
    first, words = pairs[:whole:4], pairs[:whole].view(np.uint64)
    equal = words == first * np.uint64(0x0001_0001_0001_0001)
    others = words[~equal].view(np.uint16)
    counts = np.bincount(np.concatenate([others, pairs[whole:]]), minlength=1 << 16)
    counts += 4 * np.bincount(first[equal], minlength=1 << 16)
    return counts


def threshold_confusions(
    scores: np.ndarray, classes: np.ndarray, truth: np.ndarray, num_classes: int, thresholds: np.ndarray
) -> np.ndarray:
    """Confusion matrices of one image's class maps at every background threshold, in one pass over the pixels.

    At threshold t a pixel belongs to the class with the highest score if that score is > t, else to the background.

    Args:
        scores: `(K,H,W) float32` in [0, 1], the maps of the K classes in question; K may be 0.
        classes: `(K,)` their distinct labels in 1…C.
        truth: `H×W uint8`, 255 not scored.
        num_classes: C, background not included.
        thresholds: `(T,)` ascending. They are compared in float32, the precision of the scores.

    Returns:
        `(T, C+1, C+2) int64`, equal to `confusion_matrix` at each threshold. The last column is 0.

    Raises:
        TypeError: the truth is not uint8.
        ValueError: shapes disagree, thresholds are not ascending, or classes repeat or lie outside 1…C.
        WsssError: the truth holds a label between C + 1 and 254.
    """
    classes, limits = np.asarray(classes, dtype=np.intp), np.asarray(thresholds, dtype=np.float32)
    _require_labels(truth, "truth")
    if scores.shape != (len(classes), *truth.shape):
        raise ValueError(f"scores are {scores.shape}, not one {truth.shape} map for each of {len(classes)} classes")
    if np.any(np.diff(limits) < 0):
        raise ValueError("thresholds must be in ascending order")
    if len(set(classes.tolist())) < len(classes) or np.any((classes < 1) | (classes > num_classes)):
        raise ValueError(f"classes {classes.tolist()} are not distinct labels in 1…{num_classes}")
    pixels = np.bincount(truth.ravel(), minlength=256)
    _require_known(pixels, num_classes, "truth")

    result = np.zeros((len(limits), num_classes + 1, num_classes + 2), dtype=np.int64)
    if len(classes):
        counts = _count_passed(scores, truth, limits)[: num_classes + 1]
        # A pixel is foreground at threshold j if it passes more than j thresholds: sums from the last bin downwards.
        foreground = counts[..., :0:-1].cumsum(axis=-1)[..., ::-1]
        result[:, :, classes] = np.moveaxis(foreground, -1, 0)
    result[:, :, 0] = pixels[: num_classes + 1] - result.sum(axis=2)
    return result


def _count_passed(scores: np.ndarray, truth: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """`(256, K, T+1)` pixels by true label, winning map, and number of thresholds that its score passes."""
    best = scores.max(axis=0)
    passed = np.zeros(truth.shape, dtype=np.uint16)
    for limit in limits:  # T vectorised comparisons take a quarter of the time of np.digitize
        passed += best > limit
    shape = (256, len(scores), len(limits) + 1)
    index = truth.astype(np.intp)
    index *= shape[1]
    index += scores.argmax(axis=0)
    index *= shape[2]
    index += passed
    return np.bincount(index.ravel(), minlength=int(np.prod(shape))).reshape(shape)


def intersection_and_union(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels in the intersection and in the union of truth and prediction, `(..., C+1)` each.

    Both are linear in the confusion, so that sums over images may be taken before or after. A pixel predicted 255 is in
    its true label's union and in no intersection: a miss.
    """
    num_labels = confusion.shape[-2]
    if confusion.shape[-1] != num_labels + 1:
        raise ValueError(f"confusion is {confusion.shape}, not (..., C+1, C+2)")
    intersection = np.diagonal(confusion[..., :num_labels], axis1=-2, axis2=-1)
    union = confusion.sum(axis=-1) + confusion[..., :num_labels].sum(axis=-2) - intersection
    return intersection, union


def iou_per_class(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of background and classes, `(..., C+1)`, in percent.

    NaN for a label that occurs neither in the truth nor in the prediction.
    """
    return _percent(*intersection_and_union(confusion))


def mean_iou(confusion: np.ndarray) -> np.ndarray:
    """Mean IoU in percent over background and the classes that occur, `(...)`; NaN if no pixel is scored."""
    iou = iou_per_class(confusion)
    return _percent(np.nansum(iou, axis=-1) / 100, np.sum(~np.isnan(iou), axis=-1))


def coverage(confusion: np.ndarray) -> np.ndarray:
    """Percent of scored pixels with an answer, that is not predicted 255, `(...)`; NaN if no pixel is scored."""
    return _percent(confusion[..., :-1].sum(axis=(-2, -1)), confusion.sum(axis=(-2, -1)))


def foreground_scores(confusion: np.ndarray) -> dict[str, float]:
    """`precision` and `recall` in percent of foreground pixels, all classes together, from a `(C+1, C+2)` confusion.

    A pixel counts as found where its class is right, not only its being foreground. NaN where there is no such pixel.
    """
    right = np.diagonal(confusion[1:, 1:-1]).sum()
    return {
        "precision": float(_percent(right, confusion[:, 1:-1].sum())),
        "recall": float(_percent(right, confusion[1:].sum())),
    }


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`100 * part / whole`, NaN where the whole is 0."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.asarray(np.divide(100 * part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def _require_labels(labels: np.ndarray, name: str) -> None:
    if labels.dtype != np.uint8:
        raise TypeError(f"{name} is {labels.dtype}, but label maps are uint8")


def _require_known(counts: np.ndarray, num_classes: int, name: str) -> None:
    """Refuse pixels, counted by label 0…255, with a label that is neither 0…C nor 255."""
    unknown = np.flatnonzero(counts[num_classes + 1 : IGNORE]) + num_classes + 1
    if len(unknown):
        raise WsssError(
            f"{name} holds the labels {unknown.tolist()}, but there are {num_classes} classes (1…{num_classes}). "
            "Check that the label map was made for this list of classes."
        )
