"""What users hand over, checked at the door: photographs, depth maps and names of classes, in any of their forms."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from wsss.checks import plain_number
from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.data.pictures import orientation_of, read_image, turned
from wsss.depth.files import fits, read_depth_file, resized
from wsss.errors import WsssError
from wsss.methods.asked import require_kind

__all__ = ["MOST_LABELS", "Depth", "Photograph", "class_number", "class_numbers", "nearness", "pixels_of"]

Photograph = NDArray[Any] | Tensor | Image.Image | str | Path
"""`H×W×3` array or `(3,H,W)` tensor, uint8 or floats in [0, 1]; a PIL image; or a file. RGB."""

Depth = NDArray[Any] | Tensor | str | Path
"""`h×w` real numbers in any unit, or a file (PNG, npy, npz)."""

MOST_LABELS = 254
"""Classes that label maps of 8 bits have numbers for."""

FEW, ALIKE = 20, 5
"""Classes that are all named in a message; of more, how many that are like the one that is asked for."""


def pixels_of(image: Photograph, *, turn: bool = False) -> NDArray[np.uint8]:
    """A photograph as `H×W×3 uint8`, a copy of what is given.

    Args:
        turn: whether a file or PIL image that is to be turned for viewing (EXIF) is turned; it is refused otherwise,
            since its depth may not be turned.

    Raises:
        WsssError: it has another shape, number format or range.
    """
    if isinstance(image, str | Path):
        return read_image(image, turn=turn)
    if isinstance(image, Image.Image):
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            raise WsssError(f"the image has mode {image.mode}, whose range is unknown: give one with 8 bits a channel")
        if (orientation := orientation_of(image)) != 1 and not turn:
            raise WsssError(
                f"the image is stored turned or mirrored (EXIF orientation {orientation}), and its depth may not be: "
                "give PIL.ImageOps.exif_transpose(image), and the depth of that"
            )
        return turned(np.array(image.convert("RGB")), orientation)
    if isinstance(image, Tensor):
        array = image.detach().cpu()
        if array.dim() != 3 or array.shape[0] != 3:
            raise WsssError(
                f"the image must be a tensor (3,H,W) of one photograph, not {tuple(image.shape)}; of several give "
                "cam.each(images)"
            )
        image = (array if array.dtype.is_floating_point is False else array.float()).permute(1, 2, 0).numpy()
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise WsssError(f"the image must be an array H×W×3 of RGB, a tensor (3,H,W), a PIL image or a file, not {what}")
    if image.dtype == np.uint8:
        return np.array(image, order="C")
    if not np.issubdtype(image.dtype, np.floating):
        raise WsssError(f"the image must be uint8 from 0 to 255 or floats from 0 to 1, not {image.dtype}")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):  # nor where one is NaN
        raise WsssError(
            f"an image of floats must lie in [0, 1], not {low:g} to {high:g}: give it before it is normalised, or as "
            "uint8 from 0 to 255"
        )
    return np.asarray((255 * image).round(), np.uint8)


def nearness(depth: Depth, kind: str | None, size: tuple[int, int]) -> NDArray[np.float32]:
    """Inverse depth `H×W float32` in [0, 1] of `size`, from numbers of a stated kind.

    Raises:
        WsssError: `kind` is not stated, or depth is no map of real numbers, or that of a turned or cropped image.
    """
    require_kind(kind, has_depth=True)
    assert kind is not None
    if isinstance(depth, Tensor):
        depth = (depth.float() if depth.dtype == torch.bfloat16 else depth).detach().cpu().numpy()
    values = read_depth_file(Path(depth)) if isinstance(depth, str | Path) else np.asarray(depth)
    if values.ndim != 2 or not values.size or not (np.issubdtype(values.dtype, np.number) and np.isrealobj(values)):
        raise WsssError(f"depth must be an array H×W of real numbers, not {values.dtype} {values.shape}")
    if values.shape == size[::-1] and size[0] != size[1]:
        raise WsssError(f"depth is {values.shape} (H, W), but the image {size}: turn it, as in depth.T")
    if not fits(values.shape, size):
        raise WsssError(
            f"depth is {values.shape} (H, W), which is not the aspect ratio of the image, {size}: make it from the "
            "image as it is, or resize it to that size where a network has stretched it"
        )
    with np.errstate(over="ignore"):  # beyond float32 is infinitely far
        values = values if values.dtype == np.float64 else values.astype(np.float32)
    return resized(normalise_inverse_depth(inverse_depth(values, kind)), size)


def class_number(classes: Sequence[str], wanted: str | int) -> int:
    """Index 0…C − 1 of a class by its name, by one of its names where commas part several, or by the index itself.

    Raises:
        WsssError: there is no such class, or there are several; the message names those that are like it.

    >>> class_number(("cat", "motor scooter, scooter"), "scooter")
    1
    """
    wanted = plain_number(wanted)
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        if 0 <= wanted < len(classes):
            return wanted
        raise WsssError(f"the classifier has no class {wanted}: its {len(classes)} classes are 0 to {len(classes) - 1}")
    if wanted in classes:
        return list(classes).index(str(wanted))
    matches = [index for index, name in enumerate(classes) if wanted in name.split(", ")]
    if len(matches) == 1:
        return matches[0]
    if len(classes) <= FEW:
        raise WsssError(f"the classifier does not know class {wanted!r}; it knows {', '.join(classes)}")
    holding = [name for name in classes if str(wanted) in name]
    alike = list(dict.fromkeys(holding + get_close_matches(str(wanted), classes, ALIKE)))[:ALIKE]
    known = f"these are like it: {'; '.join(alike)}" if alike else "none is like it; they are in cam.classes"
    raise WsssError(f"the classifier does not know class {wanted!r}; of its {len(classes)} classes {known}")


def class_numbers(classes: Sequence[str], wanted: Iterable[str | int]) -> list[int]:
    """Indices 0…C − 1 of classes by name or index (see `class_number`), in the order in which they are named.

    Raises:
        WsssError: one is unknown or named twice; it is a text, no list; or there are more than a label map holds.
    """
    if isinstance(wanted, str) or not isinstance(wanted, Iterable) or getattr(wanted, "shape", None) == ():
        raise WsssError(f"classes must be a list, as in classes=[{plain_number(wanted)!r:.60}]")
    found = [class_number(classes, each) for each in wanted]
    if len(set(found)) < len(found):
        twice = next(index for index in found if found.count(index) > 1)
        raise WsssError(f"classes names {classes[twice]!r} twice")
    if len(found) > MOST_LABELS:
        raise WsssError(f"classes names {len(found)} classes, and a label map has numbers for {MOST_LABELS}")
    return found
