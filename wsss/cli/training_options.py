"""The options of the commands that train: backbone, weights, epochs, batch size and number of images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from wsss.checks import settings_of_environment
from wsss.cli.adding import Command, adds
from wsss.cli.environment import environment
from wsss.cli.made import Made
from wsss.errors import WsssError

__all__ = ["trains"]

OPTIONS: dict[str, Any] = {
    "backbone": Annotated[
        str | None, typer.Option(help="Of classifier and depth network: a timm model; default: tf_efficientnet_lite0.")
    ],
    "weights": Annotated[Path | None, typer.Option(help="File of the backbone's weights, .safetensors or .pth.")],
    "epochs": Annotated[
        int | None, typer.Option(help="Of the classifier's training; of train-depth: the depth network's.")
    ],
    "batch_size": Annotated[int | None, typer.Option(help="Images per training step, of all networks.")],
    "limit": Annotated[int | None, typer.Option(help="Train on at most so many images, evenly spaced.")],
}


def trains(epochs: str = "classifier.epochs") -> Callable[[Command], Command]:
    """Give a command the options of training; `open_run` then opens its runs with them, by the environment, which
    kernels of notebooks have too.

    Below `of_a_run`, so that they go before its `--set` and `--config`.

    Args:
        epochs: the setting that `--epochs` changes.
    """

    def handle(command: Command, chosen: dict[str, Any], given: dict[str, Any]) -> Made | None:
        settings = _settings(epochs, **chosen)
        known = json.dumps(settings_of_environment() | settings) if settings else None
        with environment(WSSS_SETTINGS=known):
            return command(**given)

    return adds({name: (annotation, None) for name, annotation in OPTIONS.items()}, handle)


def _settings(
    epochs_of: str,
    *,
    backbone: str | None,
    weights: Path | None,
    epochs: int | None,
    batch_size: int | None,
    limit: int | None,
) -> dict[str, Any]:
    if weights is not None and not weights.is_file():
        raise WsssError(f"no file {weights}; give the backbone's weights with --weights")
    networks = ("classifier", "segmentation", "depth_training")
    changes = {
        "classifier.backbone": backbone,
        "classifier.weights": str(weights.resolve()) if weights else None,
        epochs_of: epochs,
        **{f"{network}.batch_size": batch_size for network in networks},
        "train_limit": limit,
    }
    return {name: value for name, value in changes.items() if value is not None}
