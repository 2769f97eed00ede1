"""The command that says where everything is."""

import sys
from pathlib import Path
from typing import Any

import typer

from wsss.cli.application import app
from wsss.cli.made import Made
from wsss.errors import WsssError

__all__: list[str] = []  # importing this module enters its command


@app.command()
def where() -> Made:
    """Say where the package, runs, cache and data lie, which versions are installed, and what computes."""
    from wsss.machine.runtime import pick_device
    from wsss.paths import PACKAGE, cache_folder, checkout, runs_folder
    from wsss.records.provenance import git_state, package_versions, processor

    places: dict[str, Path | None] = {
        "package": PACKAGE,
        "checkout": checkout(),
        "runs": runs_folder().absolute(),
        "stages": runs_folder().absolute() / "cache",
        "cache": cache_folder().absolute(),
    }
    data = _data()
    commit, dirty = git_state()
    versions = {"python": sys.version.split()[0], **package_versions()}
    try:
        device = str(pick_device())
    except WsssError as error:  # what is asked for is not here: that is what somebody wants to know
        device = f"none: {error}"
    for name, place in places.items():
        typer.echo(f"{name:9} {_shown(place)}")
    for name, place in data.items():
        typer.echo(f"{'data':9} {name}: {_shown(place) if place else 'in a folder of yours, --root DIR'}")
    for name, version in versions.items():
        typer.echo(f"{'version':9} {name} {version or 'not installed'}")
    if commit:
        typer.echo(f"{'commit':9} {commit[:12]}{' and changes of your own' if dirty else ''}")
    typer.echo(f"{'device':9} {device} ({processor()})")
    facts: dict[str, Any] = {"commit": commit, "changed": dirty, "versions": versions, "device": device}
    return Made({**places, "data": data, **facts, "processor": processor()})


def _data() -> dict[str, Path | None]:
    """The default place of each data set; None where the user names one."""
    from wsss.data.download import default_root as downloaded
    from wsss.data.tabletop import default_root

    return {"tabletop": default_root(), "nyuv2": None, "voc": downloaded()}


def _shown(place: Path | None) -> str:
    if place is None:
        return "none: the package is installed without one"
    return f"{place}{'' if place.exists() else ' (not there yet)'}"
