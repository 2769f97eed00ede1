"""The commands that make the committed records, and draw tables and figures from them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wsss.checks import settings_of_environment
from wsss.cli.application import app
from wsss.cli.made import Made
from wsss.cli.method_names import methods_of, seeds_of
from wsss.cli.options import Root, RunOptions, Seed, of_a_run, open_run_of
from wsss.cli.settings import place_from
from wsss.errors import WsssError

if TYPE_CHECKING:
    from wsss.pipeline import Run

__all__: list[str] = []  # importing this module enters its commands

Out = Annotated[
    Path | None,
    typer.Option(help="Record tree; default: results/, of other profiles and settings runs/PROFILE/results."),
]
NyuFolder = Annotated[Path | None, typer.Option(help="Folder of NYU Depth v2.")]
VocFolder = Annotated[Path | None, typer.Option(help="VOC-layout folder with DepthMETER/.")]
NYUV2, VOC = Path("../shared/data/nyuv2"), Path("../shared/data/voc-animals")


def _tree_of(run: "Run") -> Path:
    """The tree of the committed records for the reference profile, which is theirs; for others, and where settings are
    not the profile's, the run's own."""
    theirs = run.config.profile == "reference" and not settings_of_environment()
    return Path("results") if theirs else run.folder / "results"


def _folders(*where: tuple[str, Path | None]) -> Iterator[tuple[str, str | None]]:
    """The data sets whose folder is there, with it; it is said which are skipped."""
    for name, root in where:
        if root is None or root.is_dir():
            yield name, str(root.resolve()) if root else None
        else:
            typer.echo(f"skipped {name}: no folder {root}")


@app.command("depth-quality")
@of_a_run("classes", "depth", "seed")
def depth_quality(
    options: RunOptions,
    depth: Annotated[str, typer.Option(help="Source to measure: learned, files:DIR, hf:MODEL, noisy-08, shuffled, ….")],
    split: Annotated[str, typer.Option(help="Split to measure on.")] = "test",
    out: Out = None,
) -> Made:
    """Compare a depth source with the sensor's: rank correlation, and errors in metres where the data has them."""
    from wsss.depth.declared import take_inline
    from wsss.experiments.depth_quality import depth_quality as measure

    measured, declared = take_inline(place_from(depth, Path()))
    sources = (*(options.sources or ()), *([declared] if declared else []))
    run = replace(options, sources=sources).open()
    folder = out or _tree_of(run)
    record = measure(run, measured, split, folder)
    for name in ("spearman", "spearman_objects", "abs_rel", "delta"):
        typer.echo(f"{name:17s} {'unknown' if record[name] is None else record[name]}")
    return Made({name: value for name, value in record.items() if name != "provenance"}, folder)


@app.command()
def results(
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            help="tabletop-0 (data and seed), tabletop (all its seeds), series, ablation, doubled, tools, budget.",
            metavar="PART",
        ),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Say which parts are there, and make nothing.")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="First take over the parts of another record tree, then merge.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Record tree.")] = Path("results"),
    nyuv2: NyuFolder = NYUV2,
    voc: VocFolder = VOC,
) -> Made:
    """Make what is missing of the committed records, part by part, and merge all parts that are there (many hours).

    An interrupted part goes on where it stopped, and may be made on another machine.
    """
    from wsss.experiments import parts as plan
    from wsss.machine.processes import is_main

    if settings_of_environment():
        raise WsssError("records are of the reference profile's own settings: unset WSSS_SETTINGS")
    wanted, where = plan.parts_named(parts or ()), {"tabletop": None, "nyuv2": nyuv2, "voc": voc}
    states: dict[str, dict[str, str]] = {}
    brought = plan.bring_parts(source, out) if source else []
    for part in () if source and not parts else wanted:
        root = where[part.data]
        if root is not None and not root.is_dir():
            typer.echo(f"{part.name}: skipped, no folder {root}")
            continue
        run = plan.open_part(part, root)
        if not listed:
            plan.make_part(part, run, out, typer.echo)
        states[part.name] = plan.part_state(part, run, out)
        if listed:
            typer.echo(f"{part.name}: {', '.join(map(': '.join, states[part.name].items())) or 'is there'}")
    merged: list[Path] = []
    if is_main() and not listed:
        merged = [path for data in plan.data_with_parts(out) for path in plan.merge_data(data, out)]
    return Made({"parts": states, "brought": brought, "records": merged}, out if merged else None)


@app.command()
def presets(
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Then measure on each data set what the preset without it loses (an hour)."),
    ] = False,
    seeds: Annotated[str, typer.Option(help="Random seeds of training, comma-separated; of --measure.")] = "0",
    nyuv2: NyuFolder = NYUV2,
    voc: VocFolder = VOC,
) -> Made:
    """Make the presets for photographs without masks anew from the committed records.

    With --measure, records say what each data set loses by the preset that leaves it out, what a few masks are worth,
    and what criteria without masks choose. Classifiers that are not in the cache are trained. An interrupted command
    goes on.
    """
    from wsss.experiments.plan import PRESET_IMAGES
    from wsss.experiments.preset_loss import measure_presets
    from wsss.experiments.presets import make_presets
    from wsss.methods.presets import PRESETS_FILE, write_presets
    from wsss.pipeline import open_run
    from wsss.records.store import load_records

    numbers = seeds_of(seeds)
    write_presets(make_presets(load_records(Path("results"))))
    if not measure:
        return Made({"presets": PRESETS_FILE}, PRESETS_FILE, what="The presets")
    runs = [
        [open_run("reference", name, seed=seed, root=root, report_limit=PRESET_IMAGES) for seed in numbers]
        for name, root in _folders(("voc", voc), ("nyuv2", nyuv2))
    ]
    records = measure_presets(runs, Path("results"), typer.echo)
    return Made({"presets": PRESETS_FILE, "records": records}, Path("results") if records else None)


