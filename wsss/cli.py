"""The commands: `python -m wsss --help`.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsss.errors import WsssError

if TYPE_CHECKING:
    from wsss.pipeline import Run
    from wsss.results import Stage

__all__ = ["main"]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Weakly-supervised semantic segmentation via depth-guided class activation maps.",
)  # fmt: skip

Profile = Annotated[str, typer.Option(help="smoke (tiny, not a result), default, or full (paper scale).")]
Data = Annotated[str, typer.Option(help="tabletop, nyuv2 or voc.")]
Root = Annotated[Path | None, typer.Option(help="Folder of the data; tabletop has a default place.")]
Classes = Annotated[str | None, typer.Option(help="Comma-separated class names; default: all that the data has.")]
Depth = Annotated[
    str | None,
    typer.Option(
        help="sensor; files:DIR (relative to the working folder or to --root); hf:MODEL; learned (trained here on the depth "
        "of the train split) or learned:FILE; constant, shuffled, inverted, noisy:SEVERITY, also as shuffled+files:DIR."
    ),
]
DepthKind = Annotated[
    str | None, typer.Option(help="Of files: metric (larger = farther) or inverse (larger = nearer).")
]
Seed = Annotated[int, typer.Option(help="Of training; data and splits do not depend on it.")]
Methods = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated: cam, zoom, grid, random, cam-box, rgb-region, crop-only, region-only, depth, oracle-box; "
        "crop-only, region-only and depth also as depth@SOURCE."
    ),
]


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else None


def _absolute(depth: str | None) -> str | None:
    """`files:DIR` with DIR made absolute where it exists from here; otherwise left for the data's folder."""
    head, files, folder = (depth or "").partition("files:")
    return f"{head}files:{Path(folder).resolve()}" if files and Path(folder).expanduser().is_dir() else depth


def _settings(root: Path | None, classes: str | None, depth: str | None, kind: str | None, seed: int) -> dict[str, Any]:
    if root is not None and not root.is_dir():
        raise WsssError(f"no folder {root}; give the data's folder with --root")
    return {
        "root": str(root.resolve()) if root else None,
        "classes": _names(classes),
        "depth": _absolute(depth),
        "depth_kind": kind,
        "seed": seed,
    }


def _run(profile: str, data: str, settings: dict[str, Any], **more: Any) -> "Run":
    from wsss.pipeline import open_run

    return open_run(profile, data, **settings, **more)


def _print_stage(run: "Run", stage: "Stage") -> None:
    from wsss.report.tables import seed_table
    from wsss.results import write_stage

    written: list[Path] = []
    records = write_stage([run], stage, run.folder / "results", written.append)
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
        bool, typer.Option(help="Also the controlled series: objects that shrink or are covered.")
    ] = False,
) -> None:
    """Render the tabletop scenes (train, tune, test); what is there already is kept."""
    from wsss.data.tabletop import render_series, render_tabletop

    folder = render_tabletop(root, processes=processes)
    typer.echo(render_series(folder, processes=processes) if series else folder)


@app.command()
def train(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, seed: Seed = 0, methods: Methods = None,
    out: Annotated[Path | None, typer.Option(help="Default: runs/PROFILE/DATA/classifier.safetensors.")] = None,
) -> None:  # fmt: skip
    """Train the classifier, choose every method's parameters on the tune split, and write both as one checkpoint."""
    run = _run(profile, data, _settings(root, classes, depth, depth_kind, seed))
    path = out or run.folder / run.data_name / "classifier.safetensors"
    run.export_classifier(path, _names(methods) or run.config.methods)
    scores = run.classifier_report()["map"]
    typer.echo(
        f"mAP {scores['tune']:.1f} on tune, {scores['report']:.1f} on {run.config.report_split}; checkpoint {path}"
    )


@app.command()
def cam(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, seed: Seed = 0,
) -> None:  # fmt: skip
    """Score the CAM and its zoom control, which look at no depth."""
    run = _run(profile, data, _settings(root, classes, None, None, seed), methods=("cam", "zoom"))
    _print_stage(run, "cam")


@app.command()
def crops(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, seed: Seed = 0, methods: Methods = None,
) -> None:  # fmt: skip
    """Score depth-guided crops beside the CAM."""
    settings = _settings(root, classes, depth, depth_kind, seed)
    _print_stage(_run(profile, data, settings, methods=_names(methods)), "cam")


