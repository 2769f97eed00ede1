"""The commands that make the stages of a run: data, classifier, depth network, seeds, pseudo-labels, networks."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wsss.cli.options import Methods, RunOptions, app, of_a_run
from wsss.cli.training_options import trains

if TYPE_CHECKING:
    from wsss.pipeline import Run
    from wsss.records.record import Stage

__all__: list[str] = []  # importing this module enters its commands


def _print_stage(run: "Run", stage: "Stage") -> None:
    from wsss.experiments.results import write_stage
    from wsss.report.tables import stage_table

    written: list[Path] = []
    records = write_stage([run], stage, run.folder / "results", written.append)
    if not records:  # another process has them
        return
    typer.echo(stage_table(records, run.data_name, stage, records[0]["split"]).to_string())
    for path in written:
        typer.echo(f"record {path}")


@app.command()
def render(
    root: Annotated[Path | None, typer.Option(help="Folder to fill; default: the cache.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Scenes rendered at once; default: one per core.")
    ] = None,
    series: Annotated[
        bool, typer.Option(help="Also the controlled series: objects that shrink, are outshone or covered.")
    ] = False,
    groups: Annotated[int, typer.Option(min=1, help="Rooms for each class in a series.")] = 2,
) -> None:
    """Render the tabletop scenes (train, tune, test); what is there already is kept."""
    from wsss.data.tabletop_rendering import render_series, render_tabletop

    folder = render_tabletop(root, processes=processes)
    typer.echo(render_series(folder, groups=groups, processes=processes) if series else folder)


@app.command()
@trains()
@of_a_run()
def train(
    options: RunOptions,
    methods: Methods = None,
    out: Annotated[Path | None, typer.Option(help="Default: runs/PROFILE/DATA/classifier.safetensors.")] = None,
) -> None:
    """Train the classifier, choose every method's parameters on the tune split, and write both as one checkpoint."""
    run = options.open()
    path = out or run.folder / run.data_name / "classifier.safetensors"
    run.export_classifier(path, options.methods(methods) or run.config.methods)
    scores = run.classifier_report()["map"]
    typer.echo(
        f"mAP {scores['tune']:.1f} on tune, {scores['report']:.1f} on {run.config.report_split}; checkpoint {path}"
    )


@app.command("train-depth")
@trains("depth_training.epochs")
@of_a_run("classes", "depth", "depth_kind", "source")
def train_depth(
    options: RunOptions,
    folds: Annotated[bool, typer.Option(help="Also a network for each fold of the training images.")] = False,
    out: Annotated[Path | None, typer.Option(help="Default: runs/PROFILE/DATA/depth.safetensors.")] = None,
) -> None:
    """Train the monocular depth network on the RGB-D train split; use it with --depth learned:FILE, or as @learned."""
    from wsss.checks import require_apart
    from wsss.depth.training import train_with_folds
    from wsss.machine.processes import made_by_main

    run = options.open()
    path = out or run.folder / run.data_name / "depth.safetensors"
    config = run.config
    require_apart(path, *config.inputs())
    train = partial(
        train_with_folds,
        run.data("train"),
        path,
        config.classifier.backbone,
        folds=folds,
        test_side=config.classifier.base_side,
        seed=options.seed,
        device=run.device,
        progress=run.progress,
        marked=True,
        weights=config.classifier.weights,
        **asdict(config.depth_training),
    )
    histories = made_by_main(train)
    for name, history in histories.items():
        typer.echo(f"{name}: loss {history[0]['loss']:.3f} in the first epoch, {history[-1]['loss']:.3f} in the last")
    typer.echo(f"depth network {path}")


@app.command()
@trains()
@of_a_run("depth", "depth_kind", "source")
def cam(
    options: RunOptions,
) -> None:
    """Score the CAM and its zoom control, which look at no depth."""
    run = options.open(methods=("cam", "zoom"))
    _print_stage(run, "cam")


@app.command()
@trains()
@of_a_run()
def crops(
    options: RunOptions,
    methods: Methods = None,
) -> None:
    """Score depth-guided crops beside the CAM."""
    _print_stage(options.open(methods=options.methods(methods)), "cam")


@app.command()
@trains()
@of_a_run()
def pseudo(
    options: RunOptions,
    methods: Methods = None,
) -> None:
    """Write pseudo-labels of the train split as VOC-palette PNGs, and score them.

    Methods take a refinement after a plus, as in cam+crf, depth+par, depth+par-depth.
    """
    run = options.open(pseudo_methods=options.methods(methods))
    _print_stage(run, "pseudo")
    for name in run.config.pseudo_methods:
        typer.echo(f"pseudo-labels of {name}: {run.pseudo_folder(name)}")


@app.command()
@trains()
@of_a_run()
def segment(
    options: RunOptions,
    methods: Methods = None,
) -> None:
    """Train segmentation networks on pseudo-labels and, as the upper bound, on true masks where there are any;
    score them.

    `python -m wsss predict` uses them. An interrupted training goes on from its last checkpoint.
    """
    run = options.open(label_methods=options.methods(methods))
    _print_stage(run, "segmentation")
    for name in run.network_labels:
        typer.echo(f"network on {name}: {run.network_path(name)}")
