"""The commands for one's own photographs, of which there are tags, and masks of none or a few."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsss.checks import settings_of_environment
from wsss.cli.made import Made
from wsss.cli.options import PhotographDepth, RunOptions, app, of_a_run
from wsss.cli.training_options import trains
from wsss.paths import short_path, typed_path

if TYPE_CHECKING:
    from wsss.experiments.worth import Worth
    from wsss.pipeline import Run

__all__ = ["PresetName", "Side", "TuneMasks", "open_labels", "say_reduced"]  # importing this module enters its commands

Images = Annotated[Path, typer.Option(help="Folder of photographs; it is only read.")]
TagFile = Annotated[
    str,
    typer.Option(
        help="CSV (file,tag;tag or one column a class), metadata.jsonl, COCO's instances.json, a folder of VOC's XML "
        "files; or folders, where each class has a folder of its own in --images."
    ),
]
TuneMasks = Annotated[
    Path | None,
    typer.Option(
        help="Masks of some of the photographs, on which parameters and threshold are chosen: a folder of ID.png with "
        "classes.txt, or COCO's instances.json with outlines."
    ),
]
PresetName = Annotated[
    str | None,
    typer.Option(
        help="Parameters and threshold without masks: photographs (default), nyuv2 (chosen with measured depth), "
        "without-nyuv2, without-voc-animals."
    ),
]

Side = Annotated[
    int | None,
    typer.Option(
        min=64,
        max=16384,
        help="Larger photographs are reduced to that many pixels on the long side; label maps have their own size. "
        "Default: 768, in the profile full 1536.",
    ),
]

_EPOCHS = "classifier.epochs"
"""The setting that follows from the number of photographs where nobody gives it."""

FEW = 20
"""Masks below which it is said that so few may choose by chance."""


def _open(options: RunOptions, images: Path, tags: str, **settings: Any) -> "Run":
    """The run; `--depth none` opens it without a source, since no method asks for one.

    Of few photographs the classifier has more epochs than the profile's, unless somebody says how many (`_EPOCHS`).
    """
    from wsss.data.tags import FOLDERS
    from wsss.depth.names import NO_DEPTH
    from wsss.experiments.own_photographs import enough_epochs

    own = replace(options, data="photographs", root=images)
    if options.depth == NO_DEPTH:
        own = replace(own, depth="constant")
    settings["tags"] = tags if tags == FOLDERS else str(typed_path(tags).resolve())
    run = own.open(**settings)
    if not _chooses_epochs(run):
        return run
    epochs = enough_epochs(len(run.data("train")), run.config.classifier)
    return run if epochs == run.config.classifier.epochs else own.open(**settings | {_EPOCHS: epochs})


def _chooses_epochs(run: "Run") -> bool:
    """Whether epochs follow from the number of photographs: nobody said them, and it is not the profile of tests."""
    return run.config.profile != "smoke" and _EPOCHS not in settings_of_environment()


def _with_depth(
    options: RunOptions, images: Path, tags: str, names: Sequence[str], **settings: Any
) -> "tuple[Run, str | None]":
    """The run; where nobody named a depth source and the hub cannot be reached, with a network of `wsss train-depth`,
    and then also the source that it takes the place of."""
    from wsss.experiments.own_photographs import learned_in_place_of_hub
    from wsss.machine.processes import tell

    run = _open(options, images, tags, **settings)
    named = options.depth is not None or "depth" in settings_of_environment()
    network = None if named else learned_in_place_of_hub(run, names)
    if network is None:
        return run, None
    tell(f"{run.config.depth} cannot be had from the hub: depth is predicted by {short_path(network)}")
    own = replace(options, depth=f"learned:{network.absolute()}")
    return _open(own, images, tags, **settings), run.config.depth


def open_labels(
    options: RunOptions,
    images: Path,
    tags: str,
    method: str | None,
    tune_masks: Path | None,
    preset: str | None,
    side: int | None,
) -> "tuple[Run, str, str | None]":
    """The run of `wsss label`, the method of its labels, and the depth source that could not be had, if any."""
    from wsss.depth.names import NO_DEPTH
    from wsss.errors import WsssError
    from wsss.experiments.own_photographs import default_method, looks_at_depth

    name = method or default_method(options.depth)
    if options.depth == NO_DEPTH and looks_at_depth(name):
        raise WsssError(
            f"{name} looks at depth, and --depth none says that there is none: give --method rgb-region, or other depth"
        )
    only: dict[str, Any] = dict.fromkeys(("methods", "pseudo_methods", "label_methods"), (name,))
    chosen = {"tune_masks": _resolved(tune_masks), "preset": preset, "photograph_side": side}
    run, missing = _with_depth(options, images, tags, [name], **only, **chosen)
    return run, name, missing


def _warn_of_few(run: "Run") -> None:
    from wsss.machine.processes import tell

    masks = 0 if run.preset else len(run.data("tune"))
    if 0 < masks < FEW:
        tell(f"{masks} masks choose parameters and threshold: fewer than {FEW} may choose by chance")


def _say_epochs(run: "Run") -> None:
    from wsss.machine.processes import tell
    from wsss.pipeline.profiles import profile

    usual, epochs = profile(run.config.profile, "photographs").classifier.epochs, run.config.classifier.epochs
    if _chooses_epochs(run) and epochs > usual:
        tell(f"few photographs ({len(run.data('train'))}): the classifier has {epochs} epochs, not {usual} (--epochs)")


def say_reduced(run: "Run", then: str = "Label maps have the photographs' own size.") -> None:
    """Say which photographs are looked at as smaller copies, if any, and what that is for what is made."""
    from wsss.data.photographs import TaggedPhotographs
    from wsss.data.tags import counted
    from wsss.machine.processes import tell

    data = run.data("train")
    large = data.larger if isinstance(data, TaggedPhotographs) else ()
    if large:
        tell(
            f"{counted(large)} of more than {run.config.photograph_side:,} pixels on the long side: reduced to as "
            f"many first (--side). {then}"
        )


def _resolved(folder: Path | None) -> str | None:
    return str(typed_path(folder).resolve()) if folder else None


@app.command()
@of_a_run("data", "root", depth=PhotographDepth)
@trains()
def label(
    options: RunOptions,
    images: Images,
    tags: TagFile,
    out: Annotated[
        Path, typer.Option(help="Folder to fill: label maps, classes.txt, labels.json, review.html, review.csv.")
    ],
    method: Annotated[
        str | None,
        typer.Option(
            help="Such as depth, rgb-region, zoom, cam, depth+par; default: depth, with --depth none rgb-region."
        ),
    ] = None,
    network: Annotated[bool, typer.Option(help="Also train a network on the labels: network.safetensors.")] = False,
    tune_masks: TuneMasks = None,
    preset: PresetName = None,
    side: Side = None,
) -> Made:
    """Label photographs of which there are tags alone: train the classifier, write pseudo-labels and a page for review.

    Depth is --depth files:DIR, learned:FILE or hf:MODEL; where none is named it is predicted by a model of the Hugging
    Face hub, offline by the newest network of train-depth. --depth none takes regions of colour instead.
    """
    from wsss.data.labelled import FACTS
    from wsss.data.tags import counted
    from wsss.experiments.own_photographs import (
        NETWORK,
        require_label_folder,
        require_usable_depth,
        require_usable_files,
        write_label_folder,
        write_network,
    )
    from wsss.machine.lazy import needed
    from wsss.machine.processes import tell
    from wsss.pipeline.cards import write_card
    from wsss.report.review import review_labels

    if network:  # said now, not after the classifier's training
        needed("segmentation_models_pytorch", "--network")
    run, name, missing = open_labels(options, images, tags, method, tune_masks, preset, side)
    run.require_apart(out)
    run.require_runs_apart()
    require_usable_depth(run, name)
    require_label_folder(run, name, out)
    run.say_left_out()
    _warn_of_few(run)
    _say_epochs(run)
    say_reduced(run)
    if not (out / FACTS).exists():  # else they were read before that was written
        require_usable_files(run, name)
    facts = write_label_folder(run, name, out, missing)
    page = review_labels(run, name, out, facts)
    if doubt := facts["classifier_doubt"]:
        tell(doubt)
    typer.echo(f"{facts['images']} label maps of {facts['method']} in {out}; {facts['scores']}")
    if corrected := facts["corrected"]:
        typer.echo(f"corrected by hand, and kept as they are: {counted(corrected)}")
    if network:
        trained = write_network(run, name, out, bool(corrected))
        write_card(run, trained, name)
        typer.echo(f"network for `wsss predict`: {trained}")
    elif corrected and (out / NETWORK).exists():
        typer.echo(f"{out / NETWORK} may have learnt before maps were corrected: with --network it learns from them")
    typer.echo(f"look through them, least certain first: {page}")
    return Made({**facts, "review": page}, out)


@app.command()
@of_a_run("data", "root", depth=PhotographDepth)
@trains()
def compare(
    options: RunOptions,
    images: Images,
    tags: TagFile,
    tune_masks: Annotated[
        Path,
        typer.Option(
            help="Masks of some of the photographs, twenty or so: a folder of ID.png with classes.txt, or COCO's "
            "instances.json with outlines."
        ),
    ],
    preset: PresetName = None,
    side: Side = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write, too.")] = None,
) -> Made:
    """Say by a few masks what plain maps, zoom, colour and depth are worth on own photographs, and which to use."""
    from wsss.depth.names import NO_DEPTH
    from wsss.experiments.own_photographs import require_usable_depth
    from wsss.experiments.worth import COMPARED, advice, compare_methods, plain_worth
    from wsss.io import write_json
    from wsss.machine.processes import tell
    from wsss.methods.presets import PHOTOGRAPHS, read_preset

    names = tuple(name for name in COMPARED if name != "depth" or options.depth != NO_DEPTH)
    chosen_on = {"tune_masks": _resolved(tune_masks), "preset": preset, "photograph_side": side}
    run, _ = _with_depth(options, images, tags, names, methods=names, **chosen_on)
    run.require_runs_apart()
    if out is not None:
        run.require_apart(out)
    for name in names:
        require_usable_depth(run, name)
    run.say_left_out()
    _say_epochs(run)
    say_reduced(run)
    chosen = read_preset(preset or PHOTOGRAPHS)
    found = compare_methods(run, chosen, names)
    if doubt := run.classifier_doubt():
        tell(doubt)
    _print_worth(run, found, chosen.name)
    typer.echo(advice(found))
    facts: dict[str, Any] = {"masks": len(run.data("tune")), "preset": chosen.name, "advice": advice(found)}
    facts["methods"] = plain_worth(found)
    if out is not None:
        write_json(out, facts)
    return Made(facts, out, what="The comparison")


def _print_worth(run: "Run", found: "list[Worth]", preset: str) -> None:
    import pandas as pd

    from wsss.report.text import interval_text, number_text, signed

    rows = {}
    for one in found:
        differences = {
            f"− {name}": f"{signed(value)} {interval_text(edges)}" for name, (value, edges) in one.against.items()
        }
        own = {"mIoU": number_text(one.miou), "95 %": interval_text(one.interval), "by preset": number_text(one.preset)}
        rows[run.full_name(one.method)] = own | {name: differences.get(name, "") for name in ("− cam", "− rgb-region")}
    typer.echo(f"{len(run.data('tune'))} masks, each scored with what was chosen on the others; preset: {preset}")
    typer.echo(pd.DataFrame(rows).T.rename_axis("method").to_string())
