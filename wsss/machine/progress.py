"""Progress bars that say how much time is left."""

from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

from wsss.checks import switched_on

__all__ = ["progress_bar"]

_FORMAT = "{desc}: {percentage:3.0f} % |{bar}| {n_fmt} of {total_fmt} {unit}s, {remaining} left{postfix}"
_BAR = 30  # columns at most


def progress_bar(
    items: Iterable[Any] | None,
    text: str,
    total: int | None = None,
    *,
    unit: str = "image",
    initial: int = 0,
    shown: bool = True,
) -> Any:
    """`items` with a bar of tqdm's on the standard error, that vanishes when it is done.

    Args:
        items: None for a bar that is moved on by its `update`.
        text: what is being done.
        total: how many there are; None asks `items`, and where they do not know no time is foretold.
        unit: of the items, one of them.
        initial: how many were done before.
        shown: whether it is shown; never where `$WSSS_HEADLESS` is set.
    """
    count = total if total is not None else getattr(items, "__len__", lambda: None)()
    hidden = not shown or switched_on("WSSS_HEADLESS")
    form = _FORMAT.replace("{bar}", f"{{bar:{_BAR}}}") if count else None
    return tqdm(items, text, total, initial=initial, unit=unit, leave=False, disable=hidden, bar_format=form)
