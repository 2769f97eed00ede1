"""Files that are either whole or absent: everything is written under a temporary name and then renamed."""

import hashlib
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from wsss.errors import WsssError

__all__ = [
    "atomic_path",
    "content_hash",
    "file_hash",
    "read_array",
    "read_json",
    "read_table",
    "read_toml",
    "require_undamaged",
    "temporary_stem",
    "write_array",
    "write_json",
]

LONGEST_NAME = 255
"""Bytes that a file's name may have in the file systems in use."""

_ADDED = len("..12345678.part")
"""What `tempfile` and `atomic_path` add to a stem: dots, random signs, a mark."""

_DIGITS = 16  # of the hash in a stem that was cut


def temporary_stem(target: Path) -> str:
    """What the temporary names of a file begin with, after a dot: its stem, or what fits of that and a hash of it."""
    stem = os.fsencode(target.stem)
    room = LONGEST_NAME - _ADDED - len(os.fsencode(target.suffix))
    if len(stem) <= room:
        return target.stem
    digits = hashlib.sha256(stem).hexdigest()[:_DIGITS]
    return f"{stem[: max(0, room - _DIGITS - 1)].decode('utf-8', 'ignore')}~{digits}"


_UMASK = os.umask(0)  # there is no way to ask but to set it
os.umask(_UMASK)


@contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it to `target` when the block ends without an error.

    A process that is killed inside the block leaves `target` as it was. Parent folders are made.

    Raises:
        WsssError: the folder cannot be written or the disk is full; the message names the path.
    """
    target = Path(target)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix, suffix = f".{temporary_stem(target)}.", f".part{target.suffix}"
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror or error
        raise WsssError(f"cannot write {target}: {reason}. Check free space and permissions of its folder.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(target: str | os.PathLike[str], content: Any) -> None:
    """Write `content` as indented JSON, atomically. NaN and infinity are refused: they are not JSON."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8")


def read_json(source: str | os.PathLike[str]) -> Any:
    """Read JSON; a missing or broken file, or one with NaN or infinity in it, is a `WsssError` that names it."""
    try:
        return json.loads(Path(source).read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise WsssError(f"cannot read {source}: {error}. Delete it and run the stage again.") from error


def read_table(source: str | os.PathLike[str]) -> dict[str, Any]:
    """`read_json` of a file that holds names with values; anything else is a `WsssError` that names it."""
    found = read_json(source)
    if not isinstance(found, dict):
        raise WsssError(f"cannot read {source}: it holds a {type(found).__name__}, no table. Delete it and run again.")
    return found


def write_array(target: Path, array: np.ndarray) -> None:
    """Write one array, compressed and atomically."""
    with atomic_path(target) as path, path.open("wb") as file:
        np.savez_compressed(file, array=array)


def require_undamaged(archive: NpzFile) -> None:
    """Raise a `ValueError` where a checksum is wrong: NumPy stops reading an array before its checksum is compared."""
    damaged = archive.zip.testzip() if archive.zip else None
    if damaged is not None:
        raise ValueError(f"{damaged} in it is damaged")


def read_array(source: Path) -> np.ndarray:
    """Read what `write_array` wrote; a missing or broken file is a `WsssError` that names it."""
    try:
        with np.load(source, allow_pickle=False) as file:
            require_undamaged(file)
            array: np.ndarray = file["array"]
    except Exception as error:  # NumPy, zip and zlib raise a dozen types on a broken file
        raise WsssError(f"cannot read {source}: {error}. Delete it and run the stage again.") from error
    return array


def read_toml(path: Path, *, missing: str, broken: str = "", what: str = "") -> dict[str, Any]:
    """The tables of a TOML file that a user wrote.

    Args:
        missing, broken: what to do about a file that cannot be read, or is no TOML.
        what: of the file, for the message, with a space at its end.

    Raises:
        WsssError: missing or no TOML; the message names it and the remedy.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WsssError(f"cannot read {what}{path}: {error.strerror}. {missing}") from error
    except (ValueError, RecursionError) as error:  # of the format, the encoding, a number of thousands of digits
        raise WsssError(f"{path} is no TOML: {error}{f'. {broken}' if broken else ''}") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


def content_hash(content: Any) -> str:
    """SHA-256 of the canonical JSON of `content` (keys sorted, no spaces): the key of the stage cache."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def file_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's contents; a missing or unreadable file is a `WsssError` that names it."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WsssError(f"cannot read {path}: {error.strerror}.") from error
