"""The commands that hand over: labels and class maps to other toolboxes, networks as ONNX."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wsss.cli.made import Made
from wsss.cli.options import RunOptions, app, of_a_run
from wsss.cli.photographs import PresetName, Side, TuneMasks, open_labels, say_reduced
from wsss.cli.training_options import trains
from wsss.errors import WsssError
from wsss.methods.names import MethodName

if TYPE_CHECKING:
    from wsss.data.base import Dataset
    from wsss.pipeline import Run

__all__: list[str] = []  # importing this module enters its commands

Format = Literal["voc", "coco", "cam-npy"]


@app.command()
@of_a_run()
@trains()
def export(
    options: RunOptions,
    out: Annotated[Path, typer.Option(help="Folder to fill.")],
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="voc: PASCAL VOC's layout; coco: instances as JSON with run-length codes; cam-npy: class maps ID.npy "
            "(keys, cam, high_res) as IRN reads them.",
        ),
    ] = "voc",
    method: Annotated[
        str | None,
        typer.Option(
            help="Whose labels, such as depth+par-depth. Default: with --tags as in label; else the last of the "
            "setting label_methods."
        ),
    ] = None,
    val: Annotated[bool, typer.Option(help="Also the reported split with its true masks, as val.")] = False,
    images: Annotated[
        Path | None, typer.Option(help="Folder of own photographs, with --labels or --tags; it is only read.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Label maps as they are now in a folder of `wsss label` or `wsss predict`; nothing is made."),
    ] = None,
    tags: Annotated[
        str | None, typer.Option(help="Labels of `wsss label` with the same options, made where they are missing.")
    ] = None,
    tune_masks: TuneMasks = None,
    preset: PresetName = None,
    side: Side = None,
) -> Made:
    """Write images and labels, or class maps, in a format that other toolboxes read.

    Without --labels and --tags it is the pseudo-labels of a run's train split.
    """
    from wsss.experiments.own_photographs import require_usable_depth
    from wsss.pseudo.export import require_same_export

    _require_fitting(options, images, labels, tags, made_by_label=bool(tune_masks or preset or side), val=val)
    if images and labels:
        return _export_folder(images, labels, out, form, method, options.typed)
    if images and tags:
        run, name, _ = open_labels(options, images, tags, method, tune_masks, preset, side)
    else:
        run = options.open()
        name = method or run.config.label_methods[-1]
    if val and form == "cam-npy":
        raise WsssError("true masks have no class maps: leave out --val, or take another --format")
    run.require_apart(out, MethodName.parse(name).source, inputs=[run.cache])
    run.require_runs_apart()
    require_same_export(_exported(run, form), out, "train", form=form)
    if val:
        require_same_export(run.data("report"), out, "val", form=form)
    if tags:
        require_usable_depth(run, name)
        run.say_left_out()
        if form == "cam-npy":
            say_reduced(run, "So are their class maps.")
    lists = _export_run(run, name, out, form, val)
    typer.echo(
        f"{'class maps' if form == 'cam-npy' else 'pseudo-labels'} of {name}; lists {', '.join(map(str, lists))}"
    )
    return Made({"method": run.full_name(name), "format": form, "lists": lists}, out)


def _require_fitting(
    options: RunOptions, images: Path | None, labels: Path | None, tags: str | None, *, made_by_label: bool, val: bool
) -> None:
    """A `WsssError` where options of `export` contradict each other; `made_by_label`: one of `wsss label` is given."""
    if (images is None) != (labels is None and tags is None) or (labels and tags):
        raise WsssError("own photographs are exported with --images DIR and either --labels DIR or --tags FILE")
    if not tags and made_by_label:
        raise WsssError("--tune-masks, --preset and --side go with --tags: they say how `wsss label` made its maps")
    if images and (val or options.root or options.data not in ("tabletop", "photographs")):
        raise WsssError(
            "own photographs are no --data with a --root and a split val: leave out --val, --data and --root"
        )


def _export_run(run: "Run", name: str, out: Path, form: Format, val: bool) -> list[Path]:
    from wsss.pseudo.cam_files import export_cams
    from wsss.pseudo.export import export_coco, export_voc

    train = _exported(run, form)
    if form == "cam-npy":
        choice, key = run.choose_labels([name])[name], run.label_key(name)
        maps = run.labeller(name)
        return [export_cams(maps, name, choice, train, out, "train", identity=key, progress=run.progress)]
    write = export_coco if form == "coco" else export_voc
    lists = [write(train, run.pseudo_folder(name), out, "train", progress=run.progress)]
    return [*lists, write(run.data("report"), None, out, "val", progress=run.progress)] if val else lists


def _exported(run: "Run", form: Format) -> "Dataset":
    """The images that are written: with label maps photographs as they are, with class maps the copies these are of."""
    from wsss.data.photographs import TaggedPhotographs

    data = run.data("train")
    return data.at_own_size() if isinstance(data, TaggedPhotographs) and form != "cam-npy" else data


def _export_folder(
    images: Path, labels: Path, out: Path, form: Format, method: str | None, typed: Sequence[str]
) -> Made:
    from wsss.checks import require_apart
    from wsss.data.labelled import LabelledPhotographs
    from wsss.machine.processes import tell
    from wsss.pseudo.export import export_coco, export_voc, require_same_export

    if form == "cam-npy" or method:
        raise WsssError(
            "a folder of label maps has no class maps, and is of the method that made it: give --tags in place of "
            "--labels, or leave out --format cam-npy and --method"
        )
    used = {"--images", "--labels", "--out", "--format", "--json", "--quiet", "--runs", "--device"}
    if without_use := [name for name in typed if name not in used]:
        raise WsssError(
            f"a folder of label maps is exported as it is, and {', '.join(without_use)} would change nothing: leave "
            "that out"
        )
    data = LabelledPhotographs(images, labels)
    require_apart(out, images, labels)
    require_same_export(data, out, "train", form=form)
    for sentence in data.left_out:
        tell(f"{data.name}, left out: {sentence}")
    listed = (export_coco if form == "coco" else export_voc)(data, data.labels, out, "train")
    typer.echo(f"{len(data)} label maps of {labels}; list {listed}")
    return Made({"label_maps": len(data), "format": form, "lists": [listed], "left_out": data.left_out}, out)


@app.command("export-network")
def export_network(
    network: Annotated[
        Path,
        typer.Option(
            help="Network of `wsss segment` or `wsss label`, classifier of `wsss train`, or depth network of `wsss "
            "train-depth`."
        ),
    ],
    out: Annotated[Path, typer.Option(help="ONNX file to write.")],
) -> Made:
    """Write a trained network as ONNX: batch, height and width are free, images are RGB in [0, 1].

    The file is written once onnxruntime has given what torch gives. Class names are in its metadata.
    """
    from wsss.segmentation.onnx_file import export_onnx

    difference = export_onnx(network, out)
    typer.echo(f"largest difference from torch at two sizes: {difference:.1e}")
    return Made({"difference": difference, "onnx": out}, out, what="The ONNX file")
