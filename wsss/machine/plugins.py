"""Things that are known by name: this package's own, those that a user enters, and those of other packages.

Another package says in its `pyproject.toml` what it has, and in which module:

    [project.entry-points."wsss.refinements"]
    smooth = "my_package.smoothing"

The module is imported when its name is first asked for, and its `@register_refinement("smooth")` then enters it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from wsss.errors import WsssError, first_line

__all__ = ["Registry", "check_version", "offered"]

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@cache
def _offers(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for each in entry_points(group=group):
        found[each.name] = (*found.get(each.name, ()), each)
    return found


def offered(group: str) -> tuple[str, ...]:
    """The names that installed packages have in a group of entry points; nothing is imported."""
    return tuple(_offers(group))


def check_version(name: str, version: object) -> None:
    """Raise a `WsssError` unless a version, which enters cache keys, is a whole number from 1 on."""
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise WsssError(f"{name}: version must be 1, 2, 3, …, raised whenever the results change, not {version!r}")


class Registry(MutableMapping[str, T], Generic[T]):
    """Name → thing, in the order of entry; other packages' last, each imported when it is first asked for.

    Args:
        what: a thing is called in messages.
        group: of entry points, such as `wsss.refinements`.
        own: this package's, which no other may replace.
        taken: names that mean something else.
    """

    def __init__(self, what: str, group: str, own: Mapping[str, T] | None = None, taken: tuple[str, ...] = ()) -> None:
        self.what, self.group = what, group
        self._things: dict[str, T] = dict(own or {})
        self._origin = dict.fromkeys((*self._things, *taken), "wsss")

    def __getitem__(self, name: str) -> T:
        if name not in self._things and name in _offers(self.group):
            self._load(name)
        return self._things[name]

    def __setitem__(self, name: str, thing: T) -> None:
        self._things[name] = thing

    def __delitem__(self, name: str) -> None:
        del self._things[name]
        self._origin.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter([*self._things, *(name for name in offered(self.group) if name not in self._origin)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._things or (name in _offers(self.group) and name not in self._origin)

    def loaded(self) -> dict[str, T]:
        """What is known without an import."""
        return dict(self._things)

    def enter(self, name: str, thing: T, made_by: Callable[..., Any]) -> None:
        """Enter a thing; what the same function made before, as in a notebook's cell that is run again, is replaced.

        Raises:
            WsssError: no such name is possible, or another thing has it.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise WsssError(f"{self.what} {name!r}: a name must be of letters, digits, '-', '_', '.'")
        origin = f"{made_by.__module__}.{made_by.__qualname__}"
        if self._origin.setdefault(name, origin) != origin:
            raise WsssError(
                f"{self.what} {name!r} of {origin}: {self._origin[name]} has that name already. Choose another."
            )
        self._things[name] = thing

    def _load(self, name: str) -> None:
        """Import the module in which another package registers a thing.

        Raises:
            WsssError: several packages have the name, or its module cannot be imported or does not register it.
        """
        offers = _offers(self.group)[name]
        packages = [f"package {each.dist.name}" if each.dist else each.value for each in offers]
        if len(offers) > 1:
            raise WsssError(f"{self.what} {name!r} is offered by {' and '.join(packages)}. Uninstall one of them.")
        try:
            offers[0].load()
        except Exception as error:  # whatever another package raises
            raise WsssError(
                f"{self.what} {name!r} of {packages[0]} cannot be loaded ({offers[0].value}): {first_line(error)}. "
                "Repair or uninstall that package."
            ) from error
        if name not in self._things:
            raise WsssError(
                f"{packages[0]} offers the {self.what} {name!r}, but {offers[0].value} does not register it. Repair or "
                "uninstall that package."
            )
