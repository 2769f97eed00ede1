"""How much a method enlarges what it looks at, in pixels of the photograph.

A view whose pixels are those of the photograph has magnification 1; below, it shows less than there is; above, it is
interpolated and shows nothing that a view at 1 would not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wsss.methods.crops import Crop

__all__ = ["Magnification", "crop_side", "magnification", "magnification_facts"]


@dataclass(frozen=True)
class Magnification:
    """Of one image: of the passes over the whole of it, in the order of their scales, and of its crops."""

    passes: tuple[float, ...]
    crops: tuple[float, ...] = ()


def crop_side(height: int, width: int, base_side: int) -> int:
    """Side of a resized crop: 7/8 of the side of a square as large as the image at scale 1, a multiple of 16."""
    area = height * width * (base_side / max(height, width)) ** 2
    side: int = max(32, 16 * round(0.875 * np.sqrt(area) / 16))
    return side


def magnification(
    size: tuple[int, int], scales: Sequence[float], plan: Sequence[Crop], base_side: int
) -> Magnification:
    """How much an image's views are enlarged.

    Args:
        size: `(H, W)` of the image.
        scales: of the passes over the whole image, in units of `base_side`.
        plan: the crops.
        base_side: long side of the image at scale 1, in pixels.

    >>> magnification((512, 512), (1.0, 2.0), [Crop((0, 0, 112, 112), 1)], 256)
    Magnification(passes=(0.5, 1.0), crops=(2.0,))
    """
    side = crop_side(*size, base_side)
    passes = tuple(scale * base_side / max(size) for scale in scales)
    return Magnification(passes, tuple(side / (one.box[2] - one.box[0]) for one in plan))


def magnification_facts(images: Sequence[Magnification]) -> dict[str, Any]:
    """What a record says of the views of a method.

    Returns:
        `passes`: per scale, the mean over images. `crops`: None without crops, else the `median` over all crops of all
        images, and the shares in percent of those that are `closer` than the image's finest pass, and that are
        `interpolated` (above 1).
    """
    passes = np.mean([one.passes for one in images], axis=0).round(3).tolist()
    finest = np.concatenate([np.full(len(one.crops), max(one.passes)) for one in images])
    crops = np.concatenate([one.crops for one in images])
    if not len(crops):
        return {"passes": passes, "crops": None}
    shares = {"closer": crops > finest + 1e-6, "interpolated": crops > 1 + 1e-6}
    of_crops = {name: round(100 * float(inside.mean()), 1) for name, inside in shares.items()}
    return {"passes": passes, "crops": {"median": round(float(np.median(crops)), 3), **of_crops}}
