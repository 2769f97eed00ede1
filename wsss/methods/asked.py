"""What a call of `DepthCAM` asks for, checked before anything is computed."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch

from wsss.cam.classifier import ClassifierInfo
from wsss.depth.names import KINDS
from wsss.errors import WsssError, first_line
from wsss.methods.names import MethodName
from wsss.methods.registry import METHODS, method

__all__ = ["asked_device", "asked_method", "require_info", "require_kind", "warn_unchosen"]


def asked_method(name: Any, kind: Any, has_depth: bool) -> str:
    """The method of a call: `name`, or without one `depth` where there is depth, and else `cam`.

    Raises:
        WsssError: there is no such method, it needs depth that is not there, one photograph cannot be asked for it, or
            `kind` is none.
    """
    require_kind(kind, has_depth)
    if name is None:
        return "depth" if has_depth else "cam"
    if not isinstance(name, str):
        raise WsssError(f"method must be the name of one, such as depth, cam or rgb-region, not {name!r:.60}")
    plan, parts = method(name), MethodName.of_seeds(name)
    if parts.source:
        raise WsssError(
            f"method {name!r} names a source of depth, and a call has its own: give method={parts.base!r} and depth= "
            f"of that source, or compare sources on a data set with `wsss crops --methods {name}`"
        )
    if plan.proposal == "oracle":
        raise WsssError(
            f"method {name!r} needs the true boxes, which a photograph does not have: take another one, or measure it "
            f"on a data set with masks by `wsss crops --methods {name}`"
        )
    if plan.uses_depth and not has_depth:
        raise WsssError("depth-guided crops need depth: give depth= and kind=, or method='cam'")
    return name


def require_kind(kind: Any, has_depth: bool) -> None:
    """Raise a `WsssError` unless `kind` says what numbers of depth mean; without depth there may be none."""
    if (has_depth or kind is not None) and kind not in KINDS:
        raise WsssError(
            "kind must be metric (larger = farther) or inverse (larger = nearer), and say which of them depth is, not "
            f"{kind!r:.60}"
        )


def require_info(info: Any) -> ClassifierInfo | None:
    """What a checkpoint says of itself, or None; a `WsssError` where something else stands in its place."""
    if info is not None and not isinstance(info, ClassifierInfo):
        raise WsssError(
            f"info must be what a classifier of this package says of itself, not {type(info).__name__}: give names of "
            "classes as DepthCAM(model, classes=[…])"
        )
    return info


def asked_device(device: Any) -> torch.device | None:
    """A device by itself or by its name; None stays None.

    Raises:
        WsssError: torch knows no such device.
    """
    if device is None or isinstance(device, torch.device):
        return device
    try:
        return torch.device(device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise WsssError(
            f"device must be one of torch, such as 'cpu' or 'cuda', not {device!r:.60}: {first_line(error)}"
        ) from error


def warn_unchosen(name: str, known: Sequence[str], stacklevel: int) -> None:
    """Warn where there is something to choose for a method, and nothing was.

    Args:
        known: methods for which something was chosen.
        stacklevel: of the warning.
    """
    if name not in known and len(METHODS[name].trials) > 1:
        warnings.warn(
            f"nothing was chosen for method {name!r}, so its crops and regions have no weight: give "
            f"DepthCAM(…, choices={{{name!r}: Choice(…)}}) with a wsss.methods.choice.Choice",
            stacklevel=stacklevel + 1,
        )
