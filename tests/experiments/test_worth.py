"""What methods are worth by a few masks: nothing is scored with what was chosen on it."""

import numpy as np
import pytest

from wsss.analysis import mean_iou
from wsss.analysis.thresholds import THRESHOLDS
from wsss.experiments.worth import Packed, Worth, advice, plain_worth, worth_of
from wsss.methods.presets import read_preset
from wsss.methods.registry import METHODS

PRESET = read_preset("photographs")


def counts(right: np.ndarray) -> np.ndarray:
    """Counts of one class: `right (N,T,47)` of 100 pixels of background and of the class each are labelled right."""
    out = np.zeros((*right.shape, 2, 3), np.int64)
    out[..., 0, 0] = out[..., 1, 1] = right
    out[..., 0, 1] = out[..., 1, 0] = 100 - right
    return out


def packed(each: np.ndarray) -> list[Packed]:
    return [Packed.of(one) for one in each]


def test_each_image_is_scored_with_what_the_others_choose() -> None:
    """Image 0 is best with trial 1, all others with trial 0: image 0 gets trial 0, whatever is best for itself."""
    right = np.full((4, len(METHODS["depth"].trials), 47), 20)
    right[1:, 0] = 80
    right[0, 0], right[0, 1] = 40, 100
    (found,) = worth_of({"depth": packed(counts(right))}, PRESET)
    expected = counts(np.array([40, 80, 80, 80]))
    assert found.miou == pytest.approx(float(mean_iou(expected.sum(axis=0))))
    assert found.interval[0] <= found.miou <= found.interval[1]


def test_the_presets_trial_and_threshold_are_looked_up() -> None:
    right = np.full((3, len(METHODS["depth"].trials), 47), 50)
    choice = PRESET.choice("depth")
    right[:, METHODS["depth"].trials.index(choice.parameters), list(THRESHOLDS).index(choice.threshold)] = 90
    (found,) = worth_of({"depth": packed(counts(right))}, PRESET)
    assert found.preset == pytest.approx(float(mean_iou(counts(np.array([90])).sum(axis=0))))


def test_equal_methods_differ_by_nothing() -> None:
    same = packed(counts(np.random.default_rng(0).integers(20, 90, (8, len(METHODS["depth"].trials), 47))))
    first, second = worth_of({"rgb-region": same, "depth": same}, PRESET)
    assert first.against == {"depth": (0.0, (0.0, 0.0))}
    assert second.miou == first.miou
    assert plain_worth([first])[0]["against"] == {"depth": {"difference": 0.0, "ci": [0.0, 0.0]}}


def worth(method: str, miou: float, **against: tuple[float, float, float]) -> Worth:
    named = {name.replace("_", "-"): (value, (low, high)) for name, (value, low, high) in against.items()}
    return Worth(method, miou, (miou - 1, miou + 1), miou, named)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ((3.0, 1.0, 5.0), "use depth: depth against rgb-region is +3.0 points [1.0, 5.0]"),
        (
            (1.0, -1.0, 3.0),
            "use rgb-region: depth against rgb-region is +1.0 points [-1.0, 3.0], which these masks cannot tell",
        ),
        ((-2.0, -3.0, 1.0), "use rgb-region: depth against rgb-region is -2.0 points [-3.0, 1.0]"),
    ],
)
def test_depth_is_advised_only_where_it_is_surely_worth_more(difference, expected) -> None:
    cam, colour = worth("cam", 40), worth("rgb-region", 50, cam=(10, 5, 15))
    assert advice([cam, colour, worth("depth", 50 + difference[0], rgb_region=difference)]).startswith(expected)


def test_without_depth_the_best_is_advised_and_how_sure_that_is() -> None:
    assert advice([worth("cam", 40), worth("zoom", 45, cam=(5, 2, 8))]) == "use zoom"
    assert "cannot tell it from all the others" in advice([worth("cam", 40), worth("zoom", 41, cam=(1, -2, 4))])
