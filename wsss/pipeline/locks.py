"""Two runs in one cache: what one is making the other waits for, and takes when it is done.

Locks are the system's own (`flock`), which a process that dies leaves open, so that none is ever stale. Beside each
lies a note of who holds it; a note without its lock tells of a process that was stopped in the middle, and what it left
half written goes.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from wsss.errors import WsssError
from wsss.io import read_json, temporary_stem, write_json

__all__ = ["Locks"]

POLL = 0.5  # seconds


def _to_stderr(text: str) -> None:
    tqdm.write(text, file=sys.stderr)


class Locks:
    """The locks of one process on files and folders of a cache that it is about to make.

    Another object in the same process is never waited for, which would be for ever.

    Args:
        folder: of the lock files, one for the whole cache.
        say: is told who is waited for, and who did not finish.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = _to_stderr) -> None:
        self._folder = folder
        self._say = say
        self._held: dict[Path, FileLock] = {}

    def acquire(self, targets: Iterable[Path]) -> None:
        """Take the lock of each target, after whoever holds it; those held by this object already are kept.

        Raises:
            WsssError: the folder of locks cannot be written.
        """
        # Always in the same order, so that no two processes wait for each other.
        for target in sorted(set(targets) - set(self._held)):
            try:
                self._acquire(target)
            except OSError as error:
                reason = error.strerror or error
                raise WsssError(
                    f"cannot lock in {self._folder}: {reason}. Check free space and permissions."
                ) from error

    def release(self, targets: Iterable[Path] | None = None) -> None:
        """Give back the locks of `targets`, or all of them; those that are not held are left out."""
        for target in list(self._held if targets is None else set(targets) & set(self._held)):
            _note(self._path(target)).unlink(missing_ok=True)
            self._held.pop(target).release()

    def release_made(self) -> None:
        """Give back the locks of those targets that are there now."""
        self.release([target for target in self._held if target.exists()])

    def _path(self, target: Path) -> Path:
        return self._folder / f"{target.parent.name}-{target.name}.lock"

    def _acquire(self, target: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(target)
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            # An earlier try in the same notebook, which failed before it had made the target.
            if _is_this_process(path):
                return
            self._say(f"waiting for {_holder(path)}, which is making {target}")
            lock.acquire(poll_interval=POLL)
        try:
            if _note(path).exists():
                self._say(f"{_holder(path)} stopped while it was making {target}; going on with it")
            _sweep(target)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            write_json(_note(path), {**_this_process(), "since": now})
        except BaseException:
            lock.release()
            raise
        self._held[target] = lock


def _note(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.json")


def _this_process() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname()}


def _is_this_process(lock: Path) -> bool:
    try:
        note = read_json(_note(lock))
    except WsssError:
        return False
    return isinstance(note, dict) and _this_process().items() <= note.items()


def _holder(lock: Path) -> str:
    try:
        note: dict[str, Any] = read_json(_note(lock))
        return f"process {note['pid']} on {note['host']} (since {note['since']})"
    except (WsssError, KeyError, TypeError):  # between taking the lock and writing the note
        return "another process"


def _sweep(target: Path) -> None:
    """Remove temporary files that a stopped process left of a target, see `wsss.io.atomic_path`; the lock is held."""
    folder, stem = (target, "*") if target.is_dir() else (target.parent, escape(temporary_stem(target)))
    for left in folder.glob(f".{stem}.*.part*"):
        left.unlink(missing_ok=True)
