"""The crop explorer's panel: choices, sliders, pictures, and the parameters to take away."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ipywidgets import HTML, Accordion, Box, Button, HBox, Layout, Text, VBox
from matplotlib.figure import Figure
from torch import nn

from wsss.errors import WsssError
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.given import Depth, Photograph
from wsss.pipeline import Run
from wsss.widgets.choices import OptionList, label_style
from wsss.widgets.controls import CopyButton, Slider
from wsss.widgets.explorer import Explorer
from wsss.widgets.explorer_figure import draw, numbers_of, render_grid
from wsss.widgets.live import HINT, Live, headless
from wsss.widgets.parameters import SLIDERS, ExplorerParameters, chosen_parameters, static_grid
from wsss.widgets.scenes import OnePhotograph, Scenes
from wsss.widgets.taking_away import OfPhotograph, OfRun, TakingAway

__all__ = ["PHOTOGRAPH_SOURCES", "SOURCES", "ExplorerPanel", "crop_explorer"]

SOURCES = ("shuffled", "inverted", "constant", "noisy-08")
"""Depth beside the run's own that takes no training. `learned` may be given too; it is trained when first chosen."""

PHOTOGRAPH_SOURCES = ("inverted", "constant", "noisy-08")
"""The same of a single photograph, which has no other to take depth from."""

PHOTOGRAPH_HINT = "Open this notebook in JupyterLab to move these parameters yourself; here is a fixed grid of them."

IN_SIGHT = ("jump", "count", "vote", "threshold")
"""Sliders that are seen at once; the others are folded away."""

STRONGEST = "strongest of all"
WHOLE_NUMBERS = ("max_regions", "count")


def crop_explorer(
    run: Run | None = None,
    split: str = "report",
    indices: Sequence[int] = (0,),
    sources: Sequence[str] | None = None,
    *,
    image: Photograph | None = None,
    model: DepthCAM | nn.Module | None = None,
    depth: Depth | None = None,
    kind: str | None = None,
    classes: Sequence[str | int] | None = None,
) -> Any:
    """Sliders over scenes of a split, or over one's own photograph; a static figure where nobody can move them.

    Of a run, and of a photograph with its depth:

    >>> panel = crop_explorer(run, indices=(0, 3))
    >>> panel = crop_explorer(image="photo.png", model=cam, depth="depth.npy", kind="metric", classes=["moped"])

    Args:
        indices: the scenes to choose from; the first is shown first.
        sources: depth to choose from beside the scenes' own; None takes wrong depth of several kinds.
        image, depth, kind, classes: of a photograph, as `DepthCAM` takes them.
        model: for the photograph, a `DepthCAM` or a classifier.

    Returns:
        An ipywidgets box, or a `Figure` if `headless()`.

    Raises:
        WsssError: there is neither a run nor a photograph with its model and depth, or there are both; an argument of a
            photograph is not what it must be.
    """
    if (run is None) == (image is None) or (image is not None and model is None):
        raise WsssError(
            "give the crop explorer a run, as in crop_explorer(run), or a photograph, as in crop_explorer(image=…, "
            "model=…, depth=…, kind='metric')"
        )
    scenes: Scenes
    taking_away: TakingAway
    offered: tuple[str, ...]
    if run is not None:
        scenes, taking_away = run, OfRun(run, split)
        hint, offered = HINT, SOURCES
    else:
        assert image is not None
        assert model is not None
        scenes = photograph = OnePhotograph(image, model, depth, kind, classes)
        taking_away, hint, offered = OfPhotograph(photograph), PHOTOGRAPH_HINT, PHOTOGRAPH_SOURCES
    explorer = Explorer(scenes, split)
    start = chosen_parameters(scenes, indices[0])
    if run is None and len(names := explorer.classes_of(start.scene)) == 1:
        start = replace(start, shown=names[0])
    if headless():
        print(hint)
        return render_grid(static_grid(start), explorer)
    return ExplorerPanel(explorer, start, indices, offered if sources is None else sources, taking_away).box


class ExplorerPanel:
    """The widgets; `box` is what is shown."""

    def __init__(
        self,
        explorer: Explorer,
        start: ExplorerParameters,
        indices: Sequence[int],
        sources: Sequence[str],
        taking_away: TakingAway,
    ) -> None:
        self.explorer, self.start, self.taking_away = explorer, start, taking_away
        ids = explorer.scenes.data(explorer.split).ids
        style, narrow = label_style("4em"), Layout(width="20em")
        own = (taking_away.own_depth, None)
        self.scene = OptionList("scene", [(ids[index], index) for index in indices], start.scene)
        self.shown = OptionList("class", self._class_options(start.scene), start.shown)
        self.source = OptionList("depth", [own, *((name, name) for name in sources)], start.source)
        self.sliders = {spec.name: Slider(spec, getattr(start, spec.name)) for spec in SLIDERS}
        controls = {"scene": self.scene, "shown": self.shown, "source": self.source, **self.sliders}
        self.live = Live(controls, self._draw, quiet=["scene"])
        self.scene.observe(self._scene_changed, "value")
        self.name = Text("my-crops", description="file", style=style, layout=narrow)
        self.copy = CopyButton(label="copy these parameters", text=taking_away.text(self.parameters))
        self.reset = Button(description="reset", tooltip="All sliders back to what they were at the start")
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
        self.copy.text = self.taking_away.text(self.parameters)

    def _reset(self, _: Any) -> None:
        with self.live.at_once():
            for name, slider in self.sliders.items():
                slider.value = getattr(self.start, name)
            self.source.chosen = self.start.source

    def _copied(self, _: Any) -> None:
        """Show what was copied, and what to do with it."""
        self.exported.children = self.taking_away.copied(self.parameters, self.name.value, self.copy.copied)

    def _laid_out(self) -> VBox:
        first = [self.sliders[spec.name] for spec in SLIDERS if spec.name in IN_SIGHT]
        groups = [
            [self.sliders[spec.name] for spec in SLIDERS if spec.looks is looks and spec.name not in IN_SIGHT]
            for looks in (True, False)
        ]
        titles = HTML("<b>Regions and crops</b> (take new crops)"), HTML("<b>Averaging</b> (at once)")
        folded = Accordion([VBox([titles[0], *groups[0], titles[1], *groups[1]])], titles=("All other parameters",))
        wrapped = {"display": "flex", "flex_flow": "row wrap", "width": "100%"}
        # Sliders stand beside the pictures where there is room, so that both are in view.
        pictures = VBox([self.live.picture, self.live.numbers], layout=Layout(flex="3 1 34em", min_width="20em"))
        sliders = VBox([*first, folded], layout=Layout(flex="1 1 17em", min_width="15em"))
        named = [self.name] if self.taking_away.has_file else []
        return VBox(
            [
                Box([self.scene, self.shown, self.source], layout=Layout(**wrapped)),
                Box([pictures, sliders], layout=Layout(**wrapped)),
                HBox([self.reset, *named, self.copy]),
                self.exported,
            ]
        )
