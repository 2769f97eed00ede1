"""Presets: what other data say, where there is nothing to choose on."""

import pytest

from wsss.errors import WsssError
from wsss.methods.parameters import FusionParameters
from wsss.methods.presets import PHOTOGRAPHS, preset_for, preset_names, read_preset
from wsss.methods.registry import METHODS


def test_no_data_set_gets_a_preset_that_was_chosen_on_it() -> None:
    assert preset_names() == ("photographs", "nyuv2", "without-nyuv2", "without-voc-animals")
    for data in ("nyuv2", "voc-animals", "tabletop", "my-photos"):
        assert data not in preset_for(data).made_from
    assert preset_for("my-photos").name == preset_for("tabletop").name == PHOTOGRAPHS


@pytest.mark.parametrize("name", ["photographs", "without-nyuv2", "without-voc-animals"])
def test_every_choice_is_one_of_the_methods_trials(name: str) -> None:
    preset = read_preset(name)
    for base in preset.methods:
        method = METHODS[base]
        choice = preset.choice(f"{base}@learned" if method.uses_depth else base)
        assert choice.parameters in method.trials
        assert (choice.chosen_on, choice.miou, choice.trials) == ("preset", None, 0)
        assert 0.1 < choice.threshold < 0.7
        assert choice.plain()["chosen_on"] == "preset"
    assert preset.choice("cam").parameters == FusionParameters()
    assert set(preset.label("depth@learned+par")) == {"refinement", "low", "high", "threshold"}


def test_what_a_preset_does_not_know_is_said_with_a_remedy() -> None:
    with pytest.raises(WsssError, match="unknown preset 'mine'; choose from photographs, nyuv2, without-nyuv2"):
        read_preset("mine")
    with pytest.raises(WsssError, match=r"nothing can be chosen for oracle-box.*give masks for a few photographs"):
        preset_for("mine").choice("oracle-box")
    with pytest.raises(WsssError, match=r"nothing can be chosen for cam\+crf"):
        preset_for("mine").label("cam+crf")
