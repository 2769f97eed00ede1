"""The commands that make the stages of a run: data, classifier, depth network, seeds, pseudo-labels, networks."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsss.cli.made import Made, facts_of
from wsss.cli.options import Methods, RunOptions, app, of_a_run
from wsss.cli.training_options import trains
from wsss.errors import WsssError

if TYPE_CHECKING:
    from wsss.pipeline import Run
    from wsss.records.record import Stage

__all__: list[str] = []  # importing this module enters its commands


def _print_stage(run: "Run", stage: "Stage") -> list[dict[str, Any]]:
    """Make a stage, print its table and the records' places; returns what `--json` says of the records."""
    from wsss.experiments.results import write_stage
    from wsss.paths import short_path
    from wsss.report.tables import stage_table

    written: list[Path] = []
    records = write_stage([run], stage, run.folder / "results", written.append)
    if not records:  # another process has them
        return []
    if "not_scored" not in records[0]:  # else that has been said
        typer.echo(stage_table(records, run.data_name, stage, records[0]["split"]).to_string())
    for path in written:
        typer.echo(f"record {short_path(path)}")
    return facts_of(records, written)


def _require_checkpoint(out: Path | None) -> None:
    """Raise a `WsssError` unless a file of `--out` is named as checkpoints are: beside it lie other files."""
    if out is not None and out.suffix != ".safetensors":
        raise WsssError(f"--out {out}: the name of a checkpoint ends in .safetensors. Give another file with --out.")


def _places(what: str, places: Mapping[str, Path]) -> None:
    from wsss.paths import short_path

    for name, place in places.items():
        typer.echo(f"{what} {name}: {short_path(place)}")


@app.command()
def render(
    root: Annotated[Path | None, typer.Option(help="Folder to fill; default: the cache.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Scenes rendered at once; default: one for each core that may be used.")
    ] = None,
    series: Annotated[
        bool, typer.Option(help="Also the controlled series: objects that shrink, are outshone or covered.")
    ] = False,
    rooms: Annotated[int, typer.Option(min=1, help="Rooms in each series; their classes take turns.")] = 40,
) -> Made:
    """Render the tabletop scenes (train, tune, test); what is there already is kept."""
    from wsss.data.tabletop_rendering import render_series, render_tabletop

    folder = render_tabletop(root, processes=processes)
    made = render_series(folder, rooms=rooms, processes=processes) if series else folder
    return Made({"root": folder, "series": made if series else None}, made)


@app.command()
@of_a_run()
@trains()
def train(
    options: RunOptions,
    methods: Methods = None,
    out: Annotated[Path | None, typer.Option(help="Default: runs/PROFILE/DATA/classifier.safetensors.")] = None,
) -> Made:
    """Train the classifier, choose every method's parameters on the tune split, and write both as one checkpoint, with
    a model card beside it."""
    from wsss.machine.processes import tell
    from wsss.pipeline.cards import write_card

    _require_checkpoint(out)
    run = options.open()
    path = out or run.folder / run.data_name / "classifier.safetensors"
    run.export_classifier(path, options.methods(methods) or run.config.methods)
    if doubt := run.classifier_doubt():
        tell(doubt)
    scores = run.classifier_report()["map"]
    typer.echo(f"mAP {scores['tune']:.1f} on tune, {scores['report']:.1f} on {run.config.report_split}")
    card = write_card(run, path)
    return Made({"map": scores, "checkpoint": path, "card": card}, path, what="The classifier")


@app.command("train-depth")
@of_a_run("classes", "depth", "depth_kind", "source")
@trains("depth_training.epochs")
def train_depth(
    options: RunOptions,
    folds: Annotated[bool, typer.Option(help="Also a network for each fold of the training images.")] = False,
    out: Annotated[Path | None, typer.Option(help="Default: runs/PROFILE/DATA/depth.safetensors.")] = None,
) -> Made:
    """Train the monocular depth network on the RGB-D train split; use it with --depth learned:FILE, or as @learned."""
    from wsss.checks import require_apart
    from wsss.depth.training import train_with_folds
    from wsss.pipeline.cards import write_card

    _require_checkpoint(out)
    run = options.open()
    path = out or run.folder / run.data_name / "depth.safetensors"
    config = run.config
    require_apart(path, *config.inputs())
    histories = train_with_folds(
        run.data("train"),
        path,
        config.classifier.backbone,
        folds=folds,
        test_side=config.classifier.base_side,
        seed=config.seed,
        device=run.device,
        progress=run.progress,
        marked=True,
        weights=config.classifier.weights,
        **asdict(config.depth_training),
    )
    for name, history in histories.items():
        typer.echo(f"{name}: loss {history[0]['loss']:.3f} in the first epoch, {history[-1]['loss']:.3f} in the last")
    losses = {name: [each["loss"] for each in history] for name, history in histories.items()}
    return Made({"losses": losses, "card": write_card(run, path)}, path, what="The depth network")


@app.command()
@of_a_run("depth", "depth_kind", "source")
@trains()
def cam(
    options: RunOptions,
) -> Made:
    """Score the CAM and its zoom control, which use no depth."""
    run = options.open(methods=("cam", "zoom"))
    return Made({"records": _print_stage(run, "cam")}, run.folder, "records in results/")


@app.command()
@of_a_run()
@trains()
def crops(
    options: RunOptions,
    methods: Methods = None,
) -> Made:
    """Score seeds: the CAM, controls, crops and regions of depth, or those of --methods."""
    run = options.open(methods=options.methods(methods))
    return Made({"records": _print_stage(run, "cam")}, run.folder, "records in results/")


@app.command()
@of_a_run()
@trains()
def pseudo(
    options: RunOptions,
    methods: Methods = None,
) -> Made:
    """Write pseudo-labels of the train split as VOC-palette PNGs, and score them.

    Methods take a refinement after a plus, as in cam+crf, depth+par, depth+par-depth.
    """
    from wsss.pipeline.named import named

    run = options.open(pseudo_methods=options.methods(methods))
    records = _print_stage(run, "pseudo")
    labels = {name: named(run, "pseudo-labels", name, run.pseudo_folder(name)) for name in run.config.pseudo_methods}
    _places("pseudo-labels of", labels)
    more = f"records in results/, pseudo-labels in {run.data_name}/seed-{run.config.seed}/"
    return Made({"records": records, "pseudo_labels": labels}, run.folder, more)


@app.command()
@of_a_run()
@trains()
def segment(
    options: RunOptions,
    methods: Methods = None,
) -> Made:
    """Train segmentation networks on pseudo-labels and, as the upper bound, on true masks where there are any;
    score them.

    `wsss predict` uses them. An interrupted training goes on from its last checkpoint.
    """
    from wsss.machine.lazy import needed
    from wsss.pipeline.cards import write_card
    from wsss.pipeline.named import named

    needed("segmentation_models_pytorch", "a segmentation network")  # now, not after the classifier's training
    run = options.open(label_methods=options.methods(methods))
    records = _print_stage(run, "segmentation")
    networks = {name: named(run, "networks", name, run.network_path(name)) for name in run.network_labels}
    for name, place in networks.items():
        write_card(run, place, name)
    _places("network on", networks)
    more = f"records in results/, networks in {run.data_name}/seed-{run.config.seed}/"
    return Made({"records": records, "networks": networks}, run.folder, more)
