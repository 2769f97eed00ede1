"""Says that an image is too large before the system ends the process without a word."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from wsss.errors import WsssError

try:
    import resource
except ImportError:  # not on Windows, which has no such limits either
    resource = None  # type: ignore[assignment]

__all__ = ["GIGABYTE", "OUT_OF_MEMORY", "free_memory", "is_out_of_memory", "own_peak", "peak_memory", "require_memory"]

GIGABYTE = 1e9
COPIES = 2  # of every map, while maps are put together
WORKING_BYTES = 300  # a pixel, for cutting the image into regions
UNNOTICED = 1e9  # bytes that are not worth asking the system about
_UNIT = 1 if sys.platform == "darwin" else 1024  # of `ru_maxrss`: bytes on macOS, kibibytes elsewhere

OUT_OF_MEMORY = (MemoryError, RuntimeError)
"""What Python, NumPy and torch raise where memory is refused; of the second only what `is_out_of_memory` confirms."""

_GROUPS = Path("/sys/fs/cgroup")


def free_memory(device: torch.device | None = None) -> float:
    """Bytes that this process can still get: of machine, control groups and address space, or of the CUDA device.

    Limits count where they are lower than what the machine has: `ulimit -v`, and those of containers and batch systems.
    """
    if device is not None and device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return float(torch.cuda.mem_get_info(device)[0] + kept)
    return max(0.0, min([float(psutil.virtual_memory().available), *_limits()]))


def peak_memory() -> float | None:
    """Gigabytes that this process, or the largest of those that it waited for, had at most; None on Windows."""
    if resource is None:
        return None
    return round(max(own_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT) / GIGABYTE, 2)


def own_peak() -> int:
    """Bytes that this process had at most since it began.

    Raises:
        WsssError: the system does not say (Windows).
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration) as error:  # no Linux
        if resource is None:
            raise WsssError("this system does not say how much memory a process had at most") from error
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT  # on Linux it begins with what the parent had


def _limits() -> Iterator[float]:
    """Bytes that the limits of this process leave, one for each limit there is."""
    if resource is not None:
        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            yield float(soft - psutil.Process().memory_info().vms)
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _left(_GROUPS, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            yield from _left(_GROUPS / "memory", path, *names)


def _left(base: Path, path: str, limit: str, usage: str, cached: str) -> Iterator[float]:
    """Bytes left in a control group and in each of those that it lies in; what only caches files can be had back."""
    own = base / path.strip("/")
    for folder in (own, *own.parents):
        if not folder.is_relative_to(base):
            return
        try:
            most = int((folder / limit).read_text())
            used = int((folder / usage).read_text())
            facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no limit ("max"), or not to be seen from within a container
            continue
        yield float(most - used + int(facts.get(cached, 0)))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory was refused."""
    text = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("allocate memory" in text or "not enough memory" in text)
    )


def require_memory(image_id: str, size: tuple[int, int], classes: int, maps: int, at_once: int = 1) -> None:
    """Raise a `WsssError` if the maps of an image do not fit into the memory that is free.

    Args:
        image_id: to be named.
        size: `(H, W)` of the image.
        classes: K, that are looked for in it.
        maps: float32 maps of the image's size a class: one a scale and one a crop.
        at_once: images that are worked on side by side, which are taken to be as large as this one.
    """
    height, width = size
    canvas = max(height, width) ** 2 - height * width  # a square crop of a flat image reaches beyond it
    needed = at_once * (height * width * (4 * COPIES * classes * maps + WORKING_BYTES) + canvas * 4 * (classes + 3))
    if needed < UNNOTICED:
        return
    free = free_memory()
    if needed > free:
        beside = f" with {at_once} images side by side" if at_once > 1 else ""
        raise WsssError(
            f"image {image_id} has {width}×{height} pixels: its maps of {classes} classes need about "
            f"{needed / GIGABYTE:.1f} GB of memory{beside}, and {free / GIGABYTE:.1f} GB are free. Make the image and "
            "its mask smaller; the networks look at far less."
        )
