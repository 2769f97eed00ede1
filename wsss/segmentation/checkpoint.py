"""The state of a training on disk, so that an interrupted one goes on where it was."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from wsss.errors import WsssError
from wsss.io import atomic_path

__all__ = ["TrainingState"]


class Stateful(Protocol):
    """A module, optimiser, schedule or scaler."""

    def state_dict(self) -> Any: ...
    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class TrainingState:
    """Everything that a training changes, by name, and the losses so far.

    Args:
        parts: modules, optimisers and the like; they are read by `save` and overwritten by `load`.
    """

    def __init__(self, parts: Mapping[str, Stateful]) -> None:
        self.parts = parts

    def save(self, path: Path, losses: Sequence[float]) -> None:
        """Write the state after `len(losses)` iterations, atomically."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        with atomic_path(path) as temporary:
            torch.save({"losses": list(losses), **state}, temporary)

    def load(self, path: Path) -> list[float]:
        """Take up the state in `path` and return its losses; nothing is done, and none returned, if there is no such file.

        Raises:
            WsssError: the file is broken or of another training; the message names it.
        """
        if not path.exists():
            return []
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            return [float(loss) for loss in state["losses"]]
        except (OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
            raise WsssError(
                f"cannot go on from the checkpoint {path}: it is broken or of another training ({type(error).__name__}). "
                "Delete it, and the training starts from the beginning."
            ) from error
