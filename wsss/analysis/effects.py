"""What size and occlusion each do to the chance that an object is found, with the other held fixed.

Far objects are small, and what is hidden is not seen: a table of one of the two also shows the other. A logistic
regression of `hit` on both, with a constant for each class, tells them apart as far as a sum of effects can.

Size means the object's *amodal* size where that is known, so that occlusion is charged with the visible area that it
takes away. Elsewhere only the visible area is known: occlusion is then its effect at equal visible area, a part of what
it does.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from wsss.analysis.bootstrap import TAILS, draw_weights
from wsss.analysis.strata import scene_groups

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

_ITERATIONS, _LONGEST_STEP, _TOLERANCE = 100, 3.0, 1e-8
"""Of Newton's method; steps in units of log-odds."""


def occlusion_column(objects: pd.DataFrame) -> str | None:
    """The column of the measure of occlusion that these objects have (see `wsss.analysis.strata`), None without one."""
    return next((name for name in _OCCLUSIONS if objects[name].notna().any()), None)


def hit_effects(objects: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> dict[str, Any] | None:
    """Odds ratios of `hit` for twice the area and for more occlusion, from one logistic regression.

    Args:
        objects: one row per object, as from `scores_frame`; those without a measure of occlusion are left out where
            others have one. Hits of several training seeds may be averaged: a share counts as so much of a hit.
        resamples: bootstrap resamples of the scenes, each with a regression of its own: fewer than of other
            intervals, since each takes much longer.

    Returns:
        `n` objects, `hits`, `occlusion_measure` (its column or None), and per effect of `EFFECTS`
        `{"label", "odds_ratio", "ci"}`; above 1 it helps. An effect is missing where no two objects differ in it. None
        with fewer than `MIN_EVENTS` hits or misses, or where no two objects differ in size.
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
    groups, count = scene_groups(objects)
    whole = _coefficients(design, hits, np.ones((1, len(hits))))[0]
    drawn = np.concatenate(
        [_coefficients(design, hits, weights[:, groups]) for weights in draw_weights(count, resamples, seed)]
    )
    lows, highs = np.quantile(drawn, TAILS, axis=0)
    effects = {
        name: {"label": label, "odds_ratio": float(np.exp(value)), "ci": [float(np.exp(low)), float(np.exp(high))]}
        for (name, (label, _)), value, low, high in zip(features.items(), whole, lows, highs, strict=False)
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


def _coefficients(design: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients `(B, P)` of B ridge logistic regressions at once, by Newton's method.

    The same as B calls of scikit-learn's `LogisticRegression(C=100, fit_intercept=False)`, in a hundredth of the time.

    Args:
        design: `(N, P)`.
        hits: `(N,)` in [0, 1].
        weights: `(B, N)` of the objects in each regression.
    """
    count = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), count * count)
    found = np.zeros((len(weights), count))
    for _ in range(_ITERATIONS):
        chance = expit(found @ design.T)
        gradient = (weights * (hits - chance)) @ design - found / _STRENGTH
        curvature = ((weights * chance * (1 - chance)) @ products).reshape(-1, count, count)
        step = np.linalg.solve(curvature + np.eye(count) / _STRENGTH, gradient[..., None])[..., 0]
        # Far from the optimum a full step may overshoot.
        step /= np.maximum(1, np.abs(step).max(axis=1, keepdims=True) / _LONGEST_STEP)
        found += step
        if np.abs(step).max() < _TOLERANCE:
            break
    return found
