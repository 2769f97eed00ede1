"""The command that measures speed. What it runs lies in `benchmarks/` of the checkout, beside the package."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from wsss.cli.made import Made
from wsss.cli.options import app, names_of

__all__: list[str] = []  # importing this module enters its command


@app.command()
def bench(
    only: Annotated[
        str | None,
        typer.Option(help="Comma-separated parts; default: all but own-models, growth, explorer, quality, reproduce."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Record to write; other parts stay in it. Default: runs/bench.json.")
    ] = None,
    compare: Annotated[
        bool, typer.Option(help="Fail if a figure is worse than in the committed record, and say which.")
    ] = False,
    quick: Annotated[bool, typer.Option(help="Few and small: does it run? Not a result.")] = False,
) -> Made:
    """Measure speed and memory beside other libraries (15 minutes; pip install -e '.\\[all,bench,crf]').

    What is measured already is kept, part by part.
    """
    from wsss.paths import checkout_folder, runs_folder

    root = str(checkout_folder("benchmarks").parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    from benchmarks.run import run_bench

    target = out or runs_folder() / "bench.json"
    well = run_bench(names_of(only), target, quick=quick, compare=compare, say=typer.echo)
    facts = {"record": target, "as_good_as_committed": well if compare else None}
    return Made(facts, target, what="The record", code=0 if well else 1)
