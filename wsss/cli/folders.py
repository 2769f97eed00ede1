"""The commands for folders of others: label their images, score their data."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from wsss.cli.made import Made, facts_of
from wsss.cli.options import Data, Methods, RunOptions, app, of_a_run
from wsss.errors import WsssError

__all__: list[str] = []  # importing this module enters its commands

OnError = Literal["stop", "skip"]


@app.command()
def predict(
    network: Annotated[Path, typer.Option(help="Network of segment or of label --network.")],
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    out: Annotated[Path, typer.Option(help="Folder to fill with label maps, and with pictures in overlays/.")],
    overlays: Annotated[bool, typer.Option(help="Also the label maps laid over the images.")] = True,
    on_error: Annotated[OnError, typer.Option(help="At an unreadable image: stop, or skip it.")] = "stop",
) -> Made:
    """Label every image of a folder with a trained network: VOC-palette PNGs, no image labels and no depth needed."""
    from wsss.checks import require_apart
    from wsss.segmentation.folder import predict_folder, shares
    from wsss.segmentation.predictor import load_predictor

    skipped: list[str] = []

    def skip(error: WsssError) -> None:
        skipped.append(str(error))
        typer.secho(f"skipped: {error}", fg=typer.colors.YELLOW, err=True)

    require_apart(out, network)
    predictor = load_predictor(network)
    labels = predict_folder(predictor, images, out, overlays=overlays, skip=skip if on_error == "skip" else None)
    found = shares(labels, predictor.classes)
    typer.echo(f"{len(labels)} label maps")
    for name, share in found.items():
        typer.echo(f"{share:5.1f} % {name}")
    return Made({"label_maps": len(labels), "percent": found, "skipped": skipped}, out)


@app.command()
@of_a_run("profile", "data", "seed", opens=False)
def evaluate(
    options: RunOptions,
    checkpoint: Annotated[Path, typer.Option(help="Classifier from `wsss train`.")],
    out: Annotated[Path, typer.Option(help="Root of the record tree to write.")],
    data: Data = "voc",
    split: Annotated[str, typer.Option(help="Split to score.")] = "val",
    methods: Methods = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score at most so many images, evenly spaced.")] = None,
    on_error: Annotated[
        OnError, typer.Option(help="At an unreadable file: stop, or skip its image and record that.")
    ] = "stop",
) -> Made:
    """Score CAM and depth-guided CAM on any folder, with the parameters stored in the checkpoint.

    Nothing is tuned here.
    """
    from wsss.experiments.evaluate import evaluate_folder
    from wsss.report.tables import stage_table

    settings = options.settings()
    written: list[Path] = []
    records = evaluate_folder(
        checkpoint,
        out,
        data=data,
        root=settings["root"],
        split=split,
        classes=settings["classes"],
        depth=settings["depth"],
        depth_kind=settings["depth_kind"],
        sources=settings["sources"] or (),
        methods=options.methods(methods),
        limit=limit,
        on_error=on_error,
        on_written=written.append,
    )
    typer.echo(stage_table(records, records[0]["data"], "cam", records[0]["split"]).to_string())
    for image in records[0]["skipped"]:
        typer.echo(f"skipped {image['id']}: {image['reason']}")
    for path in written:
        typer.echo(f"record {path}")
    return Made({"records": facts_of(records, written)}, out)
