"""What all panels share: whether anybody is there, how a figure gets into the page, and when it is drawn anew."""

import base64
import gc
import html
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from ipywidgets import HTML, Widget
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from wsss.checks import switched_on
from wsss.errors import WsssError
from wsss.widgets.choices import OptionList

__all__ = ["HINT", "Live", "figure_bytes", "headless", "picture_html", "settle"]

HINT = "Open this notebook in JupyterLab (`make lab`) to move these parameters yourself; here is a fixed grid of them."
DPI = 90


def headless() -> bool:
    """Whether there is nobody to move a slider: the environment variable `WSSS_HEADLESS` is set, and not to 0."""
    return switched_on("WSSS_HEADLESS")


def figure_bytes(figure: Figure) -> bytes:
    """A figure as JPEG without visible loss: packing a PNG takes as long as drawing, a fifth of a slider's time."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(buffer, format="JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def picture_html(figure: Figure, description: str) -> str:
    """A figure as an `<img>` that screen readers can describe."""
    data = base64.b64encode(figure_bytes(figure)).decode()
    text = html.escape(description, quote=True)
    width, height = (round(inches * DPI) for inches in figure.get_size_inches())
    # With its size known the page keeps the room while the next picture is decoded, and does not jump.
    size = f'width="{width}" height="{height}" style="max-width:100%;height:auto"'
    return f'<img {size} alt="{text}" src="data:image/jpeg;base64,{data}">'


def settle() -> None:
    """Leave what there is out of later garbage collections: a full one takes half a second in a notebook."""
    gc.collect()
    gc.freeze()


class Live:
    """Controls, and a picture with a line of numbers that follow them.

    Args:
        controls: by name; each has a trait `value`, and lists are of the type `OptionList`.
        draw: values by name → figure and the line of numbers. A `WsssError` is shown in its place.
        quiet: names of controls that do not draw when they change, since what they change draws.

    Attributes:
        picture, numbers: widgets to lay out; the numbers are announced by screen readers when they change.
    """

    def __init__(
        self,
        controls: Mapping[str, Widget],
        draw: Callable[[dict[str, Any]], tuple[Figure, str]],
        quiet: Sequence[str] = (),
    ) -> None:
        self.controls, self._draw, self._paused = dict(controls), draw, False
        self.picture, self.numbers = HTML(), HTML()
        for name, control in self.controls.items():
            if name not in quiet:
                control.observe(self._changed, "value")
        self.update()
        settle()

    @property
    def values(self) -> dict[str, Any]:
        """What the controls say."""
        return {
            name: control.chosen if isinstance(control, OptionList) else control.value
            for name, control in self.controls.items()
        }

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Several controls are changed, the picture is drawn once."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False
        self.update()

    def _changed(self, _: Any) -> None:
        if not self._paused:
            self.update()

    def update(self) -> None:
        """Draw for what the controls say."""
        try:
            figure, text = self._draw(self.values)
        except WsssError as error:
            self.numbers.value = f'<p role="alert">{html.escape(str(error))}</p>'
            return
        self.picture.value = picture_html(figure, text)
        self.numbers.value = f'<p role="status" aria-live="polite">{html.escape(text)}</p>'
