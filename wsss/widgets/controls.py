"""A labelled slider and a copy button. Jupyter's own slider has no name that a screen reader could read."""

from dataclasses import dataclass
from pathlib import Path

import anywidget
import traitlets

__all__ = ["CopyButton", "Slider", "SliderSpec"]

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class SliderSpec:
    """What a slider moves.

    Attributes:
        name: of the parameter.
        label: beside the slider.
        low, high: smallest and largest value.
        steps: into how many the way from one to the other is parted; equal factors with `log`.
        unit: behind the value.
        help: one line on what it does.
        looks: whether moving it takes new crops, so that it acts when it is let go of, not on the way.
    """

    name: str
    label: str
    low: float
    high: float
    steps: int
    unit: str
    help: str
    log: bool = False
    looks: bool = False


class Slider(anywidget.AnyWidget):
    """A native range input with a label, its value with unit, and a help line."""

    _esm, _css = _HERE / "controls.js", _HERE / "controls.css"
    kind = traitlets.Unicode("slider").tag(sync=True)
    value = traitlets.Float().tag(sync=True)
    low, high = traitlets.Float().tag(sync=True), traitlets.Float().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    log, continuous = traitlets.Bool().tag(sync=True), traitlets.Bool().tag(sync=True)
    label, unit, help = (traitlets.Unicode().tag(sync=True) for _ in range(3))

    def __init__(self, spec: SliderSpec, value: float) -> None:
        super().__init__(
            value=value,
            low=spec.low,
            high=spec.high,
            steps=spec.steps,
            log=spec.log,
            continuous=not spec.looks,
            label=spec.label,
            unit=spec.unit,
            help=spec.help,
        )


class CopyButton(anywidget.AnyWidget):
    """A button that puts `text` on the clipboard if the browser lets it; `clicks` counts, `copied` says if it did."""

    _esm = _HERE / "controls.js"
    kind = traitlets.Unicode("copy").tag(sync=True)
    label, text = traitlets.Unicode().tag(sync=True), traitlets.Unicode().tag(sync=True)
    clicks = traitlets.Int(0).tag(sync=True)
    copied = traitlets.Bool(False).tag(sync=True)
