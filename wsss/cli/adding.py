"""Options that several commands have are written once, and added to each by a decorator."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from wsss.cli.made import Made

__all__ = ["Command", "adds"]

Command = Callable[..., Made | None]


def adds(
    options: Mapping[str, tuple[Any, Any]],
    handle: Callable[[Command, dict[str, Any], dict[str, Any]], Made | None],
    *,
    first: bool = False,
    handed: str | None = None,
) -> Callable[[Command], Command]:
    """Give a command further options.

    Args:
        options: annotation and default of each, by name.
        handle: calls the command, and returns what it does; it is given what was chosen for these options, and for the
            command's own.
        first: whether `--help` lists them before the command's own.
        handed: name of the parameter by which `handle` hands over what it made of them: no option of its own.
    """

    def decorated(command: Command) -> Command:
        @wraps(command)
        def called(**given: Any) -> Made | None:
            chosen = {name: given.pop(name, default) for name, (_, default) in options.items()}
            return handle(command, chosen, given)

        known = inspect.signature(command, eval_str=True).parameters.values()
        own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in known if one.name != handed]
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in options.items()
        ]
        signature = inspect.Signature([*more, *own] if first else [*own, *more])
        called.__signature__ = signature  # type: ignore[attr-defined]
        return called

    return decorated
