"""Checkpoints of all networks: a safetensors file of weights and of facts about them, checked when it is read."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from wsss.checks import require_numbers
from wsss.errors import MissingExtra, WsssError, first_line
from wsss.io import atomic_path

__all__ = [
    "explained",
    "is_checkpoint",
    "load_tensors",
    "read_checkpoint",
    "require_normalisation",
    "write_checkpoint",
]


def write_checkpoint(path: Path, module: nn.Module, key: str, facts: Mapping[str, Any]) -> None:
    """Write the weights of a network and what else belongs to it, atomically.

    Equal weights with equal facts in the same order are written as equal bytes.

    Args:
        key: of the facts, which are one entry of metadata: safetensors writes several in random order.
        facts: plain values, kept as JSON.

    Raises:
        WsssError: the file cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, {key: json.dumps(dict(facts))}))


def read_checkpoint(
    path: Path, key: str, kind: str, former: str | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the facts that `write_checkpoint` wrote. Nothing of the file is run.

    Args:
        kind: of network, in words for whoever reads the error.
        former: a fact by which files of former versions are known, in which each fact is an entry of metadata of its
            own.

    Raises:
        WsssError: it is no such checkpoint, or a tensor holds NaN or infinity.
        Exception: whatever the libraries raise on a file that is missing or broken; see `explained`.
    """
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata() or {})
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if key not in metadata and former not in metadata:
        raise WsssError(f"it is no {kind} of this package")
    facts = json.loads(metadata[key]) if key in metadata else metadata
    if not isinstance(facts, dict):
        raise WsssError("its description is no table")
    _require_finite(tensors)
    return tensors, facts


def is_checkpoint(path: Path, key: str) -> bool:
    """Whether a file, of whatever kind, is one that `write_checkpoint` wrote with this key."""
    try:
        with safe_open(path, framework="pt") as file:
            return key in (file.metadata() or {})
    except Exception:  # of the library, on a file of anything
        return False


@contextmanager
def explained(problem: str, remedy: str) -> Iterator[None]:
    """Raise whatever fails inside as a `WsssError` of one line: the problem, the reason, and what to do about it.

    Everything but a missing extra is caught: files that somebody else may have made go through several libraries, each
    with errors of its own.
    """
    try:
        yield
    except MissingExtra:
        raise
    except Exception as error:
        raise WsssError(f"{problem}: {first_line(error)}. {remedy}") from error


def load_tensors(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """`module.load_state_dict`, with a one-line `WsssError` where tensors are missing, too many or of other shapes."""
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    theirs = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = sorted(name for name in {*own, *theirs} if own.get(name) != theirs.get(name))
    if wrong:
        name = wrong[0]
        raise WsssError(
            f"{len(wrong)} tensors do not fit; {name} is {theirs.get(name, 'missing')}, but must be "
            f"{own.get(name, 'absent')}"
        )
    module.load_state_dict(dict(state))


def require_normalisation(mean: Any, std: Any) -> None:
    """Raise a `WsssError` unless these are the means and deviations of three channels of images in [0, 1]."""
    require_numbers("mean", mean, -10, 10, count=3)
    require_numbers("std", std, 1e-6, 10, count=3)


def _require_finite(state: Mapping[str, Tensor]) -> None:
    """Raise a `WsssError` naming the first of the tensors that holds NaN or infinity, or a number beyond float32."""
    for name, tensor in state.items():
        if not tensor.float().isfinite().all():  # not every type that a file may have can be asked
            raise WsssError(f"its tensor {name} holds NaN or infinity")
