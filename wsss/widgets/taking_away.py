"""What a reader takes away from the crop explorer: of a run a file of crop parameters, of a photograph Python code."""

import html
import re
import shlex
from typing import Protocol

from ipywidgets import HTML, Layout, Textarea, Widget

from wsss.checks import require_apart
from wsss.depth.declared import inline
from wsss.depth.specs import source_name
from wsss.errors import WsssError
from wsss.methods.choice import Choice
from wsss.methods.parameters import FusionParameters
from wsss.paths import short_path
from wsss.pipeline import Run
from wsss.pipeline.crop_file import GIVEN_METHOD, toml_of, write_crop_settings
from wsss.widgets.choices import label_style
from wsss.widgets.parameters import ExplorerParameters, sections_of
from wsss.widgets.scenes import OnePhotograph

__all__ = ["OfPhotograph", "OfRun", "TakingAway"]


class TakingAway(Protocol):
    """What the panel asks of it.

    Attributes:
        own_depth: what the scenes' own depth is called in the list.
        has_file: whether a file is written, whose name the reader says.
    """

    own_depth: str
    has_file: bool

    def text(self, parameters: ExplorerParameters) -> str:
        """What the button copies."""
        ...

    def copied(self, parameters: ExplorerParameters, name: str, on_clipboard: bool) -> list[Widget]:
        """What is shown after the button was pressed.

        Args:
            name: of the file, as the reader says it.
        """
        ...


class OfRun:
    """Of a run: a file that `wsss run --crops` takes."""

    has_file = True

    def __init__(self, run: Run, split: str) -> None:
        self.run, self.split = run, split
        self.own_depth = f"{source_name(run.config.depth)} (this run's)"

    def text(self, parameters: ExplorerParameters) -> str:
        """The parameters as a file of crop settings."""
        run, p = self.run, parameters
        sample, depth = run.data(self.split).ids[p.scene], p.source or source_name(run.config.depth)
        return toml_of(sections_of(p), f"Crop parameters, seen on {run.data_name}, image {sample}, depth {depth}.")

    def copied(self, parameters: ExplorerParameters, name: str, on_clipboard: bool) -> list[Widget]:
        """Write the file, and say what to do with it."""
        if not re.fullmatch(r"\w[\w.-]*", name):
            return [HTML('<p role="alert">A file name has letters, digits, dots and hyphens.</p>')]
        run, text = self.run, self.text(parameters)
        path = run.folder / "crops" / f"{name.removesuffix('.toml')}.toml"
        try:
            require_apart(path, *run.config.inputs(), remedy="Name another folder for runs in WSSS_RUNS.")
            write_crop_settings(path, sections_of(parameters), text.split("\n", 1)[0].removeprefix("# "))
        except WsssError as error:
            return [HTML(f'<p role="alert">{html.escape(str(error))}</p>')]
        where = "on the clipboard and in" if on_clipboard else "in"
        place = f"{where} <code>{html.escape(short_path(path))}</code>"
        said = f'<p role="status">The parameters are {place}. Run chapters 04 to 06 with them:</p>'
        chapters = "04_pseudo_labels,05_segmentation_training,06_miou_tables"
        command = f"wsss run {_options(run, parameters.source)} --crops {shlex.quote(str(path))} --notebooks {chapters}"
        return [
            HTML(said),
            _readable("command", command, 3),
            _readable("or parameter", f"crops = {str(path)!r}", 2),
            _readable("file", text, 8),
        ]


class OfPhotograph:
    """Of a photograph: the `DepthCAM` that gives what is shown."""

    own_depth, has_file = "given", False

    def __init__(self, photograph: OnePhotograph) -> None:
        self.photograph = photograph

    def text(self, parameters: ExplorerParameters) -> str:
        """Python code."""
        cam = self.photograph.depth_cam
        fusion = parameters.fusion(cam.choices[GIVEN_METHOD].parameters if cam.choices else FusionParameters())
        choice = Choice(fusion, parameters.threshold, None, 0, "file")
        return (
            "from wsss import DepthCAM\n"
            "from wsss.methods.choice import Choice\n"
            "from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters\n\n"
            "cam = DepthCAM(\n"
            "    model,  # and what else yours was given\n"
            f"    activation={cam.info.activation or None!r},\n"
            f"    regions={parameters.regions(cam.regions)!r},\n"
            f"    crops={parameters.crops(cam.crops)!r},\n"
            f"    choices={{{GIVEN_METHOD!r}: {choice!r}}},\n"
            ")\n"
        )

    def copied(self, parameters: ExplorerParameters, name: str, on_clipboard: bool) -> list[Widget]:
        """The code, where it can be read."""
        where = "on the clipboard, and here" if on_clipboard else "here"
        said = f'<p role="status">Python code that gives the same is {where}:</p>'
        return [HTML(said), _readable("code", self.text(parameters), 12)]


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
        "classes": ",".join(f'"{name}"' if "," in name else name for name in config.classes or ()) or None,
    }
    return " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in given.items() if value is not None)
