"""What files hold, as hashes: the part of a cache key that says which inputs a stage has read.

A file is read once. After that its hash is remembered, in `contents.sqlite` of the runs folder, with what the disk says
of it: size, times of modification and change, and inode. A second run on 10,000 images asks the disk only.
"""

import hashlib
import json
import os
import sqlite3
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from wsss.errors import WsssError
from wsss.io import content_hash, file_hash
from wsss.paths import runs_folder

__all__ = ["file_hashes", "folder_hash", "weights_hash"]

State = tuple[int, int, int, int]
"""Size in bytes, times of modification and change in nanoseconds, inode."""

SETTLED = 2_000_000_000
"""Nanoseconds: a file younger than this may change within the same tick of the disk's clock; it is not remembered."""

_THREADS = 4  # hashing leaves the interpreter's lock, and waits for the disk

_known: dict[str, tuple[State, str]] = {}


def file_hashes(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """SHA-256 of the contents of each file, in order, read anew only where the disk says that it has changed.

    Raises:
        WsssError: a file is missing or unreadable; the message names it.
    """
    names = [os.path.abspath(path) for path in paths]
    states = {name: _state(name) for name in names}
    store, known = _store(), {name: _known[name] for name in states if name in _known}
    strange = _changed(states, known)
    if strange:
        known |= _remembered(store, strange)
        changed = _changed(states, known)
        with ThreadPoolExecutor(_THREADS) as pool:
            known |= {
                name: (states[name], text) for name, text in zip(changed, pool.map(file_hash, changed), strict=True)
            }
        settled = time.time_ns() - SETTLED
        kept = {name: known[name] for name in strange if max(states[name][1:3]) < settled}
        _known.update(kept)
        _remember(store, {name: kept[name] for name in changed if name in kept})
    return [known[name][1] for name in names]


def _changed(states: Mapping[str, State], known: Mapping[str, tuple[State, str]]) -> list[str]:
    """The files that are unknown, or were other when they were read."""
    return [name for name, state in states.items() if name not in known or known[name][0] != state]


def folder_hash(folder: Path) -> str:
    """Hash of the names and contents of the files in a folder, hidden ones left out, wherever it lies.

    A folder that cannot be read has the hash of an empty one: whoever opens it says what is wrong.

    Raises:
        WsssError: one of its files is unreadable; the message names it.
    """
    try:
        files = sorted(Path(entry) for entry in os.scandir(folder) if entry.is_file() and entry.name[0] != ".")
    except OSError:
        files = []
    return content_hash(list(zip((file.name for file in files), file_hashes(files), strict=True)))


def weights_hash(path: Path) -> str:
    """Hash of a checkpoint's tensors and of its metadata, whatever their order in the file.

    safetensors writes metadata in random order, so that two equal trainings may leave files of different bytes. Of a
    file of another format, or a broken one, it is the hash of its bytes.

    Raises:
        WsssError: the file is missing or unreadable; the message names it.
    """
    whole = file_hash(path)
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length)) if length < os.path.getsize(path) else None
        if not isinstance(header, dict):
            return whole
        metadata = header.pop("__metadata__", {})
        if len(metadata) < 2:  # written in one order only
            return whole
        tensors = [[name, each["dtype"], each["shape"], each["data_offsets"]] for name, each in sorted(header.items())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error):
        return whole
    with open(path, "rb") as file:
        file.seek(8 + length)
        data = hashlib.file_digest(file, "sha256").hexdigest()
    return content_hash([metadata, tensors, data])


def _state(name: str) -> State:
    try:
        found = os.stat(name)
    except (OSError, ValueError) as error:
        raise WsssError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}.") from error
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


# The store is a convenience: where it cannot be used, files are read once a process.


def _store() -> Path:
    return runs_folder() / "cache" / "contents.sqlite"


def _remembered(store: Path, names: Sequence[str]) -> dict[str, tuple[State, str]]:
    """What the store knows of these files, up to date or not."""
    try:
        if not store.exists():
            return {}
        with closing(sqlite3.connect(store, timeout=5)) as base:
            rows = [row for part in _parts(names) for row in base.execute(_select(len(part)), part)]
        return {
            os.fsdecode(name): ((size, changed, status, int(node)), text)
            for name, size, changed, status, node, text in rows
        }
    except (sqlite3.OperationalError, PermissionError):  # locked, or not to be read
        return {}
    except (sqlite3.Error, OSError, TypeError, ValueError):  # somebody else's file, or half of one
        with suppress(OSError):
            store.unlink()
        return {}


def _parts(names: Sequence[str], size: int = 500) -> Iterator[list[bytes]]:
    for start in range(0, len(names), size):
        yield [os.fsencode(name) for name in names[start : start + size]]


def _select(count: int) -> str:
    return f"SELECT name, size, mtime, ctime, inode, sha256 FROM files WHERE name IN ({','.join('?' * count)})"


def _remember(store: Path, found: Mapping[str, tuple[State, str]]) -> None:
    if not found:
        return
    # Inodes of some file systems have 64 bits, which SQLite keeps as text.
    rows = [
        (os.fsencode(name), size, changed, status, str(node), text)
        for name, ((size, changed, status, node), text) in found.items()
    ]
    with suppress(sqlite3.Error, OSError):
        store.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(store, timeout=5)) as base, base:
            base.execute(
                "CREATE TABLE IF NOT EXISTS files "
                "(name BLOB PRIMARY KEY, size INTEGER, mtime INTEGER, ctime INTEGER, inode TEXT, sha256 TEXT)"
            )
            base.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)
