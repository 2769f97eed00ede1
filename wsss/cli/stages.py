"""The commands: `python -m wsss --help`.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wsss.cli.options import (
    Classes,
    Data,
    Depth,
    DepthKind,
    Methods,
    Profile,
    Root,
    Seed,
    Sources,
    app,
    methods_of,
    names_of,
    open_run_of,
    settings_of,
)
from wsss.cli.training import trains
from wsss.errors import WsssError
from wsss.machine.processes import launched
from wsss.methods.names import MethodName

if TYPE_CHECKING:
    from wsss.pipeline import Run
    from wsss.records.store import Stage

SHARED = ("train", "cam", "crops", "pseudo", "segment", "predict", "evaluate", "results", "train-depth")
"""The commands that several processes may share."""


@app.callback(help=app.info.help)
def _check_processes(context: typer.Context) -> None:
    name = context.invoked_subcommand
    if launched() > 1 and name not in SHARED:
        raise WsssError(
            f"{name} is done by one process. Make the stages with several (train, crops, pseudo, segment): it then finds them in "
            "the cache."
        )


def _print_stage(run: "Run", stage: "Stage") -> None:
    from wsss.experiments.results import write_stage
    from wsss.report.tables import seed_table

    written: list[Path] = []
    records = write_stage([run], stage, run.folder / "results", written.append)
    if not records:  # another process has them
        return
    typer.echo(seed_table(records, run.data_name, stage, records[0]["split"]).to_string())
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
def train(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, source: Sources = None, seed: Seed = 0, methods: Methods = None,
    out: Annotated[Path | None, typer.Option(help="Default: runs/PROFILE/DATA/classifier.safetensors.")] = None,
) -> None:  # fmt: skip
    """Train the classifier, choose every method's parameters on the tune split, and write both as one checkpoint."""
    run = open_run_of(profile, data, settings_of(root, classes, depth, depth_kind, seed, source))
    path = out or run.folder / run.data_name / "classifier.safetensors"
    run.export_classifier(path, methods_of(methods, root) or run.config.methods)
    scores = run.classifier_report()["map"]
    typer.echo(
        f"mAP {scores['tune']:.1f} on tune, {scores['report']:.1f} on {run.config.report_split}; checkpoint {path}"
    )


@app.command()
@trains()
def cam(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, seed: Seed = 0,
) -> None:  # fmt: skip
    """Score the CAM and its zoom control, which look at no depth."""
    run = open_run_of(profile, data, settings_of(root, classes, None, None, seed), methods=("cam", "zoom"))
    _print_stage(run, "cam")


@app.command()
@trains()
def crops(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, source: Sources = None, seed: Seed = 0, methods: Methods = None,
) -> None:  # fmt: skip
    """Score depth-guided crops beside the CAM."""
    settings = settings_of(root, classes, depth, depth_kind, seed, source)
    _print_stage(open_run_of(profile, data, settings, methods=methods_of(methods, root)), "cam")


@app.command()
@trains()
def pseudo(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, source: Sources = None, seed: Seed = 0, methods: Methods = None,
) -> None:  # fmt: skip
    """Write pseudo-labels of the train split as VOC-palette PNGs, and score them.

    Methods take a refinement after a plus, as in cam+crf, depth+par, depth+par-depth.
    """
    settings = settings_of(root, classes, depth, depth_kind, seed, source)
    run = open_run_of(profile, data, settings, pseudo_methods=methods_of(methods, root))
    _print_stage(run, "pseudo")
    for name in run.config.pseudo_methods:
        typer.echo(f"pseudo-labels of {name}: {run.pseudo_folder(name)}")


@app.command()
@trains()
def segment(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, source: Sources = None, seed: Seed = 0, methods: Methods = None,
) -> None:  # fmt: skip
    """Train segmentation networks on pseudo-labels and, as the upper bound, on true masks where there are any; score them.

    `python -m wsss predict` uses them. An interrupted training goes on from its last checkpoint.
    """
    run = open_run_of(
        profile,
        data,
        settings_of(root, classes, depth, depth_kind, seed, source),
        label_methods=methods_of(methods, root),
    )
    _print_stage(run, "segmentation")
    for name in run.network_labels:
        typer.echo(f"network on {name}: {run.network_path(name)}")


