"""The command that executes the notebooks."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from wsss.checks import switched_on
from wsss.cli.made import Made
from wsss.cli.options import RunOptions, app, names_of, of_a_run, open_run_of
from wsss.cli.training_options import trains
from wsss.errors import WsssError

__all__: list[str] = []  # importing this module enters its command


def _with_declared(depth: str | None, sources: Sequence[str]) -> str:
    """The depth of notebooks, which says itself what the name in it stands for."""
    from wsss.depth.declared import declarations, inline
    from wsss.depth.specs import innermost

    declared = declarations(sources)
    used = innermost(depth or "")
    if depth is None or set(declared) != {used}:
        raise WsssError(
            "notebooks look at one depth: name the source that --source declares with --depth NAME, and leave out the "
            "others (`wsss crops --methods depth@NAME,…` compares several)"
        )
    return inline(depth, declared)


def _require_own_outputs(data: str, crops: Path | None) -> None:
    """Raise a `WsssError` where outputs would not be those of the profile, on data that is ours to publish."""
    if crops:
        raise WsssError("--save-outputs keeps the outputs of the profile's own parameters: leave out --crops")
    if os.environ.get("WSSS_SETTINGS"):
        raise WsssError(
            "--save-outputs keeps the outputs of the profile's own settings: leave out options of training, and "
            "WSSS_SETTINGS"
        )
    if data != "tabletop":
        raise WsssError("--save-outputs is for tabletop only: pictures of third-party photographs are not committed")


def _executed(parameters: Mapping[str, Any], output: Path, names: Sequence[str], save_outputs: bool) -> list[Path]:
    """Execute notebooks, and keep their outputs in `notebooks/` where that is wanted."""
    from wsss.experiments.notebooks import execute, keep_outputs

    written = execute(parameters, output, names, progress=not switched_on("WSSS_HEADLESS")) if names else []
    for path in written:
        typer.echo(f"executed {path}")
        if save_outputs:
            keep_outputs(path)
    return written


@app.command()
@of_a_run()
@trains()
def run(
    options: RunOptions,
    crops: Annotated[Path | None, typer.Option(help="TOML file of crop parameters, from the crop explorer.")] = None,
    notebooks: Annotated[str | None, typer.Option(help="Comma-separated names; default: all seven in order.")] = None,
    save_outputs: Annotated[
        bool, typer.Option(help="Also keep the executed notebooks in notebooks/, with their outputs.")
    ] = False,
) -> Made:
    """Execute the notebooks with papermill; stages that are in the cache are not computed again.

    The options concern chapters 01 to 06; chapter 00 opens no run.
    """
    from wsss.experiments.notebooks import NOTEBOOKS, WITHOUT_RUN, check_names, keep_figures
    from wsss.paths import runs_folder

    names = names_of(notebooks) or NOTEBOOKS
    check_names(names)
    alone = [name for name in names if name in WITHOUT_RUN]
    if set(alone) == set(names):
        folder = runs_folder() / options.profile
        executed = _executed({}, folder / "notebooks", alone, save_outputs)
        return Made({"notebooks": executed}, folder / "notebooks", what="The notebook")
    settings = options.settings()
    settings |= {"crops": str(crops.resolve()) if crops else None}
    sources = settings.pop("sources")
    if sources:  # notebooks take the run's depth alone, which may declare what it names
        settings["depth"] = _with_declared(settings["depth"], sources)
    opened = open_run_of(options.profile, options.data, settings)
    opened.require_runs_apart(inputs=[crops] if crops else [])
    if save_outputs:
        _require_own_outputs(options.data, crops)
    parameters = {"profile": options.profile, "data": options.data, **settings, "seed": opened.config.seed}
    if parameters["classes"]:
        parameters["classes"] = list(parameters["classes"])
    # The data is made here, where its progress bar can be seen, not in the first kernel.
    output = opened.folder / "notebooks" / opened.data_name
    given = {key: value for key, value in parameters.items() if value is not None}
    written = _executed({}, output, alone, save_outputs)
    written += _executed(given, output, [name for name in names if name not in alone], save_outputs)
    if save_outputs:
        keep_figures(opened.folder / "figures", "method")
    places = {"records": opened.folder / "results", "figures": opened.folder / "figures"}
    return Made({"notebooks": written, **places, "cache": opened.cache}, opened.folder, "records, figures, notebooks")
