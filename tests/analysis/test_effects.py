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

    The effect of the area is that of the visible one, or of the amodal one with `occlusion_ratio`. As in scenes, the
    hidden ones are the smaller ones.
    """
    rng = np.random.default_rng(seed)
    hidden = 0.9 * rng.random(count) * (rng.random(count) < 0.6)
    sizes = 0.08 * 2.0 ** rng.normal(0, 1.5, count) * (1 - hidden)
    class_id = rng.integers(1, 4, count)
    amodal = sizes / (1 - hidden) if column == "occlusion_ratio" else sizes
    odds = area * np.log2(amodal / 0.03) + 10 * occlusion * hidden + np.array([0, 1.0, -1.0, 0.3])[class_id]
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


def test_occlusion_is_charged_with_the_visible_area_that_it_takes() -> None:
    frame = objects(occlusion=0.0)
    rng = np.random.default_rng(1)
    visible = 0.7 * np.log2(frame["relative_area"] / 0.03)
    frame["hit"] = (rng.random(len(frame)) < expit(visible)).astype(float)
    low, high = hit_effects(frame, resamples=100)["occlusion"]["ci"]
    assert high < 1
    border = frame.assign(border_occlusion=frame["occlusion_ratio"], occlusion_ratio=np.nan)
    found = hit_effects(border, resamples=100)  # of which only the visible area is known
    low, high = found["occlusion"]["ci"]
    assert low < 1 < high
    assert found["area"]["label"] == "visible area doubled"


def test_a_mark_is_a_mark_and_not_ten_points() -> None:
    rng = np.random.default_rng(0)
    frame = objects().assign(occlusion_ratio=np.nan, marked_occluded=rng.integers(0, 2, 4000).astype(float))
    odds = np.log2(frame["relative_area"] / 0.03) - 1.4 * frame["marked_occluded"]
    frame["hit"] = (rng.random(4000) < expit(odds)).astype(float)
    found = hit_effects(frame, resamples=100)["occlusion"]
    assert found["label"] == "marked occluded"
    assert found["ci"][0] < np.exp(-1.4) < found["ci"][1]


def test_size_alone_is_not_taken_for_occlusion():
    frame = objects(occlusion=0.0, column="border_occlusion")
    low, high = hit_effects(frame, resamples=200)["occlusion"]["ci"]
    assert low < 1 < high
    hidden = frame["border_occlusion"] > 0.4
    assert frame["hit"][hidden].mean() < frame["hit"][~hidden].mean() - 0.1  # as a plain table would have it


def test_coefficients_equal_scikit_learns():
    frame = objects(300)
    design = np.column_stack(
        [
            np.log2(frame["relative_area"] / (1 - frame["occlusion_ratio"])),
            10 * frame["occlusion_ratio"],
            pd.get_dummies(frame["class_id"]).to_numpy(float),
        ]
    )
    model = LogisticRegression(C=100, fit_intercept=False, max_iter=2000, tol=1e-8).fit(design, frame["hit"])
    found = hit_effects(frame, resamples=5)
    odds = [found[name]["odds_ratio"] for name in ("area", "occlusion")]
    np.testing.assert_allclose(odds, np.exp(model.coef_[0, :2]), rtol=1e-4)


def test_a_share_of_hits_is_that_much_of_a_hit():
    frame = objects(300)
    twice = pd.concat([frame.assign(hit=1.0), frame.assign(hit=0.0)])
    halves = hit_effects(frame.assign(hit=0.5), resamples=5)
    assert halves["area"]["odds_ratio"] == pytest.approx(
        hit_effects(twice, resamples=5)["area"]["odds_ratio"], rel=1e-3
    )


def test_only_size_where_no_occlusion_is_known():
    frame = objects(200).assign(occlusion_ratio=np.nan)
    assert set(hit_effects(frame, resamples=5)) == {"n", "hits", "occlusion_measure", "area"}
    assert "occlusion" not in hit_effects(objects(200).assign(occlusion_ratio=0.0), resamples=5)
    assert occlusion_column(frame) is None
    assert hit_effects(objects(200, column="border_occlusion"), resamples=5)["occlusion_measure"] == "border_occlusion"


def test_nothing_to_tell_apart():
    frame = objects(50)
    assert analysis.hit_effects(frame[:0]) is None
    assert analysis.hit_effects(frame.assign(hit=0.0)) is None
    assert analysis.hit_effects(frame.assign(hit=1.0)) is None
    assert analysis.hit_effects(frame.assign(relative_area=0.01, occlusion_ratio=0.0)) is None
    few = np.zeros(50)
    few[:9] = 1
    assert analysis.hit_effects(frame.assign(hit=few)) is None
    assert analysis.hit_effects(frame.assign(hit=1 - few)) is None


def test_a_class_that_is_never_hit_does_not_run_off():
    frame = objects(400)
    frame.loc[frame["class_id"] == 2, "hit"] = 0.0
    found = hit_effects(frame, resamples=50)
    assert np.isfinite([found["area"]["odds_ratio"], *found["area"]["ci"]]).all()
    assert found["area"]["odds_ratio"] > 1
