"""Image transforms: `H×W×3 uint8` arrays in and out, normalised float tensors at the very end.

Everything random takes a `numpy.random.Generator`: the same generator state gives the same bytes.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from wsss.data.base import IGNORE
from wsss.machine.lazy import lazy

__all__ = [
    "STEP",
    "colour_jitter",
    "normalise_batch",
    "random_scale_crop_flip",
    "resize_image",
    "resize_long_side",
    "scaled_size",
    "to_tensor",
]


STEP = 16  # sides are multiples of the output stride, so that cells and pixels stay aligned
_LEAST = 32

T, F = lazy("torchvision.transforms"), lazy("torchvision.transforms.v2.functional")


def to_tensor(image: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Normalise one image `H×W×3 uint8` to `(3, H, W) float32`: `(image / 255 − mean) / std` per channel."""
    return normalise_batch(_chw(image)[None], mean, std)[0]


def normalise_batch(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Normalise `(N, 3, H, W) uint8` to float32 in `channels_last`, on the device where the batch is.

    Batches travel as uint8 and are normalised last: a quarter of the bytes. `torch.from_numpy(np.stack(images))
    .permute(0, 3, 1, 2)` already is `channels_last`, so that nothing is copied.
    """
    scaled = F.to_dtype(images, torch.float32, scale=True)
    normalised: torch.Tensor = F.normalize(scaled, mean=list(mean), std=list(std))
    return normalised.contiguous(memory_format=torch.channels_last)


def resize_long_side(image: np.ndarray, side: int) -> np.ndarray:
    """Resize `H×W×3 uint8` (bilinear, antialiased) so that its longer side is `side`; no side gets below 1 pixel."""
    height, width = image.shape[:2]
    longest = max(height, width)
    return _resize_image(image, max(1, round(height * side / longest)), max(1, round(width * side / longest)))


def random_scale_crop_flip(
    image: np.ndarray,
    mask: np.ndarray | None,
    size: int,
    scale_range: tuple[float, float],
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray | None]:
    """A random square of the image, scaled to `size × size` and flipped left–right in half of the cases.

    The scale is drawn log-uniformly, so that halving is as likely as doubling; at scale s the square covers
    `size / s` pixels of the image. What lies outside the image is its mean colour, and 255 (ignore) in the mask.

    Args:
        image: `H×W×3 uint8`.
        mask: `H×W uint8` label map (resized with nearest neighbour), or None.
        size: side of the result, in pixels.
        scale_range: smallest and largest magnification relative to the image as given.

    Returns:
        `size×size×3 uint8` and `size×size uint8` (None without a mask).
    """
    low, high = scale_range
    window = max(1, round(size / np.exp(generator.uniform(np.log(low), np.log(high)))))
    top, left = (_random_offset(length, window, generator) for length in image.shape[:2])
    flip = slice(None, None, -1 if generator.random() < 0.5 else 1)
    fits = window <= min(image.shape[:2])
    fill = np.uint8(0) if fits else image.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    cut = _padded_window(image, top, left, window, fill)[:, flip]
    square = _resize_image(cut, size, size)
    if mask is None:
        return square, None
    cut = _padded_window(mask, top, left, window, np.uint8(IGNORE))[:, flip]
    resized = F.resize(
        torch.from_numpy(np.array(cut, order="C"))[None], [size, size], T.InterpolationMode.NEAREST_EXACT
    )
    return square, resized[0].numpy()


def colour_jitter(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and saturation of `H×W×3 uint8` by a factor each, uniform in 0.7…1.3."""
    brightness, contrast, saturation = generator.uniform(0.7, 1.3, size=3).tolist()
    tensor = F.adjust_brightness(_chw(image), brightness)
    tensor = F.adjust_saturation(F.adjust_contrast(tensor, contrast), saturation)
    return np.ascontiguousarray(tensor.permute(1, 2, 0).numpy())


def _chw(image: np.ndarray) -> torch.Tensor:
    """`H×W×3` array as `(3, H, W)` tensor with memory of its own: torch takes no mirrored and no read-only arrays."""
    return torch.from_numpy(np.array(image, order="C")).permute(2, 0, 1)


def _resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize `H×W×3 uint8`, bilinear with antialiasing."""
    resized = F.resize(_chw(image), [height, width], T.InterpolationMode.BILINEAR, antialias=True)
    return np.ascontiguousarray(resized.permute(1, 2, 0).numpy())


def _random_offset(length: int, window: int, generator: np.random.Generator) -> int:
    """Start of a window along one axis: inside the image, or around the whole of it where the window is longer."""
    slack = length - window
    return int(generator.integers(min(0, slack), max(0, slack), endpoint=True))


def _padded_window(array: np.ndarray, top: int, left: int, window: int, fill: np.ndarray | np.uint8) -> np.ndarray:
    """`array[top:top + window, left:left + window]`, with `fill` where that is outside of the array."""
    result = np.empty((window, window, *array.shape[2:]), array.dtype)
    result[...] = fill
    source = array[max(0, top) : top + window, max(0, left) : left + window]
    row, column = max(0, -top), max(0, -left)
    result[row : row + source.shape[0], column : column + source.shape[1]] = source
    return result


def scaled_size(height: int, width: int, base_side: int, scale: float, step: int = STEP) -> tuple[int, int]:
    """Size `(height, width)` at `scale` of an image whose long side is `base_side` at scale 1.

    Sides are multiples of `step` and at least 32, so a very flat image does not keep its aspect ratio.
    """
    factor = scale * base_side / max(height, width)
    least = step * -(-_LEAST // step)
    rows, columns = (max(least, step * round(side * factor / step)) for side in (height, width))
    return rows, columns


def resize_image(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize `(N,3,H,W)` to `(N,3,*size)`, bilinearly; antialiased where there are fewer pixels than before."""
    shrinks = size[0] * size[1] < images.shape[2] * images.shape[3]
    return interpolate(images, size=size, mode="bilinear", antialias=shrinks)
