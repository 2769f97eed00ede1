"""Weights that were released, by name: where their files are, and what they must hold.

`released.json` beside this file has an entry for each name, which stands for a folder as `save_pretrained` writes it:
`what` (one sentence: which network, of which data, labels and record), `licence`, and `files`, which gives of
`README.md`, `config.json` and `model.safetensors` each the `url` (https) and the `sha256` (64 hexadecimal digits).

Names are of small letters, digits and hyphens. `README.md`, the card, and `config.json` may be missing. The file is
empty until there is a release.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsss.errors import WsssError
from wsss.io import read_json
from wsss.machine.downloads import download
from wsss.networks.pretrained import CARD, CONFIG, WEIGHTS
from wsss.paths import cache_folder

__all__ = ["REGISTRY", "RemoteFile", "Weights", "fetch_weights", "read_registry"]

REGISTRY = Path(__file__).with_name("released.json")
"""The file that names what was released."""

_FILES = (CARD, CONFIG, WEIGHTS)
"""In the order in which they are downloaded: a folder with weights is complete."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web: its address, and the SHA-256 of its contents."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Weights:
    """Weights of a release.

    Attributes:
        what: they are, in a sentence.
        licence: of them.
        files: by name, as in a folder of `save_pretrained`.
    """

    what: str
    licence: str
    files: Mapping[str, RemoteFile]


def read_registry(path: Path = REGISTRY) -> dict[str, Weights]:
    """What was released, by name.

    Raises:
        WsssError: the file is broken, or an entry is not as the format says, such as an address without https.
    """
    held = read_json(path)
    try:
        return {_name(name): _entry(entry) for name, entry in held.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WsssError(f"{path} does not say what was released ({error!r}). Install the package anew.") from error


def _name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"name {name!r}")
    return name


def _entry(entry: Mapping[str, Any]) -> Weights:
    files = {name: RemoteFile(each["url"], each["sha256"]) for name, each in entry["files"].items()}
    if WEIGHTS not in files or not set(files) <= set(_FILES):
        raise ValueError(f"files {', '.join(files)}")
    for name, file in files.items():
        if not file.url.startswith("https://"):
            raise ValueError(f"{name} without https: {file.url}")
        if not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
            raise ValueError(f"{name} with the SHA-256 {file.sha256}")
    what, licence = entry["what"], entry["licence"]
    if not isinstance(what, str) or not isinstance(licence, str):
        raise TypeError("what and licence must be text")
    return Weights(what, licence, files)


def fetch_weights(name: str, folder: Path | None = None, *, released: Mapping[str, Weights] | None = None) -> Path:
    """Download weights of a release, with their card; files that are there already are checked and kept.

    Args:
        name: of the weights.
        folder: to fill; default: `weights/NAME` in `$WSSS_CACHE` or `~/.cache/wsss`.
        released: what there is to choose from; default: what was released with this package.

    Returns:
        The folder, for `from_pretrained`, or its `model.safetensors` for `DepthCAM.from_checkpoint` and `--network`.

    Raises:
        WsssError: no weights have this name, or a file cannot be had (see `wsss.machine.downloads.download`).
    """
    known = read_registry() if released is None else released
    if name not in known:
        there = f"choose from {', '.join(known)}" if known else "none are released yet: train some with `wsss train`"
        raise WsssError(f"there are no released weights {name!r}; {there}")
    folder = folder or cache_folder() / "weights" / name
    for file in (each for each in _FILES if each in known[name].files):
        download(known[name].files[file].url, known[name].files[file].sha256, folder / file)
    return folder
