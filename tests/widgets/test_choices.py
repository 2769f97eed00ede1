"""Lists to choose from: what is in force is selected in every panel, first, after every choice and after a reset."""

from pathlib import Path
from typing import Any

import pytest
from ipywidgets import Button, ValueWidget
from ipywidgets.widgets.widget_selection import _Selection
from traitlets import TraitError

from tests.widgets.test_browsers import run as browsers_run
from tests.widgets.test_browsers import widgets_of
from tests.widgets.test_explorer import run as explorer_run
from wsss.widgets import crop_explorer, failure_browser, threshold_browser
from wsss.widgets.choices import OptionList

__all__ = ["browsers_run", "explorer_run"]  # fixtures

OPTIONS = [("all of them", None), ("a box", "box"), ("the first", 0)]


def test_the_first_option_is_selected_where_nothing_is_said() -> None:
    choice = OptionList("class", OPTIONS)
    assert (choice.index, choice.label, choice.chosen) == (0, "all of them", None)
    assert choice.value is not None


@pytest.mark.parametrize(("text", "meaning"), OPTIONS)
def test_what_is_chosen_is_shown(text: str, meaning: Any) -> None:
    at_the_start, later = OptionList("class", OPTIONS, meaning), OptionList("class", OPTIONS)
    later.chosen = meaning
    for choice in (at_the_start, later):
        assert (choice.label, choice.chosen, OPTIONS[choice.index][1]) == (text, meaning, meaning)
        assert choice.value is not None


def test_nothing_is_never_selected() -> None:
    choice = OptionList("class", OPTIONS, "box")
    for trait in ("value", "index", "label"):
        with pytest.raises(TraitError):
            setattr(choice, trait, None)
        assert (choice.index, choice.value, choice.label) == (1, "box", "a box")
    with pytest.raises(TraitError, match="needs an option"):
        OptionList("class", [])
    with pytest.raises(TraitError, match="needs an option"):
        choice.offer([])
    with pytest.raises(TraitError, match="'ball' is no option of 'class'"):
        OptionList("class", OPTIONS, "ball")


def test_of_other_options_the_first_is_selected() -> None:
    choice = OptionList("class", OPTIONS, "box")
    choice.offer([("every one", None), ("a ball", "ball")])
    assert (choice.index, choice.label, choice.chosen) == (0, "every one", None)


def controls(box: Any) -> list[Any]:
    """Everything in a panel that has a value."""
    return widgets_of(box, ValueWidget)


def assert_all_show_what_is_in_force(box: Any) -> None:
    assert controls(box)
    for control in controls(box):
        assert control.value is not None, control
        if isinstance(control, _Selection):
            assert isinstance(control, OptionList), control
            assert control.index is not None, control
            assert control.label == control.options[control.index][0], control


PANELS = {
    "explorer": lambda run: crop_explorer(run, indices=(1, 0)),
    "thresholds": lambda run: threshold_browser(run, indices=(1, 0)),
    "failures": failure_browser,
}


@pytest.fixture(params=PANELS)
def panel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("WSSS_HEADLESS", raising=False)
    run = request.getfixturevalue("explorer_run" if request.param == "explorer" else "browsers_run")
    return PANELS[request.param](run)


def test_every_control_of_every_panel_shows_what_is_in_force(panel: Any) -> None:
    assert_all_show_what_is_in_force(panel)
    for choice in widgets_of(panel, OptionList):
        for index in (*range(len(choice.options)), 0):
            choice.index = index
            assert_all_show_what_is_in_force(panel)
    for button in widgets_of(panel, Button):
        button.click()
        assert_all_show_what_is_in_force(panel)


def test_lists_are_made_by_one_helper() -> None:
    """No panel makes a list of ipywidgets itself: that could have an option that is never shown."""
    folder = Path(crop_explorer.__code__.co_filename).parent
    others = [path for path in folder.glob("*.py") if path.name != "choices.py"]
    for name in ("Dropdown", "Select", "RadioButtons", "ToggleButtons"):
        assert [path.name for path in others if f"{name}(" in path.read_text(encoding="utf-8")] == []
