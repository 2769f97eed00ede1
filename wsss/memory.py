"""Says that an image is too large before the system ends the process without a word."""

import psutil

from wsss.errors import WsssError

__all__ = ["require_memory"]

GIGABYTE = 1e9
COPIES = 2  # of every map, while maps are put together
WORKING_BYTES = 300  # a pixel, for cutting the image into regions
UNNOTICED = 1e9  # bytes that are not worth asking the system about


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
    needed = at_once * height * width * (4 * COPIES * classes * maps + WORKING_BYTES)
    if needed < UNNOTICED:
        return
    free = psutil.virtual_memory().available
    if needed > free:
        beside = f" with {at_once} images side by side" if at_once > 1 else ""
        raise WsssError(
            f"image {image_id} has {width}×{height} pixels: its maps of {classes} classes need about {needed / GIGABYTE:.1f} GB "
            f"of memory{beside}, and {free / GIGABYTE:.1f} GB are free. Make the image and its mask smaller; the networks look at "
            "far less."
        )
