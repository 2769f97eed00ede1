"""Other libraries' class maps of the same classifier, as a table."""

import pandas as pd

from wsss.records.record import ToolsRecord
from wsss.report.text import interval_text, number_text

__all__ = ["tool_table"]


def tool_table(record: ToolsRecord) -> pd.DataFrame:
    """mIoU in percent with its 95 % interval over scenes, thresholds chosen on tune, and seconds per image.

    Args:
        record: of `wsss.experiments.other_tools.compare_tools`.
    """
    cells = [
        {
            "mIoU": number_text(row["miou"]),
            "95 %": interval_text(row["interval"]),
            "threshold (tune)": ", ".join(number_text(each, 2) for each in row["thresholds"]),
            "s/image": number_text(row["seconds_per_image"], 2),
        }
        for row in record["rows"]
    ]
    return pd.DataFrame(cells, index=[row["method"] for row in record["rows"]]).rename_axis("method")
