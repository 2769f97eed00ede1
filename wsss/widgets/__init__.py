"""Sliders and browsers for the notebooks.

A control moves a parameter, a pure `render` draws the figure: it alone does work.

Where nobody can move a slider (papermill, CI; `WSSS_HEADLESS=1`) the same `render` draws a fixed grid of parameters
instead.
"""

from wsss.widgets import libraries  # noqa: F401 - says first what is missing

# isort: split
from wsss.widgets.explorer import Explorer
from wsss.widgets.explorer_panel import crop_explorer
from wsss.widgets.failures import failure_browser
from wsss.widgets.live import headless
from wsss.widgets.parameters import ExplorerParameters
from wsss.widgets.thresholds import threshold_browser

__all__ = ["Explorer", "ExplorerParameters", "crop_explorer", "failure_browser", "headless", "threshold_browser"]
