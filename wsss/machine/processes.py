"""Several processes at one run: who does what, and how the parts come together again.

Started by `accelerate launch` or `torchrun`, on one machine or several with a common file system. Images are dealt out
among the processes; the main one alone writes what all of them made. In a single process, the usual case, every
function here is trivial and neither torch nor accelerate is imported.
"""

import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from threading import Thread
from traceback import walk_tb
from typing import TYPE_CHECKING, TypeVar

from wsss.errors import WsssError

if TYPE_CHECKING:
    import torch
    from accelerate import PartialState

__all__ = [
    "agreed",
    "connected",
    "device_here",
    "end_with_parent",
    "gathered",
    "is_main",
    "launched",
    "lost_another",
    "made_by_main",
    "num_processes",
    "on_cpu",
    "own_cores",
    "require_images",
    "share",
    "speaks",
    "summed",
    "tell",
    "usable_cores",
    "wait",
]

T = TypeVar("T")

_PATIENCE = timedelta(days=2)  # others wait while the main process renders or downloads

_TORCHRUN = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_OTHERS = {
    "OMPI_COMM_WORLD_SIZE": "mpirun (Open MPI)",
    "PMI_SIZE": "mpirun (MPICH, Intel MPI)",
    "MV2_COMM_WORLD_SIZE": "mpirun (MVAPICH)",
    "MPI_LOCALNRANKS": "mpirun",
    "JSM_NAMESPACE_SIZE": "jsrun",
    "PALS_SIZE": "PALS",
    "FLUX_JOB_SIZE": "flux run",
    "HOROVOD_SIZE": "horovodrun",
}
"""Variables in which other launchers say how many processes they have started, and what these launchers are called."""


def speaks() -> bool:
    """Whether this is the process that prints for all that a launcher has started; see `launched`."""
    return launched() == 1 or os.environ["RANK"] == "0"


def launched() -> int:
    """How many processes `torchrun` or `accelerate launch` has started for this run, 1 without: by the environment.

    Raises:
        WsssError: another launcher has started several, each of which would make the whole run for itself.
    """
    count = _number("WORLD_SIZE")
    missing = [name for name in _TORCHRUN if name not in os.environ]
    if count > 1 and missing:
        raise WsssError(
            f"WORLD_SIZE is {count}, but {missing[0]} is not set: start the processes with torchrun --nproc-per-node "
            f"{count} -m wsss …, or unset WORLD_SIZE"
        )
    for name, launcher in {_slurm(): "srun", **_OTHERS}.items():
        if (others := _number(name)) > count:
            raise WsssError(
                f"{launcher} has started {others} processes ({name}), each of which would make the whole run for "
                f"itself: start them with torchrun --nproc-per-node {others} -m wsss …, or start one process alone"
            )
    return count


def _slurm() -> str:
    """The variable in which Slurm says of how many tasks this one is; an empty name outside of `srun`.

    In an allocation, or in the script of a batch, `SLURM_NTASKS` says what was asked for, though this is the only
    process.
    """
    if "SLURM_STEP_NUM_TASKS" in os.environ:
        return "SLURM_STEP_NUM_TASKS"
    batch = os.environ.get("ENVIRONMENT") == "BATCH" and "SLURM_STEP_ID" not in os.environ
    return "SLURM_NTASKS" if "SLURM_PROCID" in os.environ and not batch else ""


def own_cores() -> int:
    """How many of this machine's cores fall to this process, at least one; on Linux those that it may use."""
    return max(1, usable_cores() // _number("LOCAL_WORLD_SIZE"))


def usable_cores() -> int:
    """How many cores this process, and those that it starts, may use: on Linux by its affinity, elsewhere all."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def end_with_parent() -> None:
    """Let this process, which `multiprocessing` has started, end as soon as the one that started it has ended.

    Workers of a killed process would else finish what they have begun, and then wait for ever.
    """
    parent = parent_process()
    if parent is not None:
        Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _number(name: str) -> int:
    """A variable of the environment as a number, 1 where it is not set or is none."""
    value = os.environ.get(name, "") if name else ""
    return int(value) if value.isdecimal() else 1


@cache
def _state() -> "PartialState | None":
    if launched() == 1:
        return None
    import torch
    from accelerate import PartialState

    cpu = on_cpu()
    if not cpu and _number("LOCAL_WORLD_SIZE") > torch.cuda.device_count():
        raise WsssError(
            f"{_number('LOCAL_WORLD_SIZE')} processes on a machine with {torch.cuda.device_count()} GPUs: start one "
            "for each, or set WSSS_DEVICE=cpu"
        )
    return PartialState(cpu=cpu, timeout=_PATIENCE)


def on_cpu() -> bool:
    """Whether several processes compute on the CPU: without a CUDA device, and where `$WSSS_DEVICE` asks for it."""
    import torch

    return os.environ.get("WSSS_DEVICE") == "cpu" or not torch.cuda.is_available()


def num_processes() -> int:
    """How many processes work on this run."""
    state = _state()
    return state.num_processes if state else 1


def require_images(processes: int, images: int, what: str) -> None:
    """Raise a `WsssError` unless there is an image for each of several processes in every batch of a training."""
    if processes > max(1, images):
        raise WsssError(
            f"{processes} processes share each batch of {what}, which has {images} images: start {images} processes at "
            "most, or give a larger --batch-size"
        )


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
    """The indices below `count` that this process works on: every n-th, which parts costly neighbours evenly."""
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


def summed(value: "torch.Tensor") -> "torch.Tensor":
    """Sum of a tensor over the processes, in every process; no gradient flows through it."""
    if _state() is None:
        return value
    import torch

    value = value.detach().clone()
    torch.distributed.all_reduce(value)
    return value


def connected() -> bool:
    """Whether this process is connected to others, for which torch has threads of its own."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.distributed.is_available() and bool(torch.distributed.is_initialized())


def lost_another(error: BaseException) -> bool:
    """Whether an exception only says that another of several processes has stopped, which then has said itself why.

    torch has no class of its own for it: it is a `RuntimeError` out of `torch.distributed`, or out of a backward pass,
    where the message names the library that averages gradients.
    """
    if launched() == 1 or not isinstance(error, RuntimeError):
        return False
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)]
    return any(name.startswith("torch.distributed") for name in modules) or bool(
        re.search("gloo|nccl", str(error), re.I)
    )


def wait() -> None:
    """Go on when all processes have come here."""
    if state := _state():
        state.wait_for_everyone()


def made_by_main(make: Callable[[], T]) -> T:
    """Result of `make`, which the main process calls first; the others do when what it made is on disk."""
    if is_main():
        result = make()
        wait()
        return result
    wait()
    return make()
