"""The options that say which run a command is for: profile, data and depth."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from wsss.cli.options import Classes, Data, Depth, DepthKind, Profile, Root, Seed, Sources, open_run_of, settings_of

if TYPE_CHECKING:
    from wsss.pipeline import Run

__all__ = ["RunOptions", "of_run"]


@dataclass(frozen=True)
class RunOptions:
    """What a command line says of its run."""

    profile: Profile = "default"
    data: Data = "tabletop"
    root: Root = None
    classes: Classes = None
    depth: Depth = None
    depth_kind: DepthKind = None
    source: Sources = None
    seed: Seed = 0

    @property
    def settings(self) -> dict[str, Any]:
        """As settings of a run, by the names of `Config`."""
        return settings_of(self.root, self.classes, self.depth, self.depth_kind, self.seed, self.source)

    def open(self, **more: Any) -> "Run":
        """The run, with `more` settings."""
        return open_run_of(self.profile, self.data, self.settings, **more)


def of_run(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `RunOptions`, which it takes as its first argument."""
    shared = inspect.signature(RunOptions, eval_str=True).parameters

    @wraps(command)
    def with_options(**given: Any) -> None:
        command(RunOptions(**{name: given.pop(name) for name in shared if name in given}), **given)

    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    every = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*shared.values(), *own)]
    signature = inspect.Signature(every)
    with_options.__signature__ = signature  # type: ignore[attr-defined]
    return with_options
