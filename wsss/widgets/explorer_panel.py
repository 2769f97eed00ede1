"""The crop explorer's panel: choices, sliders, pictures, and the parameters to take away."""

import re
import shlex
import time
from collections.abc import Sequence
from typing import Any

from ipywidgets import HTML, Box, Button, HBox, Layout, Text, Textarea, VBox
from matplotlib.figure import Figure

from wsss.checks import require_apart
from wsss.depth.declared import inline
from wsss.depth.specs import source_name
from wsss.errors import WsssError
from wsss.paths import short_path
from wsss.pipeline import Run
from wsss.pipeline.crop_file import toml_of, write_crop_settings
from wsss.widgets.choices import OptionList, label_style
from wsss.widgets.controls import CopyButton, Slider
from wsss.widgets.explorer import Explorer
from wsss.widgets.explorer_figure import draw, numbers_of, render_grid
from wsss.widgets.live import HINT, Live, headless
from wsss.widgets.parameters import SLIDERS, ExplorerParameters, chosen_parameters, sections_of, static_grid

__all__ = ["SOURCES", "ExplorerPanel", "crop_explorer"]

SOURCES = ("shuffled", "inverted", "constant", "noisy-08")
"""Depth beside the run's own that takes no training. `learned` may be given too; it is trained when first chosen."""

STRONGEST = "strongest of all"
WHOLE_NUMBERS = ("max_regions", "count")


def crop_explorer(
    run: Run, split: str = "report", indices: Sequence[int] = (0,), sources: Sequence[str] = SOURCES
) -> Any:
    """Sliders over scenes of a split; a static figure where nobody can move them.

    Args:
        indices: the scenes to choose from; the first is shown first.
        sources: depth to choose from beside the run's own.

    Returns:
        An ipywidgets box, or a `Figure` if `headless()`.
    """
    explorer = Explorer(run, split)
    start = chosen_parameters(run, indices[0])
    if headless():
        print(HINT)
        return render_grid(static_grid(start), explorer)
    return ExplorerPanel(explorer, start, indices, sources).box


