"""What is chosen for a method: fusion parameters and a threshold."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wsss.checks import require_number, settings_from
from wsss.errors import WsssError
from wsss.methods.parameters import FusionParameters

__all__ = ["Choice"]


@dataclass(frozen=True)
class Choice:
    """Fusion parameters and background threshold of one method.

    Attributes:
        threshold: scores up to it are background, in [0, 1].
        miou: of the choice on the tune split, in percent; None where that has no masks.
        trials: how many parameters it was chosen from.
        chosen_on: None for the tune split; `file` where a file gives parameters and threshold, `preset` where those
            of other data are taken.
    """

    parameters: FusionParameters
    threshold: float
    miou: float | None
    trials: int
    chosen_on: str | None = None

    def plain(self) -> dict[str, Any]:
        """As in JSON files: the inverse of `of_plain`."""
        facts = asdict(self)
        if self.chosen_on is None:
            del facts["chosen_on"]
        return facts

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> "Choice":
        """A choice from plain values, such as a checkpoint or the cache holds.

        Raises:
            WsssError: a value is missing, or of the wrong type or range.
        """
        try:
            require_number("threshold", plain["threshold"], 0, 1)
            parameters = settings_from(FusionParameters, plain["parameters"], partial=True)
            facts = {name: plain.get(name) for name in ("miou", "trials", "chosen_on")}
            return cls(parameters, plain["threshold"], **facts)  # type: ignore[arg-type]
        except (KeyError, TypeError, AttributeError) as error:
            raise WsssError(f"{type(error).__name__}: {error}") from error
