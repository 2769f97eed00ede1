"""Which files hold depth, and of which image: those of a folder, `DIR`, or of a pattern, `DIR/{id}_depth.npy`.

In a pattern `{id}` stands for the image's id and `{number}` for the last digits of it, so that
`scan/depth_{number}.png` is the map of `frame_00012`. No shell changes a name in braces without a comma. Without a
suffix at its end a pattern, like a folder, has maps of every format.
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from wsss.data.picture_files import files_below
from wsss.errors import WsssError

__all__ = ["SUFFIXES", "WHOLE_FOLDER", "in_capitals", "looked_for", "matching", "present_in", "split_pattern"]

SUFFIXES = (".png", ".npy", ".npz", ".tiff", ".tif")
"""Of files that may hold a depth map."""

WHOLE_FOLDER = "{id}"
"""The pattern of a folder alone: maps are named by the image's id, whatever their format."""

_HOLDER = re.compile(r"\{(id|number)\}")


def split_pattern(place: str) -> tuple[str, str]:
    """The folder of `DIR` or `DIR/PATTERN`, and the pattern in it.

    >>> split_pattern("scans/lidar"), split_pattern("scans/{id}/depth.tiff"), split_pattern("{id}_depth.npy")
    (('scans/lidar', '{id}'), ('scans', '{id}/depth.tiff'), ('.', '{id}_depth.npy'))
    """
    holder = _HOLDER.search(place)
    if holder is None:
        return place, WHOLE_FOLDER
    start = place.rfind("/", 0, holder.start()) + 1
    return place[: max(start - 1, 1)] if start else ".", place[start:]


def looked_for(pattern: str, image: str) -> list[str]:
    """The files, as seen from the folder, of which one must hold the depth of an image.

    >>> looked_for("{id}_depth.npy", "0001"), looked_for("depth_{number}.png", "frame_00012")
    (['0001_depth.npy'], ['depth_00012.png'])

    Raises:
        WsssError: the pattern asks for a number, and the image's id has none.
    """
    digits = re.findall(r"[0-9]+", image)
    if "{number}" in pattern and not digits:
        raise WsssError(f"depth files {pattern}: the id of image {image} has no number. Write {{id}} in the pattern.")
    name = _HOLDER.sub(lambda holder: image if holder[1] == "id" else digits[-1], pattern)
    return [name] if name.lower().endswith(SUFFIXES) else [name + suffix for suffix in SUFFIXES]


def in_capitals(pattern: str, image: str) -> list[str]:
    """What is `looked_for`, with suffixes in capitals; none where the pattern says the suffix.

    >>> in_capitals("{id}", "a")[:2], in_capitals("{id}.npy", "a")
    (['a.PNG', 'a.NPY'], [])
    """
    names = looked_for(pattern, image)
    if len(names) == 1:
        return []
    return [name.removesuffix(suffix) + suffix.upper() for name, suffix in zip(names, SUFFIXES, strict=True)]


def present_in(folder: Path, names: Iterable[str]) -> set[str]:
    """Those of some names of files, as seen from a folder, that are there; each folder is listed once.

    Raises:
        OSError: the folder itself cannot be read.
    """
    parents = {name.rpartition("/")[0] for name in names}
    listed = {"": {entry.name for entry in os.scandir(folder) if entry.is_file()}}
    for parent in parents - {""}:
        with suppress(OSError):
            listed[parent] = {f"{parent}/{entry.name}" for entry in os.scandir(folder / parent) if entry.is_file()}
    return set().union(*listed.values())


def matching(folder: Path, pattern: str, *, below: bool = True) -> list[str]:
    """All files of a folder that hold the depth of some image, as seen from it and in order.

    With `below` also those in folders of it, linked ones too. Hidden ones are left out. There are none in a folder that
    cannot be read.
    """
    expected = _expression(pattern)
    found = (path.relative_to(folder).as_posix() for path in files_below(folder, below=below)[0])
    return sorted(name for name in found if expected.fullmatch(name))


def _expression(pattern: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def part(text: str, holder: bool) -> str:
        if not holder:
            return re.escape(text)
        if text in seen:  # the same image's
            return f"(?P={text})"
        seen.add(text)
        return f"(?P<{text}>{'.+' if text == 'id' else '[0-9]+'})"

    pieces = [part(text, number % 2 == 1) for number, text in enumerate(_HOLDER.split(pattern))]
    either = [re.escape(each) for suffix in SUFFIXES for each in (suffix, suffix.upper())]
    end = "" if pattern.lower().endswith(SUFFIXES) else f"(?:{'|'.join(either)})"
    return re.compile("".join(pieces) + end, re.DOTALL)
