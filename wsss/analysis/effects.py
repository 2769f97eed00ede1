"""What small size and occlusion each do to the chance that an object is found, with the other held fixed.

Far objects are small, and small objects are hidden more easily: a table of one of the two also shows the other. A logistic
regression of `hit` on both, with a constant for each class, tells them apart as far as a sum of effects can.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from wsss.analysis.bootstrap import image_weights

__all__ = ["EFFECTS", "hit_effects", "occlusion_column"]

EFFECTS = {"area": "area doubled", "occlusion": "10 points more occlusion"}
"""The effects that `hit_effects` gives, and what each is the effect of."""

_STRENGTH = 100.0
"""Inverse of the ridge: weak, but it keeps the constant of a class that is always or never hit from running off."""


def occlusion_column(objects: pd.DataFrame) -> str | None:
    """The column of the measure of occlusion that these objects have (see `wsss.analysis.strata`), None without one."""
    columns = ("occlusion_ratio", "marked_occluded", "border_occlusion")
    return next((name for name in columns if objects[name].notna().any()), None)


def hit_effects(
    objects: pd.DataFrame, resamples: int = 500, seed: int = 0, level: float = 0.95
) -> dict[str, Any] | None:
    """Odds ratios of `hit` for twice the area and for 10 points more occlusion, from one logistic regression.

    Args:
        objects: one row per object, as from `scores_frame`; those without a measure of occlusion are left out where
            others have one. Hits of several training seeds may be averaged: a share counts as so much of a hit.
        resamples: bootstrap resamples of the images, each with a regression of its own.

    Returns:
        `n` objects, `occlusion_measure` (its column or None), and per effect (see `EFFECTS`) the odds ratio and its interval,
        `{"odds_ratio", "ci"}`; above 1 it helps. None where all objects are hit or none is, or where no two differ in size.
    """
    column = occlusion_column(objects)
    if column:
        objects = objects[objects[column].notna()]
    hits = objects["hit"].to_numpy(dtype=np.float64)
    if not len(objects) or hits.max() == 0 or hits.min() == 1 or objects["area"].nunique() < 2:
        return None
    features = [np.log2(objects["relative_area"].to_numpy(dtype=np.float64))]
    if column:
        features.append(10 * objects[column].to_numpy(dtype=np.float64))
    names = list(EFFECTS)[: len(features)]
    design = np.column_stack([*features, pd.get_dummies(objects["class_id"]).to_numpy(dtype=np.float64)])
    images, ids = pd.factorize(objects["image_id"])
    whole = _coefficients(design, hits, np.ones(len(hits)), len(names))
    drawn = [
        _coefficients(design, hits, weights[images], len(names))
        for chunk in image_weights(len(ids), resamples, seed)
        for weights in chunk
    ]
    lows, highs = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    effects = {
        name: {"odds_ratio": float(np.exp(value)), "ci": [float(np.exp(low)), float(np.exp(high))]}
        for name, value, low, high in zip(names, whole, lows, highs, strict=True)
    }
    return {"n": len(objects), "occlusion_measure": column, **effects}


def _coefficients(design: np.ndarray, hits: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """The first `count` coefficients `(count,)`; NaN where the resample has only hits or only misses."""
    # Each object counts as a hit with weight `hits` and as a miss with the rest.
    rows = np.concatenate([design, design])
    outcomes = np.repeat([1, 0], len(hits))
    shares = np.concatenate([weights * hits, weights * (1 - hits)])
    used = shares > 0
    if len(np.unique(outcomes[used])) < 2:
        return np.full(count, np.nan)
    model = LogisticRegression(C=_STRENGTH, solver="newton-cholesky", fit_intercept=False)
    return model.fit(rows[used], outcomes[used], sample_weight=shares[used]).coef_[0, :count]
