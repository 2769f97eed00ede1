"""Records of experiments of each data set: searched settings, mIoU over megapixels, other libraries' maps."""

from pathlib import Path
from typing import cast

from wsss.errors import WsssError
from wsss.io import read_json
from wsss.records.record import BudgetRecord, ConstantsRecord, ToolsRecord
from wsss.records.store import read_rows

__all__ = ["load_budgets", "load_constants", "load_tools"]


def load_budgets(root: Path) -> list[BudgetRecord]:
    """The records of what more megapixels give, of all data sets below `root`.

    Raises:
        WsssError: a file is broken.
    """
    return [read_rows(path, "mIoU over megapixels", "results") for path in _below(root, "*/budget/tune")]


def load_constants(root: Path) -> list[ConstantsRecord]:
    """The records of searched settings, of all data sets below `root`.

    Raises:
        WsssError: a file is broken.
    """
    records = []
    for path in _below(root, "*/constants/tune"):
        record = read_json(path)
        if not isinstance(record, dict) or "tried" not in record:
            raise WsssError(f"{path} is no record of searched settings. Delete it and search them again.")
        records.append(cast(ConstantsRecord, record))
    return records


def load_tools(root: Path) -> list[ToolsRecord]:
    """The records of what other libraries' maps give, of all data sets below `root`.

    Raises:
        WsssError: a file is broken.
    """
    return [read_rows(path, "other libraries' maps", "results") for path in _below(root, "*/tools")]


def _below(root: Path, folders: str) -> list[Path]:
    return sorted(Path(root).glob(f"{folders}/[!.]*.json"))
