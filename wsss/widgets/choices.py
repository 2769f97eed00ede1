"""A list to choose from that always shows what is chosen."""

from collections.abc import Iterable
from typing import Any

import traitlets
from ipywidgets import Dropdown, Layout

__all__ = ["OptionList", "label_style"]

_NOTHING = ""
"""The value of an option that stands for None: no class, depth source, image or bin has an empty name."""

_FIRST = object()


def label_style(width: str = "7em") -> dict[str, str]:
    """Style of a control's label that leaves it room to be read."""
    return {"description_width": width}


class _Something(traitlets.Any):
    allow_none = False


class OptionList(Dropdown):  # type: ignore[misc]
    """A list with a label. One of its options is always selected, and shown.

    ipywidgets takes the value None for *nothing is selected*: a browser then shows a blank list. So an option that
    stands for None (all classes, the run's own depth) has another value, and `chosen` gives the None back.

    Args:
        label: before the list.
        options: at least one pair of what is shown and what it stands for.
        chosen: what the option stands for that is selected at the start; the first option where nothing is given.
        label_width, width: CSS lengths.

    Raises:
        traitlets.TraitError: there is no option, or none stands for `chosen`. Later: nothing is to be selected.
    """

    # Those of ipywidgets may be None.
    value = _Something()
    index = traitlets.Int(0).tag(sync=True)
    label = traitlets.Unicode("")

    def __init__(
        self,
        label: str,
        options: Iterable[tuple[str, Any]],
        chosen: Any = _FIRST,
        *,
        label_width: str = "4em",
        width: str = "20em",
    ) -> None:
        pairs = _shown(options)
        values = [value for _, value in pairs]
        if chosen is not _FIRST and _value(chosen) not in values:
            raise traitlets.TraitError(f"{chosen!r} is no option of {label!r}")
        index = 0 if chosen is _FIRST else values.index(_value(chosen))
        super().__init__(
            options=pairs, index=index, label=pairs[index][0], value=values[index], description=label,
            style=label_style(label_width), layout=Layout(width=width),
        )  # fmt: skip

    @property
    def chosen(self) -> Any:
        """What the selected option stands for."""
        return None if self.value == _NOTHING else self.value

    @chosen.setter
    def chosen(self, meaning: Any) -> None:
        self.value = _value(meaning)

    def offer(self, options: Iterable[tuple[str, Any]]) -> None:
        """Have other options; the first is selected."""
        self.options = _shown(options)

    @traitlets.validate("value")
    def _validate_value(self, proposal: Any) -> Any:
        if proposal.value is None:
            raise traitlets.TraitError(f"one of the options of {self.description!r} is always selected")
        return super()._validate_value(proposal)


def _shown(options: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    pairs = [(text, _value(meaning)) for text, meaning in options]
    if not pairs:
        raise traitlets.TraitError("a list to choose from needs an option")
    return pairs


def _value(meaning: Any) -> Any:
    return _NOTHING if meaning is None else meaning
