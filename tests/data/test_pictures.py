"""Pictures of any suffix are found, and none is passed over in silence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.data.pictures import FOREIGN, SUFFIXES, PictureFolder
from wsss.data.voc import VocDataset
from wsss.errors import WsssError

FIRST = "2012_000008"


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".JPG", ".JPEG", ".PNG", ".Webp"])
def test_pictures_of_every_suffix_are_read(tiny_voc: Path, suffix: str) -> None:
    before = VocDataset(tiny_voc, "val")[0].image
    photograph = tiny_voc / "JPEGImages" / f"{FIRST}.jpg"
    picture = Image.open(photograph).copy()
    photograph.unlink()
    picture.save(photograph.with_suffix(suffix), quality=95)
    data = VocDataset(tiny_voc, "val")
    assert float(np.abs(data[0].image.astype(int) - before).mean()) < 4
    assert len(data.fingerprint()) == 64


@pytest.mark.parametrize("suffix", [*FOREIGN, ".HEIC"])
def test_pictures_that_cannot_be_read_are_refused_by_name(tiny_voc: Path, suffix: str) -> None:
    photograph = tiny_voc / "JPEGImages" / f"{FIRST}.jpg"
    photograph.rename(photograph.with_suffix(suffix))
    with pytest.raises(WsssError, match=rf"{FIRST}\{suffix} is a picture of a kind.*mogrify -format jpg"):
        VocDataset(tiny_voc, "val")[0]


@pytest.mark.parametrize("suffix", [".png", ".jpeg", ".heic"])
def test_two_pictures_of_one_id_are_refused(tiny_voc: Path, suffix: str) -> None:
    (tiny_voc / "JPEGImages" / f"{FIRST}{suffix}").write_bytes(b"another")
    with pytest.raises(WsssError, match=rf"2 pictures of {FIRST}: .*{FIRST}\.jpg.*Keep the one"):
        VocDataset(tiny_voc, "val")[0]
    assert VocDataset(tiny_voc, "val")[1].image.shape == (40, 48, 3)


def test_files_beside_the_pictures_do_not_matter(tiny_voc: Path) -> None:
    for name in (f"{FIRST}.json", f"{FIRST}.xml", f".{FIRST}.png", "Thumbs.db"):
        (tiny_voc / "JPEGImages" / name).write_bytes(b"no picture")
    assert PictureFolder(tiny_voc / "JPEGImages").path(FIRST).name == f"{FIRST}.jpg"