class ExplorerPanel:
    """The widgets; `box` is what is shown."""

    def __init__(
        self, explorer: Explorer, start: ExplorerParameters, indices: Sequence[int], sources: Sequence[str]
    ) -> None:
        self.explorer, self.start = explorer, start
        config, ids = explorer.run.config, explorer.run.data(explorer.split).ids
        style, narrow = label_style("4em"), Layout(width="20em")
        own = (f"{source_name(config.depth)} (this run's)", None)
        self.scene = OptionList("scene", [(ids[index], index) for index in indices], start.scene)
        self.shown = OptionList("class", self._class_options(start.scene), start.shown)
        self.source = OptionList("depth", [own, *((name, name) for name in sources)], start.source)
        self.sliders = {spec.name: Slider(spec, getattr(start, spec.name)) for spec in SLIDERS}
        controls = {"scene": self.scene, "shown": self.shown, "source": self.source, **self.sliders}
        self.live = Live(controls, self._draw, quiet=["scene"])
        self.scene.observe(self._scene_changed, "value")
        self.name = Text("my-crops", description="file", style=style, layout=narrow)
        self.copy = CopyButton(label="copy these parameters", text=self.toml())
        self.reset = Button(description="reset", tooltip="All sliders back to what was chosen on the tune split")
        self.exported = VBox()
        self.copy.observe(self._copied, "clicks")
        self.reset.on_click(self._reset)
        self.live.picture.observe(self._keep_text, "value")
        self.box = self._laid_out()

    @property
    def parameters(self) -> ExplorerParameters:
        """What the controls say."""
        values = self.live.values
        return ExplorerParameters(**values | {name: round(values[name]) for name in WHOLE_NUMBERS})

    def toml(self) -> str:
        """The parameters as a file of crop settings."""
        p, run = self.parameters, self.explorer.run
        sample, depth = run.data(self.explorer.split).ids[p.scene], p.source or source_name(run.config.depth)
        return toml_of(sections_of(p), f"Crop parameters, seen on {run.data_name}, image {sample}, depth {depth}.")

    def _draw(self, values: dict[str, Any]) -> tuple[Figure, str]:
        start = time.perf_counter()
        parameters = ExplorerParameters(**values | {name: round(values[name]) for name in WHOLE_NUMBERS})
        view = self.explorer.view(parameters)
        figure = draw(view)
        return figure, f"{numbers_of(view)} · {1000 * (time.perf_counter() - start):.0f} ms"

    def _class_options(self, scene: int) -> list[tuple[str, str | None]]:
        names = self.explorer.classes_of(scene)
        return [(STRONGEST, None), *((name.replace("_", " "), name) for name in names)]

    def _scene_changed(self, change: Any) -> None:
        with self.live.at_once():
            self.shown.offer(self._class_options(change["new"]))

    def _keep_text(self, _: Any) -> None:
        self.copy.text = self.toml()

    def _reset(self, _: Any) -> None:
        with self.live.at_once():
            for name, slider in self.sliders.items():
                slider.value = getattr(self.start, name)
            self.source.chosen = self.start.source

    def _copied(self, _: Any) -> None:
        """Write the file, and say what to do with it."""
        if not re.fullmatch(r"\w[\w.-]*", self.name.value):
            self.exported.children = [HTML('<p role="alert">A file name has letters, digits, dots and hyphens.</p>')]
            return
        run = self.explorer.run
        path = run.folder / "crops" / f"{self.name.value.removesuffix('.toml')}.toml"
        text = self.toml()
        try:
            require_apart(path, *run.config.inputs(), remedy="Name another folder for runs in WSSS_RUNS.")
            write_crop_settings(path, sections_of(self.parameters), text.split("\n", 1)[0].removeprefix("# "))
        except WsssError as error:
            self.exported.children = [HTML(f'<p role="alert">{error}</p>')]
            return
        where = "on the clipboard and in" if self.copy.copied else "in"
        place = f"{where} <code>{short_path(path)}</code>"
        said = f'<p role="status">The parameters are {place}. Run chapters 04 to 06 with them:</p>'
        chapters = "04_pseudo_labels,05_segmentation_training,06_miou_tables"
        command = f"wsss run {_options(run, self.source.chosen)} --crops {path} --notebooks {chapters}"
        cell = f'crops = "{path}"'
        self.exported.children = [
            HTML(said),
            _readable("command", command, 3),
            _readable("or parameter", cell, 2),
            _readable("file", text, 8),
        ]

    def _laid_out(self) -> VBox:
        looks, free = ([self.sliders[spec.name] for spec in SLIDERS if spec.looks is which] for which in (True, False))
        titles = HTML("<b>Where to look</b> (takes new crops)"), HTML("<b>What to make of it</b> (at once)")
        wrapped = {"display": "flex", "flex_flow": "row wrap", "width": "100%"}
        # Sliders stand beside the pictures where there is room, so that both are in view.
        pictures = VBox([self.live.picture, self.live.numbers], layout=Layout(flex="3 1 34em", min_width="20em"))
        sliders = VBox([titles[0], *looks, titles[1], *free], layout=Layout(flex="1 1 17em", min_width="15em"))
        return VBox(
            [
                Box([self.scene, self.shown, self.source], layout=Layout(**wrapped)),
                Box([pictures, sliders], layout=Layout(**wrapped)),
                HBox([self.reset, self.name, self.copy]),
                self.exported,
            ]
        )


def _readable(label: str, text: str, rows: int) -> Textarea:
    return Textarea(text, description=label, disabled=False, rows=rows, layout=Layout(width="95%"), style=label_style())


def _options(run: Run, source: str | None) -> str:
    """Options of the command line that open the same run, but for the seed's default and what the profile says."""
    config, declared = run.config, run.config.depths.declared
    given = {"profile": config.profile, "data": config.data, "seed": config.seed}
    given |= {
        "depth": inline(source or config.depth, declared),
        "depth-kind": config.depths.kind(source),
        "root": config.root,
    }
    return " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in given.items() if value is not None)
