"""What came of making a record anew: whether its numbers agree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wsss.records.provenance import package_versions
from wsss.records.record import Record
from wsss.records.store import full_name

__all__ = ["AGREEMENT", "Outcome", "compared_facts", "differences"]


AGREEMENT = 0.1
"""Points of mIoU within which another machine, or another number of threads, is said to agree."""

_OTHER_EACH_TIME = ("provenance", "seconds_per_image", "paired")
"""Time and place; and other methods, which are not run again."""


@dataclass(frozen=True)
class Outcome:
    """What came of a rerun.

    Attributes:
        old, new: the records.
        different: places in them where they differ, time and place left out.
    """

    old: Record
    new: Record
    different: tuple[str, ...]

    @property
    def largest(self) -> float:
        """Largest difference in mIoU of any seed, in points; infinite where one of them has none."""
        pairs = zip(self.old["miou"]["per_seed"], self.new["miou"]["per_seed"], strict=True)
        return max(_distance(old, new) for old, new in pairs)

    @property
    def agrees(self) -> bool:
        """Whether every seed's mIoU is within `AGREEMENT` of the record's."""
        return self.largest <= AGREEMENT

    def lines(self) -> Iterator[str]:
        """The outcome in words."""
        old, new = (record["miou"]["mean"] for record in (self.old, self.new))
        yield f"{full_name(self.old)} on {self.old['data']}, {self.old['split']}: mIoU {old} in the record, {new} now"
        versions = self.old["provenance"].get("versions", {})
        for name, now in package_versions().items():
            if versions.get(name, now) != now:
                yield f"note: {name} was {versions[name]} and is {now}"
        differ = f"{len(self.different)} numbers differ, first {self.different[0]}" if self.different else ""
        if not self.different:
            yield "identical: every number is that of the record"
        elif self.agrees:
            yield f"agrees: mIoU within {AGREEMENT} points; {differ}"
        else:
            yield f"DIFFERS: mIoU by {self.largest:.3f} points; {differ}"
            if self.old["profile"] != "evaluate":
                yield (
                    "note: a training on another processor ends elsewhere, as one with another seed does"
                    + self._spread()
                )

    def _spread(self) -> str:
        """How far apart the record's seeds are, in words; nothing for a single one."""
        known = [value for value in self.old["miou"]["per_seed"] if value is not None]
        return f"; the record's seeds are up to {max(known) - min(known):.3f} points apart" if len(known) > 1 else ""


def _distance(old: float | None, new: float | None) -> float:
    if old is None or new is None:
        return 0.0 if old is new else float("inf")
    return abs(old - new)


def differences(old: Any, new: Any, place: str = "") -> list[str]:
    """Places at which two JSON values differ, such as `iou.mug` or `strata.3.n`."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [
            found for key in keys for found in differences(old.get(key), new.get(key), f"{place}.{key}".lstrip("."))
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [found for at, (one, two) in pairs for found in differences(one, two, f"{place}.{at}".lstrip("."))]
    return [] if old == new else [place]


def compared_facts(record: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """Differences in what both records hold, apart from what is other each time."""
    shared = [key for key in record if key in other and key not in _OTHER_EACH_TIME]
    return differences({key: record[key] for key in shared}, {key: other[key] for key in shared})
