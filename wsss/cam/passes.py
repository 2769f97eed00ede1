"""How somebody else's network is run so that it stays as it is: its turn, its mode, hooks, and a copy to try it on."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

__all__ = ["evaluating", "formats", "hook", "oblong_size", "structure_of", "turn_of", "unwrapped"]

T = TypeVar("T")

_TURNS: WeakKeyDictionary[nn.Module, Any] = WeakKeyDictionary()
_ENTERING = threading.Lock()


def turn_of(model: nn.Module) -> Any:
    """The lock of a network, whoever asks for it: hooks of two threads would be given each other's maps."""
    with _ENTERING:
        return _TURNS.setdefault(model, threading.RLock())


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The network in evaluation mode; afterwards each of its modules is in the mode that it was in."""
    trained = [module for module in model.modules() if module.training]
    try:
        if trained:  # setting a flag of a module is slow: a small network has hundreds, and a pass takes milliseconds
            model.eval()
        yield
    finally:
        for module in trained:
            module.training = True


@contextmanager
def hook(module: nn.Module, called: Any) -> Iterator[None]:
    """Call a function after each call of a module, with the module, its inputs and its output; a tensor that it gives
    takes the output's place."""

    def without_answer(*arguments: Any) -> Any:
        answer = called(*arguments)
        return answer if isinstance(answer, Tensor) else None

    handle = module.register_forward_hook(without_answer)
    try:
        yield
    finally:
        handle.remove()


def structure_of(model: nn.Module) -> nn.Module | None:
    """A copy that shares the weights; None where a network cannot be copied.

    What somebody's module holds beside its weights and cannot be copied, such as a lock, a generator or what an earlier
    pass left behind, is shared too.
    """
    shared: dict[int, Any] = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    if (found := _copied(model, shared)) is not None:
        return found
    held = [value for module in model.modules() for key, value in vars(module).items() if key != "_modules"]
    shared |= {id(value): value for value in held if value is not None and _copied(value, shared) is None}
    return _copied(model, shared)


def _copied(value: T, shared: dict[int, Any]) -> T | None:
    """A deep copy but for what is shared; None where that fails."""
    try:
        return copy.deepcopy(value, dict(shared))
    except Exception:  # of any class that says how it is copied
        return None


def formats(model: nn.Module) -> list[torch.dtype]:
    """Number formats of the weights, in the order of the parameters: more than one where parts are of 16 bits."""
    return list(dict.fromkeys(one.dtype for one in model.parameters() if one.is_floating_point()))


def oblong_size(model: nn.Module) -> tuple[int, int] | None:
    """H and W of the images that a network says it was built for, where they differ; else None."""
    said = (getattr(module, name, None) for module in model.modules() for name in ("img_size", "image_size"))
    pairs = (tuple(size) for size in said if isinstance(size, tuple | list) and len(size) == 2)
    return next((pair for pair in pairs if pair[0] != pair[1]), None)


def unwrapped(model: nn.Module) -> nn.Module:
    """The network itself, out of `torch.compile` or `DataParallel`, in which hooks are not called."""
    compiled = getattr(model, "_orig_mod", None)
    if isinstance(compiled, nn.Module):
        return unwrapped(compiled)
    parallel = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
    return unwrapped(model.get_submodule("module")) if parallel else model
