"""Dense conditional random field (Krähenbühl and Koltun, *Efficient Inference in Fully Connected CRFs*, NIPS 2011).

Needs pydensecrf2, which is compiled when it is installed and therefore optional: `pip install "wsss-depth-cam[crf]"`.
"""

import numpy as np
from numpy.typing import NDArray

from wsss.machine.lazy import needed

__all__ = ["dense_crf", "require_crf"]

ITERATIONS = 10
_SMOOTH_SIDE, _SMOOTH_WEIGHT = 3, 3  # of the term of position alone
_LEAST = 1e-4  # probability: logarithms stay finite


def dense_crf(
    image: NDArray[np.uint8],
    scores: NDArray[np.float32],
    threshold: float,
    *,
    side: float = 50.0,
    colour: float = 13.0,
    weight: float = 10.0,
) -> NDArray[np.float32]:
    """Probabilities `(K,H,W) float32` of the classes after mean-field inference; what is missing to 1 is background.

    The unary term makes background as likely as a class whose score is the threshold.

    Args:
        image: `H×W×3 uint8`.
        scores: `(K,H,W)` in [0, 1]; K may be 0.
        threshold: background threshold of the scores, in (0, 1).
        side: bandwidth of position in the bilateral term, in pixels.
        colour: its bandwidth of colour, in 0…255.
        weight: its weight beside the unary term.

    Raises:
        WsssError: pydensecrf2 is not installed.
        ValueError: sizes differ.
    """
    if scores.shape[1:] != image.shape[:2]:
        raise ValueError(f"scores are {scores.shape[1:]}, but the image {image.shape[:2]}")
    require_crf()
    if len(scores) == 0:
        return scores
    from pydensecrf import densecrf
    from pydensecrf.utils import unary_from_softmax

    height, width = image.shape[:2]
    odds = np.concatenate([np.full((1, height, width), threshold, np.float32), scores])
    total = np.maximum(odds.sum(axis=0), np.finfo(np.float32).tiny)  # 0 where no score is, at a threshold of 0
    probabilities = np.clip(odds / total, _LEAST, 1)
    field = densecrf.DenseCRF2D(width, height, len(odds))
    field.setUnaryEnergy(np.ascontiguousarray(unary_from_softmax(probabilities)))
    field.addPairwiseGaussian(sxy=_SMOOTH_SIDE, compat=_SMOOTH_WEIGHT)
    field.addPairwiseBilateral(sxy=side, srgb=colour, rgbim=np.ascontiguousarray(image), compat=weight)
    found = np.asarray(field.inference(ITERATIONS), np.float32).reshape(odds.shape)
    return found[1:]


def require_crf() -> None:
    """Raise a `WsssError` that says what to install where pydensecrf2 is missing."""
    needed("pydensecrf", "refinement crf", " (with a C++ compiler), or take par, which needs nothing")
