"""Records of experiments of each data set: searched settings, mIoU over megapixels, other libraries' maps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from wsss.errors import WsssError
from wsss.io import read_json
from wsss.records.record import BudgetRecord, ConstantsRecord, ToolsRecord

__all__ = ["load_budgets", "load_constants", "load_tools"]


def load_budgets(root: Path) -> list[BudgetRecord]:
    """The records of what more megapixels give, of all data sets below `root`.

    Raises:
        WsssError: a file is broken.
    """
    return [cast(BudgetRecord, one) for one in _with_rows(root, "*/budget/tune", "mIoU over megapixels")]


def load_constants(root: Path) -> list[ConstantsRecord]:
    """The records of searched settings, of all data sets below `root`.

    Raises:
        WsssError: a file is broken.
    """
    return [cast(ConstantsRecord, one) for one in _with_rows(root, "*/constants/tune", "searched settings", "tried")]


def load_tools(root: Path) -> list[ToolsRecord]:
    """The records of what other libraries' maps give, of all data sets below `root`.

    Raises:
        WsssError: a file is broken.
    """
    return [cast(ToolsRecord, one) for one in _with_rows(root, "*/tools", "other libraries' maps")]


def _with_rows(root: Path, folders: str, what: str, rows: str = "rows") -> Iterator[Any]:
    """The records of experiments in some folders; `what` they are of, for the message where one is broken."""
    for path in sorted(Path(root).glob(f"{folders}/[!.]*.json")):
        record = read_json(path)
        if not isinstance(record, dict) or rows not in record:
            raise WsssError(f"{path} is no record of {what}. Delete it and run `wsss results` again.")
        yield record
