"""Download PASCAL VOC 2012 and turn the SBD annotations into the augmented training set that the field uses.

Addresses and checksums are those that torchvision uses.
"""

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from wsss.data.pictures import write_png
from wsss.data.splits import read_split, without
from wsss.errors import WsssError
from wsss.io import atomic_path
from wsss.machine.downloads import download
from wsss.machine.progress import progress_bar
from wsss.paths import cache_folder

__all__ = [
    "SBD",
    "VOC2012",
    "Archive",
    "add_sbd",
    "default_root",
    "download_voc2012",
    "extract",
    "fetch",
    "read_sbd_mask",
]


@dataclass(frozen=True)
class Archive:
    """A file to download: where from (tried in order, https only), its SHA-256 and the folder inside that is wanted."""

    urls: tuple[str, ...]
    sha256: str
    inside: str

    @property
    def filename(self) -> str:
        return self.urls[0].rsplit("/", 1)[1]


VOC2012 = Archive(
    urls=("https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",),
    sha256="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
    inside="VOCdevkit/VOC2012",
)
SBD = Archive(
    urls=("https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",),
    sha256="6a5a2918d5c73ce032fdeba876574d150d9d04113ab87540a1304cbcc715be53",
    inside="benchmark_RELEASE/dataset/cls",
)

Fetch = Callable[[Archive, Path], Path]


def default_root() -> Path:
    """`VOC2012` in `$WSSS_CACHE` or `~/.cache/wsss`."""
    return cache_folder() / "VOC2012"


def fetch(archive: Archive, folder: Path) -> Path:
    """Download an archive into `folder` with a progress bar, or take the one that is there; its checksum is verified.

    Raises:
        WsssError: no address answers, or what came does not have the checksum; the message lists what failed.
    """
    failures = []
    for url in archive.urls:
        try:
            return download(url, archive.sha256, folder / archive.filename)
        except WsssError as error:
            failures.append(str(error))
    raise WsssError(
        f"cannot download {archive.filename}. Check the network, or put the file into {folder} by hand. "
        + " ".join(failures)
    )


def extract(archive: Path, inside: str, target: Path) -> None:
    """Extract the members below `inside` of a tar file as the new folder `target`, which appears whole or not at all.

    Raises:
        WsssError: the archive is broken, has nothing below `inside`, or a member there that is neither file nor folder,
            or anywhere one that would leave the folder.
    """

    def wanted(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        safe = tarfile.data_filter(member, path)
        if not f"{member.name}/".startswith(f"{inside}/"):
            return None
        if not (member.isreg() or member.isdir()):  # links have led past such filters before, and no data needs them
            raise tarfile.FilterError(f"{member.name} is neither a file nor a folder")
        return safe

    with _temporary_folder(target) as folder:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, members=progress_bar(tar, f"extract {archive.name}", unit="file"), filter=wanted)
        except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
            raise WsssError(f"cannot extract {archive}: {error}. Delete it and download it again.") from error
        if not (folder / inside).is_dir():
            raise WsssError(f"{archive} has no folder {inside}. Delete it and download it again.")
        (folder / inside).rename(target)


def download_voc2012(root: Path, fetch: Fetch = fetch) -> Path:
    """Make `root` the VOC 2012 trainval folder (2 GB), with the augmented masks and list of SBD (1.4 GB).

    Archives stay in `root/../archives`. What is there already is not made again, so a broken run is continued.

    Args:
        root: the VOC folder to make.
        fetch: how an archive is got; tests give their own.

    Returns:
        `root`.

    Raises:
        WsssError: no network, wrong checksum, broken archive, or `root` is a folder of something else.
    """
    root = Path(root).resolve()
    archives = root.parent / "archives"
    if not (root / "JPEGImages").is_dir():
        if root.is_dir() and any(root.iterdir()):
            raise WsssError(f"{root} is not empty and has no JPEGImages. Give a new folder for VOC 2012.")
        extract(fetch(VOC2012, archives), VOC2012.inside, root)
    if not (root / "ImageSets" / "Segmentation" / "train_aug.txt").is_file():
        with _temporary_folder(root / "sbd") as folder:
            extract(fetch(SBD, archives), SBD.inside, folder / "cls")
            add_sbd(root, folder / "cls")
    return root


def add_sbd(root: Path, annotations: Path) -> None:
    """Write `SegmentationClassAug/*.png` and `train_aug.txt` of a VOC folder from SBD's `cls/*.mat`.

    `train_aug` is VOC's train, then the other SBD images, without VOC's val (10,582 images of the real data). Images
    VOC itself annotates keep its finer masks; only the others are converted, to 8-bit greyscale PNG without void.

    Raises:
        WsssError: a split list or an annotation is missing or broken.
    """
    lists = root / "ImageSets" / "Segmentation"
    train, val = read_split(lists / "train.txt"), read_split(lists / "val.txt")
    added = without(sorted(file.stem for file in annotations.glob("*.mat")), {*train, *val})
    for name in progress_bar(added, "convert SBD", unit="mask"):
        write_png(root / "SegmentationClassAug" / f"{name}.png", read_sbd_mask(annotations / f"{name}.mat"))
    with atomic_path(lists / "train_aug.txt") as path:
        path.write_text("\n".join((*without(train, val), *added)) + "\n", encoding="utf-8")


def read_sbd_mask(path: Path) -> np.ndarray:
    """The label map `H×W uint8` (0…20, VOC ids) of an SBD category annotation.

    Raises:
        WsssError: the file is missing or no SBD annotation.
    """
    try:
        return np.asarray(loadmat(path)["GTcls"][0]["Segmentation"][0], dtype=np.uint8)
    except Exception as error:  # scipy raises half a dozen types on a broken file
        raise WsssError(f"cannot read SBD annotation {path}: {error}. Download the archive again.") from error


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target` that is removed at the end, whatever happens."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise WsssError(f"cannot write into {target.parent}: {error.strerror}. Check space and permissions.") from error
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
