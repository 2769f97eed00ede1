"""Several processes at one run: who does what, and how the parts come together again.

Started by `accelerate launch` or `torchrun`, on one machine or several with a common file system. Images are dealt out among the
processes; the main one alone writes what all of them made. In a single process, the usual case, every function here is trivial
and neither torch nor accelerate is imported.
"""

import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch
    from accelerate import PartialState
    from torch import nn

__all__ = [
    "agreed",
    "averaging",
    "device_here",
    "gathered",
    "is_main",
    "made_by_main",
    "num_processes",
    "share",
    "tell",
    "wait",
]

T = TypeVar("T")

_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")  # of torchrun and of MPI
_PATIENCE = timedelta(days=2)  # others wait while the main process renders or downloads


@cache
def _state() -> "PartialState | None":
    if not any(int(os.environ.get(name) or 1) > 1 for name in _SIZES):
        return None
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)


def num_processes() -> int:
    """How many processes work on this run."""
    state = _state()
    return state.num_processes if state else 1


def is_main() -> bool:
    """Whether this process is the one that writes, prints and shows progress."""
    state = _state()
    return state is None or state.is_main_process


def tell(text: str) -> None:
    """Say in one line on the standard error what a user must know and no result shows; the main process alone does."""
    if is_main():
        print(text, file=sys.stderr, flush=True)


def device_here() -> "torch.device | None":
    """The device of this process among several; None for a single process."""
    state = _state()
    return state.device if state else None


def share(count: int) -> range:
    """The indices below `count` that this process works on: every n-th, so that costly neighbours are dealt out evenly."""
    state = _state()
    return range(state.process_index, count, state.num_processes) if state else range(count)


def gathered(parts: Sequence[T]) -> list[T]:
    """The parts of all processes, in every process, by number of process."""
    if _state() is None:
        return list(parts)
    from accelerate.utils import gather_object

    return list(gather_object(list(parts)))


def agreed(value: T) -> T:
    """The main process's value, in every process."""
    if _state() is None:
        return value
    from accelerate.utils import broadcast_object_list

    values = [value]
    broadcast_object_list(values)
    return values[0]


def averaging(model: "nn.Module") -> "nn.Module":
    """`model` so wrapped that backward passes average gradients over the processes; itself in a single process."""
    if _state() is None:
        return model
    import torch
    from accelerate import Accelerator

    wrapped: nn.Module = Accelerator(cpu=not torch.cuda.is_available()).prepare_model(model)
    return wrapped


def wait() -> None:
    """Go on when all processes have come here."""
    if state := _state():
        state.wait_for_everyone()


def made_by_main(make: Callable[[], T]) -> T:
    """Result of `make`, which the main process calls first and the others only when it has left what it made on disk."""
    if is_main():
        result = make()
        wait()
        return result
    wait()
    return make()
