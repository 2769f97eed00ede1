"""Which photograph a name in a file of tags means, though other systems write names in other ways."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from unicodedata import normalize

from wsss.data.picture_files import is_foreign

__all__ = ["NamedFiles", "composed", "named_files"]


@dataclass(frozen=True)
class NamedFiles:
    """What names mean.

    Attributes:
        of: file of each name that means one.
        several: names that may mean more than one file, or share one with another name.
        missing: names of what is not there.
    """

    of: Mapping[str, str]
    several: tuple[str, ...]
    missing: tuple[str, ...]


def composed(name: str) -> str:
    """A name with its accents in Unicode's composed form (NFC): macOS takes letters and accents apart.

    >>> len("cafe\\u0301"), len(composed("cafe\\u0301"))
    (5, 4)
    """
    return normalize("NFC", name)


def _as_path(name: str) -> str:
    return Path(name).as_posix()


def _of_windows(name: str) -> str:
    return PureWindowsPath(name).as_posix()


def _composed_path(name: str) -> str:
    return composed(_of_windows(name))


def _folded(name: str) -> str:
    return composed(_composed_path(name).casefold())


_LOOSE = (_of_windows, _composed_path, _folded)
"""Forms in which a name and a file are compared one after the other where they are not the same."""


def named_files(names: Sequence[str], files: Sequence[str]) -> NamedFiles:
    """Find the file of each name: the same path, with suffix or without, or with the suffix of what it was made from.

    What is left is compared with Windows' separators, in composed form, and in small letters. It then counts only
    where one name fits one file, and no name is that of the file itself.

    Args:
        files: as paths below their folder with `/`.
    """
    of = {name: fits[0] for name, fits in _fits(names, files, _as_path).items() if fits}
    left, several = [name for name in dict.fromkeys(names) if name not in of], dict[str, None]()
    for form in _LOOSE:
        if not left:
            break
        taken, rivals = set(of.values()), dict[str, list[str]]()
        for name, fits in _fits(left, files, form).items():
            if len(fits) > 1:
                several[name] = None
            elif fits and fits[0] not in taken:
                rivals.setdefault(fits[0], []).append(name)
        of |= {alike[0]: file for file, alike in rivals.items() if len(alike) == 1}
        several |= dict.fromkeys(name for alike in rivals.values() if len(alike) > 1 for name in alike)
        left = [name for name in left if name not in of and name not in several]
    return NamedFiles(of, tuple(several), tuple(left))


def _fits(names: Iterable[str], files: Sequence[str], form: Callable[[str], str]) -> dict[str, list[str]]:
    """The files that each name fits, when both are brought to one form; a full name goes before one without suffix."""
    full, stems = dict[str, list[str]](), dict[str, list[str]]()
    for file in files:
        full.setdefault(form(file), []).append(file)
        stems.setdefault(form(_without_suffix(file)), []).append(file)

    def fitting(name: str) -> list[str]:
        key = form(name)
        converted = stems.get(form(_without_suffix(name)), []) if is_foreign(Path(name).name or ".") else []
        return full.get(key) or stems.get(key) or converted

    return {name: fitting(name) for name in dict.fromkeys(names)}


def _without_suffix(file: str) -> str:
    return file.removesuffix(Path(file).suffix)
