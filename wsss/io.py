"""Files that are either whole or absent: everything is written under a temporary name and then renamed."""

import hashlib
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from wsss.errors import WsssError

__all__ = [
    "atomic_path",
    "content_hash",
    "file_hash",
    "is_turned",
    "orientation_of",
    "picture_size",
    "read_array",
    "read_image",
    "read_json",
    "read_palette",
    "read_table",
    "read_toml",
    "rgb_pixels",
    "temporary_stem",
    "turned",
    "write_array",
    "write_json",
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

LONGEST_NAME = 255
"""Bytes that a file's name may have in the file systems in use."""

_ADDED = len("..12345678.part")
"""What `tempfile` and `atomic_path` add to a stem: dots, random signs, a mark."""

_DIGITS = 16  # of the hash in a stem that was cut


def temporary_stem(target: Path) -> str:
    """What the temporary names of a file begin with, after a dot: its stem, or what fits of that and a hash of it."""
    stem = os.fsencode(target.stem)
    room = LONGEST_NAME - _ADDED - len(os.fsencode(target.suffix))
    if len(stem) <= room:
        return target.stem
    digits = hashlib.sha256(stem).hexdigest()[:_DIGITS]
    return f"{stem[: max(0, room - _DIGITS - 1)].decode('utf-8', 'ignore')}~{digits}"


_UMASK = os.umask(0)  # there is no way to ask but to set it
os.umask(_UMASK)


@contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it to `target` when the block ends without an error.

    A process that is killed inside the block leaves `target` as it was. Parent folders are made.

    Raises:
        WsssError: the folder cannot be written or the disk is full; the message names the path.
    """
    target = Path(target)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix, suffix = f".{temporary_stem(target)}.", f".part{target.suffix}"
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror or error
        raise WsssError(f"cannot write {target}: {reason}. Check free space and permissions of its folder.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(target: str | os.PathLike[str], content: Any) -> None:
    """Write `content` as indented JSON, atomically. NaN and infinity are refused: they are not JSON."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8")


def read_json(source: str | os.PathLike[str]) -> Any:
    """Read JSON; a missing or broken file, or one with NaN or infinity in it, is a `WsssError` that names it."""
    try:
        return json.loads(Path(source).read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise WsssError(f"cannot read {source}: {error}. Delete it and run the stage again.") from error


def read_table(source: str | os.PathLike[str]) -> dict[str, Any]:
    """`read_json` of a file that holds names with values; anything else is a `WsssError` that names it."""
    found = read_json(source)
    if not isinstance(found, dict):
        raise WsssError(f"cannot read {source}: it holds a {type(found).__name__}, no table. Delete it and run again.")
    return found


def write_array(target: Path, array: np.ndarray) -> None:
    """Write one array, compressed and atomically."""
    with atomic_path(target) as path, path.open("wb") as file:
        np.savez_compressed(file, array=array)


def read_array(source: Path) -> np.ndarray:
    """Read what `write_array` wrote; a missing or broken file is a `WsssError` that names it."""
    try:
        with np.load(source, allow_pickle=False) as file:
            array: np.ndarray = file["array"]
    except Exception as error:  # NumPy, zip and zlib raise a dozen types on a broken file
        raise WsssError(f"cannot read {source}: {error}. Delete it and run the stage again.") from error
    return array


def read_toml(path: Path, *, missing: str, broken: str = "", what: str = "") -> dict[str, Any]:
    """The tables of a TOML file that a user wrote.

    Args:
        missing, broken: what to do about a file that cannot be read, or is no TOML.
        what: of the file, for the message, with a space at its end.

    Raises:
        WsssError: missing or no TOML; the message names it and the remedy.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WsssError(f"cannot read {what}{path}: {error.strerror}. {missing}") from error
    except (ValueError, RecursionError) as error:  # of the format, the encoding, a number of thousands of digits
        raise WsssError(f"{path} is no TOML: {error}{f'. {broken}' if broken else ''}") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


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


def content_hash(content: Any) -> str:
    """SHA-256 of the canonical JSON of `content` (keys sorted, no spaces): the key of the stage cache."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def file_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's contents; a missing or unreadable file is a `WsssError` that names it."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WsssError(f"cannot read {path}: {error.strerror}.") from error
