"""The stages of a run and their cache: data → classifier → chosen parameters → seeds → pseudo-labels → networks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsss.pipeline.opening import open_run
    from wsss.pipeline.run import Run

__all__ = ["Run", "open_run"]


def __getattr__(name: str) -> Any:
    """Import `Run` and `open_run` when they are asked for: profiles and crop files need no torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wsss.pipeline import opening

    return getattr(opening, name)
