"""What the data sets that are read from a folder of image files share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wsss.data.base import Sample
from wsss.data.pictures import read_image
from wsss.errors import WsssError
from wsss.io import content_hash
from wsss.machine.contents import file_hashes

__all__ = ["FolderDataset", "existing_folder", "is_file", "read_uint8_map"]


def existing_folder(root: Path, remedy: str) -> Path:
    """`root` as an absolute path; a `WsssError` with the remedy when it is no folder."""
    folder = Path(root).resolve()
    if not folder.is_dir():
        raise WsssError(f"{folder} is no folder. {remedy}")
    return folder


def is_file(path: Path) -> bool:
    """Whether there is such a file; a `WsssError` where that cannot be known, as in a folder that is closed to us."""
    try:
        return path.is_file()
    except OSError as error:
        raise WsssError(f"cannot read {path}: {error.strerror}. Check the permissions of its folder.") from error


def read_uint8_map(path: Path, height_width: tuple[int, ...] | None = None) -> np.ndarray:
    """Read an `H×W uint8` map (palette PNGs give their indices, greyscale ones their values).

    Args:
        height_width: size of its image; None where that is not compared.

    Raises:
        WsssError: the file is missing or broken, has colours or 16 bits instead of ids, or another size than the image.
    """
    array = read_image(path, mode=None)
    if array.ndim != 2 or array.dtype != np.uint8:
        raise WsssError(
            f"{path} must be an 8-bit palette or greyscale image, not {array.dtype} {array.shape}. "
            "Save it with one number a pixel, not with colours or 16 bits."
        )
    if height_width is not None and array.shape != height_width:
        raise WsssError(
            f"{path} is {array.shape} (H, W), but its image {height_width}. Both must have the same size: make it "
            "again from the image as it is."
        )
    return array


class FolderDataset:
    """Base of data sets with a set of files an id; a subclass sets the attributes and defines `_read` and `_files`."""

    root: Path
    name: str
    split: str
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    has_depth: bool

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        return self._read(self.ids[index])

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def _read(self, name: str) -> Sample:
        """The sample of one id."""
        raise NotImplementedError

    def _files(self, name: str) -> list[Path]:
        """The files that the sample of one id is read from; those that must exist but do not are listed too."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """SHA-256 over split name, ids, classes, and each file's contents and path below the root: a copy is equal.

        Raises:
            WsssError: a file is missing; the message names it.
        """
        files = [file for name in self.ids for file in self._files(name)]
        try:
            contents = zip((file.relative_to(self.root).as_posix() for file in files), file_hashes(files), strict=True)
        except WsssError as error:
            raise WsssError(f"{error} Restore it or take its id out of the split.") from error
        return content_hash([self.split, self.ids, self.classes, list(contents)])
