"""The commands that make the committed records, and draw tables and figures from them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsss.cli.options import Data, DepthKind, Profile, Root, Seed, Sources, app, methods_of, open_run_of, settings_of
from wsss.errors import WsssError

if TYPE_CHECKING:
    from wsss.pipeline import Run

__all__: list[str] = []  # importing this module enters its commands


def _tree_of(run: "Run") -> Path:
    """The tree of the committed records for the default profile, which is theirs; for others the run's own."""
    return Path("results") if run.config.profile == "default" else run.folder / "results"


@app.command("depth-quality")
def depth_quality(
    depth: Annotated[str, typer.Option(help="Source to measure: learned, files:DIR, hf:MODEL, noisy-08, shuffled, ….")],
    profile: Profile = "default",
    data: Data = "tabletop",
    root: Root = None,
    depth_kind: DepthKind = None,
    source: Sources = None,
    split: Annotated[str, typer.Option(help="Split to measure on.")] = "test",
    out: Annotated[Path | None, typer.Option(help="Record tree; default: results/, of other profiles runs/.")] = None,
) -> None:
    """Compare a depth source with the sensor's: rank correlation, and errors in metres where the data has them."""
    from wsss.depth.declared import take_inline
    from wsss.experiments.depth_quality import depth_quality as measure

    given = settings_of(root, None, None, depth_kind, 0, source)
    measured, declared = take_inline(settings_of(root, None, depth, None, 0)["depth"])
    given["sources"] = (*(given["sources"] or ()), *([declared] if declared else [])) or None
    run = open_run_of(profile, data, given)
    record = measure(run, measured, split, out or _tree_of(run))
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
    from wsss.experiments.plan import RESULT_LABELS, RESULT_METHODS
    from wsss.experiments.results import write_all
    from wsss.pipeline import open_run
    from wsss.records.store import STAGES

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
        compared: dict[str, Any] = {"methods": RESULT_METHODS[name], "pseudo_methods": RESULT_LABELS[name]}
        runs = [open_run("default", name, seed=int(seed), root=folder, **compared) for seed in seeds.split(",")]
        write_all(runs, Path("results"), typer.echo, [each for each in STAGES if stage in (None, each)])


@app.command()
def presets() -> None:
    """Make the presets for photographs without masks anew from the committed records."""
    from wsss.experiments.presets import make_presets
    from wsss.io import write_json
    from wsss.methods.presets import PRESETS_FILE
    from wsss.records.store import load_records

    write_json(PRESETS_FILE, make_presets(load_records(Path("results"))))
    typer.echo(PRESETS_FILE)


@app.command()
def ablate(
    profile: Profile = "default",
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Record tree; default: results/, of other profiles runs/.")] = None,
) -> None:
    """Change or switch off steps of the method in turn, on the tune split of `tabletop` (half an hour; resumable)."""
    from wsss.experiments.ablation import ablate as measure
    from wsss.records.store import ablation_path

    run = open_run_of(profile, "tabletop", {"seed": seed})
    folder = out or _tree_of(run)
    record = measure(run, folder, say=typer.echo)
    typer.echo(f"record {ablation_path(folder, record['data'], seed)}")


@app.command()
def series(
    profile: Profile = "default",
    seeds: Annotated[str, typer.Option(help="Seeds of training, comma-separated.")] = "0",
    methods: Annotated[str, typer.Option(help="Comma-separated method names.")] = "cam",
    depth_kind: DepthKind = None,
    source: Sources = None,
    out: Annotated[Path | None, typer.Option(help="Record tree; default: runs/PROFILE/results.")] = None,
) -> None:
    """Measure how methods find one object that shrinks or is covered step by step (tabletop's controlled series)."""
    from wsss.experiments.series import measure_series

    compared = methods_of(methods) or ("cam",)
    given = settings_of(None, None, None, depth_kind, 0, source) | {"methods": compared}
    runs = [open_run_of(profile, "tabletop", given | {"seed": int(seed)}) for seed in seeds.split(",")]
    for path in measure_series(runs, compared, out or runs[0].folder / "results"):
        typer.echo(f"record {path}")


@app.command()
def rerun(
    record: Annotated[Path, typer.Argument(help="A record of seeds, pseudo-labels, networks, or of `evaluate`.")],
    root: Root = None,
    depth: Annotated[
        str | None, typer.Option(help="Where the record's depth files lie, if not in the data's folder.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", help="NAME=files:DIR: where a depth source of the record's method lies; repeatable."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The classifier that a record of `evaluate` was made with.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of the stages; default: runs/rerun/, one a record, so that a broken rerun goes on."),
    ] = None,
) -> None:
    """Make a record's numbers anew, from nothing but what it says of itself, and say whether they agree."""
    from wsss.experiments.rerun import rerun_record

    outcome = rerun_record(record, root=root, depth=depth, sources=source or (), checkpoint=checkpoint, cache=cache)
    for line in outcome.lines():
        typer.echo(line)
    if not outcome.agrees:
        raise typer.Exit(1)


@app.command()
def figures(
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
) -> None:
    """Draw every figure anew: charts of the committed records, figure 1, and pictures for each claim.

    Pictures are of `tabletop`, default profile; stages that are not in the cache are made first (a quarter of an hour).
    """
    from wsss.report.qualitative import draw_qualitative

    run = open_run_of("default", "tabletop", {"seed": seed})
    run.require_apart(out, inputs=[Path("results")])
    report(Path("results"), out, None)
    for path in draw_qualitative(run, out):
        typer.echo(path)


@app.command()
def report(
    records: Annotated[Path, typer.Option(help="Root of the record tree.")] = Path("results"),
    figures: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
    pages: Annotated[
        list[Path] | None,
        typer.Option(
            "--page",
            help="Page whose marked tables are written, repeatable; default: README.md, docs/results.md; of other "
            "records none.",
        ),
    ] = None,
) -> None:
    """Bring every chart and table up to date from records alone; what they already show is not drawn again.

    The committed records (`results`) must be complete, up to date and no smoke run; others are drawn as they are.
    """
    from wsss.checks import require_apart
    from wsss.experiments.committed import check_once
    from wsss.records.store import load_records
    from wsss.report.ablation_charts import ablation_charts
    from wsss.report.chart_list import record_charts
    from wsss.report.drawing import draw_charts
    from wsss.report.pages import PAGES, write_tables
    from wsss.report.series_charts import series_charts

    require_apart(figures, records, remedy="Give another folder with --figures.")
    for page in pages or ():
        require_apart(page, records, remedy="Give another file with --page.")
    found = load_records(records)
    if records.resolve() == Path("results").resolve():
        check_once(found, records)
        pages = pages or list(PAGES)
    charts = record_charts(found, figures) + ablation_charts(records, figures) + series_charts(records, figures)
    for path in draw_charts(charts):
        typer.echo(path)
    for page in pages or ():
        write_tables(page, found)
        typer.echo(page)
