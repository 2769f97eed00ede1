"""What goes wrong, and examples of it that a rule picks rather than a person.

What is reported is counted over a whole split; single images and objects serve as examples only.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wsss.analysis.effects import occlusion_column
from wsss.analysis.strata import BORDER_BINS, MARK_BINS, OCCLUSION_BINS, SIZE_BINS

__all__ = ["at_quantiles", "error_shares", "hard_images", "occlusion_measure", "worst_objects"]

_MEASURES = {
    "occlusion_ratio": ("hidden share of the amodal mask", OCCLUSION_BINS),
    "marked_occluded": ("marked as occluded by the annotators", MARK_BINS),
    "border_occlusion": ("share of the border with something nearer beside it", BORDER_BINS),
}


def at_quantiles(values: np.ndarray, quantiles: Sequence[float]) -> list[int]:
    """Indices of the values `(N,)` at the given quantiles in [0, 1] of their order; NaN is left out, ties keep order.

    Quantile 0 is the least value, 0.5 the (lower) median, 1 the largest. An index that comes up again is not repeated.
    """
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    if not len(order):
        return []
    return list(dict.fromkeys(int(order[int(q * (len(order) - 1))]) for q in quantiles))


def error_shares(confusion: np.ndarray) -> pd.Series:
    """Where pixels go, in percent, from a confusion matrix `(C+1, C+2)`.

    The first four shares are of the pixels whose truth is a class and add up to 100; the last is of the pixels that
    were predicted as a class. NaN where there is no such pixel.
    """
    objects, labels = confusion[1:], confusion[1:, 1:-1]
    right = float(np.trace(labels))
    total, predicted = float(objects.sum()), float(confusion[:, 1:-1].sum())
    parts = {
        "found": right,
        "missed: called background": float(objects[:, 0].sum()),
        "missed: called another class": float(labels.sum()) - right,
        "missed: ignored": float(objects[:, -1].sum()),
    }
    shares = {name: 100 * part / total if total else np.nan for name, part in parts.items()}
    shares["of what is called an object: is background"] = (
        100 * float(confusion[0, 1:-1].sum()) / predicted if predicted else np.nan
    )
    return pd.Series(shares, name="percent")


def occlusion_measure(instances: pd.DataFrame) -> tuple[str, str, tuple[str, ...]] | None:
    """Which measure of occlusion the objects have: its column, what it means, and its bins; None where there is none.

    Args:
        instances: one row per object, as from `wsss.analysis.strata.scores_frame`.
    """
    column = occlusion_column(instances)
    return (column, *_MEASURES[column]) if column else None


def worst_objects(instances: pd.DataFrame, column: str, bin_name: str, count: int) -> pd.DataFrame:
    """The objects of a bin with the lowest recall, the largest first at ties, at most one an image.

    Args:
        instances: one row per object, as from `wsss.analysis.strata.scores_frame`.
        column: `size` or `occlusion`.
        bin_name: which bin of it.
        count: how many at most; fewer where the bin has fewer.
    """
    inside = instances[instances[column] == bin_name]
    inside = inside.sort_values(["recall", "area"], ascending=[True, False], kind="stable")
    return inside.drop_duplicates("image_id").head(count)


def hard_images(instances: pd.DataFrame) -> pd.Series:
    """Of each image the number of objects that are small (below 1 %) or in the highest bin of occlusion, most first.

    At ties the image that comes first in the data comes first.
    """
    hard = (instances["size"] == SIZE_BINS[0]) | instances["occlusion"].isin(
        [OCCLUSION_BINS[-1], MARK_BINS[-1], BORDER_BINS[-1]]
    )
    counts = hard.groupby(instances["image_id"], sort=False).sum()
    return counts.sort_values(ascending=False, kind="stable").rename("hard objects")
