"""Where in a classifier its class maps are read: found from one pass, by what its modules were given and gave."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsss.errors import WsssError

__all__ = ["Call", "Calls", "Site", "exact_site", "gradient_site", "named_layer", "unchanged"]

MOST_PREFIXES = 16
"""Tokens before those of the image: of the class, of a teacher, registers."""

TOLERANCE, COARSE = 1e-4, 1e-2
"""Relative difference up to which two results of the same numbers are the same; of numbers of 16 bits."""

THEN: Mapping[str, Callable[[Tensor], Tensor]] = {
    "": lambda maps: maps,
    "relu": F.relu,
    "relu6": F.relu6,
    "silu": F.silu,
    "gelu": F.gelu,
    "hardswish": F.hardswish,
}
"""What a network may do between a module's maps and their mean without a module of its own."""


class Call(NamedTuple):
    """A module's last call in a pass."""

    module: nn.Module
    given: Tensor | None
    gave: Tensor


Calls = dict[str, Call]
"""By the module's name, in the order of the calls."""


@dataclass(frozen=True)
class Site:
    """A module whose outputs become class maps.

    Attributes:
        name: of the module.
        layout: `maps` (N,D,h,w), `cells` (N,h,w,D) or `tokens` (N,L,D).
        prefixes: tokens that are none of the image's.
        then: a key of `THEN`.
        head: name of the linear layer after the mean; None where there is none.
        exact: whether the mean of the maps is the logit; gradients are taken otherwise.
    """

    name: str
    layout: str
    prefixes: int = 0
    then: str = ""
    head: str | None = None
    exact: bool = True

    def cells(self, output: Tensor, size: tuple[int, ...]) -> Tensor:
        """A module's output for images of `size` (H, W) as `(N,D,h,w)`; a `WsssError` where its tokens do not fit."""
        if self.layout == "cells":
            output = output.permute(0, 3, 1, 2)
        elif self.layout == "tokens":
            grid = _grid(output.shape[1] - self.prefixes, size)
            if grid is None:
                raise WsssError(
                    f"{self.name} gives {output.shape[1] - self.prefixes} tokens, which do not cover an image of "
                    f"{size[0]}×{size[1]} pixels evenly: give a network whose tokens do"
                )
            output = output[:, self.prefixes :].transpose(1, 2).unflatten(2, grid)
        return THEN[self.then](output)


def exact_site(calls: Calls, logits: Tensor, size: tuple[int, int]) -> Site | None:
    """Where feature maps are whose mean is given to the layer that makes the logits, or maps whose mean they are.

    Args:
        size: `(H, W)` of the images of the pass.
    """
    head = next((name for name, call in reversed(calls.items()) if _is_linear(call) and _same(call.gave, logits)), None)
    if head is not None:
        pooled = calls[head].given
        assert pooled is not None
        for name, call in reversed(calls.items()):
            for site in _layouts(name, call.gave, size):
                if found := _with_mean(site, call.gave, size, pooled.flatten(1)):
                    return Site(found.name, found.layout, found.prefixes, found.then, head)
    for name, call in reversed(calls.items()):
        for site in _layouts(name, call.gave, size):
            if found := _with_mean(site, call.gave, size, logits):
                return found
    return None


def gradient_site(calls: Calls, logits: Tensor, size: tuple[int, int]) -> Site | None:
    """The last maps, or the last normalised tokens, on all of whose cells the logits depend.

    After the last attention of a transformer only the class's own token counts: the tokens that this attention is given
    are taken, as users of pytorch-grad-cam do.
    """
    usable = [(name, call) for name, call in calls.items() if call.gave.requires_grad and call.gave.dim() in (3, 4)]
    if not usable:
        return None
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)).to(logits)
    tensors = [call.gave for _, call in usable]
    gradients = torch.autograd.grad((logits * weights).sum(), tensors, allow_unused=True)
    others = []
    for (name, call), gradient in reversed(list(zip(usable, gradients, strict=True))):
        site = next(_layouts(name, call.gave, size, aligned=True), None)
        if site is None or gradient is None:
            continue
        used = site.cells(gradient, size).abs().sum(dim=1) > 0
        if used.float().mean() > 0.5:
            found = Site(name, site.layout, site.prefixes, exact=False)
            if site.layout != "tokens" or "norm" in type(call.module).__name__.lower():
                return found
            others.append(found)
    return others[0] if others else None


def named_layer(calls: Calls, layer: str, network: str) -> Calls:
    """The call of one module alone, by its name.

    Raises:
        WsssError: no module is called so; the message names some that are like it.
    """
    if layer and layer in calls:
        return {layer: calls[layer]}
    names = [name for name in calls if name]
    alike = get_close_matches(str(layer), names, 3, 0) or names[-3:]
    raise WsssError(
        f"{network} has no layer {layer!r} that gives a tensor: name one of its modules, such as {', '.join(alike)} "
        "(model.named_modules() lists them)"
    )


def unchanged(before: Tensor, after: Tensor) -> bool:
    """Whether two results of one computation are the same but for rounding."""
    tolerance = TOLERANCE * float(before.abs().amax())
    return before.shape == after.shape and bool(((before - after).abs() <= tolerance).all())


def _is_linear(call: Call) -> bool:
    """Whether it is a linear layer on one vector an image; a 1×1 convolution of a single cell is."""
    module, given = call.module, call.given
    if given is None or not len(given):
        return False
    if isinstance(module, nn.Linear):
        return given.dim() == 2
    one = isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1
    return one and given.shape[2:] == (1, 1)


def _layouts(name: str, output: Tensor, size: tuple[int, int], aligned: bool = False) -> Iterator[Site]:
    """The ways to read an output as cells, more than one, that cover an image of `size`.

    Args:
        aligned: whether the cells must have the image's proportions, which tells the axes of maps apart.
    """
    shape = tuple(output.shape)
    if output.dim() == 3:
        for prefixes in range(min(MOST_PREFIXES, shape[1] - 1)):
            if _grid(shape[1] - prefixes, size):
                yield Site(name, "tokens", prefixes)
                return
    if output.dim() == 4:
        for layout, (height, width) in (("maps", shape[2:]), ("cells", shape[1:3])):
            fits = not aligned or (height * size[1] == width * size[0] and 2 * height <= size[0])
            if height * width > 1 and fits:
                yield Site(name, layout)


def _grid(count: int, size: tuple[int, ...]) -> tuple[int, int] | None:
    """h and w of `count` square cells, more than one, that cover an image of `size` (H, W) evenly."""
    width = math.isqrt(count * size[1] // size[0])
    for wide in (width, width + 1):
        if count > 1 and wide and count % wide == 0 and count // wide * size[1] == wide * size[0]:
            return count // wide, wide
    return None


def _with_mean(site: Site, output: Tensor, size: tuple[int, int], wanted: Tensor) -> Site | None:
    """The site with what has to follow for the mean over its cells to be `wanted (N,D)`; None where it is not."""
    channels = {"maps": 1, "cells": 3, "tokens": 2}[site.layout]
    if output.shape[channels] != wanted.shape[1]:
        return None
    for then in THEN:
        found = Site(site.name, site.layout, site.prefixes, then)
        if _same(found.cells(output, size).mean(dim=(2, 3)), wanted):
            return found
    return None


def _same(one: Tensor, other: Tensor) -> bool:
    tolerance = TOLERANCE if torch.finfo(one.dtype).bits > 16 else COARSE
    one, other = one.flatten(1).float(), other.float()
    if one.shape != other.shape:
        return False
    scale = float(other.abs().amax())
    return scale > 0 and bool(((one - other).abs() <= tolerance * scale).all())