@app.command()
def predict(
    network: Annotated[Path, typer.Option(help="Network from `python -m wsss segment`.")],
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    out: Annotated[Path, typer.Option(help="Folder to fill with label maps, and with pictures in overlays/.")],
    overlays: Annotated[bool, typer.Option(help="Also the label maps laid over the images.")] = True,
    on_error: Annotated[str, typer.Option(help="At an unreadable image: stop, or skip it.")] = "stop",
) -> None:
    """Label every image of a folder with a trained network: VOC-palette PNGs, no image labels and no depth needed."""
    from wsss.checks import require_apart
    from wsss.segmentation.folder import predict_folder, shares
    from wsss.segmentation.predictor import load_predictor

    if on_error not in ("stop", "skip"):
        raise WsssError(f"--on-error is stop or skip, not {on_error!r}")

    def skip(error: WsssError) -> None:
        typer.secho(f"skipped: {error}", fg=typer.colors.YELLOW, err=True)

    require_apart(out, network)
    predictor = load_predictor(network)
    labels = predict_folder(predictor, images, out, overlays=overlays, skip=skip if on_error == "skip" else None)
    typer.echo(f"{len(labels)} label maps in {out}")
    for name, share in shares(labels, predictor.classes).items():
        typer.echo(f"{share:5.1f} % {name}")


@app.command()
@trains()
def export(
    out: Annotated[Path, typer.Option(help="Folder to fill, in VOC layout.")],
    method: Annotated[str | None, typer.Option(help="Whose labels, such as depth+par-depth; default: the last of them.")] = None,
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, source: Sources = None, seed: Seed = 0,
    val: Annotated[bool, typer.Option(help="Also the reported split with its true masks, as val.")] = False,
) -> None:  # fmt: skip
    """Write images and pseudo-labels of the train split as a VOC folder, on which other toolboxes train as it is."""
    from wsss.pseudo.export import export_voc, require_same_export

    run = open_run_of(profile, data, settings_of(root, classes, depth, depth_kind, seed, source))
    name = method or run.config.label_methods[-1]
    run.require_apart(out, MethodName.parse(name).source)
    run.require_runs_apart()
    require_same_export(run.data("train"), out, "train")
    if val:
        require_same_export(run.data("report"), out, "val")
    lists = [export_voc(run.data("train"), run.pseudo_folder(name), out, "train", progress=run.progress)]
    if val:
        lists.append(export_voc(run.data("report"), None, out, "val", progress=run.progress))
    typer.echo(f"pseudo-labels of {name} in {out}; lists {', '.join(map(str, lists))}")


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Option(help="Classifier from `python -m wsss train`.")],
    out: Annotated[Path, typer.Option(help="Root of the record tree to write.")],
    data: Data = "voc", root: Root = None, split: Annotated[str, typer.Option(help="Split to score.")] = "val",
    classes: Classes = None, depth: Depth = None, depth_kind: DepthKind = None, source: Sources = None,
    methods: Methods = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score at most so many images, evenly spaced.")] = None,
    on_error: Annotated[str, typer.Option(help="At an unreadable file: stop, or skip its image and record that.")] = "stop",
) -> None:  # fmt: skip
    """Score CAM and depth-guided CAM on any folder, with the parameters stored in the checkpoint; nothing is tuned here."""
    from wsss.experiments.evaluate import evaluate_folder
    from wsss.report.tables import seed_table

    settings = settings_of(root, classes, depth, depth_kind, 0, source)
    written: list[Path] = []
    records = evaluate_folder(
        checkpoint, out, data=data, split=split, methods=methods_of(methods, root), limit=limit, on_error=on_error,
        on_written=written.append,
        **{key: settings[key] for key in ("root", "classes", "depth", "depth_kind")}, sources=settings["sources"] or (),
    )  # fmt: skip
    typer.echo(seed_table(records, records[0]["data"], "cam", records[0]["split"]).to_string())
    for image in records[0]["skipped"]:
        typer.echo(f"skipped {image['id']}: {image['reason']}")
    for path in written:
        typer.echo(f"record {path}")