@app.command()
def pseudo(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, seed: Seed = 0, methods: Methods = None,
) -> None:  # fmt: skip
    """Write pseudo-labels of the train split as VOC-palette PNGs, and score them."""
    run = _run(profile, data, _settings(root, classes, depth, depth_kind, seed), label_methods=_names(methods))
    _print_stage(run, "pseudo")
    for name in run.config.label_methods:
        typer.echo(f"pseudo-labels of {name}: {run.pseudo_folder(name)}")


@app.command()
def segment(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, seed: Seed = 0, methods: Methods = None,
) -> None:  # fmt: skip
    """Train segmentation networks on pseudo-labels and, as the upper bound, on true masks; score them."""
    run = _run(profile, data, _settings(root, classes, depth, depth_kind, seed), label_methods=_names(methods))
    _print_stage(run, "segmentation")


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Option(help="Classifier from `python -m wsss train`.")],
    out: Annotated[Path, typer.Option(help="Root of the record tree to write.")],
    data: Data = "voc", root: Root = None, split: Annotated[str, typer.Option(help="Split to score.")] = "val",
    classes: Classes = None, depth: Depth = None, depth_kind: DepthKind = None, methods: Methods = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score at most so many images, evenly spaced.")] = None,
) -> None:  # fmt: skip
    """Score CAM and depth-guided CAM on any folder, with the parameters stored in the checkpoint; nothing is tuned here."""
    from wsss.evaluate import evaluate_folder
    from wsss.report.tables import seed_table

    settings = _settings(root, classes, depth, depth_kind, 0)
    written: list[Path] = []
    records = evaluate_folder(
        checkpoint, out, data=data, split=split, methods=_names(methods), limit=limit, on_written=written.append,
        **{key: settings[key] for key in ("root", "classes", "depth", "depth_kind")},
    )  # fmt: skip
    typer.echo(seed_table(records, records[0]["data"], "cam", records[0]["split"]).to_string())
    for path in written:
        typer.echo(f"record {path}")


@app.command()
def run(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, classes: Classes = None, depth: Depth = None,
    depth_kind: DepthKind = None, seed: Seed = 0,
    notebooks: Annotated[str | None, typer.Option(help="Comma-separated names; default: all six in order.")] = None,
    save_outputs: Annotated[bool, typer.Option(help="Also keep the executed notebooks in notebooks/, with their outputs.")] = False,
) -> None:  # fmt: skip
    """Execute the notebooks with papermill; stages that are in the cache are not computed again."""
    from wsss.notebooks import NOTEBOOKS, execute, keep_figures, keep_outputs
    from wsss.pipeline import runs_folder

    settings = _settings(root, classes, depth, depth_kind, seed)
    opened = _run(profile, data, settings)
    if save_outputs and data != "tabletop":
        raise WsssError("--save-outputs is for tabletop only: pictures of third-party photographs are not committed")
    names = _names(notebooks) or NOTEBOOKS
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
def train_depth(
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, seed: Seed = 0,
    folds: Annotated[bool, typer.Option(help="Also a network for each fold of the training images.")] = False,
    out: Annotated[Path | None, typer.Option(help="Default: runs/PROFILE/DATA/depth.safetensors.")] = None,
) -> None:  # fmt: skip
    """Train the monocular depth network on the RGB-D train split; use it with --depth learned:FILE, or as @learned."""
    from wsss.depth_training import train_with_folds

    run = _run(profile, data, _settings(root, None, None, None, seed))
    path = out or run.folder / run.data_name / "depth.safetensors"
    config = run.config
    histories = train_with_folds(
        run.data("train"), path, config.classifier.backbone, config.depth_training, folds=folds,
        side=config.classifier.base_side, seed=seed, device=run.device, progress=run.progress,
    )  # fmt: skip
    for name, history in histories.items():
        typer.echo(f"{name}: loss {history[0]['loss']:.3f} in the first epoch, {history[-1]['loss']:.3f} in the last")
    typer.echo(f"depth network {path}")


@app.command("depth-quality")
def depth_quality(
    depth: Annotated[str, typer.Option(help="Source to measure: learned, files:DIR, hf:MODEL, noisy-08, shuffled, ….")],
    profile: Profile = "default", data: Data = "tabletop", root: Root = None, depth_kind: DepthKind = None,
    split: Annotated[str, typer.Option(help="Split to measure on.")] = "test",
    out: Annotated[Path, typer.Option(help="Root of the record tree.")] = Path("results"),
) -> None:  # fmt: skip
    """Compare a depth source with the sensor's: rank correlation, and errors in metres where the data has them."""
    from wsss.depth_report import depth_quality as measure

    run = _run(profile, data, _settings(root, None, None, depth_kind, 0))
    record = measure(run, depth, split, out)
    for name in ("spearman", "spearman_objects", "abs_rel", "delta"):
        typer.echo(f"{name:17s} {'unknown' if record[name] is None else record[name]}")


