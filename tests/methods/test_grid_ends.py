"""Where a choice lies at the end of its grid."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss.methods.grid_ends import grid_ends, unnatural_ends
from wsss.methods.parameters import FusionParameters
from wsss.methods.registry import METHODS
from wsss.pseudo.refinement import REFINEMENTS, RefinementParameters

CROPS = METHODS["grid"].trials


def test_the_middle_of_a_grid_is_no_end() -> None:
    assert grid_ends(FusionParameters(crop_weight=2, gate=1), CROPS) == []


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (FusionParameters(crop_weight=40, gate=1), ["crop_weight 40 is the highest of its grid"]),
        (FusionParameters(crop_weight=2, gate=4), ["gate 4 is the highest of its grid"]),
        (FusionParameters(crop_weight=2, gate=0), []),
        (FusionParameters(), []),
    ],
)
def test_ends_that_something_may_lie_beyond(chosen, expected) -> None:
    assert unnatural_ends(chosen, CROPS) == expected


def test_leaving_a_part_out_is_a_natural_end() -> None:
    (end,) = grid_ends(FusionParameters(), CROPS)  # the gate does not matter then
    assert str(end) == "crop_weight 0 is the lowest of its grid, and nothing lies beyond"


def test_records_say_the_same_as_choices() -> None:
    chosen = FusionParameters(crop_weight=10, gate=4)
    record = {"crop_weight": 10.0, "gate": 4, "vote": 0.0, "colour": 0.0, "reach": 0.0, "level_weights": []}
    assert unnatural_ends(record, CROPS) == unnatural_ends(chosen, CROPS)


@pytest.mark.parametrize("name", list(METHODS))
@given(data=st.data())
def test_a_larger_grid_has_no_new_ends(name: str, data: st.DataObject) -> None:
    """What lies inside a grid lies inside every larger one."""
    trials = METHODS[name].trials
    chosen = data.draw(st.sampled_from(trials))
    more = (*trials, replace(chosen, crop_weight=chosen.crop_weight + 1), replace(chosen, gate=chosen.gate + 1))
    before = {end.name for end in grid_ends(chosen, trials)}
    after = {end.name for end in grid_ends(chosen, more)}
    assert after <= before | {"crop_weight", "gate"}  # grids of these may have had one value


def test_refinements() -> None:
    trials = REFINEMENTS["par"].trials
    assert unnatural_ends(RefinementParameters(10, 0.4), trials) == []
    assert unnatural_ends(RefinementParameters(20, 0.8), trials) == [
        "iterations 20 is the highest of its grid", "colour 0.8 is the highest of its grid",
    ]  # fmt: skip
    assert [str(end) for end in grid_ends(RefinementParameters(), trials)] == [
        "iterations 0 is the lowest of its grid, and nothing lies beyond"
    ]
