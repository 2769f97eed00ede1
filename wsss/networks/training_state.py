"""The state of a training on disk, so that an interrupted one goes on where it was."""

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from wsss.errors import WsssError
from wsss.io import atomic_path

__all__ = ["CHECKPOINT_EVERY", "Chance", "TrainingState"]

CHECKPOINT_EVERY = 50
"""Steps of a training between two states on disk."""

_BROKEN = OSError, EOFError, AttributeError, KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError
"""What torch and the parts of a training raise on a file that is torn, or of something else."""


class Stateful(Protocol):
    """A module, optimiser, schedule or scaler."""

    def state_dict(self) -> Any: ...
    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class Chance:
    """What a training draws from: a generator, the order of the images in its epoch, and torch's own generators.

    Args:
        seed: of `generator`; torch's own generators are seeded by whoever trains.
        device: on which the training runs.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.generator = np.random.default_rng(seed)
        self.order: list[int] = []
        self.device = device

    def state_dict(self) -> dict[str, Any]:
        state = {"generator": json.dumps(self.generator.bit_generator.state), "order": self.order}
        cuda = {"cuda": torch.cuda.get_rng_state(self.device)} if self.device.type == "cuda" else {}
        return {**state, "torch": torch.get_rng_state(), **cuda}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        self.generator.bit_generator.state = json.loads(state["generator"])
        self.order = [int(index) for index in state["order"]]
        torch.set_rng_state(state["torch"])
        if self.device.type == "cuda" and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.device)


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