@app.command()
def results(
    seeds: Annotated[str, typer.Option(help="Seeds of training, comma-separated.")] = "0,1,2",
    data: Annotated[str | None, typer.Option(help="Only this one of tabletop, nyuv2, voc.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only this one of cam, pseudo, segmentation.")] = None,
    nyuv2: Annotated[Path | None, typer.Option(help="Folder of NYU Depth v2.")] = Path("../shared/data/nyuv2"),
    voc: Annotated[Path | None, typer.Option(help="VOC-layout folder with DepthMETER/.")] = Path(
        "../shared/data/voc-animals"
    ),
) -> None:
    """Make the committed records of every method and seed, on each data set that is there (hours; resumable)."""
    from wsss.config import RESULT_METHODS
    from wsss.pipeline import open_run
    from wsss.results import STAGES, write_all

    if stage is not None and stage not in STAGES:
        raise WsssError(f"unknown stage {stage!r}; choose from {', '.join(STAGES)}")
    where = {"tabletop": None, "nyuv2": nyuv2, "voc": voc}
    if data is not None and data not in where:
        raise WsssError(f"unknown data set {data!r}; choose from {', '.join(where)}")
    for name, root in where.items():
        if data not in (None, name):
            continue
        if root is not None and not root.is_dir():
            typer.echo(f"skipped {name}: no folder {root}")
            continue
        folder = str(root.resolve()) if root else None
        methods = RESULT_METHODS[name]
        runs = [open_run("default", name, seed=int(seed), root=folder, methods=methods) for seed in seeds.split(",")]
        write_all(runs, Path("results"), typer.echo, [each for each in STAGES if stage in (None, each)])


@app.command()
def ablate(
    profile: Profile = "default", seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Record tree; default: results/, of other profiles runs/.")] = None,
) -> None:  # fmt: skip
    """Change or switch off steps of the method in turn, on the tune split of `tabletop` (half an hour; resumable)."""
    from wsss.ablation import ablate as measure
    from wsss.ablation import ablation_path

    run = _run(profile, "tabletop", {"seed": seed})
    folder = out or (Path("results") if profile == "default" else run.folder / "results")
    record = measure(run, folder, say=typer.echo)
    typer.echo(f"record {ablation_path(folder, record['data'], seed)}")


@app.command()
def series(
    profile: Profile = "default",
    seeds: Annotated[str, typer.Option(help="Seeds of training, comma-separated.")] = "0",
    methods: Annotated[str, typer.Option(help="Comma-separated method names.")] = "cam",
    out: Annotated[Path | None, typer.Option(help="Record tree; default: runs/PROFILE/results.")] = None,
) -> None:
    """Measure how methods find one object that shrinks or is covered step by step (tabletop's controlled series)."""
    from wsss.series import measure_series

    runs = [_run(profile, "tabletop", {"seed": int(seed)}) for seed in seeds.split(",")]
    for path in measure_series(runs, _names(methods) or ("cam",), out or runs[0].folder / "results"):
        typer.echo(f"record {path}")


@app.command()
def report(
    records: Annotated[Path, typer.Option(help="Root of the record tree.")] = Path("results"),
    figures: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
    readme: Annotated[
        Path | None,
        typer.Option(
            help="README whose tables are written between markers; default: README.md, of other records none."
        ),
    ] = None,
) -> None:
    """Draw every chart and table anew from records alone.

    The committed records (`results`) must be complete, up to date and no smoke run; others are drawn as they are.
    """
    from wsss.report.ablations import draw_ablations
    from wsss.report.figures import regenerate
    from wsss.report.records import load_records
    from wsss.report.series import draw_series
    from wsss.results import check_committed

    found = load_records(records)
    if records == Path("results"):
        check_committed(found)
        readme = readme or Path("README.md")
    charts = regenerate(found, figures, readme)
    for path in charts + draw_ablations(records, figures) + draw_series(records, figures):
        typer.echo(path)


def main() -> None:
    """Run the command line; what users can mend is said in one line, without a traceback (`WSSS_DEBUG=1` shows it)."""
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        app()
    except WsssError as error:
        if os.environ.get("WSSS_DEBUG"):
            raise
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(1)
