"""Checks the committed records once for the same records and code: it takes torch, whose import takes longer than all else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.errors import WsssError
from wsss.io import content_hash, file_hash, read_json, runs_folder, write_json

__all__ = ["check_once"]


def check_once(records: Sequence[Mapping[str, Any]], root: Path) -> None:
    """`check_committed`, unless it has already found these files good with this code; `checked.json` in `runs/` says so.

    Args:
        records: all below `root`.
        root: of the record tree.

    Raises:
        WsssError: see `wsss.experiments.committed.check_committed`.
    """
    mark, state = runs_folder() / "checked.json", {"passed": _state(root)}
    if _read(mark) == state:
        return
    from wsss.experiments.committed import check_committed

    check_committed(records, root)
    write_json(mark, state)


def _state(root: Path) -> str:
    """Hash of the records and of this package's sources, names and contents."""
    package = Path(__file__).parent.parent
    files = [
        (base, path) for base, kind in ((root, "json"), (package, "py")) for path in sorted(base.rglob(f"*.{kind}"))
    ]
    return content_hash([[str(path.relative_to(base)), file_hash(path)] for base, path in files])


def _read(mark: Path) -> Any:
    try:
        return read_json(mark) if mark.exists() else None
    except WsssError:  # broken: as good as none
        return None
