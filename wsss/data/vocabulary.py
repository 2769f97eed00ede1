"""Which classes a folder in VOC layout has: the names of its mask ids, and those of them that it is about."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wsss.data.base import IGNORE
from wsss.data.folder import is_file
from wsss.errors import WsssError
from wsss.io import read_json

__all__ = ["VOC_CLASSES", "ClassChoice", "choose_classes", "read_class_names"]

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""VOC's classes in the order of the mask ids 1…20."""

NO_CLASS = re.compile(
    r"[\W\d_]*(back[\W_]*ground|bg|ignored?|ignore[\W_]*(label|index)|un-?labell?ed|void)([\W_]*class)?[\W\d_]*"
    r"|[\W\d_]*|(#|//|<|\[).*|\d+[\s:;,=.)].*|.*[:;\t].*|.*\d\s*,\s*\d+\s*,\s*\d.*|.*(\s\d+){3}|.*,\s*\d+",
    re.IGNORECASE,
)
"""What a line of `classes.txt` may not be.

A name of background or void, also with its id; a comment; a number, alone or before a name; a line of a label map.
"""

FIRST_LINES = re.compile(
    r"none|nothing|null|_.*_|empty|unknown|undefined|others?|n/?a"
    r"|no[\W_]*(object|class|label)|not[\W_]*labell?ed|don'?t[\W_]*care"
    r"|((id|index)[\W_]+)?((class|label|category)[\W_]*)?names?|class(es)?|labels?|categor(y|ies)",
    re.IGNORECASE,
)
"""What its first line may not be either: names that stand for id 0 in the lists of other tools, and headings."""

FACTS = ("labels.json", "export.json")
"""Files of `wsss label`, `predict` and `export` that name the classes too."""

USUAL = 0.05
"""Share of the images from which on a folder with VOC's own names, but not with all their classes, is about a class."""


def read_class_names(root: Path) -> tuple[str, ...]:
    """Names of the mask ids 1…N: the lines of `root/classes.txt` where there is one, else VOC's twenty.

    A folder that this package has filled says the names a second time: then nothing has to be guessed, and a class may
    be called `others` or `10 euro`.

    Raises:
        WsssError: the file is unreadable or empty, repeats a name, has more than 254 names, or a line that is no class
            name (see `NO_CLASS` and `FIRST_LINES`): every name after it would be one off.
    """
    file = root / "classes.txt"
    if not is_file(file):
        return VOC_CLASSES
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WsssError(f"cannot read {file}: {error}. It must name one class a line, in UTF-8.") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names or len(names) >= IGNORE or len(set(names)) < len(names):
        raise WsssError(f"{file} must name the mask ids 1…N (N < 255), one a line, each once, background left out.")
    if names == _written_here(root):
        return names
    wrong = next((name for name in names if NO_CLASS.fullmatch(name)), None)
    if wrong is None and FIRST_LINES.fullmatch(names[0]):
        wrong = names[0]
    if wrong is not None:
        raise WsssError(
            f"{file} must name the mask ids 1…N, one a line, names alone, background left out: {wrong[:40]!r} is no "
            "class name."
        )
    return names


def _written_here(root: Path) -> tuple[str, ...] | None:
    """The class names in the file by which this package says what it has filled a folder with; None without one."""
    for file in (root / name for name in FACTS if is_file(root / name)):
        with suppress(WsssError):
            held = read_json(file)
            if isinstance(held, dict) and isinstance(held.get("classes"), list):
                return tuple(str(name) for name in held["classes"])
    return None


@dataclass(frozen=True)
class ClassChoice:
    """The classes that a folder is about, when the user names none, and those that are background there.

    Attributes:
        used: names, in the order of the vocabulary.
        absent: those that no image shows.
        rare: those that are left out though some images show them.
    """

    used: tuple[str, ...]
    absent: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()

    def sentence(self, split: str) -> str:
        """What is left out and why, in one line; empty where nothing is."""
        parts = []
        if self.absent:
            parts.append(f"in no image of {split}: {', '.join(self.absent)}")
        if self.rare:
            parts.append(f"in less than {USUAL:.0%} of its images: {', '.join(self.rare)} (--classes can name them)")
        return f"classes: {', '.join(self.used)}; background are those {' and those '.join(parts)}" if parts else ""


def choose_classes(labels: np.ndarray, names: Sequence[str], place: str) -> ClassChoice:
    """The classes that a folder is about, when the user names none: all that occur.

    Of VOC's own twenty names, where some of the classes are missing, the folder is a selection of VOC's images, and
    about the classes that occur in at least `USUAL` of them.

    Args:
        labels: `(N,C) bool`, the image labels of a training split.
        names: of the C classes.
        place: of that split, for messages.

    Raises:
        WsssError: no class is left.
    """
    often = labels.mean(axis=0)
    least = USUAL if tuple(names) == VOC_CLASSES and not (often > 0).all() else 0.0
    choice = ClassChoice(
        tuple(name for name, share in zip(names, often, strict=True) if share > 0 and share >= least),
        tuple(name for name, share in zip(names, often, strict=True) if not share),
        tuple(name for name, share in zip(names, often, strict=True) if 0 < share < least),
    )
    if not choice.used and choice.rare:
        raise WsssError(
            f"each class of {place} is in less than {USUAL:.0%} of its images: {', '.join(choice.rare)}. "
            "Name those that you mean with --classes."
        )
    if not choice.used:
        raise WsssError(
            f"no mask or annotation of {place} shows any class of "
            f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}: there is nothing to learn. Masks must hold the "
            "class ids 1…N, of which classes.txt has the names."
        )
    return choice
