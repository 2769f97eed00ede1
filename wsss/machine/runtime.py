"""How the program runs on this machine: random seeds, device, dtype, memory."""

import ctypes
import gc
import os
import random
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache

import numpy as np
import torch

from wsss.errors import WsssError
from wsss.machine.processes import device_here

__all__ = [
    "autocast",
    "give_back_memory",
    "keep_freed_memory",
    "pick_device",
    "seed_everything",
    "to_device",
    "training_dtype",
]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # from glibc's malloc.h


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch (all devices); `seed` is 0…2³² − 1.

    On the CPU the same seed, inputs and number of threads then give the same bytes. On CUDA cuDNN is asked for
    deterministic algorithms; operations that add atomically (backward of bilinear upsampling) may still differ in
    the last bit.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries below us draw from the global generator
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(wanted: str | None = None) -> torch.device:
    """The device of this name, or that `$WSSS_DEVICE` names; without either CUDA where there is one, else the CPU.

    Among several processes it is this one's.

    Raises:
        WsssError: no such device is here.
    """
    wanted = wanted or os.environ.get("WSSS_DEVICE") or "auto"
    if wanted not in DEVICES:
        raise WsssError(f"--device (or WSSS_DEVICE) must be one of {', '.join(DEVICES)}, not {wanted!r}")
    there = (
        torch.cuda.is_available()
        if wanted == "cuda"
        else torch.backends.mps.is_available()
        if wanted == "mps"
        else True
    )
    if not there:
        raise WsssError(
            f"this machine has no {wanted} device that torch can use: give --device cpu or auto, or set WSSS_DEVICE so"
        )
    own = device_here()
    if own is not None and wanted not in ("auto", own.type):
        raise WsssError(f"several processes compute on {own.type} here, not on {wanted}: give --device {own.type}")
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    return own or torch.device(automatic if wanted == "auto" else wanted)


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`tensor` on `device`. To CUDA from pinned memory, so that the copy runs beside what the GPU still computes."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Context in which forward passes use a 16-bit format, where that is faster on `device`.

    CUDA: bfloat16 where the hardware has it, otherwise float16. CPU: bfloat16 where it has instructions for it
    (AVX-512 BF16 or AMX; an EfficientNet-Lite0 forward takes 5 ms instead of 14), because elsewhere it is emulated and
    slower than float32. Other devices: no change.
    """
    if dtype := training_dtype(device):
        return torch.autocast(device.type, dtype)
    if device.type == "cpu" and _cpu_has_bfloat16():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


def training_dtype(device: torch.device) -> torch.dtype | None:
    """The 16-bit format in which a training makes forward passes on `device`; None where it stays in float32.

    On the CPU it does, whatever its instructions: there the backward pass of depthwise convolutions takes longer in
    bfloat16.
    """
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


@cache
def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; False where torch is too old to tell."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def give_back_memory() -> None:
    """Let malloc give what is freed back to the system once: after a training, whose blocks nothing else has the size
    of. Without glibc nothing happens."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def keep_freed_memory() -> bool:
    """Make glibc's malloc keep freed blocks for reuse; whether all of it took effect (never without glibc).

    By default malloc maps every block above a threshold (32 MB at most) afresh and unmaps it when it is freed. The
    activations of a training step are such blocks: each step then takes a page fault, and the kernel zeroes a page,
    for every 4 kB of them. With the thresholds raised the same memory is used again and the faults all but vanish. So
    they do for images that are worked on side by side where all threads share one arena: those of threads give memory
    back whatever the thresholds. What that is worth depends on the size of the activations and on what a fault costs
    (more in a virtual machine). The price: the process does not give its peak memory back before it ends. Call it once,
    before the first large tensor.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = {_M_MMAP_THRESHOLD: 1 << 30, _M_TRIM_THRESHOLD: -1, _M_ARENA_MAX: 1}
    return all([mallopt(parameter, value) for parameter, value in settings.items()])
