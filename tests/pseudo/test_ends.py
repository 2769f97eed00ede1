"""Choices of records that lie at the end of their grids."""

from pathlib import Path
from typing import Any

import pytest

from wsss.experiments.committed import earlier_version
from wsss.pseudo.ends import choice_ends, record_ends
from wsss.records.store import full_name, load_records

RESULTS = Path(__file__).parents[2] / "results"


def fusion(**changed: float) -> dict[str, Any]:
    plain = {"level_weights": [], "crop_weight": 0, "gate": 1, "vote": 0, "colour": 0, "reach": 0}
    return {**plain, **changed}


def test_a_choice_at_an_end_is_said_with_its_method() -> None:
    assert choice_ends("grid", {"parameters": fusion(crop_weight=40, gate=1)}) == [
        "crop_weight 40 is the highest of its grid"
    ]
    assert choice_ends("depth@sensor", {"parameters": fusion()}) == []
    refined = {"parameters": fusion(), "refinement": {"iterations": 20, "colour": 0.4, "jump": 0.0}}
    assert choice_ends("cam+par", refined) == ["iterations 20 is the highest of its grid"]
    assert choice_ends("full-supervision", {}) == []


def test_a_record_says_how_many_of_its_seeds_are_there() -> None:
    record: Any = {
        "method": "rgb-region", "refinement": None, "seeds": [0, 1, 2], "refinement_parameters": None,
        "parameters": [fusion(vote=1, reach=0.997), fusion(vote=0.75, reach=0.9), fusion(vote=0.5, reach=0.997)],
    }  # fmt: skip
    assert record_ends(record) == ["reach 0.997 is the highest of its grid (2 of 3 training seeds)"]
    assert record_ends(record | {"seeds": [0], "parameters": record["parameters"][:1]}) == [
        "reach 0.997 is the highest of its grid"
    ]


def test_no_committed_choice_lies_at_the_end_of_its_grid() -> None:
    if earlier := earlier_version(RESULTS):
        pytest.skip(f"the records are of an earlier version, with other grids: {earlier}")
    ends = {f"{one['data']} {full_name(one)}": record_ends(one) for one in load_records(RESULTS) if one["parameters"]}
    assert not {name: found for name, found in ends.items() if found}