def _with_declared(depth: str | None, sources: Sequence[str]) -> str:
    """The depth of notebooks, which says itself what the name in it stands for."""
    from wsss.depth.declared import declarations, inline
    from wsss.depth.specs import innermost

    declared = declarations(sources)
    used = innermost(depth or "")
    if depth is None or set(declared) != {used}:
        raise WsssError(
            "notebooks look at one depth: name the source that --source declares with --depth NAME, and leave out the others "
            "(`python -m wsss crops --methods depth@NAME,…` compares several)"
        )
    return inline(depth, declared)


@app.command()
@trains()
def run(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, source: Sources = None, seed: Seed = 0,
    crops: Annotated[Path | None, typer.Option(help="TOML file of crop parameters, from the crop explorer.")] = None,
    notebooks: Annotated[str | None, typer.Option(help="Comma-separated names; default: all six in order.")] = None,
    save_outputs: Annotated[bool, typer.Option(help="Also keep the executed notebooks in notebooks/, with their outputs.")] = False,
) -> None:  # fmt: skip
    """Execute the notebooks with papermill; stages that are in the cache are not computed again."""
    from wsss.experiments.notebooks import NOTEBOOKS, execute, keep_figures, keep_outputs
    from wsss.paths import runs_folder

    settings = settings_of(root, classes, depth, depth_kind, seed, source)
    settings |= {"crops": str(crops.resolve()) if crops else None}
    sources = settings.pop("sources")
    if sources:  # notebooks take the run's depth alone, which may declare what it names
        settings["depth"] = _with_declared(settings["depth"], sources)
    opened = open_run_of(profile, data, settings)
    opened.require_runs_apart(inputs=[crops] if crops else [])
    if save_outputs and crops:
        raise WsssError("--save-outputs keeps the outputs of the profile's own parameters: leave out --crops")
    if save_outputs and os.environ.get("WSSS_SETTINGS"):
        raise WsssError(
            "--save-outputs keeps the outputs of the profile's own settings: leave out options of training, and WSSS_SETTINGS"
        )
    if save_outputs and data != "tabletop":
        raise WsssError("--save-outputs is for tabletop only: pictures of third-party photographs are not committed")
    names = names_of(notebooks) or NOTEBOOKS
    parameters = {"profile": profile, "data": data, **settings}
    if parameters["classes"]:
        parameters["classes"] = list(parameters["classes"])
    # The data is made here, where its progress bar can be seen, not in the first kernel.
    output = opened.folder / "notebooks" / opened.data_name
    written = execute({key: value for key, value in parameters.items() if value is not None}, output, names)
    for path in written:
        typer.echo(f"executed {path}")
        if save_outputs:
            keep_outputs(path)
    if save_outputs:
        keep_figures(opened.folder / "figures", "method")
    typer.echo(
        f"records {opened.folder / 'results'}\nfigures {opened.folder / 'figures'}\ncache {runs_folder() / 'cache'}"
    )


@app.command("train-depth")
@trains("depth_training.epochs")
def train_depth(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, seed: Seed = 0,
    folds: Annotated[bool, typer.Option(help="Also a network for each fold of the training images.")] = False,
    out: Annotated[Path | None, typer.Option(help="Default: runs/PROFILE/DATA/depth.safetensors.")] = None,
) -> None:  # fmt: skip
    """Train the monocular depth network on the RGB-D train split; use it with --depth learned:FILE, or as @learned."""
    from wsss.checks import require_apart
    from wsss.depth.training import train_with_folds
    from wsss.machine.processes import made_by_main

    run = open_run_of(profile, data, settings_of(root, None, None, None, seed))
    path = out or run.folder / run.data_name / "depth.safetensors"
    config = run.config
    require_apart(path, *config.inputs())
    train = partial(
        train_with_folds, run.data("train"), path, config.classifier.backbone, folds=folds,
        test_side=config.classifier.base_side, seed=seed, device=run.device, progress=run.progress, marked=True,
        weights=config.classifier.weights, **asdict(config.depth_training),
    )  # fmt: skip
    histories = made_by_main(train)
    for name, history in histories.items():
        typer.echo(f"{name}: loss {history[0]['loss']:.3f} in the first epoch, {history[-1]['loss']:.3f} in the last")
    typer.echo(f"depth network {path}")
