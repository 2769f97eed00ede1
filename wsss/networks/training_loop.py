"""The one loop that trains every network: steps of an optimiser over batches, with a state to go on from.

It runs on `accelerate`, in one process or in several, which share each batch and learn what one would. Forward passes
are in 16 bit where the device has it, and a batch may be larger than what fits into memory.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from wsss.machine.processes import is_main, num_processes, summed
from wsss.machine.progress import progress_bar
from wsss.machine.runtime import to_device, training_dtype
from wsss.networks.batches import Batches
from wsss.networks.freezing import require_learning
from wsss.networks.synchrony import accelerated
from wsss.networks.training_state import CHECKPOINT_EVERY, TrainingState

__all__ = ["by_epoch", "fit"]

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Network, crops `(N,3,S,S) uint8` and targets of a part of a batch → the loss, summed over what it is a mean of."""


def fit(
    network: nn.Module,
    batches: Batches,
    loss: Loss,
    optimiser: torch.optim.Optimizer,
    *,
    what: str,
    device: torch.device,
    counted: Callable[[Tensor], Tensor] = lambda targets: torch.tensor(len(targets)),
    progress: bool = True,
    checkpoint: Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
    identity: str = "",
) -> list[float]:
    """Train `network` in place for the steps of `batches`, with the polynomial schedule of DeepLab (power 0.9).

    Chance is drawn anew in every step, from the seed and the step's number: that of augmentation in `batches`, that of
    the network's layers here. So a training that was interrupted goes on from its checkpoint as if nothing had been.

    Args:
        network: on `device`, in training mode.
        loss: see `Loss`. Gradients are those of its mean over the whole batch, over all parts and processes.
        optimiser: of the network's parameters, at their rates at the start.
        what: is trained, for messages and the progress bar: `the classifier`.
        counted: of targets, how many things the loss is a mean of: the images, or of them the labelled pixels.
        checkpoint: file to go on from if it is there, and to write every `checkpoint_every` steps; None keeps none.
        identity: see `TrainingState`.

    Returns:
        The loss of every step.

    Raises:
        WsssError: the checkpoint is broken or of another training, a sample cannot be read, or the loss is no longer
            finite.
    """
    dtype = training_dtype(device)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimiser, batches.steps, power=0.9)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    state = TrainingState(
        {"network": network, "optimiser": optimiser, "schedule": schedule, "scaler": scaler}, identity
    )
    losses = state.load(checkpoint) if checkpoint else []
    wrapped, accelerator = accelerated(network)
    steps = enumerate(batches.parts(len(losses), device), len(losses))
    bar = progress_bar(
        steps, f"train {what.removeprefix('the ')}", batches.steps, unit="step", initial=len(losses), shown=progress
    )
    for step, parts in bar:
        torch.manual_seed(int(np.random.SeedSequence([batches.seed, step]).generate_state(1)[0]))
        count = summed(sum(to_device(counted(targets), device) for _, targets in parts)).clamp(min=1)  # type: ignore[arg-type]
        optimiser.zero_grad(set_to_none=True)
        value = torch.zeros((), device=device)
        for number, (images, targets) in enumerate(parts, 1):
            # Gradients are averaged over the processes, once a step; the sum over all is what one process would find.
            with nullcontext() if number == len(parts) else accelerator.no_sync(wrapped):
                with torch.autocast(device.type, dtype) if dtype else nullcontext():
                    total = loss(wrapped, to_device(images, device), to_device(targets, device))
                mean = total / count * num_processes()
                scaler.scale(mean).backward()
            value += mean.detach()
        scaler.step(optimiser)
        scaler.update()
        schedule.step()
        losses.append(summed(value).item() / num_processes())
        require_learning(losses[-1:], what, float(max(schedule.base_lrs)))
        bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
        if checkpoint and len(losses) % checkpoint_every == 0 and is_main():
            state.save(checkpoint, losses)
    network.eval()
    return losses


def by_epoch(losses: Sequence[float], epochs: int) -> list[dict[str, float]]:
    """The mean loss of each of `epochs` equally long runs of steps: `{"epoch", "loss"}`, from 1 on."""
    runs = np.array_split(np.asarray(losses), epochs)
    return [{"epoch": number, "loss": float(run.mean())} for number, run in enumerate(runs, start=1)]
