"""The state of a training on disk, so that an interrupted one goes on where it was."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from wsss.errors import WsssError
from wsss.io import atomic_path

__all__ = ["CHECKPOINT_EVERY", "TrainingState"]

CHECKPOINT_EVERY = 50
"""Steps of a training between two states on disk."""

_BROKEN = OSError, EOFError, AttributeError, KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError
"""What torch and the parts of a training raise on a file that is torn, or of something else."""


class Stateful(Protocol):
    """A module, optimiser, schedule or scaler."""

    def state_dict(self) -> Any: ...
    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class TrainingState:
    """Everything that a training changes, by name, and the losses so far.

    Args:
        parts: modules, optimisers and the like; they are read by `save` and overwritten by `load`.
        identity: hash of what the training depends on, for a file whose name does not say it; a state with another is
            refused.
    """

    def __init__(self, parts: Mapping[str, Stateful], identity: str = "") -> None:
        self.parts = parts
        self.identity = identity

    def save(self, path: Path, losses: Sequence[float]) -> None:
        """Write the state after `len(losses)` steps, atomically."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        with atomic_path(path) as temporary:
            torch.save({"losses": list(losses), "identity": self.identity, **state}, temporary)

    def load(self, path: Path) -> list[float]:
        """Take up the state in `path` and return its losses; without such a file do nothing and return none.

        Raises:
            WsssError: the file is broken or of another training; the message names it.
        """
        if not path.exists():
            return []
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if state.get("identity", "") != self.identity:
                raise ValueError("other settings or data")
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            return [float(loss) for loss in state["losses"]]
        except _BROKEN as error:
            raise WsssError(
                f"cannot go on from the checkpoint {path}: it is broken or of another training "
                f"({type(error).__name__}). Delete it, and the training starts from the beginning."
            ) from error
