"""The command that gets weights of a release."""

from pathlib import Path
from typing import Annotated

import typer

from wsss.cli.application import app
from wsss.cli.made import Made

__all__: list[str] = []  # importing this module enters its command


@app.command()
def fetch(
    name: Annotated[str | None, typer.Argument(help="Of the weights; without it, all names are listed.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to fill. Default: weights/NAME in $WSSS_CACHE or ~/.cache/wsss.")
    ] = None,
) -> Made:
    """Download released weights with their model card by https, check their SHA-256; what was interrupted goes on."""
    from wsss.networks.pretrained import WEIGHTS
    from wsss.networks.released import fetch_weights, read_registry

    released = read_registry()
    if name is None:
        for each, weights in released.items():
            typer.echo(f"{each} ({weights.licence}): {weights.what}")
        if not released:
            typer.echo("no weights are released yet: train some with `wsss train`")
        return Made({"weights": list(released)})
    folder = fetch_weights(name, out, released=released)
    typer.echo(f"{released[name].what} Licence: {released[name].licence}.")
    return Made({"name": name, "licence": released[name].licence, "file": folder / WEIGHTS}, folder)
