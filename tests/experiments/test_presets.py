"""The committed presets are what the committed records say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wsss.errors import WsssError
from wsss.experiments.presets import make_presets
from wsss.io import read_json
from wsss.methods.presets import PRESETS_FILE
from wsss.records.store import load_records

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module")
def records() -> list[Any]:
    return list(load_records(RESULTS))


def test_the_file_is_made_from_the_committed_records(records: list[Any]) -> None:
    assert read_json(PRESETS_FILE) == make_presets(records), "run `wsss presets`"


def test_thresholds_are_means_over_seeds_of_other_data(records: list[Any]) -> None:
    (own,) = [one for one in records if (one["data"], one["stage"], one["method"]) == ("nyuv2", "cam", "cam")]
    mean = np.mean(own["threshold"]["per_seed"])
    preset = make_presets(records)["without-voc-animals"]
    assert preset["made_from"] == ["nyuv2"]
    assert preset["methods"]["cam"]["threshold"] == pytest.approx(mean, abs=0.01 + 1e-9)
    assert round(preset["methods"]["cam"]["threshold"] / 0.02, 6) % 1 == 0


def test_parameters_are_those_that_most_seeds_chose(records: list[Any]) -> None:
    """On nyuv2 two of three seeds choose a vote of 1 for regions of colour, on voc-animals two of three one of 0.75."""
    votes = {"nyuv2": (1, 0.75, 1), "voc-animals": (0.75, 1, 0.75)}
    for number, one in enumerate(records):
        if (one["stage"], one["method"]) == ("cam", "rgb-region") and one["data"] in votes:
            chosen = [one["parameters"][0] | {"vote": vote, "reach": 0.9} for vote in votes[one["data"]]]
            records[number] = one | {"parameters": chosen}
    presets = make_presets(records)
    assert presets["without-voc-animals"]["methods"]["rgb-region"]["parameters"]["vote"] == 1
    assert presets["without-nyuv2"]["methods"]["rgb-region"]["parameters"]["vote"] == 0.75
    assert presets["photographs"]["methods"]["rgb-region"]["parameters"]["vote"] == 0.75  # a tie: the first trial


def test_a_record_that_is_missing_is_said(records: list[Any]) -> None:
    rest = [one for one in records if one["data"] != "nyuv2"]
    with pytest.raises(WsssError, match=r"needs the records of cam on each: run `make results`"):
        make_presets(rest)
