"""What the loaders of all networks share: reading a safetensors file that may be broken, and filling a network from it."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from torch import Tensor, nn

from wsss.errors import WsssError

__all__ = ["load_tensors", "read_tensors", "require_finite"]


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, on the CPU, and its metadata; raises what the library does, for loaders to name."""
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata() or {})
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    return tensors, metadata


def load_tensors(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """`module.load_state_dict`, but a `WsssError` of one line where tensors are missing, left over or of another shape."""
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    theirs = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = sorted(name for name in {*own, *theirs} if own.get(name) != theirs.get(name))
    if wrong:
        name = wrong[0]
        raise WsssError(
            f"{len(wrong)} tensors do not fit; {name} is {theirs.get(name, 'missing')}, but must be {own.get(name, 'absent')}"
        )
    module.load_state_dict(dict(state))


def require_finite(state: Mapping[str, Tensor]) -> None:
    """Raise a `WsssError` naming the first of the tensors that holds NaN or infinity, or a number beyond float32."""
    for name, tensor in state.items():
        if not tensor.float().isfinite().all():  # not every type that a file may have can be asked
            raise WsssError(f"its tensor {name} holds NaN or infinity")
