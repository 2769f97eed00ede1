"""The files of a folder that are pictures, whatever the suffix; none is passed over in silence."""

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from wsss.errors import WsssError, is_one_line

__all__ = [
    "FOREIGN",
    "SUFFIXES",
    "PictureFolder",
    "files_below",
    "is_foreign",
    "is_picture",
    "refusal",
    "require_writable_name",
    "sorted_out",
]

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""Of picture files that are read, in small or capital letters."""

FOREIGN = (
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".gif", ".psd",
    ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2",
)  # fmt: skip
"""Of picture files that cannot be read here: they are refused by name, or it is said that they are left out."""


def is_picture(name: str) -> bool:
    """Whether a file of this name is a picture that can be read; hidden ones, such as half-written files, are none."""
    return Path(name).suffix.lower() in SUFFIXES and name[0] != "."


def is_foreign(name: str) -> bool:
    """Whether a file of this name is a picture of a kind that cannot be read here."""
    return Path(name).suffix.lower() in FOREIGN and name[0] != "."


def refusal(path: Path) -> WsssError:
    """What is said of a picture of a foreign kind."""
    return WsssError(
        f"{path} is a picture of a kind that is not read here ({', '.join(SUFFIXES)} are). Convert "
        f"it and move it away, for instance with ImageMagick: mogrify -format jpg {path.name}"
    )


def sorted_out(paths: Iterable[Path]) -> tuple[list[Path], list[Path], list[Path]]:
    """The pictures among some files, foreign ones beside a picture of the same name, and the other foreign ones.

    A foreign one beside a picture is what that was converted from, or a camera's raw file.
    """
    files = list(paths)
    pictures = [path for path in files if is_picture(path.name)]
    foreign = [path for path in files if is_foreign(path.name)]
    names = {path.with_suffix("") for path in pictures}
    beside = [path for path in foreign if path.with_suffix("") in names]
    return pictures, beside, [path for path in foreign if path.with_suffix("") not in names]


def files_below(folder: Path, *, below: bool = True) -> tuple[list[Path], list[Path]]:
    """All files of a folder and, with `below`, of the folders in it, sorted, and the folders that cannot be opened.

    Hidden files and folders are none. Links to folders are followed, except to one that holds the link.
    """
    found, closed = [], []
    waiting: list[tuple[Path, tuple[Path, ...]]] = [(folder, (Path(os.path.realpath(folder)),))]
    while waiting:
        place, above = waiting.pop()
        try:
            names = os.listdir(place)
        except OSError:
            closed.append(place)
            continue
        for path in (place / name for name in names if name[0] != "."):
            if os.path.isfile(path):
                found.append(path)
            elif below and os.path.isdir(path):
                real = Path(os.path.realpath(path))
                if not any(each.is_relative_to(real) for each in above):
                    waiting.append((path, (*above, real)))
    return sorted(found), sorted(closed)


def require_writable_name(path: Path, name: str) -> None:
    """Raise a `WsssError` where the name of a picture cannot stand in a list of names, a page or a file in UTF-8."""
    if not is_one_line(name):
        raise WsssError(
            f"the name of {path} has signs that no list of names can hold (written here with backslashes). Rename it."
        )


class PictureFolder:
    """The pictures of a folder by id, the name without its suffix. The folder is listed once, when first asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _by_id(self) -> dict[str, list[str]]:
        try:
            names = sorted(os.listdir(self.folder))
        except OSError:
            return {}  # said when a picture is needed
        found: dict[str, list[str]] = {}
        for name in names:
            if is_picture(name) or is_foreign(name):
                found.setdefault(Path(name).stem, []).append(name)
        return found

    def path(self, picture: str) -> Path:
        """The file of a picture; `ID.jpg`, which is then said to be missing, where there is none.

        Raises:
            WsssError: the only one is of a foreign kind, or there are two.
        """
        names: Sequence[str] = self._by_id.get(picture, (f"{picture}.jpg",))
        if len(names) > 1:
            raise WsssError(
                f"{self.folder} has {len(names)} pictures of {picture}: {', '.join(names)}. Keep the one that the mask "
                "is of."
            )
        if is_foreign(names[0]):
            raise refusal(self.folder / names[0])
        return self.folder / names[0]
