"""What a command has made, for people and for programs."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsss.records.record import Record

__all__ = ["Made", "document", "facts_of"]


@dataclass(frozen=True)
class Made:
    """What a command returns, beside the lines that it prints.

    Attributes:
        facts: what `--json` says: numbers, names and paths.
        place: the folder or file where everything lies; the last line names it.
        more: what the last line says of the inside of this place.
        what: that lies there, where it is one thing.
        code: exit status of the command.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    place: Path | None = None
    more: str = ""
    what: str = "Everything"
    code: int = 0

    def last_line(self) -> str | None:
        """Where everything lies; None where the command made nothing that lies anywhere."""
        from wsss.paths import short_path

        if self.place is None:
            return None
        return f"{self.what} is in {short_path(self.place)}{f' ({self.more})' if self.more else ''}"


def document(command: str, made: Made | None, lines: Sequence[str]) -> str:
    """The JSON document of a command: `command`, its facts, and `place` where it has one; all paths are absolute.

    Args:
        command: its name.
        made: what it returned; of a command that returns nothing the document has its lines.
        lines: what it printed.
    """
    facts: dict[str, Any] = {"lines": list(lines)} if made is None else dict(made.facts)
    if made and made.place:
        facts["place"] = made.place
    return json.dumps(_plain({"command": command, **facts}), indent=1, allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it: NaN and infinity are null, a path is absolute."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


_OF_A_RECORD = (
    "data", "stage", "split", "method", "refinement", "depth_source", "profile", "seeds", "num_images", "miou",
    "interval", "iou", "coverage", "predicted_labels", "threshold", "mAP", "megapixels_per_image",
    "seconds_per_image", "skipped", "not_trained",
)  # fmt: skip
"""What `--json` says of a record; the rest is in its file."""


def facts_of(records: Iterable["Record"], paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Numbers and file of each record."""
    return [
        {"path": path, **{name: record[name] for name in _OF_A_RECORD if name in record}}  # type: ignore[literal-required]
        for record, path in zip(records, paths, strict=True)
    ]
