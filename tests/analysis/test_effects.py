"""The regression of hits on size and occlusion: against scikit-learn's own, and against effects that were put in."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from wsss import analysis
from wsss.analysis.effects import occlusion_column


def hit_effects(frame, resamples):
    found = analysis.hit_effects(frame, resamples=resamples)
    assert found is not None
    return found


def objects(count=4000, area=0.7, occlusion=-0.3, seed=0, column="occlusion_ratio"):
    """Objects whose log-odds of a hit change by `area` for twice the area and by `occlusion` for 10 points of occlusion.

    As in scenes, the hidden ones are the smaller ones.
    """
    rng = np.random.default_rng(seed)
    hidden = rng.random(count) * (rng.random(count) < 0.6)
    sizes = 0.08 * 2.0 ** rng.normal(0, 1.5, count) * (1 - 0.9 * hidden)
    class_id = rng.integers(1, 4, count)
    odds = area * np.log2(sizes / 0.03) + 10 * occlusion * hidden + np.array([0, 1.0, -1.0, 0.3])[class_id]
    unknown = np.full(count, np.nan)
    frame = pd.DataFrame(
        {
            "image_id": [f"{number // 3}" for number in range(count)],
            "class_id": class_id,
            "area": np.round(sizes * 65536),
            "relative_area": sizes,
            "hit": (rng.random(count) < expit(odds)).astype(float),
            "occlusion_ratio": unknown,
            "border_occlusion": unknown,
            "marked_occluded": unknown,
        }
    )
    frame[column] = hidden
    return frame


def test_effects_that_were_put_in_are_found_apart_from_each_other():
    found = hit_effects(objects(), resamples=200)
    assert found["n"] == 4000
    assert found["occlusion_measure"] == "occlusion_ratio"
    for name, effect in (("area", 0.7), ("occlusion", -0.3)):
        low, high = found[name]["ci"]
        assert low < np.exp(effect) < high
        assert found[name]["odds_ratio"] == pytest.approx(np.exp(effect), rel=0.15)


def test_size_alone_is_not_taken_for_occlusion():
    found = hit_effects(objects(occlusion=0.0), resamples=200)
    low, high = found["occlusion"]["ci"]
    assert low < 1 < high
    frame = objects(occlusion=0.0)
    hidden = frame["occlusion_ratio"] > 0.4
    assert frame["hit"][hidden].mean() < frame["hit"][~hidden].mean() - 0.1  # as a plain table would have it


def test_coefficients_equal_scikit_learns():
    frame = objects(300)
    design = np.column_stack(
        [
            np.log2(frame["relative_area"]),
            10 * frame["occlusion_ratio"],
            pd.get_dummies(frame["class_id"]).to_numpy(float),
        ]
    )
    model = LogisticRegression(C=100, fit_intercept=False, max_iter=2000, tol=1e-8).fit(design, frame["hit"])
    found = hit_effects(frame, resamples=5)
    odds = [found[name]["odds_ratio"] for name in ("area", "occlusion")]
    np.testing.assert_allclose(odds, np.exp(model.coef_[0, :2]), rtol=1e-3)


def test_a_share_of_hits_is_that_much_of_a_hit():
    frame = objects(300)
    twice = pd.concat([frame.assign(hit=1.0), frame.assign(hit=0.0)])
    halves = hit_effects(frame.assign(hit=0.5), resamples=5)
    assert halves["area"]["odds_ratio"] == pytest.approx(
        hit_effects(twice, resamples=5)["area"]["odds_ratio"], rel=1e-3
    )


def test_only_size_where_no_occlusion_is_known():
    frame = objects(200).assign(occlusion_ratio=np.nan)
    assert set(hit_effects(frame, resamples=5)) == {"n", "occlusion_measure", "area"}
    assert occlusion_column(frame) is None
    assert hit_effects(objects(200, column="border_occlusion"), resamples=5)["occlusion_measure"] == "border_occlusion"


def test_nothing_to_tell_apart():
    frame = objects(50)
    assert analysis.hit_effects(frame[:0]) is None
    assert analysis.hit_effects(frame.assign(hit=0.0)) is None
    assert analysis.hit_effects(frame.assign(hit=1.0)) is None
    assert analysis.hit_effects(frame.assign(area=9, relative_area=0.01)) is None


def test_a_class_that_is_never_hit_does_not_run_off():
    frame = objects(400)
    frame.loc[frame["class_id"] == 2, "hit"] = 0.0
    found = hit_effects(frame, resamples=50)
    assert np.isfinite([found["area"]["odds_ratio"], *found["area"]["ci"]]).all()
    assert found["area"]["odds_ratio"] > 1
