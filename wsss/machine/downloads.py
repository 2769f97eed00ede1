"""Files from the web, checked by their SHA-256: whole under their name, or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pooch
import requests
from filelock import FileLock

from wsss.checks import switched_on
from wsss.errors import WsssError, first_line
from wsss.io import file_hash

__all__ = ["download"]

CHUNK = 1 << 16  # bytes that are written at once

_RANGE_ENDS_BEFORE_IT = 416  # status of a server whose file is no longer than what is there


def download(url: str, sha256: str, target: Path) -> Path:
    """Download a file, or take the one that is there.

    What came before the connection broke is kept beside it, as `.NAME.part`. The next call goes on there, if the server
    sends parts of files.

    Args:
        url: of the file.
        sha256: of its contents, 64 hexadecimal digits.
        target: where it is to be.

    Returns:
        `target`.

    Raises:
        WsssError: no answer, a connection that broke, contents with another SHA-256, a folder that cannot be written,
            or another file at `target`.
    """
    if target.exists():
        if target.is_file() and file_hash(target) == sha256:
            return target
        raise WsssError(f"{target} is there and is another file than that of {url}. Delete it, or give another folder.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            if not target.exists():
                _fetch(url, sha256, target)
    except requests.RequestException as error:
        raise WsssError(
            f"cannot download {target.name} from {url}: {first_line(error)}. Check the network and try again: it goes "
            "on where it stopped."
        ) from error
    except OSError as error:
        raise WsssError(
            f"cannot write {target}: {error.strerror or error}. Check free space and permissions of its folder."
        ) from error
    return target


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Wait for other processes that download the same file: two that append to one would spoil it."""
    lock = target.with_name(f".{target.name}.lock")
    with FileLock(lock):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows deletes no file that is open
                lock.unlink()


def _fetch(url: str, sha256: str, target: Path) -> None:
    """Go on with what is there of a file, or begin it."""
    part = target.with_name(f".{target.name}.part")
    if not (part.exists() and _received(url, sha256, part)):
        part.unlink(missing_ok=True)  # of another file, or spoilt: from the beginning
        if not _received(url, sha256, part):
            part.unlink()
            raise WsssError(
                f"what comes from {url} is not the file that was named: its SHA-256 is another. Try again later, or "
                "report it."
            )
    os.replace(part, target)


def _received(url: str, sha256: str, part: Path) -> bool:
    """Append to `part` what is missing of a file; whether its contents are right then."""
    start = part.stat().st_size if part.exists() else 0

    with part.open("ab") as file:

        def begin(response: Any, **_: Any) -> None:
            if response.status_code == requests.codes.ok:  # the whole file, whatever was asked for
                file.truncate(0)

        ask = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        load = pooch.HTTPDownloader(not switched_on("WSSS_HEADLESS"), CHUNK, headers=ask, hooks={"response": begin})
        try:
            load(url, file, None)
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code != _RANGE_ENDS_BEFORE_IT:
                raise
    return file_hash(part) == sha256
