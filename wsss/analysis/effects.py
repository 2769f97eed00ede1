"""What size and occlusion each do to the chance that an object is found, with the other held fixed.

Far objects are small, and what is hidden is not seen: a table of one of the two also shows the other. A logistic regression
of `hit` on both, with a constant for each class, tells them apart as far as a sum of effects can.

Size means the object's *amodal* size where that is known, so that occlusion is charged with the visible area that it takes
away. Elsewhere only the visible area is known: occlusion is then its effect at equal visible area, a part of what it does.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from wsss.analysis.bootstrap import image_weights

__all__ = ["EFFECTS", "MIN_EVENTS", "hit_effects", "occlusion_column"]

EFFECTS = ("area", "occlusion")

MIN_EVENTS = 10
"""Hits, and misses, below which there is no regression: too few to say what they hang on."""

_OCCLUSIONS = {
    "occlusion_ratio": (10.0, "10 points more hidden"),
    "marked_occluded": (1.0, "marked occluded"),
    "border_occlusion": (10.0, "10 points more border occlusion"),
}
"""Of each measure the factor that gives it its unit, and what its effect is the effect of."""

_STRENGTH = 100.0
"""Inverse of the ridge: weak, but it keeps the constant of a class that is always or never hit from running off."""


def occlusion_column(objects: pd.DataFrame) -> str | None:
    """The column of the measure of occlusion that these objects have (see `wsss.analysis.strata`), None without one."""
    return next((name for name in _OCCLUSIONS if objects[name].notna().any()), None)


def hit_effects(
    objects: pd.DataFrame, resamples: int = 500, seed: int = 0, level: float = 0.95
) -> dict[str, Any] | None:
    """Odds ratios of `hit` for twice the area and for more occlusion, from one logistic regression.

    Args:
        objects: one row per object, as from `scores_frame`; those without a measure of occlusion are left out where
            others have one. Hits of several training seeds may be averaged: a share counts as so much of a hit.
        resamples: bootstrap resamples of the images, each with a regression of its own.

    Returns:
        `n` objects, `hits`, `occlusion_measure` (its column or None), and per effect of `EFFECTS`
        `{"label", "odds_ratio", "ci"}`; above 1 it helps. An effect is missing where no two objects differ in it. None with
        fewer than `MIN_EVENTS` hits or misses, or where no two objects differ in size.
    """
    column = occlusion_column(objects)
    if column:
        objects = objects[objects[column].notna()]
    hits = objects["hit"].to_numpy(dtype=np.float64)
    features = {name: values for name, values in _features(objects, column).items() if np.ptp(values[1]) > 0}
    if "area" not in features or min(hits.sum(), (1 - hits).sum()) < MIN_EVENTS:
        return None
    classes = pd.get_dummies(objects["class_id"]).to_numpy(dtype=np.float64)
    design = np.column_stack([*(values for _, values in features.values()), classes])
    images, ids = pd.factorize(objects["image_id"])
    whole = _coefficients(design, hits, np.ones(len(hits)), len(features))
    drawn = [
        _coefficients(design, hits, weights[images], len(features))
        for chunk in image_weights(len(ids), resamples, seed)
        for weights in chunk
    ]
    lows, highs = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    effects = {
        name: {"label": label, "odds_ratio": float(np.exp(value)), "ci": [float(np.exp(low)), float(np.exp(high))]}
        for (name, (label, _)), value, low, high in zip(features.items(), whole, lows, highs, strict=True)
    }
    return {"n": len(objects), "hits": float(hits.sum()), "occlusion_measure": column, **effects}


def _features(objects: pd.DataFrame, column: str | None) -> dict[str, tuple[str, np.ndarray]]:
    """Effect → what it is the effect of, and its regressor `(N,)`; empty without objects."""
    if not len(objects):
        return {}
    areas, label = objects["relative_area"].to_numpy(dtype=np.float64), "visible area doubled"
    if column == "occlusion_ratio":
        areas, label = (
            areas / (1 - np.minimum(objects[column].to_numpy(dtype=np.float64), 0.999)),
            "amodal area doubled",
        )
    features = {"area": (label, np.log2(areas))}
    if column:
        factor, label = _OCCLUSIONS[column]
        features["occlusion"] = (label, factor * objects[column].to_numpy(dtype=np.float64))
    return features


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
