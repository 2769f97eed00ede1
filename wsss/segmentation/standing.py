"""What a folder of label maps holds already: maps as they were made, and maps that somebody has corrected since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.data.labelled import FACTS
from wsss.data.masks import read_class_mask
from wsss.data.pictures import read_image
from wsss.data.tags import counted
from wsss.io import file_hash, read_json, write_json
from wsss.machine.processes import tell

__all__ = ["FACTS", "Standing", "note_maps", "tell_corrected", "without_stale"]

Identity = Mapping[str, str]
"""Of an image: hashes of its folder (`place`) and of its `contents`, and of the label map that was made (`map`)."""


def without_stale(out: Path, before: Mapping[str, Identity], now: Mapping[str, Identity]) -> dict[str, dict[str, str]]:
    """Identities of all images of a folder; the map of an image that was replaced is deleted, if nobody corrected it.

    Args:
        before, now: by the images' names, of earlier commands and of this one.
    """
    known = {name: dict(identity) for name, identity in before.items()}
    for name, identity in now.items():
        made = before.get(name, {}).get("map")
        target = out / f"{name}.png"
        replaced = name in before and before[name]["contents"] != identity["contents"] and target.is_file()
        if replaced and (made is None or file_hash(target) == made):
            target.unlink()
            made = None
        known[name] = {**identity, **({"map": made} if made else {})}
    return dict(sorted(known.items()))


@dataclass
class Standing:
    """The label maps of a folder's images, told apart by the hashes of those that were made.

    Attributes:
        done: names of images whose maps are as they were made.
        corrected: of those whose maps somebody has changed.
        unknown: of those whose maps came from a command that was stopped, or of an earlier version.
    """

    done: set[str] = field(default_factory=set)
    corrected: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, out: Path, names: Sequence[str]) -> "Standing":
        """Of the images of these names, by `labels.json`."""
        images, found = read_json(out / FACTS)["images"], cls()
        for name in names:
            if (target := out / f"{name}.png").is_file():
                made = images.get(name, {}).get("map")
                group = found.unknown if made is None else found.done if file_hash(target) == made else found.corrected
                group.add(name)
        return found

    def keeps(self, name: str, target: Path, label: NDArray[np.uint8]) -> bool:
        """Whether the map that lies there is not the one that is made now, so that somebody corrected it."""
        if name not in self.unknown or np.array_equal(read_image(target, mode=None), label):
            return False
        self.corrected.add(name)
        return True


def corrected_map(target: Path, size: tuple[int, ...], classes: Sequence[str]) -> NDArray[np.uint8]:
    """A map that somebody has corrected, `H×W uint8`; a `WsssError` names it where it does not fit its image."""
    return read_class_mask(target, size, len(classes))


def note_maps(out: Path, made: Mapping[str, str]) -> None:
    """Enter the hashes of label maps, by name, into `labels.json`."""
    facts: dict[str, Any] = read_json(out / FACTS)
    for name, digest in made.items():
        facts["images"][name]["map"] = digest
    write_json(out / FACTS, facts)


def tell_corrected(names: Sequence[str]) -> None:
    """Say which maps were left as they are, if there are any."""
    if names:
        tell(f"corrected by hand, and kept as they are: {counted(sorted(names), 'label map')}")
