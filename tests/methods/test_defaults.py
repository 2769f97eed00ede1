"""The settings for images of which nothing was chosen are those that the records of `nyuv2` say."""

from collections import Counter
from pathlib import Path

import pytest

from wsss.methods.defaults import DEFAULT_CHOICES, DEFAULT_CROPS, DEFAULT_REGIONS
from wsss.methods.registry import METHODS
from wsss.pipeline.profiles import profile
from wsss.records.store import load_records

ROOT = Path(__file__).resolve().parents[2] / "results"


def test_regions_and_crops_are_those_of_the_profile() -> None:
    config = profile("default", "nyuv2")
    assert (config.regions, config.crops) == (DEFAULT_REGIONS, DEFAULT_CROPS)


@pytest.mark.parametrize("name", DEFAULT_CHOICES)
def test_choices_are_those_of_most_seeds(name: str) -> None:
    records = [
        one
        for one in load_records(ROOT)
        if (one["data"], one["stage"], one["method"].partition("@")[0]) == ("nyuv2", "cam", name)
    ]
    (record,) = [one for one in records if one["depth_source"] in (None, "sensor")]
    choice = DEFAULT_CHOICES[name]
    chosen = Counter(
        str({key: float(value) for key, value in one.items() if key != "level_weights"}) for one in record["parameters"]
    )
    own = vars(choice.parameters)
    assert (
        str({key: float(value) for key, value in own.items() if key != "level_weights"}) == chosen.most_common(1)[0][0]
    )
    assert record["threshold"] is not None
    assert choice.threshold == record["threshold"]["value"]
    assert choice.miou == pytest.approx(record["tune_miou"], abs=0.01)
    assert (choice.trials, choice.chosen_on) == (len(METHODS[name].trials), "preset")
