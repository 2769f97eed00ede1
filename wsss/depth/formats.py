"""Files that hold one depth map: PNG, npy, npz, TIFF."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss.data.pictures import read_image
from wsss.depth.patterns import SUFFIXES
from wsss.errors import WsssError
from wsss.io import require_undamaged

__all__ = ["read_depth_file"]

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF 6.0
_WHITE_IS_ZERO = 0


def read_depth_file(path: Path) -> NDArray[np.float32]:
    """A depth map `h×w float32` in the file's own numbers; what is no number, NaN, stays as it is.

    Args:
        path: 8- or 16-bit PNG; npy; npz with one array; TIFF of whole numbers with 8, 16 or 32 bits, or float32.

    Raises:
        WsssError: unreadable, not a single-channel map, or not of real numbers.
    """
    array = _READERS.get(path.suffix.lower(), _read_numpy)(path)
    if not np.issubdtype(array.dtype, np.integer) and not np.issubdtype(array.dtype, np.floating):
        raise WsssError(f"depth {path} holds {array.dtype}, not real numbers. Make the file again.")
    while array.ndim > 2 and 1 in array.shape:  # a channel or batch axis, but never the only row or column of a map
        array = array.squeeze(array.shape.index(1))
    if array.ndim != 2 or not array.size:
        raise WsssError(f"depth {path} has shape {array.shape}; one channel of H×W is needed. Make the file again.")
    with np.errstate(over="ignore"):  # beyond float32 is infinitely far
        return array.astype(np.float32)


def _read_png(path: Path) -> NDArray[Any]:
    return read_image(path, None, palette=False)


def _read_tiff(path: Path) -> NDArray[Any]:
    """One page of a TIFF, as libtiff reads it with any compression."""
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            pages, tags = getattr(image, "n_frames", 1), dict(getattr(image, "tag_v2", {}))
    except Exception as error:  # Pillow raises a dozen types on a broken file
        raise WsssError(
            f"cannot read depth {path}: {error}. Save it as a TIFF of uint16 or float32, one page of one channel, or "
            "as npy."
        ) from error
    if pages > 1:
        raise WsssError(f"depth {path} has {pages} pages. Keep the page with the depth map alone.")
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        raise WsssError(f"depth {path} says that 0 is white, so its numbers may be turned round. Save it as npy.")
    array = read_image(path, None, palette=False)
    unsigned = tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (1,)) == (1,)
    return array.view(np.uint32) if unsigned and array.dtype == np.int32 else array  # Pillow knows signed ones alone


def _read_numpy(path: Path) -> NDArray[Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            require_undamaged(loaded)
            arrays = [loaded[name] for name in loaded.files]
    except Exception as error:  # NumPy, zip and zlib raise a dozen types on a broken file
        known = "" if path.suffix.lower() in SUFFIXES else f" (depth files are {', '.join(SUFFIXES)})"
        raise WsssError(f"cannot read depth {path}: {error}{known}. Make the file again.") from error
    if len(arrays) != 1 or not isinstance(arrays[0], np.ndarray):
        raise WsssError(
            f"depth {path} holds {len(arrays)} arrays ({', '.join(loaded.files)}). Keep the depth map alone."
        )
    return arrays[0]


_READERS = {".png": _read_png, ".tiff": _read_tiff, ".tif": _read_tiff}
