"""Images worked on side by side: two images on a thread each take less time than both in turn on two threads.

A pass through the network gains little from a second thread, and regions and fusion, which are made of many small
steps, nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from wsss.machine.progress import progress_bar

__all__ = ["each_image", "image_bar", "images_at_once"]

T = TypeVar("T")
R = TypeVar("R")

MOST_AT_ONCE = 8
"""Images that are worked on at a time, however many cores there are: their maps are in memory together."""


def image_bar(items: Iterable[T], text: str, progress: bool, total: int | None = None, initial: int = 0) -> Iterable[T]:
    """`items`, one for each image, with a progress bar that vanishes when it is done."""
    bar: Iterable[T] = progress_bar(items, text, total, initial=initial, shown=progress)
    return bar


def images_at_once(device: torch.device) -> int:
    """How many images `each_image` works on side by side; asked before it begins, since it takes torch's threads."""
    return min(torch.get_num_threads(), MOST_AT_ONCE) if device.type == "cpu" else 1


def each_image(
    work: Callable[[int], R],
    indices: Sequence[int],
    text: str,
    *,
    device: torch.device,
    progress: bool = True,
    of: tuple[int, int] | None = None,
) -> Iterator[R]:
    """The results of `work` for each index, in the order of `indices`, with a progress bar.

    On the CPU as many images are worked on at a time as torch may use threads, each of them with one: results then do
    not depend, not even in the last bit, on the number of threads. On other devices it is one image after the other.

    Until the last result has been taken torch has one thread in the whole process, for the caller too; two of these
    must not run at a time.

    Args:
        work: must be safe to be called by several threads at a time. Its results wait in memory for the caller: keep
            them small.
        device: that the network is on.
        of: where `indices` are a block of more images: how many were done before it, and how many there are in all.

    Raises:
        Exception: the first one that `work` raises; images that nobody has begun with are then left alone.
    """
    threads, at_once = torch.get_num_threads(), images_at_once(device)
    done, total = of or (0, len(indices))
    if at_once == 1:
        yield from image_bar(map(work, indices), text, progress, total, done)
        return
    torch.set_num_threads(1)
    try:
        # OpenMP keeps the number of threads for each thread of its own, so that the workers have to be told as well.
        workers = ThreadPoolExecutor(at_once, "image", torch.set_num_threads, (1,))
        with workers, threadpool_limits(1, "blas"):  # NumPy's threads would be in their way: 12 ms for 0.4 ms of RANSAC
            yield from image_bar(workers.map(work, indices), text, progress, total, done)
    finally:
        torch.set_num_threads(threads)
