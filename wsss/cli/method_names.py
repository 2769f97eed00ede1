"""Names that are typed with commas between them."""

import csv
import os
import re
from pathlib import Path

from wsss.errors import WsssError, first_line

__all__ = ["classes_of", "methods_of", "names_of", "seeds_of"]


def names_of(text: str | None) -> tuple[str, ...] | None:
    """The comma-separated names of an option; None where it was not given."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else None


def seeds_of(text: str | None) -> tuple[int, ...]:
    """The random seeds of `--seeds`; none where it was not given.

    >>> seeds_of("0, 2")
    (0, 2)

    Raises:
        WsssError: one is no number from 0 on.
    """
    for each in names_of(text) or ():
        if not (each.isascii() and each.isdigit()):
            raise WsssError(f"--seeds {text or ''}: {each} is no number from 0 on")
    return tuple(map(int, names_of(text) or ()))


def classes_of(text: str | None) -> tuple[str, ...] | None:
    """The classes of `--classes`; None where it was not given. A name with a comma is in quotes, as in CSV.

    >>> classes_of('dog, "cat, black"')
    ('dog', 'cat, black')

    Raises:
        WsssError: it cannot be read so.
    """
    if not text or '"' not in text:
        return names_of(text)
    try:
        parts = next(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise WsssError(
            f"--classes {text}: {first_line(error)}. Write names with commas between them, and one that "
            "has a comma itself in quotes, as in --classes 'dog,\"cat, black\"'."
        ) from error
    return tuple(name.strip() for name in parts if name.strip())


def methods_of(text: str | None, root: Path | None = None) -> tuple[str, ...] | None:
    """The methods of `--methods`; None where it was not given.

    Args:
        root: folder of the data, in which depth folders may lie.

    Raises:
        WsssError: a depth folder among them has a comma, or a space at its end, in its name, which would part or
            shorten it.
    """
    parts = text.split(",") if text else []
    for at, part in enumerate(parts):
        place = re.search(r"@(?:.*[+])?(?:files|hf|learned):(.*)", part, re.DOTALL)
        if not place:
            continue
        rest = parts[at + 1 :]
        longer = [",".join([place[1], *rest[:count]]) for count in range(len(rest) + 1)]
        meant = [name for name in longer if name != place[1].strip() and _exists(name, root)]
        if meant or (rest and not _is_method(rest[0])):
            raise WsssError(
                f"--methods {text}: methods are parted at commas, and spaces around them left out, so a folder with "
                f"such a name needs another: --source NAME=files:DIR --methods {part.partition('@')[0].strip()}@NAME"
            )
    return names_of(text)


def _exists(place: str, root: Path | None) -> bool:
    """Whether there is such a file or folder, from here or in the data's folder."""
    try:
        return os.path.exists(os.path.expanduser(place)) or (root is not None and (root / place).exists())
    except (OSError, ValueError):
        return False


def _is_method(text: str) -> bool:
    """Whether a part of `--methods` begins with a method's name."""
    from wsss.methods.registry import METHODS

    return re.split("[@+]", text.strip(), maxsplit=1)[0] in METHODS
