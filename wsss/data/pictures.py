"""Image files: read as they are to be used, or refused in a line that says why; written whole or not at all."""

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from wsss.errors import WsssError
from wsss.io import atomic_path

__all__ = [
    "is_turned",
    "orientation_of",
    "picture_size",
    "read_image",
    "read_palette",
    "rgb_pixels",
    "turned",
    "write_png",
]

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "PPM")
"""What image files may be, whatever they are called. Others that Pillow reads are left alone: EPS would start
Ghostscript."""

_EXIF_ORIENTATION = 0x0112
_ONE_16_BIT_CHANNEL = ("I;16", "I;16L", "I;16B", "I;16N")

LEAST_OF_16_BITS = 0x4000
"""A photograph of 16 bits whose values all lie below this has 14 bits or fewer in them: its upper 8 bits would be
nearly black."""


def write_png(
    target: str | os.PathLike[str], array: np.ndarray, palette: np.ndarray | None = None, *, level: int = 6
) -> None:
    """Write an `H×W` (uint8, uint16) or `H×W×3` uint8 array as PNG, atomically.

    Args:
        palette: `(256, 3)` uint8.
        level: of compression, 0…9: low ones give larger files in less time.
    """
    image = Image.fromarray(array)
    if palette is not None:
        image = image.convert("L")
        image.putpalette(palette.astype(np.uint8).ravel().tolist())
    with atomic_path(target) as path:
        image.save(path, format="PNG", compress_level=level)


def read_image(
    source: str | os.PathLike[str], mode: str | None = "RGB", *, palette: bool = True, turn: bool = False
) -> np.ndarray:
    """Read an image file into an array.

    Args:
        mode: `"RGB"` gives `H×W×3 uint8` of a photograph of any kind: a grey one has three equal channels, of a 16-bit
            one the upper 8 bits are kept, and what transparency would hide is shown. None keeps the file's own numbers,
            so that a palette PNG gives its indices and a 16-bit PNG its 16 bits.
        palette: whether indices into a palette will do; False where they would be taken for measurements.
        turn: turn a photograph that is to be turned for viewing (EXIF); only where no mask or depth goes with it.

    Raises:
        WsssError: the file is missing, truncated or no image; a palette image where none will do; or a photograph with
            32 bits a channel, with 12 bits in 16 or the like, or (unless `turn`) one that is to be turned for viewing,
            which its mask or depth may or may not have followed. The message names the file and the remedy.
    """
    try:
        with Image.open(source, formats=FORMATS) as image:
            if image.format == "PNG":
                _verify(source)
            deep = _has_16_bits(image)  # which Pillow no longer says of colours when it has read them
            image.load()
            if mode is None and image.format == "JPEG":
                raise ValueError("it is a JPEG, whatever its name, whose compression changes numbers")
            if mode is None and (palette or image.mode != "P"):
                return np.array(image)
            if mode is None:
                raise ValueError("it has a palette, so its numbers are colours and no measurements")
            orientation, array = orientation_of(image), rgb_pixels(image)
    except Exception as error:  # Pillow raises a dozen types on a broken file
        raise WsssError(
            f"cannot read image {source}: {error}. Replace the file or take its id out of the split."
        ) from error
    if array is None:
        raise WsssError(f"{source} has 32 bits a channel, whose range is unknown. Save it with 8 bits a channel.")
    if deep and array.max() < LEAST_OF_16_BITS >> 8:
        raise WsssError(
            f"{source} has 16 bits a channel, but no value above {int(array.max()) * 256 + 255:,} of 65,535: its "
            "numbers seem to have 12 bits or so, and it would be read as nearly black. Save it with 8 bits a "
            "channel, stretched to their range."
        )
    if orientation != 1 and not turn:
        raise WsssError(
            f"{source} is stored turned or mirrored (EXIF orientation {orientation}), and its mask or depth may not "
            f"be. Turn the pixels for good, for instance with ImageMagick: mogrify -auto-orient {Path(source).name}"
        )
    return turned(array, orientation)


def is_turned(source: str | os.PathLike[str]) -> bool:
    """Whether a photograph is to be turned for viewing (EXIF), by its head; False where that cannot be read."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            return orientation_of(image) != 1
    except Exception:  # said when the image itself is read
        return False


def picture_size(source: str | os.PathLike[str]) -> tuple[int, int]:
    """`(H, W)` of an image file as it is stored, from its head; `(1, 1)` of a broken one: `read_image` explains it."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            return image.height, image.width
    except Exception:  # Pillow raises a dozen types on a broken file
        return 1, 1


def read_palette(source: str | os.PathLike[str]) -> np.ndarray | None:
    """The palette of an image file, `(N,3) uint8` RGB, from its head; None where it has none, or is no image."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            if image.mode != "P" or image.palette is None:
                return None
            if image.palette.rawmode != "RGB":  # in the order of another format, until it is loaded
                image.load()
            colours = image.palette.palette if image.palette.rawmode == "RGB" else bytes(image.getpalette() or ())
    except Exception:  # said when the image itself is read
        return None
    return np.frombuffer(bytes(colours), np.uint8)[: len(colours) // 3 * 3].reshape(-1, 3)


def _has_16_bits(image: Image.Image) -> bool:
    """Whether a channel of an opened PNG or TIFF file, not loaded yet, has 16 bits."""
    return image.format in ("PNG", "TIFF") and (
        "I;16" in image.mode or any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
    )


def turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """A picture `H×W×3 uint8` that is stored with an EXIF orientation 1…8, as it is to be viewed."""
    if orientation == 1:
        return array
    picture = Image.fromarray(array)
    picture.getexif()[_EXIF_ORIENTATION] = orientation
    return np.array(ImageOps.exif_transpose(picture))


def _verify(source: str | os.PathLike[str]) -> None:
    """Compare a PNG's checksums, which Pillow does not when it decodes: a flipped bit would be another pixel,
    silently."""
    with Image.open(source, formats=("PNG",)) as image:
        image.verify()


def orientation_of(image: Image.Image) -> int:
    """How the picture is to be turned for viewing, 2…8; 1 where it is stored as it is shown, or does not say."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block says nothing, and the pixels are sound
        return 1
    return value if isinstance(value, int) and 1 < value <= 8 else 1


def rgb_pixels(image: Image.Image) -> np.ndarray | None:
    """`H×W×3 uint8` of an image of any mode; None where a channel has 32 bits."""
    if image.mode in _ONE_16_BIT_CHANNEL:  # Pillow would cut the values off at 255
        grey = (np.array(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return None if image.mode in ("I", "F") else np.array(image.convert("RGB"))
