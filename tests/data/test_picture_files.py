"""Pictures of any suffix are found, and none is passed over in silence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.data.picture_files import FOREIGN, SUFFIXES, PictureFolder
from wsss.data.voc import VocDataset
from wsss.depth.sources import open_depth
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


def test_a_turned_photograph_is_turned_where_neither_mask_nor_depth_goes_with_it(
    tiny_voc: Path, tmp_path: Path
) -> None:
    name = VocDataset(tiny_voc, "train").ids[0]
    file, mask = tiny_voc / "JPEGImages" / f"{name}.jpg", next(tiny_voc.glob(f"SegmentationClass*/{name}.png"))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.array(Image.open(file))
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(file, "PNG", exif=exif)
    with pytest.raises(WsssError, match=r"stored turned or mirrored .*its mask or depth may not be"):
        VocDataset(tiny_voc, "train")[0]
    mask.unlink()
    (tiny_voc / "Annotations").mkdir(exist_ok=True)
    (tiny_voc / "Annotations" / f"{name}.xml").write_text("<a><object><name>cat</name></object></a>")
    data = VocDataset(tiny_voc, "train", ["dog", "cat"])
    np.testing.assert_array_equal(data[0].image, upright)
    assert data[0].mask.shape == upright.shape[:2]
    assert open_depth("constant", data)(0).shape == upright.shape[:2]
    depths = tmp_path / "depths"
    depths.mkdir()
    np.save(depths / f"{name}.npy", np.random.default_rng(0).random(upright.shape[:2]))
    with pytest.raises(WsssError, match=rf"photograph of {name} is stored turned .*its depth .*{name}\.npy may not be"):
        open_depth(f"files:{depths}", data, "metric")(0)
