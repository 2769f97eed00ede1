"""Networks in folders as Hugging Face's hub has them: `save_pretrained` and `from_pretrained`, with a model card.

A folder holds `model.safetensors`, which is the checkpoint itself, `config.json`, what it says of itself for people and
for the hub, and `README.md`, the card. To publish it: `hf upload owner/name FOLDER`.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from wsss.checks import require_apart, require_folder
from wsss.errors import WsssError
from wsss.io import atomic_path, file_hash, read_json, write_json
from wsss.networks.pretrained import CARD, CONFIG, WEIGHTS, pretrained_file
from wsss.paths import typed_path
from wsss.records.record import Record
from wsss.segmentation.any_checkpoint import AnyCheckpoint, Network, load_any, save_any
from wsss.segmentation.model_card import model_card

__all__ = ["card_beside", "from_pretrained", "save_pretrained"]

WEIGHTS_HASH = "SHA-256 of the weights"
"""Fact of a card."""

OURS = "library_name: wsss-depth-cam"
"""A line of every card."""


def from_pretrained(place: str | Path, *, revision: str | None = None) -> Any:
    """A network from a folder of `save_pretrained`, a checkpoint's file, or a repository of the hub.

    Nothing that a repository holds is run: weights are read from safetensors.

    Args:
        place, revision: see `wsss.networks.pretrained.pretrained_file`.

    Returns:
        What its own loader gives: a `Predictor` (segmentation network), the pair of `load_classifier`, or a
        `DepthNetwork`.

    Raises:
        WsssError: there is none, it is broken or of something else, or the hub cannot be reached.
    """
    return load_any(pretrained_file(place, revision=revision)).network


def save_pretrained(
    network: Network | str | Path,
    folder: str | Path,
    *,
    license: str = "unknown",
    trained_on: str | None = None,
    record: str | Path | None = None,
    training: Mapping[str, Any] | None = None,
) -> Path:
    """Write a network into a folder, with a model card; the card is written last.

    A folder that holds the same network already keeps its card, which somebody may have edited.

    Args:
        network: a checkpoint of `wsss train`, `wsss segment` or `wsss train-depth`; or what `load_classifier`,
            `load_predictor` or `load_depth_network` gave.
        folder: a new one, or one of the same network.
        license: of the weights, as the hub names licences, such as `mit` or `cc-by-4.0`.
        trained_on: what the network has learnt from, in a sentence for the card.
        record: a record of this package with its scores; it must be of the same classes.
        training: settings that it was trained with, plain values by name.

    Returns:
        The folder.

    Raises:
        WsssError: the network cannot be read, the folder holds something else, or the record is of something else.
    """
    folder = typed_path(folder)
    require_folder(folder)
    given = typed_path(network) if isinstance(network, str | Path) else None
    if given is not None:
        given = pretrained_file(given) if given.is_dir() else given
        load_any(given)  # a broken one leaves no folder
        require_apart([folder / name for name in (WEIGHTS, CONFIG, CARD)], given, remedy="Give another folder.")
    with atomic_path(folder / WEIGHTS) as path:
        if given is not None:
            shutil.copyfile(given, path)
        else:
            save_any(path, cast(Network, network))
        _require_same(folder, path)
        held = load_any(path)
        more, name = {WEIGHTS_HASH: file_hash(path)}, folder.resolve().name
        card = model_card(held, name, license, trained_on, _record(record, held), training, more)
    write_json(folder / CONFIG, _config(held))
    if not (folder / CARD).exists():
        with atomic_path(folder / CARD) as path:
            path.write_text(card, encoding="utf-8")
    return folder


def card_beside(
    checkpoint: Path,
    *,
    license: str = "unknown",
    trained_on: str | None = None,
    record: str | Path | None = None,
    training: Mapping[str, Any] | None = None,
) -> Path:
    """Write the model card of a checkpoint beside it, `NAME.md` for `NAME.safetensors`.

    A card that names these weights by their hash stays, since somebody may have edited it; one of other weights is
    replaced. A file of that name that is no card stays, too.

    Args:
        license, trained_on, record, training: see `save_pretrained`.

    Returns:
        The card.

    Raises:
        WsssError: the checkpoint cannot be read, or the record is of something else.
    """
    card, digest = checkpoint.with_suffix(".md"), file_hash(checkpoint)
    known = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else None
    if card.exists() and (known is None or OURS not in known or digest in known):
        return card
    held = load_any(checkpoint)
    text = model_card(
        held, checkpoint.name, license, trained_on, _record(record, held), training, {WEIGHTS_HASH: digest}
    )
    with atomic_path(card) as path:
        path.write_text(text, encoding="utf-8")
    return card


def _require_same(folder: Path, weights: Path) -> None:
    """Raise a `WsssError` if a folder holds another network, or files that do not belong to one."""
    present = {path.name for path in folder.iterdir() if path != weights and path.name[0] != "."}
    known = folder / WEIGHTS
    if present and (not known.is_file() or file_hash(known) != file_hash(weights)):
        raise WsssError(f"{folder} holds {min(present)} already, and not this network. Give another folder.")


def _record(path: str | Path | None, held: AnyCheckpoint) -> Record | None:
    if path is None:
        return None
    record = read_json(typed_path(path))
    known = record.get("classes") if isinstance(record, dict) else None
    stage = "segmentation" if held.kind == "segmentation network" else "cam"
    if not isinstance(known, list) or tuple(known) != held.classes or record.get("stage") != stage:
        raise WsssError(
            f"{path} is no record of this {held.kind}: it must be of the stage {stage} and of the classes "
            f"{', '.join(held.classes) or 'none: a depth network has no record'}"
        )
    return cast(Record, record)


def _config(held: AnyCheckpoint) -> dict[str, Any]:
    return {
        "library_name": "wsss-depth-cam",
        "kind": held.kind,
        "classes": list(held.classes),
        "mean": list(held.mean),
        "std": list(held.std),
        "side": held.side,
        **{name: value for name, value in held.facts.items() if name != "trained_on"},
    }
