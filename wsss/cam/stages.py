"""Feature maps of a network's stages, read through hooks that are there during a pass alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

__all__ = ["stage_maps"]

DEEPEST = 2
"""Modules at most so deep in the network are asked: stages and their blocks, and not the layers inside."""


@contextmanager
def stage_maps(model: nn.Module) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """A list that holds, after a pass of this thread inside the context, the network's stages and what they put out.

    Maps are `(N,C,h,w) float32`, the last one of each size, largest first. Networks that hand on no maps, as vision
    transformers do, leave it empty.
    """
    owner, last = threading.get_ident(), dict[tuple[int, int], tuple[nn.Module, Tensor]]()
    found: list[tuple[nn.Module, Tensor]] = []

    def keep(module: nn.Module, _inputs: object, output: object) -> None:
        if threading.get_ident() == owner and isinstance(output, Tensor) and output.ndim == 4:
            last[(output.shape[2], output.shape[3])] = module, output.detach()

    body = getattr(model, "features", getattr(model, "model", model))
    asked = [module for name, module in body.named_modules() if name and name.count(".") < DEEPEST]
    hooks = [module.register_forward_hook(keep) for module in asked]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
        sizes = sorted(last, key=lambda size: -size[0] * size[1])
        found += [(module, maps.float().cpu()) for module, maps in map(last.__getitem__, sizes)]
