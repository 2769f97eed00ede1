"""Libraries that take long to import are imported at first use: commands that need none of them answer at once."""

from importlib import import_module
from typing import Any

__all__ = ["lazy"]


class _Lazy:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


def lazy(name: str) -> Any:
    """The module `name`, imported when something is first asked of it."""
    return _Lazy(name)