@app.command()
@of_a_run("data", "root", "classes", "depth", "depth_kind", "source")
def ablate(options: RunOptions, out: Out = None) -> Made:
    """Change or switch off steps of the method in turn, on the tune split of `tabletop` (an hour; resumable)."""
    from wsss.experiments.ablation import ablate as measure
    from wsss.records.store import ablation_path

    run = options.open()
    folder = out or _tree_of(run)
    record = measure(run, folder, say=typer.echo)
    path = ablation_path(folder, record["data"], run.config.seed)
    return Made({"record": path, "rows": record["rows"]}, path, what="The record")


@app.command()
@of_a_run("data", "root", "classes", "depth", "seed")
def series(
    options: RunOptions,
    seeds: Annotated[str | None, typer.Option(help="Random seeds of training, comma-separated.  [default: 0]")] = None,
    methods: Annotated[str, typer.Option(help="Comma-separated method names.")] = "cam",
    out: Annotated[Path | None, typer.Option(help="Record tree; default: runs/PROFILE/results.")] = None,
) -> Made:
    """Measure how methods find one object that shrinks or is covered step by step (tabletop's controlled series)."""
    from wsss.experiments.series import measure_series

    compared = methods_of(methods) or ("cam",)
    each: list[dict[str, Any]] = [{"seed": seed} for seed in seeds_of(seeds)] or [{}]
    runs = [options.open(methods=compared, **seed) for seed in each]
    paths = measure_series(runs, compared, out or runs[0].folder / "results")
    for path in paths:
        typer.echo(f"record {path}")
    return Made({"records": paths}, out or runs[0].folder / "results")


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
        typer.Option(
            help="Folder of the stages; default: runs/rerun/, one a record, where an interrupted one goes on."
        ),
    ] = None,
) -> Made:
    """Make a record's numbers anew, from nothing but what it says of itself, and say whether they agree."""
    from wsss.experiments.rerun import rerun_record

    outcome = rerun_record(record, root=root, depth=depth, sources=source or (), checkpoint=checkpoint, cache=cache)
    for line in outcome.lines():
        typer.echo(line)
    differ = {"agrees": outcome.agrees, "largest_difference": outcome.largest, "different": outcome.different}
    return Made({"old": outcome.old["miou"], "new": outcome.new["miou"], **differ}, code=0 if outcome.agrees else 1)


@app.command()
def figures(
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
    only: Annotated[
        Literal["quickstart"] | None, typer.Option(help="Draw this picture alone: it needs no run, and takes seconds.")
    ] = None,
) -> Made:
    """Draw every figure anew: charts of the committed records, figure 1, pictures for each claim, and the README's.

    Pictures are of `tabletop`, reference profile; what is not in the cache is made first. The README's has its own.
    """
    from wsss.report.gallery import write_gallery
    from wsss.report.qualitative import draw_qualitative

    if only:
        return Made({"figures": _quickstart(out)}, out)
    run = open_run_of("reference", "tabletop", {"seed": seed})
    run.require_apart(out, inputs=[Path("results")])
    charts = report(Path("results"), out, None)
    drawn = [*charts.facts["figures"], *_said(draw_qualitative(run, out)), *_quickstart(out)]
    write_gallery(out)  # anew, with these
    return Made({"figures": drawn, "pages": charts.facts["pages"]}, out)


def _quickstart(out: Path) -> list[Path]:
    """Draw the picture of the first chapter, with the weights that are installed."""
    from wsss.methods.depth_cam import DepthCAM
    from wsss.methods.quickstart import looked_at, open_photograph
    from wsss.networks.backbones import imagenet_classifier
    from wsss.report.quickstart import draw_quickstart

    cam = DepthCAM(imagenet_classifier(), activation="softmax")
    return _said(draw_quickstart(looked_at(cam, open_photograph()), out))


def _said(paths: list[Path]) -> list[Path]:
    """The files, each named in a line."""
    for path in paths:
        typer.echo(path)
    return paths


@app.command()
def report(
    records: Annotated[Path, typer.Option(help="Root of the record tree.")] = Path("results"),
    figures: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
    pages: Annotated[
        list[Path] | None,
        typer.Option(
            "--page",
            help="Page whose marked tables are written, repeatable; default: all that have any; of other records none.",
        ),
    ] = None,
) -> Made:
    """Bring every chart and table up to date from records alone; what they already show is not drawn again.

    The committed records (`results`) must be complete, up to date and no smoke run; others are drawn as they are.
    """
    from wsss.checks import require_apart
    from wsss.experiments.committed import check_once
    from wsss.experiments.plan import CLAIMS
    from wsss.records.store import load_records
    from wsss.report.chart_list import all_charts
    from wsss.report.drawing import draw_charts, remove_others
    from wsss.report.gallery import write_gallery
    from wsss.report.pages import PAGES, load_others, write_tables

    require_apart(figures, records, remedy="Give another folder with --figures.")
    for page in pages or ():
        require_apart(page, records, remedy="Give another file with --page.")
    found = load_records(records)
    if committed := records.resolve() == Path("results").resolve():
        check_once(found, records)
        pages = pages or list(PAGES)
    charts = all_charts(found, records, figures)
    drawn = _said(draw_charts(charts))
    if committed:
        remove_others(figures, charts)
    for page in pages or ():
        write_tables(page, found, load_others(records, CLAIMS))
    written = [*(pages or ()), *([write_gallery(figures)] if committed else [])]
    return Made({"figures": drawn, "pages": _said(written)}, figures if charts else None)
