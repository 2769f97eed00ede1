"""Choices of records that lie at the end of their grids."""

from pathlib import Path
from typing import Any

from wsss.pseudo.ends import choice_ends, record_ends
from wsss.records.store import full_name, load_records

ROOT = Path(__file__).parents[2]


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


def test_every_committed_choice_at_the_end_of_its_grid_is_said() -> None:
    lines = (ROOT / "docs" / "method-tried.md").read_text().splitlines()
    chosen = [one for one in load_records(ROOT / "results") if one["parameters"]]
    assert chosen
    for one in chosen:
        # what labels take over from their seeds is said of the seeds
        names = {f"| {one['data']} | `{name}` |" for name in (one["method"], full_name(one))}
        said = " ".join(line for line in lines if line.startswith(tuple(names)))
        assert [end for end in record_ends(one) if end not in said] == [], full_name(one)
